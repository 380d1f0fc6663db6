//! The library takes memory through `src/util/memory.rs` and `src/util/sync/arc.rs`, which return an error when memory
//! is refused. Calls that would end the process are nowhere else in the library, with the exceptions listed here.
//! (`c-tests/suites/no_memory.c` refuses every allocation.)

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "support/sources.rs"]
mod sources;

use sources::sources;
use std::fs;
use std::path::Path;

/// Calls that end the process when memory is refused.
const FORBIDDEN: [&str; 27] = [
    "std::sync::Arc",
    "std::sync::{Arc",
    "std::rc",
    "Box::new(",
    "Box::default(",
    "Arc::from(",
    "format!(",
    "vec![",
    "with_capacity(",
    ".collect(",
    ".collect::<",
    ".to_owned()",
    ".to_string()",
    ".to_vec()",
    ".to_path_buf()",
    ".into_owned()",
    ".into_boxed",
    ".concat()",
    "String::from(",
    "CString::new(",
    "PathBuf::from(\"",
    ".path().join(",
    "read_to_string(",
    "fs::read(",
    "read_dir(",
    "canonicalize(",
    "std::thread",
];

/// File, what it may use, and why.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("codec/chain.rs", ".collect(", "into an array of fixed size"),
    ("format/codecs.rs", ".collect(", "into an array of fixed size"),
    ("ffi/token.rs", ".into_boxed", "of a list that has no more room than it needs"),
    ("writer/poison.rs", "std::thread", "asks whether this thread panics"),
    ("storage/fork.rs", "std::thread", "gives the processor to another thread"),
];

/// The lines of `source` that are compiled into the library, and their numbers.
fn compiled(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = source.find("\n#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let lines = source[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn memory_that_may_be_refused_is_asked_for_in_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut used) = (Vec::new(), [false; EXCEPTIONS.len()]);
    let mut files = sources(&root);
    // The simulated disk is for tests.
    files.retain(|path| !path.starts_with(root.join("storage/simulated")));
    assert!(files.len() > 80, "{} files", files.len());
    for path in files {
        let (file, source) = (path.strip_prefix(&root).unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        for (number, line) in compiled(&source) {
            for forbidden in FORBIDDEN.iter().filter(|forbidden| line.contains(*forbidden)) {
                let exception = EXCEPTIONS.iter().position(|(where_, what, _)| (*where_, *what) == (file, *forbidden));
                match exception {
                    Some(index) => used[index] = true,
                    None => found.push(format!("src/{file}:{number}: {forbidden} in {}", line.trim())),
                }
            }
        }
    }
    assert!(found.is_empty(), "take memory that may be refused, see src/util/memory.rs:\n{}", found.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
}

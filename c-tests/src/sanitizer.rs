//! `AddressSanitizer` and `ThreadSanitizer`: how the static archive and the C programs are made for them.
//!
//! Everything is instrumented, Rust's standard library included: its locks and reference counts are what
//! `ThreadSanitizer` must see to know what is ordered. Its source is a component of rustup with a lock file of its own;
//! the options that build it are unstable, and `RUSTC_BOOTSTRAP` has a stable compiler take them. There is one runtime,
//! the one that comes with rustc: the C compiler only instruments, because at linking it would add a runtime of its
//! own, of another version.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{CHECKER_FOUND_ERRORS, cargo, succeeded, target_triple, text_of};

/// What the system asks of a program that has the archive in it; the README says the same.
const SYSTEM_LIBRARIES: [&str; 5] = ["-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitizer {
    /// Addresses and leaks; in the C code undefined behaviour too.
    Address,
    /// Races between threads.
    Thread,
}

impl Sanitizer {
    /// As compilers call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sanitizer::Address => "address",
            Sanitizer::Thread => "thread",
        }
    }

    /// The flags that make the C compiler instrument. `check/assert.h` knows the macro.
    pub(crate) fn c_flags(self) -> &'static [&'static str] {
        match self {
            // The check of virtual tables needs a part of the runtime that the one of rustc does not have.
            Sanitizer::Address => &[
                "-fsanitize=address,undefined",
                "-fno-sanitize=vptr",
                "-fno-sanitize-recover=undefined",
                "-fno-omit-frame-pointer",
            ],
            Sanitizer::Thread => &["-fsanitize=thread", "-fno-omit-frame-pointer", "-DCHECK_UNDER_THREAD_SANITIZER"],
        }
    }

    /// The environment of a program: it ends at the first report, with a status that stands for a report.
    pub(crate) fn environment(self) -> (&'static str, String) {
        // An allocation may fail, as without a sanitizer. Without llvm-symbolizer, addr2line puts names into reports.
        let common = "halt_on_error=1:allocator_may_return_null=1:allow_addr2line=1";
        let common = format!("exitcode={CHECKER_FOUND_ERRORS}:{common}");
        match self {
            Sanitizer::Address => ("ASAN_OPTIONS", format!("{common}:strict_string_checks=1")),
            // Reading a file orders nothing (by default it is taken to order everything written to any file before),
            // and the children that suites fork from processes with threads may start threads.
            Sanitizer::Thread => ("TSAN_OPTIONS", format!("{common}:io_sync=0:die_after_fork=0")),
        }
    }

    /// Builds the static archive below `target_dir`, with the checks of a debug build. Returns the arguments that
    /// link a program with it.
    pub(crate) fn build_archive(self, project: &Path, target_dir: &Path) -> Result<Vec<OsString>, String> {
        let triple = target_triple();
        let built = cargo()
            .current_dir(project)
            .args(["rustc", "--locked", "--lib", "-p", "immuta", "--crate-type", "staticlib", "--profile", "sanitizer"])
            .args(["-Z", "build-std=std", "--target", &triple, "--target-dir"])
            .arg(target_dir)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", format!("-Zsanitizer={} -Cforce-frame-pointers=yes", self.name()))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            // For the C code of zstd. A variable that names a target is not for build scripts. With its own -O3, this
            // code would take most of the time of the build.
            .env(format!("CFLAGS_{triple}"), format!("-fsanitize={} -fno-omit-frame-pointer -O0", self.name()))
            .output();
        succeeded(&format!("cargo rustc -p immuta -Zsanitizer={}", self.name()), built)?;

        // The linker that comes with rustc: the system's linker takes a second or more for each program.
        let libraries = library_dir(&triple)?;
        let linker_dir = libraries.with_file_name("bin").join("gcc-ld");
        let mut link: Vec<OsString> = vec!["-fuse-ld=lld".into(), "-B".into(), linker_dir.into()];
        link.push(target_dir.join(&triple).join("sanitizer/libimmuta.a").into());
        // The whole archive: the runtime does more than what the instrumented code calls.
        link.extend(["-Wl,--whole-archive".into(), self.runtime(&libraries)?.into(), "-Wl,--no-whole-archive".into()]);
        link.extend(SYSTEM_LIBRARIES.map(OsString::from));
        Ok(link)
    }

    /// rustc's copy of the runtime; its name carries the release channel.
    fn runtime(self, libraries: &Path) -> Result<PathBuf, String> {
        let suffix = match self {
            Sanitizer::Address => "_rt.asan.a",
            Sanitizer::Thread => "_rt.tsan.a",
        };
        let entries = std::fs::read_dir(libraries).map_err(|e| format!("{}: {e}", libraries.display()))?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let runtime = files.find(|path| path.to_str().is_some_and(|path| path.ends_with(suffix)));
        runtime.ok_or_else(|| format!("this rustc comes without librustc{suffix} in {}", libraries.display()))
    }
}

/// Where rustc keeps its libraries for a target; the runtimes of the sanitizers are among them.
fn library_dir(triple: &str) -> Result<PathBuf, String> {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", triple]).output();
    let dir = text_of(&succeeded("rustc --print target-libdir", asked)?);
    Ok(PathBuf::from(dir.trim()))
}

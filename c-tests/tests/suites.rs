//! Runs the C suites of `suites/` against the shared library, or for a sanitizer against the static archive, and
//! demands that together they call every function of the header.
//!
//! `cargo test -p immuta-c-tests --test suites -- [NAME...] [--valgrind | --sanitizer=address|thread | --without-zstd |
//! --target=TRIPLE] [--syscall]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use immuta_c_tests::{Outcome, RunMode, Sanitizer, Target, Toolbox, coverage, project_dir, valgrind_usable};

const USAGE: &str =
    "[NAME...] [--valgrind | --sanitizer=address|thread | --without-zstd | --target=TRIPLE] [--syscall]";

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the arguments ask for; the number of failures.
fn run() -> Result<usize, String> {
    let (mode, names) = arguments()?;
    if mode.valgrind {
        valgrind_usable()?;
    }
    let toolbox = Toolbox::prepare(mode)?;
    let suites = toolbox.suites()?;
    let selected = select(&suites, &names, mode)?;

    let mut outcomes = Vec::new();
    for source in selected {
        let outcome = toolbox.run_suite(&source, mode);
        println!("{outcome}");
        outcomes.push(outcome);
    }
    if names.is_empty() {
        let refusing = project_dir().join("c-tests/suites/no_memory_calls.h");
        let forking = project_dir().join("c-tests/suites/fork.c");
        let called = every_function_called(&toolbox, "every function of immuta.h is called", &suites, &[])?;
        let refused =
            every_function_called(&toolbox, "every function of immuta.h is refused memory", &[refusing], &[])?;
        let name = "every function that takes an object of the parent's is refused in a child";
        let forked = every_function_called(&toolbox, name, &[forking], &WITHOUT_OBJECT)?;
        for outcome in [golden_files(&toolbox), called, refused, forked] {
            println!("{outcome}");
            outcomes.push(outcome);
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    Ok(failed)
}

fn arguments() -> Result<(RunMode, Vec<String>), String> {
    let mut mode = RunMode::default();
    let mut names = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--valgrind" => mode.valgrind = true,
            "--syscall" => mode.syscall_engine = true,
            "--without-zstd" => mode.without_zstd = true,
            "--sanitizer=address" => mode.sanitizer = Some(Sanitizer::Address),
            "--sanitizer=thread" => mode.sanitizer = Some(Sanitizer::Thread),
            flag if flag.starts_with("--target=") => {
                let triple = &flag["--target=".len()..];
                mode.target = Some(Target::named(triple).ok_or_else(|| format!("no such target: {triple}"))?);
            }
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}: {USAGE}")),
            name => names.push(name.to_owned()),
        }
    }
    let kinds = [mode.sanitizer.is_some(), mode.valgrind, mode.without_zstd, mode.target.is_some()];
    if kinds.into_iter().filter(|is_kind| *is_kind).count() > 1 {
        return Err(format!("one of them only: {USAGE}"));
    }
    Ok((mode, names))
}

/// The suites named, or all; a name that is none is an error, since a test that silently did not run would pass.
///
/// The suite of the C++ interface takes long to compile. All of that interface is in headers, which the sanitizers see,
/// so another engine and valgrind would show nothing more.
fn select(suites: &[PathBuf], names: &[String], mode: RunMode) -> Result<Vec<PathBuf>, String> {
    if names.is_empty() {
        let without_cxx = mode.valgrind || mode.syscall_engine;
        let kept = suites.iter().filter(|path| !(without_cxx && path.ends_with("suites/cxx.cpp")));
        return Ok(kept.cloned().collect());
    }
    let source_of = |name: &String| {
        let found = suites.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name.as_str()));
        found.cloned().ok_or_else(|| format!("no suite is named {name}"))
    };
    names.iter().map(source_of).collect()
}

fn golden_files(toolbox: &Toolbox) -> Outcome {
    let begun = Instant::now();
    let result = toolbox.golden_files_intact();
    Outcome { name: "golden files are intact".to_owned(), result, elapsed: begun.elapsed() }
}

/// Functions that take no object which a child could have from its parent. (A sink is lent for one call;
/// `codec_custom.c` forks in it.)
const WITHOUT_OBJECT: [&str; 8] = [
    "immuta_version",
    "immuta_version_number",
    "immuta_status_name",
    "immuta_status_text",
    "immuta_codec_builtin",
    "immuta_codec_custom",
    "immuta_codec_external",
    "immuta_sink_write",
];

/// Whether `suites` call each function of the header but those of `except`.
fn every_function_called(
    toolbox: &Toolbox,
    name: &str,
    suites: &[PathBuf],
    except: &[&str],
) -> Result<Outcome, String> {
    let begun = Instant::now();
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let header = read(&toolbox.header())?;
    let sources = suites.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut uncalled = coverage::uncalled(&header, &sources);
    uncalled.retain(|function| !except.contains(&function.as_str()));
    let result = if uncalled.is_empty() {
        Ok(format!("{} functions", coverage::functions(&header).len() - except.len()))
    } else {
        Err(format!("  no suite calls: {}", uncalled.join(", ")))
    };
    Ok(Outcome { name: name.to_owned(), result, elapsed: begun.elapsed() })
}

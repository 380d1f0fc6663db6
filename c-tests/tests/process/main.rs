//! The process tests: whole programs of `process/`, killed, crowded, traced and unplugged.
//!
//! `cargo test -p immuta-c-tests --test process -- [NAME...] [--minutes N]`

mod crowd;
mod image;
mod inject;
mod kill;
mod payload;
mod power;
mod quiet;
mod support;

use immuta_c_tests::{RunMode, Toolbox};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a test that did not fail has to say.
enum Verdict {
    /// It ran; its figures, a line each.
    Passed(Vec<String>),
    /// It cannot run here: why, and how it could.
    Skipped(String),
}

type Run = fn(&Toolbox, Length) -> Result<Verdict, String>;

/// How thorough to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Usual,
    /// What has no end by itself goes on for so long.
    Long(Duration),
}

const TESTS: [(&str, Run); 5] =
    [("kill", kill::run), ("crowd", crowd::run), ("quiet", quiet::run), ("inject", inject::run), ("loop", power::run)];

fn main() -> ExitCode {
    match run_selected() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what the arguments name, or everything; the number of failures.
fn run_selected() -> Result<usize, String> {
    let mut length = Length::Usual;
    let mut names = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--minutes" => {
                let minutes: Option<u64> = arguments.next().and_then(|minutes| minutes.parse().ok());
                length = Length::Long(Duration::from_secs(60 * minutes.ok_or("--minutes wants a number")?));
            }
            name if TESTS.iter().any(|(known, _)| *known == name) => names.push(argument),
            _ => {
                return Err(format!(
                    "unknown argument {argument}: [kill] [crowd] [quiet] [inject] [loop] [--minutes N]"
                ));
            }
        }
    }

    let toolbox = Toolbox::prepare(RunMode::default())?;
    let (mut passed, mut failed) = (0, 0);
    for (name, run) in TESTS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let begun = Instant::now();
        let result = run(&toolbox, length);
        let seconds = begun.elapsed().as_secs_f64();
        match result {
            Ok(Verdict::Passed(figures)) => {
                println!("{name} ... ok ({seconds:.1} s)");
                for line in &figures {
                    println!("  {line}");
                }
                passed += 1;
            }
            Ok(Verdict::Skipped(why)) => println!("SKIPPED: {name}: {why}"),
            Err(why) => {
                println!("{name} ... FAILED ({seconds:.1} s)\n  {}", why.trim_end());
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

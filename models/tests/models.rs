//! Runs every model over the unchanged library, and over each mutant the models that must notice it.
//!
//! `cargo test --release -p immuta-models [-- MODEL-OR-MUTANT...]`. Each run is a process of its own: when
//! loom finds an order that fails, it panics, and its state is of no more use.

use immuta_models::{MUTANTS, Model, real};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Asks for one run; the copy and the model follow.
const CHILD: &str = "--run";
/// The library as it is.
const REAL: &str = "real";
/// A bound on threads that loom would otherwise explore for ever.
const DURATION_MAX: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, copy, model] = &arguments[..]
        && flag == CHILD
    {
        explore(find(copy, model));
        return ExitCode::SUCCESS;
    }
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|wanted| wanted == name);
    let mut failed = 0;
    for model in real::models::ALL.iter().filter(|model| is_wanted(model.name)) {
        failed += u32::from(!passes(model));
    }
    for mutant in MUTANTS.iter().filter(|mutant| is_wanted(mutant.name)) {
        failed += u32::from(!is_caught(mutant.name, mutant.caught_by));
    }
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn find(copy: &str, model: &str) -> &'static Model {
    let models = match MUTANTS.iter().find(|mutant| mutant.name == copy) {
        Some(mutant) => mutant.models,
        None => real::models::ALL,
    };
    models.iter().find(|known| known.name == model).unwrap_or_else(|| panic!("no model is called {model}"))
}

/// Runs the model in every order within its bound; a failing one is a panic.
fn explore(model: &'static Model) {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(model.preemptions_max);
    builder.max_duration = Some(DURATION_MAX);
    let begun = Instant::now();
    builder.check(|| {
        ORDERS.fetch_add(1, Ordering::Relaxed);
        (model.run)();
    });
    assert!(begun.elapsed() < DURATION_MAX, "not all orders were tried in {DURATION_MAX:?}");
    println!("{} orders", ORDERS.load(Ordering::Relaxed));
}

/// What a run in a process of its own printed; `Err` when it failed.
fn run(copy: &str, model: &str) -> Result<String, String> {
    let this = std::env::current_exe().expect("a program knows its path");
    let output = Command::new(this).args([CHILD, copy, model]).output().expect("this program can be started");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn passes(model: &Model) -> bool {
    let begun = Instant::now();
    let result = run(REAL, model.name);
    let seconds = begun.elapsed().as_secs_f64();
    match &result {
        Ok(orders) => {
            println!("{} ... ok ({orders}, at most {} preemptions, {seconds:.1} s)", model.name, model.preemptions_max);
        }
        Err(why) => println!("{} ... FAILED ({seconds:.1} s)\n{why}", model.name),
    }
    result.is_ok()
}

/// Whether one of the models fails, and in the way that models do.
fn is_caught(mutant: &str, models: &[&str]) -> bool {
    for model in models {
        if let Err(why) = run(mutant, model) {
            let reason = why.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
            println!("{mutant} ... caught by {model}: {}", reason.unwrap_or(&why));
            return true;
        }
    }
    println!("{mutant} ... NOT CAUGHT by {}", models.join(", "));
    false
}

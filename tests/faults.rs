//! Faults at calls, on the simulated engine: whatever fails, acknowledged records stay, errors name the failure, and
//! the log opens again.
//!
//! Each scenario is run with one fault of every kind at its first call, at its second and so on, until a run meets
//! none; and with pairs of faults chosen at random. After each run the process closes the log, is killed, or loses
//! power.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "faults/application.rs"]
mod application;
#[path = "support/budget.rs"]
mod budget;
#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/fixed.rs"]
mod fixed;
#[path = "faults/maintenance.rs"]
mod maintenance;
#[allow(dead_code, reason = "indices are all that is chosen here")]
#[path = "support/random.rs"]
mod random;
#[path = "support/records.rs"]
mod records;
#[path = "faults/scenarios.rs"]
mod scenarios;

use application::Application;
use budget::Budget;
use fault::{AFTERS, After, Strike, all_faults};
use immuta::storage::simulated::{Fault, Simulated};
use random::Random;
use scenarios::{SCENARIOS, Scenario};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

const PAIRS: u64 = 3000;
/// A pair of faults comes within this many calls; the longest scenarios make more, most fewer.
const PAIR_WITHIN_CALLS: usize = 100;

/// Names the run in which a check failed.
struct Context<C: Debug>(C);

impl<C: Debug> Drop for Context<C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {:?}", self.0);
        }
    }
}

/// A scenario and what was there before it.
struct Stage {
    scenario: &'static Scenario,
    disk: Simulated,
    application: Application,
}

impl Stage {
    fn new(scenario: &'static Scenario) -> Stage {
        let (disk, mut application) = (Simulated::new(), Application::default().opened_by(scenario.open));
        (scenario.left)(&mut application, &disk);
        application.log = None;
        Stage { scenario, disk, application }
    }

    /// One run; answers how many calls it made and whether any of them met a fault.
    fn run(&self, strikes: &[Strike], after: After, seed: u64) -> (u64, bool) {
        let _context = Context((self.scenario.name, strikes, after, seed));
        let (disk, mut application) = (self.disk.copy(), self.application.clone());
        if self.scenario.is_open {
            application.open_log(&disk);
            assert!(application.log.is_some());
        }
        let calls_before = disk.calls();
        for strike in strikes {
            strike.arm(&disk);
        }
        application.strikes = strikes.to_vec();
        application.ends_with_failure = after == After::Close || strikes.iter().all(|strike| !strike.sticky);
        (self.scenario.act)(&mut application, &disk);
        let calls = disk.calls() - calls_before;
        application.end(&disk, after, seed);
        let is_met = disk.faults_met() > 0;
        application.heal(&disk, after);
        (calls, is_met)
    }

    /// Every fault at every call until a run meets none; returns the calls of a run without a fault, and the number of
    /// runs.
    fn run_all(&self) -> (u64, u64) {
        let mut runs = 0;
        let calls = AFTERS.iter().map(|after| self.run(&[], *after, 0).0).max().unwrap();
        for (fault, sticky) in all_faults() {
            let is_usual = !cfg!(debug_assertions) && matches!(fault, Fault::Refuse(libc::EIO | libc::ENOSPC));
            for (call, turn) in (0..).zip(AFTERS.iter().cycle()) {
                let strike = Strike { call, fault, sticky };
                // Only usual faults are tried with every ending at each call. The others take the endings in turn.
                let afters = if is_usual { &AFTERS[..] } else { std::slice::from_ref(turn) };
                let met = afters.iter().filter(|after| self.run(&[strike], **after, call).1).count();
                runs += afters.len() as u64;
                if met == 0 {
                    break;
                }
            }
        }
        (calls, runs)
    }
}

#[test]
fn every_fault_at_every_call_of_every_scenario() {
    let (next, runs_in_all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(scenario) = SCENARIOS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (calls, runs) = Stage::new(scenario).run_all();
            println!("{}: {calls} calls, {runs} runs", scenario.name);
            runs_in_all.fetch_add(usize::try_from(runs).unwrap(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    println!("{} scenarios, {} runs", SCENARIOS.len(), runs_in_all.into_inner());
}

#[test]
fn pairs_of_faults_at_random() {
    let stages: Vec<Stage> = SCENARIOS.iter().map(Stage::new).collect();
    let (faults, mut budget) = (all_faults(), Budget::new(PAIRS));
    let (mut runs, mut seed) = (0_u64, 0);
    while budget.goes_on() {
        let mut random = Random::new(seed);
        let mut choose = |limit: usize| usize::try_from(random.below(limit as u64)).unwrap();
        let stage = &stages[choose(stages.len())];
        let strikes = [(); 2].map(|()| {
            let (fault, sticky) = faults[choose(faults.len())];
            Strike { call: choose(PAIR_WITHIN_CALLS) as u64, fault, sticky }
        });
        let after = AFTERS[choose(AFTERS.len())];
        stage.run(&strikes, after, seed);
        (runs, seed) = (runs + 1, seed + 1);
    }
    println!("{runs} pairs of faults");
}

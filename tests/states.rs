//! Crash states: whatever a power cut, a failed sync or a careless copy leaves of a log, the records found are right
//! and complete.
//!
//! A life is a run of random commits by one process or several on the simulated engine, and of the faults that strike
//! them. Many states are made of what a life leaves, each with another part of the unsynced writes, sizes and names.
//! Each state is opened, now and then with its recovery cut as well. It is judged by what the application knows, by the
//! report, and by a walk over the record file that is not the library's.
//!
//! `IMMUTA_STATES` says how many states (default 12 000, a tenth of it with debug assertions), `IMMUTA_MINUTES` how
//! long instead, `IMMUTA_STATES_SEED` from which life on. A failure says how to see it again.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "states/application.rs"]
mod application;
#[path = "support/budget.rs"]
mod budget;
#[path = "states/copies.rs"]
mod copies;
#[path = "states/figures.rs"]
mod figures;
#[path = "states/judge.rs"]
mod judge;
#[path = "support/random.rs"]
mod random;
#[path = "support/records.rs"]
mod records;
#[path = "states/threads.rs"]
mod threads;

use application::{Known, Modes, Trouble};
use budget::Budget;
use figures::Figures;
use immuta::storage::simulated::Simulated;
use random::Random;
use std::sync::Mutex;

/// States made of what one life left.
const STATES_PER_LIFE: u64 = 50;
const DEFAULT_STATES: u64 = if cfg!(debug_assertions) { 1_200 } else { 12_000 };

/// What happens to the logs of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A power cut after trouble in up to four processes.
    PowerCut(Modes, Trouble),
    /// A power cut after trouble in a process of many threads.
    ManyThreads(Trouble),
    /// Files copied one by one from a live log, some of them earlier.
    Copied(Modes),
    /// Files of two namespaces changed places.
    Swapped(Modes),
}

/// Taken in turns.
const KINDS: [Kind; 18] = [
    Kind::PowerCut(Modes::Durable, Trouble::Kill),
    Kind::PowerCut(Modes::Fast, Trouble::Kill),
    Kind::PowerCut(Modes::Changing, Trouble::Kill),
    Kind::PowerCut(Modes::Durable, Trouble::Refusal),
    Kind::PowerCut(Modes::Fast, Trouble::Refusal),
    Kind::Copied(Modes::Durable),
    Kind::PowerCut(Modes::Fast, Trouble::Kill),
    Kind::PowerCut(Modes::Changing, Trouble::Kill),
    Kind::PowerCut(Modes::Durable, Trouble::Kill),
    Kind::PowerCut(Modes::Changing, Trouble::Refusal),
    Kind::Copied(Modes::Fast),
    Kind::PowerCut(Modes::Durable, Trouble::LostWriteback),
    Kind::PowerCut(Modes::Fast, Trouble::LostWriteback),
    Kind::PowerCut(Modes::Changing, Trouble::LostWriteback),
    Kind::Swapped(Modes::Changing),
    Kind::ManyThreads(Trouble::Kill),
    Kind::ManyThreads(Trouble::Refusal),
    Kind::ManyThreads(Trouble::LostWriteback),
];

/// Says how to see a failure again.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to see it again: IMMUTA_STATES_SEED={} IMMUTA_STATES=1", self.0);
        }
    }
}

fn live_and_judge(seed: u64, figures: &mut Figures) {
    let _replay = Replay(seed);
    let kind = KINDS[usize::try_from(seed).unwrap() % KINDS.len()];
    let mut random = Random::new(seed);
    let counted = figures.of(format!("{kind:?}"));
    match kind {
        Kind::PowerCut(modes, trouble) => {
            let disk = Simulated::in_new_directory();
            let mut known = Known::new("a");
            for _ in 0..=random.below(4) {
                disk.kill();
                known.live(&disk, &mut random, modes, trouble);
                disk.clear_faults();
            }
            for _ in 0..STATES_PER_LIFE {
                judge::cut_power(&disk.copy(), &known, &mut random, counted);
            }
        }
        Kind::ManyThreads(trouble) => {
            let disk = Simulated::in_new_directory();
            let acknowledged = threads::live(&disk, &mut random, trouble);
            disk.clear_faults();
            for _ in 0..STATES_PER_LIFE {
                judge::cut_power_of_many(&disk.copy(), &acknowledged, &mut random, counted);
            }
        }
        Kind::Copied(modes) => {
            let copied = copies::Copied::live(&mut random, modes);
            for _ in 0..STATES_PER_LIFE {
                copied.mix(&mut random, counted);
            }
        }
        Kind::Swapped(modes) => {
            let swapped = copies::Swapped::live(&mut random, modes);
            for _ in 0..STATES_PER_LIFE {
                swapped.swap(&mut random, counted);
            }
        }
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_state_is_opened_right_and_whole() {
    let first_seed = from_environment("IMMUTA_STATES_SEED", 20_261_123);
    let lives = from_environment("IMMUTA_STATES", DEFAULT_STATES).div_ceil(STATES_PER_LIFE);
    let seeds = Mutex::new((Budget::new(lives), first_seed));
    let next_seed = || {
        let (budget, seed) = &mut *seeds.lock().unwrap();
        *seed += 1;
        budget.goes_on().then(|| *seed - 1)
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let figures = Mutex::new(Figures::default());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut own = Figures::default();
                while let Some(seed) = next_seed() {
                    live_and_judge(seed, &mut own);
                }
                figures.lock().unwrap().add(&own);
            });
        }
    });
    println!("from life {first_seed} (IMMUTA_STATES_SEED):\n{}", figures.into_inner().unwrap());
}

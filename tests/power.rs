//! Power cuts in durable mode: whatever mixture of sectors reaches the disk, every acknowledged commit is there, and none in part.
//!
//! A life is a run of random commits by one process or several on the simulated engine; each is killed before a random call, or a random
//! call of it is refused. Of what it left many disks are made, each with another part of the unsynced writes, sizes and names; each is
//! opened, now and then with its recovery, in either mode, cut as well.
//! `IMMUTA_POWER_SEED` and `IMMUTA_POWER_STATES` (default 100 000 after kills, a fifth of it with debug assertions, and a part of that of
//! every other kind) change what is run; a failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "power/application.rs"]
mod application;
#[path = "support/random.rs"]
mod random;
#[path = "support/records.rs"]
mod records;
#[path = "power/threads.rs"]
mod threads;

use application::{Known, Trouble, append, open_in_mode, reopen};
use immuta::storage::simulated::Simulated;
use random::Random;
use records::read_all;

/// Disks made of what one life left.
const STATES_PER_LIFE: u64 = 50;

/// Cuts the power, and while the log recovers, in either mode, perhaps again and again; then it must be whole, and take more.
fn lose_power_and_open(disk: &Simulated, known: &Known, seed: u64) {
    let mut random = Random::new(seed);
    disk.power_loss(seed);
    while random.one_in(3) {
        disk.kill_at_call(disk.calls() + random.below(60));
        let recovered = open_in_mode(disk.storage(), random.one_in(2));
        if let Ok(found) = recovered.and_then(|log| read_all(&log)) {
            known.check(&found, seed);
        }
        if random.one_in(2) {
            disk.power_loss(random.next());
        }
        disk.kill();
    }
    let log = reopen(disk, random.one_in(2), seed);
    let mut found = read_all(&log).unwrap();
    known.check(&found, seed);
    let more = vec![b"one more".to_vec()];
    append(&log, &more).unwrap();
    found.extend(more);
    assert_eq!(read_all(&log).unwrap(), found, "seed {seed}: after one more");
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Has `live` make lives, and `check` look at what power cuts leave of each, until `percent` of the states asked for were seen.
fn run<T>(percent: u64, mut live: impl FnMut(&Simulated, &mut Random) -> T, check: impl Fn(&Simulated, &T, u64)) {
    let first_seed = from_environment("IMMUTA_POWER_SEED", 20_261_123);
    // With debug assertions it takes several times as long, and is run in addition.
    let default_states = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let states = from_environment("IMMUTA_POWER_STATES", default_states) * percent / 100;
    for life in 0..states.div_ceil(STATES_PER_LIFE) {
        let life_seed = first_seed.wrapping_add(life * STATES_PER_LIFE);
        let disk = Simulated::new();
        let lived = live(&disk, &mut Random::new(life_seed));
        disk.clear_faults();
        for seed in life_seed..life_seed + STATES_PER_LIFE {
            check(&disk.copy(), &lived, seed);
        }
    }
    println!("{states} states from seed {first_seed} (IMMUTA_POWER_SEED)");
}

/// Up to four processes, one after the other, before the power goes.
fn processes(percent: u64, trouble: Trouble) {
    let (mut acknowledged, mut in_doubt) = (0, 0);
    let live = |disk: &Simulated, random: &mut Random| {
        let mut known = Known::default();
        for _ in 0..=random.below(4) {
            disk.kill();
            known.live(disk, random, trouble);
            disk.clear_faults();
        }
        acknowledged += known.acknowledged.len();
        in_doubt += u64::from(known.is_in_doubt());
        known
    };
    run(percent, live, lose_power_and_open);
    println!("{acknowledged} records acknowledged; {in_doubt} commits whose outcome is unknown");
}

/// A process of many threads, before the power goes.
fn many_threads(percent: u64, trouble: Trouble) {
    run(
        percent,
        |disk, random| threads::live(disk, random, trouble),
        |disk, acknowledged, seed| {
            disk.power_loss(seed);
            let found = read_all(&reopen(disk, false, seed)).unwrap();
            for (number, record) in acknowledged {
                let there = usize::try_from(*number).ok().and_then(|number| found.get(number));
                assert!(there == Some(record), "seed {seed}: record {number} of {} is gone", found.len());
            }
            threads::check_batches(&found, seed);
        },
    );
}

#[test]
fn a_power_cut_after_kills_takes_nothing_acknowledged() {
    processes(100, Trouble::Kill);
}

#[test]
fn a_power_cut_after_a_refused_call_takes_nothing_acknowledged() {
    processes(50, Trouble::Refusal);
}

#[test]
fn a_power_cut_after_a_kill_beside_many_threads_takes_nothing_acknowledged_and_leaves_no_part() {
    many_threads(10, Trouble::Kill);
}

#[test]
fn a_power_cut_after_a_refused_call_beside_many_threads_takes_nothing_acknowledged_and_leaves_no_part() {
    many_threads(10, Trouble::Refusal);
}

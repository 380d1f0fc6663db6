//! Power cuts in durable mode: whatever mixture of sectors reaches the disk, every acknowledged commit is there, and none in part.
//!
//! A life is a run of random commits by one process or several on the simulated engine, each killed before a random call. Of what it left many disks are made, each with
//! another part of the unsynced writes, sizes and names; each is opened, now and then with its recovery cut as well.
//! `IMMUTA_POWER_SEED` and `IMMUTA_POWER_STATES` (default 100 000) change what is run; a failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use immuta::storage::Storage;
use immuta::storage::simulated::Simulated;
use immuta::{Log, Next, Options, Payloads, Result, Timeout};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;

/// Disks made of what one life left.
const STATES_PER_LIFE: u64 = 50;
const JOURNAL_BYTES: u64 = 64 << 10;

/// xorshift64*: small, seeded, good enough to choose operations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// Mostly small, sometimes of pages, now and then more than a half of the journal holds.
    fn payload(&mut self) -> Vec<u8> {
        let size = match self.below(60) {
            0 => 30_000 + self.below(10_000),
            1..15 => self.below(6_000),
            _ => self.below(200),
        };
        let byte = self.next();
        (0..size).map(|at| byte.wrapping_add(at).to_le_bytes()[0]).collect()
    }
}

type Records = Vec<Vec<u8>>;

/// What an application knows of its log.
#[derive(Clone, Debug, Default)]
struct Known {
    acknowledged: Records,
    in_flight: Records,
}

/// Opens as a process started now.
fn open(disk: &Simulated) -> Result<Log> {
    open_on(disk.storage())
}

fn open_on(process: Arc<dyn Storage>) -> Result<Log> {
    let mut options = Options { fast_write: false, journal_size_bytes: JOURNAL_BYTES, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(process, &options)
}

fn read_all(log: &Log) -> Result<Records> {
    let mut stream = log.stream(0, 0)?;
    let mut records = Vec::new();
    while let Next::Ready(record) = stream.next(Timeout::Ns(0))? {
        records.push(record.data().to_vec());
    }
    Ok(records)
}

impl Known {
    /// One commit of one record or several; `false` when the process is gone.
    fn commit(&mut self, log: &Log, random: &mut Random) -> bool {
        let count = if random.below(3) == 0 { 1 + random.below(6) } else { 1 };
        let records: Records = (0..count).map(|_| random.payload()).collect();
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        if log.append(0, Payloads::Each(&slices), None).is_ok() {
            self.acknowledged.extend(records);
            return true;
        }
        self.in_flight = records;
        false
    }

    /// What the next process finds is what there is from now on.
    fn learn(&mut self, found: Records) {
        self.check(&found, 0);
        self.acknowledged = found;
        self.in_flight.clear();
    }

    /// Everything acknowledged, and of the commit in flight all or nothing.
    fn check(&self, found: &Records, seed: u64) {
        let whole = [self.acknowledged.as_slice(), &self.in_flight].concat();
        let counts = (found.len(), self.acknowledged.len(), whole.len());
        assert!(*found == self.acknowledged || *found == whole, "seed {seed}: found, acknowledged, sent: {counts:?}");
    }
}

/// Opens, commits, now and then syncs or closes and opens again, until the process is killed before some call.
fn live(disk: &Simulated, known: &mut Known, random: &mut Random) {
    let process = disk.storage();
    disk.kill_at_call(disk.calls() + 1 + random.below(400));
    let Ok(mut log) = open_on(Arc::clone(&process)) else { return };
    let Ok(found) = read_all(&log) else { return };
    known.learn(found);
    loop {
        let went_on = match random.below(100) {
            0..4 => log.sync(0).is_ok(),
            4..6 => {
                let closed = log.shutdown().is_ok();
                match open_on(Arc::clone(&process)) {
                    Ok(opened) if closed => {
                        log = opened;
                        true
                    }
                    _ => false,
                }
            }
            _ => known.commit(&log, random),
        };
        if !went_on {
            return;
        }
    }
}

/// Cuts the power, and while the log recovers perhaps once more; then it must be whole, and take more.
fn lose_power_and_open(disk: &Simulated, known: &Known, seed: u64) {
    let mut random = Random(seed | 1);
    disk.power_loss(seed);
    if random.below(4) == 0 {
        disk.kill_at_call(disk.calls() + random.below(40));
        if let Ok(found) = open(disk).and_then(|log| read_all(&log)) {
            known.check(&found, seed);
        }
        disk.power_loss(random.next());
    }
    let log = open(disk).unwrap_or_else(|error| panic!("seed {seed}: refused, {:?}: {error}", error.kind));
    let mut found = read_all(&log).unwrap();
    known.check(&found, seed);
    log.append(0, Payloads::One(&[b"one more"]), None).unwrap();
    found.push(b"one more".to_vec());
    assert_eq!(read_all(&log).unwrap(), found, "seed {seed}: after one more");
}

fn seed() -> u64 {
    from_environment("IMMUTA_POWER_SEED", 20_261_123)
}

fn states() -> u64 {
    from_environment("IMMUTA_POWER_STATES", 100_000)
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs lives from `seed` on until `states` disks were opened.
fn run(first_seed: u64, states: u64) {
    let mut commits = 0;
    for life in 0..states.div_ceil(STATES_PER_LIFE) {
        let life_seed = first_seed.wrapping_add(life * STATES_PER_LIFE);
        let disk = Simulated::new();
        let mut random = Random(life_seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut known = Known::default();
        // Killed and started anew up to three times before the power goes.
        for _ in 0..=random.below(4) {
            disk.kill();
            live(&disk, &mut known, &mut random);
        }
        commits += known.acknowledged.len();
        for seed in life_seed..life_seed + STATES_PER_LIFE {
            lose_power_and_open(&disk.copy(), &known, seed);
        }
    }
    println!("{states} states from seed {first_seed} (IMMUTA_POWER_SEED), {commits} records acknowledged");
}

/// Four threads commit batches and a fifth syncs until the process is killed; answers the records that were acknowledged, by number.
fn live_in_threads(disk: &Simulated, random: &mut Random) -> BTreeMap<u64, Vec<u8>> {
    let log = open(disk).unwrap();
    disk.kill_at_call(disk.calls() + 1 + random.below(400));
    let acknowledged = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        let appending: Vec<_> = (0..4_u8)
            .map(|thread| {
                let (seed, log, acknowledged) = (random.next() | 1, &log, &acknowledged);
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for round in 0_u64.. {
                        let count = 1 + random.below(4);
                        // Each record tells its batch, its place in it and how many belong to it.
                        let mut records: Records = (0..count).map(|_| random.payload()).collect();
                        for (place, record) in (0_u64..).zip(&mut records) {
                            let tag = [round, place, count].map(u64::to_le_bytes).concat();
                            record.splice(0..0, [vec![thread], tag].concat());
                        }
                        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
                        let Ok(appended) = log.append(0, Payloads::Each(&slices), None) else { return };
                        acknowledged.lock().unwrap().extend((appended.number..).zip(records));
                    }
                })
            })
            .collect();
        // A log that nobody appends to has nothing to sync, so no sync of it fails.
        while !appending.iter().all(ScopedJoinHandle::is_finished) && log.sync(0).is_ok() {}
    });
    acknowledged.into_inner().unwrap()
}

/// Every batch is there from its first record to its last.
fn check_batches(found: &Records, seed: u64) {
    let mut at = 0;
    while let Some(first) = found.get(at) {
        let tag = |record: &[u8], field: usize| u64::from_le_bytes(record[1 + 8 * field..][..8].try_into().unwrap());
        let count = usize::try_from(tag(first, 2)).unwrap();
        for place in 0..count {
            let whole = found.get(at + place).is_some_and(|record| {
                (record[0], tag(record, 0), tag(record, 1)) == (first[0], tag(first, 0), place as u64)
            });
            assert!(whole, "seed {seed}: record {} of {} is not the batch's", at + place, found.len());
        }
        at += count;
    }
}

#[test]
fn a_power_cut_beside_many_threads_takes_nothing_acknowledged_and_leaves_no_part() {
    let (first_seed, states) = (seed(), states() / 10);
    for life in 0..states.div_ceil(STATES_PER_LIFE) {
        let life_seed = first_seed.wrapping_add(life * STATES_PER_LIFE);
        let disk = Simulated::new();
        let acknowledged = live_in_threads(&disk, &mut Random(life_seed | 1));
        for seed in life_seed..life_seed + STATES_PER_LIFE {
            let disk = disk.copy();
            disk.power_loss(seed);
            let log = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: refused, {:?}: {error}", error.kind));
            let found = read_all(&log).unwrap();
            for (number, record) in &acknowledged {
                let there = usize::try_from(*number).ok().and_then(|number| found.get(number));
                assert!(there == Some(record), "seed {seed}: record {number} of {} is gone", found.len());
            }
            check_batches(&found, seed);
        }
    }
    println!("{states} states from seed {first_seed} (IMMUTA_POWER_SEED; threads are not in the seed's hands)");
}

#[test]
fn a_power_cut_takes_nothing_acknowledged() {
    let (seed, states) =
        (from_environment("IMMUTA_POWER_SEED", 20_261_123), from_environment("IMMUTA_POWER_STATES", 100_000));
    std::thread::scope(|scope| {
        scope.spawn(|| run(seed, states / 2));
        scope.spawn(|| run(seed.wrapping_add(1 << 32), states - states / 2));
    });
}

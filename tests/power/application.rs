//! What happens to a log on a simulated disk: an application that commits, what it knows, and the trouble its process gets into.

use crate::random::Random;
use crate::records::{Records, read_all};
use immuta::storage::Storage;
use immuta::storage::simulated::Simulated;
use immuta::{Log, Options, Payloads, Result};
use std::sync::Arc;

const JOURNAL_BYTES: u64 = 64 << 10;
/// The trouble comes at one of so many calls, and whoever survives it goes on for a few more: what it did to the journal is still there
/// when the power goes.
const CALLS_BEFORE: u64 = 400;
const CALLS_BEHIND: u64 = 60;

/// Mostly small, sometimes of pages, now and then more than a half of the journal holds.
pub fn payload(random: &mut Random) -> Vec<u8> {
    let size = match random.below(60) {
        0 => 30_000 + random.below(10_000),
        1..15 => random.below(6_000),
        _ => random.below(200),
    };
    random.bytes(size)
}

/// What happens to a process before the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is killed before some call.
    Kill,
    /// Some call is refused, perhaps all later ones too.
    Refusal,
}

impl Trouble {
    /// Chooses where it comes; answers at which call the process ends if it can.
    pub fn strike(self, disk: &Simulated, random: &mut Random) -> u64 {
        let call = disk.calls() + 1 + random.below(CALLS_BEFORE);
        match self {
            Trouble::Kill => disk.kill_at_call(call),
            Trouble::Refusal => {
                let os_error = if random.one_in(2) { libc::EIO } else { libc::ENOSPC };
                disk.fail_call(call, os_error, random.one_in(3));
            }
        }
        call + 1 + random.below(CALLS_BEHIND)
    }
}

/// Opens for durable appends, as `process`.
pub fn open(process: Arc<dyn Storage>) -> Result<Log> {
    open_in_mode(process, false)
}

pub fn open_in_mode(process: Arc<dyn Storage>, fast_write: bool) -> Result<Log> {
    let mut options = Options { fast_write, journal_size_bytes: JOURNAL_BYTES, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(process, &options)
}

/// Opens after a power cut, which no log may refuse.
pub fn reopen(disk: &Simulated, fast_write: bool, seed: u64) -> Log {
    let opened = open_in_mode(disk.storage(), fast_write);
    opened.unwrap_or_else(|error| panic!("seed {seed}: refused, {:?}: {error}", error.kind))
}

pub fn append(log: &Log, records: &Records) -> Result<u64> {
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.append(0, Payloads::Each(&slices), None).map(|appended| appended.number)
}

/// What an application knows of its log.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub acknowledged: Records,
    in_flight: Records,
}

impl Known {
    /// Opens, commits, now and then syncs or closes and opens again, until there is trouble, and a little longer.
    pub fn live(&mut self, disk: &Simulated, random: &mut Random, trouble: Trouble) {
        let process = disk.storage();
        let last_call = trouble.strike(disk, random);
        let Ok(mut log) = open(Arc::clone(&process)) else { return };
        let Ok(found) = read_all(&log) else { return };
        self.learn(found);
        while disk.calls() < last_call {
            let went_on = match random.below(100) {
                0..4 => log.sync(0).is_ok(),
                4..6 => {
                    let closed = log.shutdown().is_ok();
                    match open(Arc::clone(&process)) {
                        Ok(opened) if closed => {
                            log = opened;
                            true
                        }
                        _ => false,
                    }
                }
                _ => self.commit(&log, random, trouble),
            };
            if !went_on {
                break;
            }
        }
        if random.one_in(2) {
            // Else it closes the log as well as it can.
            disk.kill();
        }
    }

    /// One commit of one record or several; `false` when there can be no more.
    fn commit(&mut self, log: &Log, random: &mut Random, trouble: Trouble) -> bool {
        let count = if random.one_in(3) { 1 + random.below(6) } else { 1 };
        let records: Records = (0..count).map(|_| payload(random)).collect();
        if append(log, &records).is_ok() {
            self.acknowledged.extend(records);
            return true;
        }
        if log.stats(0).unwrap().poisoned == 1 {
            self.in_flight = records;
            return false;
        }
        // It left no trace, and the same process goes on if it can.
        trouble == Trouble::Refusal
    }

    /// What the next process finds is what there is from now on.
    fn learn(&mut self, found: Records) {
        self.check(&found, 0);
        self.acknowledged = found;
        self.in_flight.clear();
    }

    /// Everything acknowledged, and of the commit in flight all or nothing.
    pub fn check(&self, found: &Records, seed: u64) {
        let whole = [self.acknowledged.as_slice(), &self.in_flight].concat();
        let counts = (found.len(), self.acknowledged.len(), whole.len());
        assert!(*found == self.acknowledged || *found == whole, "seed {seed}: found, acknowledged, sent: {counts:?}");
    }

    /// Whether a commit failed whose outcome is unknown.
    pub fn is_in_doubt(&self) -> bool {
        !self.in_flight.is_empty()
    }
}

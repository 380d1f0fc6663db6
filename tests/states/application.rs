//! What happens to a log on a simulated disk: an application that commits, what it knows, and the trouble its process
//! gets into.

use crate::random::Random;
use crate::records::{Records, read_all};
use immuta::storage::simulated::{Simulated, SyncFailure};
use immuta::storage::{Arc, Storage};
use immuta::{Log, Mode, Options, Result};

const JOURNAL_BYTES: u64 = 64 << 10;
/// The trouble comes at one of this many calls. A process that survives it makes a few more, so that the effect on the
/// files is still there when the power goes.
const CALLS_BEFORE: u64 = 300;
const CALLS_BEHIND: u64 = 60;

/// Mostly small, sometimes of pages, now and then more than a half of the journal holds.
pub fn payload(random: &mut Random) -> Vec<u8> {
    let size = match random.below(120) {
        0 => 30_000 + random.below(10_000),
        1..15 => random.below(6_000),
        15..25 => 0,
        _ => random.below(200),
    };
    random.bytes(size)
}

/// In which mode the processes of a life write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Modes {
    Durable,
    Fast,
    /// Each time another one, perhaps.
    Changing,
}

impl Modes {
    pub fn is_fast(self, random: &mut Random) -> bool {
        match self {
            Modes::Durable => false,
            Modes::Fast => true,
            Modes::Changing => random.one_in(2),
        }
    }
}

/// What happens to a process before the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It is killed before some call.
    Kill,
    /// Some call is refused, perhaps all later ones too.
    Refusal,
    /// The kernel fails to write out what is dirty, and says so later.
    LostWriteback,
}

impl Trouble {
    /// Chooses where the trouble comes. Returns at which call the process may end, and whether the cache keeps what it
    /// was given.
    pub fn strike(self, disk: &Simulated, random: &mut Random) -> (u64, bool) {
        let call = disk.calls() + 1 + random.below(CALLS_BEFORE);
        let end = call + 1 + random.below(CALLS_BEHIND);
        match self {
            Trouble::Kill => {
                disk.kill_at_call(call);
                return (end, true);
            }
            Trouble::Refusal => {
                let os_error = if random.one_in(2) { libc::EIO } else { libc::ENOSPC };
                disk.fail_call(call, os_error, random.one_in(3));
            }
            Trouble::LostWriteback => disk.lose_writeback_at_call(call),
        }
        let how = if random.one_in(2) { SyncFailure::KeepsNew } else { SyncFailure::Reverts };
        disk.set_sync_failure(how);
        let is_dropped = random.one_in(2);
        if is_dropped {
            disk.drop_cache_at_call(call + random.below(CALLS_BEHIND));
        }
        (end, how == SyncFailure::KeepsNew && !is_dropped)
    }
}

pub fn open(process: Arc<dyn Storage>, namespace: &str, fast_write: bool) -> Result<Log> {
    // No flusher: what a seed does must not depend on the clock.
    let mut options = Options {
        mode: if fast_write { Mode::Fast } else { Mode::Durable },
        flush_interval: None,
        journal_size_bytes: JOURNAL_BYTES,
        reader_count: 1,
        ..Options::default()
    };
    options.add_namespace(namespace).unwrap();
    Log::open_on(process, &options)
}

pub fn append(log: &Log, records: &[Vec<u8>]) -> Result<u64> {
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.append_batch(0, &slices).map(|appended| appended.number)
}

/// What an application knows of its log.
#[derive(Clone, Debug)]
pub struct Known {
    /// Every record sent, in order; those of a commit whose outcome is unknown too.
    pub sent: Records,
    /// The record counts at which commits end; a log may end only there.
    bounds: Vec<usize>,
    /// How many of them were acknowledged.
    pub acknowledged: usize,
    /// How many of them no power cut may take.
    pub safe: usize,
    /// Whether the cache has all that was acknowledged: a new process finds it, if the power stays.
    cache_is_whole: bool,
    pub namespace: &'static str,
}

impl Known {
    /// Nothing, since the log does not exist yet.
    pub fn new(namespace: &'static str) -> Known {
        Known { sent: Vec::new(), bounds: vec![0], acknowledged: 0, safe: 0, cache_is_whole: true, namespace }
    }

    /// Opens, commits, now and then syncs or closes and opens again, until there is trouble, and a little longer.
    pub fn live(&mut self, disk: &Simulated, random: &mut Random, modes: Modes, trouble: Trouble) {
        let process = disk.storage();
        let (last_call, cache_keeps) = trouble.strike(disk, random);
        self.cache_is_whole &= cache_keeps;
        let Some(mut log) = self.open_again(&process, modes.is_fast(random)) else { return };
        self.cache_is_whole = cache_keeps;
        while disk.calls() < last_call {
            let went_on = match random.below(100) {
                0..6 => self.sync(&log),
                6..8 => {
                    let closed = self.close(&log);
                    let opened = self.open_again(&process, modes.is_fast(random));
                    opened.is_some_and(|opened| {
                        log = opened;
                        closed
                    })
                }
                _ => self.commit(&log, random, trouble),
            };
            if !went_on {
                break;
            }
        }
        if let Ok(found) = read_all(&log) {
            assert!(self.sent.starts_with(&found), "a reader in the process with the trouble sees wrong bytes");
        }
        if random.one_in(2) {
            // Else it closes the log as well as it can.
            disk.kill();
        } else {
            self.close(&log);
        }
    }

    /// Opens the log; the records found are all that there are from now on. `None` when there was trouble.
    pub fn open_again(&mut self, process: &Arc<dyn Storage>, fast_write: bool) -> Option<Log> {
        let log = open(Arc::clone(process), self.namespace, fast_write).ok()?;
        let found = read_all(&log).ok()?;
        self.learn(found);
        self.count_safe(&log);
        Some(log)
    }

    fn count_safe(&mut self, log: &Log) {
        let stats = log.stats(0).unwrap();
        self.safe = self.safe.max(usize::try_from(stats.durable_count).unwrap().min(self.acknowledged));
    }

    pub fn sync(&mut self, log: &Log) -> bool {
        let synced = log.sync(0).is_ok();
        if synced {
            self.safe = self.acknowledged;
        }
        self.count_safe(log);
        synced
    }

    pub fn close(&mut self, log: &Log) -> bool {
        let closed = log.shutdown().is_ok();
        if closed {
            self.safe = self.acknowledged;
        }
        closed
    }

    /// One commit of one record or several; `false` when there can be no more.
    pub fn commit(&mut self, log: &Log, random: &mut Random, trouble: Trouble) -> bool {
        let count = if random.one_in(3) { 1 + random.below(6) } else { 1 };
        let records: Records = (0..count).map(|_| payload(random)).collect();
        if append(log, &records).is_ok() {
            self.send(records);
            self.acknowledged = self.sent.len();
            self.count_safe(log);
            return true;
        }
        if log.stats(0).unwrap().is_poisoned {
            self.send(records);
            return false;
        }
        // It left no trace, and the same process goes on if it can.
        trouble != Trouble::Kill
    }

    fn send(&mut self, records: Records) {
        self.sent.extend(records);
        self.bounds.push(self.sent.len());
    }

    /// From now on only the safe records must be there.
    pub fn lose_power(&mut self) {
        self.cache_is_whole = false;
    }

    /// The records that the next process finds are the log from now on.
    pub fn learn(&mut self, found: Records) {
        self.check(&found);
        self.bounds.retain(|bound| *bound <= found.len());
        (self.acknowledged, self.safe, self.sent) = (found.len(), found.len(), found);
    }

    /// Everything that must be there, and beyond it whole commits.
    pub fn check(&self, found: &Records) {
        let least = if self.cache_is_whole { self.acknowledged } else { self.safe };
        let counts = (found.len(), least, self.sent.len(), &self.bounds);
        assert!(self.sent.starts_with(found), "wrong bytes; found, needed, sent, commits: {counts:?}");
        assert!(found.len() >= least, "records are lost; found, needed, sent, commits: {counts:?}");
        assert!(self.bounds.contains(&found.len()), "a commit in part; found, needed, sent, commits: {counts:?}");
    }

    /// Whether these are the first records of this log, up to the end of some commit.
    pub fn has_prefix(&self, found: &Records) -> bool {
        self.sent.starts_with(found) && self.bounds.contains(&found.len())
    }
}

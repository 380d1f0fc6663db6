//! Target: any run of operations, with refused calls, kills and power cuts between, against what an application knows.

use crate::judge::{contained, options, read_all};
use arbitrary::{Result, Unstructured};
use immuta::storage::simulated::Simulated;
use immuta::{Log, Mode};

/// Operations of one input.
const OPERATIONS_MAX: usize = 60;
const OS_ERRORS: [i32; 5] = [libc::EIO, libc::ENOSPC, libc::EINTR, libc::EMFILE, libc::ENOMEM];

/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let mut life = Life::default();
    let mut u = Unstructured::new(data);
    for _ in 0..OPERATIONS_MAX {
        if u.is_empty() || life.step(&mut u).is_err() {
            break;
        }
    }
    life.disk.clear_faults();
    life.disk.kill_at_call(u64::MAX);
    life.kill();
    life.open(true);
    assert_eq!(life.unread, 0, "with nothing refused every record is read");
}

/// What an application knows of its log.
#[derive(Default)]
struct Life {
    disk: Simulated,
    log: Option<Log>,
    /// Commits that were acknowledged, and last those whose outcome is unknown.
    commits: Vec<Vec<Vec<u8>>>,
    /// How many of them were acknowledged.
    acknowledged: usize,
    /// How many of them a power cut cannot take.
    safe: usize,
    /// Whether the last writer that opened the log appends in durable mode.
    is_durable: bool,
    /// How many records the last opening found but could not read, because calls were refused or the process was
    /// killed.
    unread: usize,
    numbers: u64,
}

impl Life {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=15)? {
            0..=5 => self.append(u)?,
            6 => self.sync(),
            7 => self.close(),
            8 | 9 => self.open(u.arbitrary()?),
            10 => self.kill(),
            11 => self.cut_power(u.arbitrary()?),
            12 => {
                let (after, os_error) = (u.int_in_range(0..=60)?, *u.choose(&OS_ERRORS)?);
                self.disk.fail_call(self.disk.calls() + after, os_error, u.ratio(1, 4)?);
            }
            13 => self.disk.kill_at_call(self.disk.calls() + u.int_in_range(0..=60)?),
            14 => self.disk.clear_faults(),
            _ => self.read(),
        }
        Ok(())
    }

    fn append(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let mut commit = Vec::new();
        for _ in 0..u.int_in_range(1..=4)? {
            let size: usize = if u.ratio(1, 12)? { u.int_in_range(0..=40_000)? } else { u.int_in_range(0..=60)? };
            self.numbers += 1;
            commit.push(self.numbers.to_le_bytes().into_iter().cycle().take(size).collect::<Vec<u8>>());
        }
        let slices: Vec<&[u8]> = commit.iter().map(Vec::as_slice).collect();
        if contained(log.append_batch(0, &slices)).is_ok() {
            assert_eq!(self.commits.len(), self.acknowledged, "appends go on after one whose outcome is unknown");
            self.commits.push(commit);
            self.acknowledged += 1;
            if self.is_durable {
                self.safe = self.acknowledged;
            }
        } else if log.stats(0).unwrap().is_poisoned && self.commits.len() == self.acknowledged {
            self.commits.push(commit);
        }
        Ok(())
    }

    fn sync(&mut self) {
        if self.log.as_ref().is_some_and(|log| contained(log.sync(0)).is_ok()) {
            self.safe = self.acknowledged;
        }
    }

    fn close(&mut self) {
        if self.log.take().is_some_and(|log| contained(log.shutdown()).is_ok()) {
            self.safe = self.acknowledged;
        }
    }

    fn kill(&mut self) {
        self.disk.kill();
        self.log = None;
    }

    fn cut_power(&mut self, seed: u64) {
        self.disk.power_loss(seed);
        self.log = None;
        self.acknowledged = self.safe;
    }

    /// Opens for writing; with no call refused it must succeed.
    fn open(&mut self, fast_write: bool) {
        self.close();
        let mut options = options(false);
        options.mode = if fast_write { Mode::Fast } else { Mode::Durable };
        let before = self.disk.calls();
        let mut opened = contained(Log::open_on(self.disk.storage(), &options));
        if opened.is_err() {
            // The refusal or the kill is over now.
            self.disk.clear_faults();
            self.disk.kill_at_call(u64::MAX);
            self.disk.kill();
            opened = contained(Log::open_on(self.disk.storage(), &options));
        }
        let log = opened.unwrap_or_else(|error| panic!("refused, {:?}: {error}, after call {before}", error.kind));
        self.learn(&log);
        self.is_durable = !fast_write;
        self.log = Some(log);
    }

    /// The records found are the log from now on: every acknowledged one, and of the rest whole commits in their order.
    fn learn(&mut self, log: &Log) {
        let Ok(stats) = log.stats(0) else { return };
        let mut count = self.commits[..self.acknowledged].iter().map(|commit| commit.len() as u64).sum::<u64>();
        let mut found = self.acknowledged;
        while count < stats.count && found < self.commits.len() {
            count += self.commits[found].len() as u64;
            found += 1;
        }
        assert_eq!(count, stats.count, "whole commits, and no fewer than were acknowledged");
        self.commits.truncate(found);
        let reading = read_all(log);
        let records: Vec<&Vec<u8>> = self.commits.iter().flatten().collect();
        for (number, data) in &reading.good {
            let expected = usize::try_from(*number).ok().and_then(|number| records.get(number));
            assert_eq!(Some(&data), expected, "record {number} is what was appended");
        }
        self.unread = records.len() - reading.good.len();
        assert!(self.unread == 0 || !reading.bad.is_empty(), "a record is passed over in silence");
        (self.acknowledged, self.safe) = (found, found);
    }

    fn read(&mut self) {
        let Some(log) = &self.log else { return };
        let reading = read_all(log);
        let visible: Vec<&Vec<u8>> = self.commits[..self.acknowledged].iter().flatten().collect();
        for (number, data) in &reading.good {
            let expected = usize::try_from(*number).ok().and_then(|number| visible.get(number));
            assert!(expected.is_none_or(|expected| *expected == data), "record {number} is served wrong");
        }
    }
}

//! What becomes of a damaged log: it is opened read-only, verified and opened for writing, and each time nothing may be
//! wrong without a report.

use crate::heap::most_held;
use crate::images::{Image, options};
use crate::kinds::{Damage, Kind};
use immuta::storage::simulated::Simulated;
use immuta::{Error, ErrorKind, Log, Next, Report, Start, verify_on};
use std::time::Duration;

/// What an operation may hold beyond the size of the files.
const HEAP_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// An opener for writing has every record, and reads it right.
    Harmless,
    /// The damage is reported: by an error, a finding, or the report of what recovery did.
    Told,
}

/// What reading everything gave.
struct Reading {
    good: usize,
    /// The numbers of the records that were refused.
    bad: Vec<u64>,
    report: Report,
}

impl Reading {
    fn is_whole(&self, image: &Image) -> bool {
        self.good == image.records.len() && self.bad.is_empty()
    }

    /// Whether the opener of the log can know that it is not whole.
    fn is_told(&self) -> bool {
        let Report { finding, header_count, count, .. } = self.report;
        !self.bad.is_empty() || finding.is_some() || header_count > count
    }
}

/// One damaged log.
pub struct Case<'a> {
    pub image: &'a Image,
    pub name: &'static str,
    pub damage: Damage,
    pub changed: &'a [u8],
}

impl Case<'_> {
    fn what(&self) -> String {
        let Image { is_closed, fast_write, .. } = self.image;
        format!("{}, {:?}; closed: {is_closed}, fast: {fast_write}", self.name, self.damage)
    }

    fn lay(&self) -> Simulated {
        let disk = Simulated::new();
        for (name, bytes) in &self.image.files {
            disk.write_file(name, if *name == self.name { self.changed } else { bytes });
        }
        disk
    }

    /// The files are what they were, but for the page for waiting.
    fn assert_untouched(&self, disk: &Simulated, doing: &str) {
        for (name, bytes) in self.image.files.iter().filter(|(name, _)| *name != "a.live") {
            let expected = if *name == self.name { self.changed } else { bytes };
            let found = disk.read_file(name);
            assert!(found.as_deref() == Some(expected), "{}: {doing} changed {name}", self.what());
        }
    }

    /// Does `work` within the memory that it may take.
    fn bounded<T>(&self, doing: &str, work: impl FnOnce() -> T) -> T {
        let files: usize = self.image.files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (done, held) = most_held(work);
        assert!(held <= files + HEAP_BYTES, "{}: {doing} held {held} bytes", self.what());
        done
    }

    /// Reads everything and passes over refused records; checks that every served record is one that was written.
    fn read(&self, log: &Log) -> Reading {
        let (mut stream, mut good, mut bad) = (log.stream(0, Start::Beginning).unwrap(), 0, Vec::new());
        loop {
            let position = stream.position();
            match stream.next(Some(Duration::ZERO)) {
                Ok(Next::Ready(record)) => {
                    let written = usize::try_from(position).ok().and_then(|number| self.image.records.get(number));
                    let is_right = written.is_some_and(|written| written == record.data());
                    assert!(is_right, "{}: record {position} is served wrong", self.what());
                    good += 1;
                }
                Ok(_) => return Reading { good, bad, report: log.report(0).unwrap() },
                Err(error) => {
                    assert_eq!(error.number, position, "{}: {error}", self.what());
                    assert!(bad.len() < 2 * self.image.records.len(), "{}: no end of bad records", self.what());
                    bad.push(position);
                    stream.seek(position + 1).unwrap();
                }
            }
        }
    }

    fn open_and_read(&self, disk: &Simulated, read_only: bool) -> Result<Reading, Error> {
        let doing = if read_only { "reading" } else { "opening for writing" };
        let opened = self.bounded(doing, || Log::open_on(disk.storage(), &options(read_only, self.image.fast_write)));
        let reading = opened.map(|log| self.bounded("reading all", || self.read(&log)));
        if let Ok(reading) = &reading {
            let Reading { good, bad, report } = reading;
            let is_right = reading.is_whole(self.image) || reading.is_told();
            assert!(is_right, "{}: {doing}: {good} good, bad {bad:?}, not a word: {report:?}", self.what());
        }
        reading
    }

    fn verified(&self, disk: &Simulated) -> Result<Report, Error> {
        let verify = || verify_on(&disk.storage(), "a", &options(true, self.image.fast_write), &mut |_, _| true);
        self.bounded("verifying", verify)
    }

    /// Runs everything on the damaged log.
    pub fn judge(&self) -> Verdict {
        let disk = self.lay();
        let read = self.open_and_read(&disk, true);
        let verified = self.verified(&disk);
        self.assert_untouched(&disk, "opening read-only or verifying");
        self.assert_agree(&read, &verified);
        match self.open_and_read(&disk, false) {
            Err(error) => {
                assert_ne!(error.kind, ErrorKind::Panic, "{}: {error}", self.what());
                self.assert_untouched(&disk, "a refused open");
                Verdict::Told
            }
            Ok(reading) if reading.is_whole(self.image) => {
                let is_closed_log = disk.read_file("a.log") == Some(self.image.closed_log());
                assert!(is_closed_log, "{}: whole, but closed it is not exactly the records", self.what());
                Verdict::Harmless
            }
            Ok(reading) => {
                self.assert_kept(&disk, &reading);
                Verdict::Told
            }
        }
    }

    /// What a flipped bit took from the end of a log is not thrown away, unless there is nothing but zeros.
    fn assert_kept(&self, disk: &Simulated, reading: &Reading) {
        let count = usize::try_from(reading.report.count).unwrap();
        if count >= self.image.records.len() || self.damage.kind != Kind::Flipped {
            return;
        }
        let log = if self.name == "a.log" { self.changed } else { self.image.file("a.log") };
        let rest = &log[self.image.record_place(count).0..];
        let is_kept = disk.storage().list().unwrap().iter().any(|name| name.starts_with("a.salvage-"));
        let is_told = is_kept && reading.report.salvage.is_some();
        assert!(is_told || rest.iter().all(|byte| *byte == 0), "{}: the rest is gone", self.what());
    }

    /// A verification finds every damage that readers meet, and both say where it is.
    fn assert_agree(&self, read: &Result<Reading, Error>, verified: &Result<Report, Error>) {
        let what = self.what();
        let finding = verified.as_ref().map(|report| report.finding);
        match read {
            Err(error) => assert!(!matches!(finding, Ok(None)), "{what}: refused, but verified: {error}"),
            Ok(reading) if reading.bad.is_empty() => {}
            Ok(reading) => {
                assert!(!matches!(finding, Ok(None)), "{what}: bad records {:?}, but verified", reading.bad);
            }
        }
        let damaged = self.damage.byte().and_then(|byte| self.image.covered_record_at(self.name, byte));
        let Some(number) = damaged.map(|number| number as u64) else { return };
        let bad = read.as_ref().map(|reading| reading.bad.as_slice());
        assert_eq!(bad.ok(), Some([number].as_slice()), "{what}: readers are told of it and of nothing else");
        let first_bad = verified.as_ref().map(|report| (report.bad_records, report.first_bad_number));
        assert_eq!(first_bad.ok(), Some((1, number)), "{what}: so is a verification");
    }
}

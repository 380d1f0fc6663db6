//! An application on the simulated engine: how it opens its log, what it knows about its records, and what it must find
//! again.

use crate::fault::{After, Strike};
use crate::records::{Records, read_all};
use immuta::storage::simulated::Simulated;
use immuta::{Error, ErrorKind, Log, Mode, Options, Outcome, Result};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

/// Where entries begin in the index file, and how long one is.
const ENTRIES_AT: usize = 16_384;
const ENTRY_BYTES: usize = 24;

/// How a log is opened.
pub type Open = fn(&Simulated) -> Result<Log>;

/// One namespace, and no checkpoint but those asked for.
pub fn options() -> Options {
    // A half of the journal holds all but the largest of the payloads.
    let journal_size_bytes = 64 << 10;
    Options { flush_interval: None, journal_size_bytes, ..Options::default() }
}

pub fn open_named(disk: &Simulated, names: &[&str], mut options: Options) -> Result<Log> {
    for name in names {
        options.add_namespace(name).unwrap();
    }
    Log::open_on(disk.storage(), &options)
}

pub fn open(disk: &Simulated) -> Result<Log> {
    open_named(disk, &["a"], options())
}

pub fn open_durable(disk: &Simulated) -> Result<Log> {
    open_named(disk, &["a"], Options { mode: Mode::Durable, ..options() })
}

/// Empty, small, of several pages and large, in turn; two sessions need room beyond the first 64 KiB.
pub fn payload(number: usize) -> Vec<u8> {
    vec![number.to_le_bytes()[0] + 1; [0, 5, 3000, 30_000, 1][number % 5]]
}

pub fn payloads(count: usize) -> Records {
    (0..count).map(payload).collect()
}

pub fn append(log: &Log, records: &[Vec<u8>]) -> Result<u64> {
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let appended = if let [record] = *slices { log.append(0, record) } else { log.append_batch(0, &slices) };
    appended.map(|appended| appended.number)
}

/// The bytes of a record file that was closed cleanly.
pub fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    let sized = records.iter().map(|record| [&record.len().to_le_bytes(), record.as_slice()].concat());
    [records.len().to_le_bytes().to_vec()].into_iter().chain(sized).collect::<Records>().concat()
}

/// What an application knows: what was acknowledged, and the commit whose outcome the library says is unknown.
#[derive(Clone)]
pub struct Application {
    pub acknowledged: Records,
    pub in_flight: Records,
    /// How many of the acknowledged a loss of power must leave, and after how many the commits end.
    pub safe: usize,
    ends: BTreeSet<usize>,
    made: usize,
    pub open: Open,
    pub log: Option<Arc<Log>>,
    /// What may fail, and whether the fault is over once it has struck.
    pub strikes: Vec<Strike>,
    pub ends_with_failure: bool,
}

impl Default for Application {
    fn default() -> Self {
        Application::knowing(&[])
    }
}

impl Application {
    /// One whose records are all acknowledged and on disk.
    pub fn knowing(records: &[Vec<u8>]) -> Application {
        Application {
            acknowledged: records.to_vec(),
            in_flight: Records::new(),
            safe: records.len(),
            ends: BTreeSet::new(),
            made: records.len(),
            open,
            log: None,
            strikes: Vec::new(),
            ends_with_failure: false,
        }
    }

    /// The same, opening its log another way.
    pub fn opened_by(self, open: Open) -> Application {
        Application { open, ..self }
    }

    /// Does `act` with the log opened another way.
    pub fn opening_by(&mut self, open: Open, act: impl FnOnce(&mut Application)) {
        let own = std::mem::replace(&mut self.open, open);
        act(self);
        self.open = own;
        self.log = None;
    }

    /// `error` is one that the faults explain.
    pub fn accept(&self, error: &Error) {
        let is_poisoned = self.log.as_ref().is_some_and(|log| log.stats(0).is_ok_and(|stats| stats.is_poisoned));
        let explained = self.strikes.iter().any(|strike| strike.explains(error, is_poisoned));
        assert!(explained, "{:?}, os error {}, poisoned {is_poisoned}: {error}", error.kind, error.os_error);
    }

    /// Whether `outcome` is a success.
    pub fn succeeds<T>(&self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.accept(&error)).ok()
    }

    /// Opens the log and reads its records. Every acknowledged one is there, and from now on it is safe.
    pub fn open_log(&mut self, disk: &Simulated) {
        self.log = None;
        let opened = (self.open)(disk);
        let Some(log) = self.succeeds(opened) else { return };
        self.log = Some(Arc::new(log));
        self.read();
    }

    /// Reads everything and checks it.
    pub fn read(&mut self) {
        let Some(log) = self.log.clone() else { return };
        if let Some(found) = self.succeeds(read_all(&log)) {
            self.learn(found, self.acknowledged.len());
            self.safe = self.acknowledged.len();
        }
    }

    /// Appends `count` records as one commit.
    pub fn append(&mut self, disk: &Simulated, count: usize) {
        self.commit(disk, count, |log, records| append(log, records));
    }

    /// The same through a transaction.
    pub fn append_in_transaction(&mut self, disk: &Simulated, count: usize) {
        self.commit(disk, count, |log, records| {
            let mut transaction = log.transaction(0)?;
            records.iter().try_for_each(|record| transaction.append(record))?;
            transaction.commit().map(|appended| appended.number)
        });
    }

    /// Appends the next `count` records by `commit`. A commit that failed without an unknown outcome has left no entry,
    /// either, and succeeds as soon as no fault strikes.
    fn commit(&mut self, disk: &Simulated, count: usize, commit: fn(&Arc<Log>, &[Vec<u8>]) -> Result<u64>) {
        let Some(log) = self.log.clone() else { return };
        let records: Records = (self.made..self.made + count).map(payload).collect();
        let mut outcome = commit(&log, &records);
        if let Err(error) = &outcome {
            self.accept(error);
            let is_poisoned = log.stats(0).unwrap().is_poisoned;
            if is_poisoned {
                if error.kind != ErrorKind::Poisoned || self.in_flight.is_empty() {
                    self.made += count;
                    self.in_flight = records;
                }
                return;
            }
            let index = disk.read_file("a.idx").unwrap_or_default();
            let beyond = index.get(ENTRIES_AT + ENTRY_BYTES * self.acknowledged.len()..).unwrap_or_default();
            assert!(beyond.iter().all(|byte| *byte == 0), "an entry of a refused commit is left");
            if !self.ends_with_failure {
                return;
            }
            disk.clear_faults();
            outcome = commit(&log, &records);
        }
        let number = outcome.expect("the same succeeds once nothing is in its way");
        assert_eq!(number, self.acknowledged.len() as u64);
        self.made += count;
        self.acknowledged.extend(records);
        self.ends.insert(self.acknowledged.len());
        if log.stats(0).unwrap().mode == Mode::Durable {
            self.safe = self.acknowledged.len();
        }
    }

    pub fn sync(&mut self) {
        let Some(log) = self.log.clone() else { return };
        if self.succeeds(log.sync(0)).is_some() {
            self.safe = self.acknowledged.len();
        }
    }

    pub fn close(&mut self) {
        let Some(log) = self.log.clone() else { return };
        if self.succeeds(log.shutdown()).is_some() {
            self.safe = self.acknowledged.len();
        }
        self.log = None;
    }

    /// Checks that `found` is every acknowledged record, or after a loss of power at least `safe` of them, and all or
    /// nothing of the commit in flight.
    fn learn(&mut self, found: Records, safe: usize) {
        let mut whole = self.acknowledged.clone();
        whole.append(&mut self.in_flight);
        let (least, most) = (safe, whole.len());
        let is_end = [self.acknowledged.len(), most, safe].contains(&found.len()) || self.ends.contains(&found.len());
        let counts = (found.len(), least, self.acknowledged.len(), most);
        assert!(
            whole.starts_with(&found) && found.len() >= least && is_end,
            "found, safe, acknowledged, sent: {counts:?}"
        );
        self.ends.retain(|end| *end <= found.len());
        self.acknowledged = found;
    }

    /// Goes through `after`, without any more faults.
    pub fn end(&mut self, disk: &Simulated, after: After, seed: u64) {
        disk.clear_faults();
        match after {
            After::Close => {}
            After::Kill => disk.kill(),
            After::PowerLoss => {
                disk.power_loss(seed);
            }
        }
        self.log = None;
        assert_eq!(disk.open_files(), 0, "files that are not in use are open");
        if after != After::PowerLoss {
            self.safe = self.acknowledged.len();
        }
    }

    /// The log opens, has what it must, takes one more record, and closes as exactly its records.
    pub fn heal(mut self, disk: &Simulated, context: impl Debug) {
        let log = (self.open)(disk).unwrap_or_else(|error| panic!("{context:?}: refused, {:?}: {error}", error.kind));
        self.learn(read_all(&log).unwrap(), self.safe);
        append(&log, &[b"more".to_vec()]).unwrap();
        self.acknowledged.push(b"more".to_vec());
        log.shutdown().unwrap();
        let file = disk.read_file("a.log").unwrap();
        assert!(file == file_of(&self.acknowledged), "{context:?}: the file");
        let walked = immuta_walker::walk_closed(&file).map(|walked| walked.count);
        assert_eq!(walked, Ok(self.acknowledged.len() as u64), "{context:?}: the walk");
        let mut names = disk.storage().list().unwrap().into_iter();
        let left_over =
            names.find(|name| name == "a.wal" || name.rsplit_once('.').is_some_and(|(_, last)| last == "tmp"));
        assert_eq!(left_over, None, "{context:?}: it should be gone");
        drop(log);
        let log = (self.open)(disk).unwrap();
        assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{context:?}");
        assert!(read_all(&log).unwrap() == self.acknowledged, "{context:?}: after a clean close");
    }
}

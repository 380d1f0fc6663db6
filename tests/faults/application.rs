//! An application on the simulated engine: what it knows of its records, and the faults that may strike it.

use crate::records::{Records, read_all};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Options, Outcome, Payloads, Result};
use std::ops::Range;
use std::time::Duration;

/// How a log is opened: one namespace, and no checkpoint but those asked for.
pub type Open = fn(&Simulated) -> Result<Log>;

pub fn open(disk: &Simulated) -> Result<Log> {
    open_with(disk, true)
}

pub fn open_durable(disk: &Simulated) -> Result<Log> {
    open_with(disk, false)
}

fn open_with(disk: &Simulated, fast_write: bool) -> Result<Log> {
    // A half of the journal holds all but the largest of the payloads.
    let journal_size_bytes = 64 << 10;
    let mut options = Options { flush_interval: Duration::ZERO, fast_write, journal_size_bytes, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options)
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
    let payloads = if slices.len() == 1 { Payloads::One(&slices) } else { Payloads::Each(&slices) };
    log.append(0, payloads, None).map(|appended| appended.number)
}

/// The bytes of a record file that was closed cleanly.
pub fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    let sized = records.iter().map(|record| [&record.len().to_le_bytes(), record.as_slice()].concat());
    [records.len().to_le_bytes().to_vec()].into_iter().chain(sized).collect::<Records>().concat()
}

/// A call that is refused, and whether the process is killed afterwards rather than closing the log.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: u64,
    pub os_error: i32,
    pub sticky: bool,
    pub kill: bool,
}

impl Fault {
    /// Every fault there can be at `calls`.
    pub fn all(calls: Range<u64>) -> impl Iterator<Item = Fault> {
        let ways = [libc::EIO, libc::ENOSPC, libc::EINTR].into_iter().flat_map(|os_error| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(sticky, kill)| (os_error, sticky, kill))
        });
        ways.flat_map(move |(os_error, sticky, kill)| {
            calls.clone().map(move |call| Fault { call, os_error, sticky, kill })
        })
    }

    /// Runs `act` on a disk that refuses, then lets the process go.
    pub fn strike<T>(&self, disk: &Simulated, act: impl FnOnce() -> T) -> T {
        disk.fail_call(self.call, self.os_error, self.sticky);
        let done = act();
        disk.clear_faults();
        if self.kill {
            disk.kill();
        }
        done
    }
}

/// What an application knows: what was acknowledged, and the commit whose outcome the library says is unknown.
pub struct Application {
    pub acknowledged: Records,
    pub in_flight: Records,
    made: usize,
    pub open: Open,
}

impl Default for Application {
    fn default() -> Self {
        Application { acknowledged: Records::new(), in_flight: Records::new(), made: 0, open }
    }
}

impl Application {
    /// One whose records are all acknowledged.
    pub fn knowing(records: &[Vec<u8>]) -> Application {
        Application { acknowledged: records.to_vec(), ..Application::default() }
    }

    /// The same, opening its log another way.
    pub fn opened_by(self, open: Open) -> Application {
        Application { open, ..self }
    }

    fn append(&mut self, log: &Log, count: usize) {
        let records: Records = (self.made..self.made + count).map(payload).collect();
        self.made += count;
        match append(log, &records) {
            Ok(_) => self.acknowledged.extend(records),
            Err(error) if error.kind == ErrorKind::Poisoned => {}
            Err(_) if log.stats(0).unwrap().poisoned == 1 => self.in_flight = records,
            Err(_) => {}
        }
    }

    /// Everything acknowledged, and of the commit in flight all or nothing.
    fn learn(&mut self, found: Records, context: impl std::fmt::Debug) {
        let whole = [self.acknowledged.as_slice(), &self.in_flight].concat();
        let counts = (found.len(), self.acknowledged.len(), whole.len());
        assert!(found == self.acknowledged || found == whole, "{context:?}: found, acknowledged, sent: {counts:?}");
        self.acknowledged = found;
        self.in_flight.clear();
    }

    /// Opens, appends, syncs and closes, whatever it is told.
    pub fn session(&mut self, disk: &Simulated, context: impl std::fmt::Debug) {
        let Ok(log) = (self.open)(disk) else { return };
        if let Ok(found) = read_all(&log) {
            self.learn(found, context);
        }
        self.append(&log, 1);
        self.append(&log, 1);
        self.append(&log, 3);
        let _ = log.sync(0);
        self.append(&log, 1);
        let _ = log.sync(0);
        let _ = log.shutdown();
    }

    /// The log opens, has what it must, takes one more record, and closes as exactly its records.
    pub fn heal(mut self, disk: &Simulated, context: impl std::fmt::Debug) {
        let log = (self.open)(disk).unwrap_or_else(|error| panic!("{context:?}: refused, {:?}: {error}", error.kind));
        self.learn(read_all(&log).unwrap(), &context);
        append(&log, &[b"more".to_vec()]).unwrap();
        self.acknowledged.push(b"more".to_vec());
        log.shutdown().unwrap();
        assert!(disk.read_file("a.log").unwrap() == file_of(&self.acknowledged), "{context:?}: the file");
        for left_over in ["a.idx.tmp", "a.wal.tmp", "a.wal"] {
            assert!(disk.read_file(left_over).is_none(), "{context:?}: {left_over} is left");
        }
        let log = (self.open)(disk).unwrap();
        assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{context:?}");
        assert!(read_all(&log).unwrap() == self.acknowledged, "{context:?}: after a clean close");
    }
}

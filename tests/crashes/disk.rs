//! A log on a simulated disk whose files a test can look at, put together and damage.

use crate::records::{Records, read_all};
use immuta::storage::simulated::Simulated;
use immuta::{Error, ErrorKind, Log, Mode, Options, Report, Result};
use std::time::Duration;

pub const LOG: &str = "a.log";
pub const INDEX: &str = "a.idx";
pub const JOURNAL: &str = "a.wal";
pub const JOURNAL_BYTES: u64 = 64 << 10;
/// Where the two checkpoints of an index file lie.
pub const CHECKPOINTS: [usize; 2] = [4096, 8192];
pub const PAGE_BYTES: usize = 4096;
pub const SECTOR_BYTES: usize = 512;
/// How many losses of power, each with a different outcome, are tried after one and the same cut.
pub const POWER_CUTS: u64 = 40;

pub fn open(disk: &Simulated, mode: Mode) -> Result<Log> {
    // No checkpoint but those a test asks for.
    open_flushing(disk, mode, Duration::from_hours(1))
}

/// With a checkpoint after every `flush_interval` in which there was something to flush.
pub fn open_flushing(disk: &Simulated, mode: Mode, flush_interval: Duration) -> Result<Log> {
    let mut options =
        Options { mode, flush_interval: Some(flush_interval), journal_size_bytes: JOURNAL_BYTES, ..Options::default() };
    options.add_namespace("a")?;
    Log::open_on(disk.storage(), &options)
}

pub fn append(log: &Log, record: &[u8]) -> Result<()> {
    log.append(0, record).map(drop)
}

pub fn append_batch(log: &Log, records: &[Vec<u8>]) -> Result<()> {
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.append_batch(0, &slices).map(drop)
}

/// `count` records, all different, from number `from` on.
pub fn records(from: usize, count: usize, size: usize) -> Records {
    (from..from + count).map(|number| format!("{number:0size$}").into_bytes()).collect()
}

/// The three files of a log, as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub log: Option<Vec<u8>>,
    pub index: Option<Vec<u8>>,
    pub journal: Option<Vec<u8>>,
}

impl Files {
    pub fn of(disk: &Simulated) -> Files {
        Files { log: disk.read_file(LOG), index: disk.read_file(INDEX), journal: disk.read_file(JOURNAL) }
    }

    /// A disk with these files and no others.
    pub fn on_disk(&self) -> Simulated {
        self.on(Simulated::new())
    }

    /// `disk`, with these files.
    pub fn on(&self, disk: Simulated) -> Simulated {
        for (name, bytes) in [(LOG, &self.log), (INDEX, &self.index), (JOURNAL, &self.journal)] {
            if let Some(bytes) = bytes {
                disk.write_file(name, bytes);
            }
        }
        disk
    }

    pub fn log(&mut self) -> &mut Vec<u8> {
        self.log.as_mut().unwrap()
    }

    pub fn index(&mut self) -> &mut Vec<u8> {
        self.index.as_mut().unwrap()
    }

    pub fn journal(&mut self) -> &mut Vec<u8> {
        self.journal.as_mut().unwrap()
    }

    /// Where the checkpoint with the highest sequence number lies.
    pub fn newest_checkpoint(&self) -> usize {
        let index = self.index.as_ref().unwrap();
        let seq = |at: &usize| u64::from_le_bytes(index[*at..*at + 8].try_into().unwrap());
        CHECKPOINTS.into_iter().max_by_key(seq).unwrap()
    }
}

/// A log of three records, closed cleanly.
pub fn three_closed() -> Files {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    log.shutdown().unwrap();
    Files::of(&disk)
}

/// A durable log closed with three records, and as a kill left it with three more.
pub fn three_closed_then_three_more() -> (Files, Files) {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    log.shutdown().unwrap();
    let closed = Files::of(&disk);
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(3, 3, 300)).unwrap();
    disk.kill();
    (closed, Files::of(&disk))
}

/// The files of a writer that was killed after `synced` and `later`; in fast mode `later` is only in the cache.
pub fn killed_after(mode: Mode, synced: &[Vec<u8>], later: &[Vec<u8>]) -> Simulated {
    let disk = Simulated::new();
    let log = open(&disk, mode).unwrap();
    if !synced.is_empty() {
        append_batch(&log, synced).unwrap();
        log.sync(0).unwrap();
    }
    append_batch(&log, later).unwrap();
    disk.kill();
    disk
}

/// The disk after the power goes with `seed`, whatever became of the process before.
pub fn after_power_loss(disk: &Simulated, seed: u64) -> Simulated {
    let left = after_kill(disk);
    left.power_loss(seed);
    left
}

/// What a process that was killed leaves, as the next one finds it.
pub fn after_kill(disk: &Simulated) -> Simulated {
    let left = disk.copy();
    left.clear_faults();
    left.kill();
    left
}

/// Some work cut short, and what the next process finds.
pub struct Cut {
    pub left: Simulated,
    /// The work came to its end before the cut.
    pub is_done: bool,
    pub lost_power: bool,
    pub context: String,
}

/// Starts again for each run and kills `work` at its first call, then at its second, and so on until a run is not
/// killed. `judge` gets what each kill left, with the power on, and with the power gone in [`POWER_CUTS`] ways.
pub fn cut_anywhere<T>(
    begin: impl Fn() -> (Simulated, T),
    work: impl Fn(&Simulated, &T) -> bool,
    judge: impl Fn(&Cut),
) {
    for call in 0.. {
        let (disk, state) = begin();
        disk.kill_at_call(disk.calls() + call);
        let is_done = work(&disk, &state);
        let context = format!("cut at call {call}");
        judge(&Cut { left: after_kill(&disk), is_done, lost_power: false, context: format!("{context}, killed") });
        for seed in 0..POWER_CUTS {
            let left = after_power_loss(&disk, seed);
            judge(&Cut { left, is_done, lost_power: true, context: format!("{context}, seed {seed}") });
        }
        if is_done {
            break;
        }
    }
}

/// [`cut_anywhere`] for opening the files of a crash and closing them at once.
pub fn cut_opening_anywhere(crashed: &Simulated, mode: Mode, judge: impl Fn(&Cut)) {
    cut_anywhere(|| (crashed.copy(), ()), |disk, ()| open(disk, mode).is_ok(), judge);
}

/// Returns what opening for writing finds; then appends one more record, closes the log, and opens it again.
pub fn recover(disk: &Simulated, mode: Mode, context: &str) -> (Report, Records) {
    let log = open(disk, mode).unwrap_or_else(|error| panic!("{context}: refused, {:?}: {error}", error.kind));
    let report = log.report(0).unwrap();
    let found = read_all(&log).unwrap();
    assert_eq!(report.count, found.len() as u64, "{context}: the report's count");
    let walked = immuta_walker::walk_open(&disk.read_file(LOG).unwrap()).expect(context);
    let end = 8 + found.iter().map(|record| 8 + record.len() as u64).sum::<u64>();
    assert_eq!((walked.count, walked.end), (report.count, end), "{context}: the walk");
    append(&log, b"one more").unwrap();
    log.shutdown().unwrap();
    let walked = immuta_walker::walk_closed(&disk.read_file(LOG).unwrap()).expect(context);
    assert_eq!(walked.count, report.count + 1, "{context}: the walk after closing");
    let log = open(disk, mode).unwrap();
    let mut with_one_more = read_all(&log).unwrap();
    assert_eq!(with_one_more.pop().unwrap(), b"one more", "{context}");
    assert_eq!(with_one_more, found, "{context}: opened again");
    (report, found)
}

/// Opening for writing is refused, and changes no file.
pub fn refused(disk: &Simulated, mode: Mode, kind: ErrorKind, context: &str) -> Error {
    let files = Files::of(disk);
    let names = disk.storage().list().unwrap();
    let error = open(disk, mode).map(drop).expect_err(context);
    assert_eq!(error.kind, kind, "{context}: {error}");
    assert!(files == Files::of(disk), "{context}: a file was changed");
    let mut names_after = disk.storage().list().unwrap();
    names_after.retain(|name| name != "a.live");
    assert!(names_after.iter().all(|name| names.contains(name)), "{context}: {names_after:?}");
    error
}

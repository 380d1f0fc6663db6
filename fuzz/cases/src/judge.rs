//! What holds for any files at all: no panic, refusals change nothing, only records in the files are served, and a
//! second open finds the same.

use crate::forge::Files;
use crate::layout::walk;
use immuta::storage::simulated::Simulated;
use immuta::{Error, ErrorKind, Log, Next, Options, Outcome, RecordFlags, Result, Start, verify_on};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// More bad records in a row than any file here can have.
const BAD_RECORDS_MAX: usize = 100_000;

pub fn options(read_only: bool) -> Options {
    let mut options = Options {
        read_only,
        reader_count: 1,
        flush_interval: None,
        max_record_size_bytes: 1 << 20,
        journal_size_bytes: 64 << 10,
        ..Options::default()
    };
    options.add_namespace("a").unwrap();
    options
}

/// What reading everything gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    pub good: BTreeMap<u64, Vec<u8>>,
    /// Of the good ones: indexed later, and known by their bytes only.
    pub adopted: BTreeSet<u64>,
    pub bad: Vec<u64>,
}

/// No panic inside, whatever the answer is.
pub fn contained<T>(answer: Result<T>) -> Result<T> {
    answer.inspect_err(|error| assert_ne!(error.kind, ErrorKind::Panic, "{error}"))
}

/// Reads everything, passing over what is refused.
pub fn read_all(log: &Log) -> Reading {
    let mut reading = Reading { good: BTreeMap::new(), adopted: BTreeSet::new(), bad: Vec::new() };
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    loop {
        match contained(stream.next(Some(Duration::ZERO))) {
            Ok(Next::Ready(record)) => {
                let info = record.info();
                reading.good.insert(info.number, record.data().to_vec());
                if info.flags.contains(RecordFlags::ADOPTED) {
                    reading.adopted.insert(info.number);
                }
            }
            Ok(_) => return reading,
            Err(error) => {
                assert_eq!(error.number, stream.position(), "{error}");
                reading.bad.push(error.number);
                if reading.bad.len() > BAD_RECORDS_MAX {
                    return reading;
                }
                stream.seek(error.number + 1).unwrap();
            }
        }
    }
}

/// Opens the files in every way. `written`: the only records that may be served, where they are known.
pub fn judge(files: &Files, written: Option<&[Vec<u8>]>) {
    let disk = Simulated::new();
    for (name, bytes) in files {
        disk.write_file(name, bytes);
    }
    let followed = contained(Log::open_on(disk.storage(), &options(true))).map(|log| {
        let reading = read_all(&log);
        check_written(&reading, written);
        reading
    });
    let verified = contained(verify_on(&disk.storage(), "a", &options(true), &mut |_, _| true));
    assert_untouched(&disk, files, "reading");
    let is_damaged = followed.as_ref().map_or(true, |reading| !reading.bad.is_empty());
    let is_found = verified.map_or(true, |report| report.finding.is_some());
    assert!(!is_damaged || is_found, "readers stumble over what a verification does not find: {followed:?}");
    match contained(Log::open_on(disk.storage(), &options(false))) {
        Err(error) => assert_untouched(&disk, files, &format!("refused: {error}")),
        Ok(log) => check_opened(&disk, log, followed, files, written),
    }
}

fn check_opened(
    disk: &Simulated,
    log: Log,
    followed: Result<Reading, Error>,
    files: &Files,
    written: Option<&[Vec<u8>]>,
) {
    let (reading, report) = (read_all(&log), log.report(0).unwrap());
    check_written(&reading, written);
    // A journal may have newer bytes than the files that a reader sees.
    if let Some(followed) = followed.ok().filter(|_| !files.contains_key("a.wal")) {
        for (number, data) in &followed.good {
            let is_same = reading.good.get(number).is_none_or(|now| now == data);
            assert!(is_same, "record {number} is another one for a reader");
        }
    }
    let told = reading.good.len() + reading.bad.len();
    assert!(told as u64 == report.count || told > BAD_RECORDS_MAX, "{told} records read: {report:?}");
    log.shutdown().unwrap();
    drop(log);
    let file = disk.read_file("a.log").unwrap();
    if reading.bad.is_empty() {
        let (records, end) = walk(&file).expect("a closed log can be walked");
        assert_eq!(end, file.len(), "a closed log ends with its records: {report:?}");
        assert!(records.iter().copied().eq(reading.good.values().map(Vec::as_slice)), "others see what was served");
    }
    let again = Log::open_on(disk.storage(), &options(false)).expect("a log that was closed can be opened");
    assert_eq!(again.report(0).unwrap().outcome, Outcome::Clean);
    assert_eq!(read_all(&again), reading, "a second open finds the same");
}

/// Only written records are served. For adopted records the only evidence is their bytes.
fn check_written(reading: &Reading, written: Option<&[Vec<u8>]>) {
    let Some(written) = written else { return };
    for (number, data) in reading.good.iter().filter(|(number, _)| !reading.adopted.contains(number)) {
        let expected = usize::try_from(*number).ok().and_then(|number| written.get(number));
        assert_eq!(Some(data), expected, "record {number} is served wrong");
    }
}

fn assert_untouched(disk: &Simulated, files: &Files, doing: &str) {
    for name in disk.storage().list().unwrap().iter().filter(|name| *name != "a.live") {
        let before = files.get(name.as_str()).map(Vec::as_slice);
        // A writer that creates begins with an empty file, to have something to lock.
        let now = disk.read_file(name).unwrap();
        assert!(before == Some(&now) || before.is_none() && now.is_empty(), "{doing}, but {name} was changed");
    }
}

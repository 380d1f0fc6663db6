//! Logs damaged in every way a repair knows, on the simulated engine, and what must be left of each.

use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Mode, Next, Options, Repair, Report, Result, Start, repair_on};
use std::collections::BTreeMap;
use std::time::Duration;

pub const ENTRIES_AT: usize = 16_384;
pub const ENTRY_BYTES: usize = 24;
pub const RECORDS: usize = 9;
const JOURNAL_BYTES: u64 = 64 << 10;

/// A record as a reader finds it; `None`: refused as damaged.
pub type Found = Vec<Option<Vec<u8>>>;
/// The files of a disk but the page for waiting.
pub type Image = BTreeMap<String, Vec<u8>>;

/// One damaged log.
pub struct Scene {
    pub name: &'static str,
    pub disk: Simulated,
    pub how: Repair,
    /// Why it is not as it should be; `None`: the log may open or be repaired.
    pub finding: ErrorKind,
    /// What a repair leaves.
    pub left: Found,
    /// Bytes that must be found in a salvage file afterwards.
    pub kept: Vec<u8>,
}

pub fn options(fast_write: bool) -> Options {
    let mut options = Options {
        mode: if fast_write { Mode::Fast } else { Mode::Durable },
        flush_interval: None,
        journal_size_bytes: JOURNAL_BYTES,
        verify_reads: false,
        ..Options::default()
    };
    options.add_namespace("a").unwrap();
    options
}

pub fn open(disk: &Simulated) -> Result<Log> {
    Log::open_on(disk.storage(), &options(true))
}

pub fn repair(disk: &Simulated, how: Repair) -> Result<Report> {
    repair_on(&disk.storage(), "a", &options(true), how, &mut |_, _| true)
}

/// Each with other bytes and of another size; one is empty.
pub fn payload(number: usize) -> Vec<u8> {
    vec![number.to_le_bytes()[0] + 65; number * 7]
}

pub fn all() -> Found {
    (0..RECORDS).map(|number| Some(payload(number))).collect()
}

fn all_but(bad: &[usize]) -> Found {
    (0..RECORDS).map(|number| (!bad.contains(&number)).then(|| payload(number))).collect()
}

pub fn offset_of(number: usize) -> usize {
    (0..number).fold(8, |offset, number| offset + 8 + payload(number).len())
}

/// The bytes of a record file with all records, closed.
pub fn file_of_all() -> Vec<u8> {
    let mut file = RECORDS.to_le_bytes().to_vec();
    for number in 0..RECORDS {
        file.extend(payload(number).len().to_le_bytes());
        file.extend(payload(number));
    }
    file
}

pub fn append(log: &Log, payload: &[u8]) {
    log.append(0, payload).unwrap();
}

pub fn read_all(log: &Log) -> Found {
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    let mut found = Vec::new();
    loop {
        match stream.next(Some(Duration::ZERO)) {
            Ok(Next::Ready(record)) => found.push(Some(record.data().to_vec())),
            Ok(_) => return found,
            Err(error) => {
                assert_eq!((error.kind, error.number), (ErrorKind::Corrupt, found.len() as u64), "{error}");
                found.push(None);
                stream.seek(error.number + 1).unwrap();
            }
        }
    }
}

pub fn image_of(disk: &Simulated) -> Image {
    let names = disk.storage().list().unwrap().into_iter().filter(|name| name != "a.live");
    names.map(|name| (name.clone(), disk.read_file(&name).unwrap())).collect()
}

fn edit(disk: &Simulated, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(name).unwrap();
    change(&mut bytes);
    disk.write_file(name, &bytes);
}

/// Syncs everything that a killed writer left in the cache: a loss of power is to take only what the repair writes.
fn settle(disk: &Simulated) {
    for (name, bytes) in image_of(disk) {
        disk.write_file(&name, &bytes);
    }
}

fn closed_log() -> Simulated {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    for number in 0..RECORDS {
        append(&log, &payload(number));
    }
    log.shutdown().unwrap();
    disk
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 0x40;
}

fn flip_entry(bytes: &mut [u8], number: usize) {
    flip(bytes, ENTRIES_AT + number * ENTRY_BYTES + 9);
}

/// A closed log that `change` damages: its record file, then its index file.
fn damaged(
    name: &'static str,
    finding: ErrorKind,
    left: Found,
    change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>),
) -> Scene {
    let disk = closed_log();
    let (mut log, mut index) = (disk.read_file("a.log").unwrap(), disk.read_file("a.idx").unwrap());
    change(&mut log, &mut index);
    let bad = left.iter().position(Option::is_none);
    let from = bad.map_or_else(|| offset_of(left.len()), offset_of).min(log.len());
    let to = bad.map_or(log.len(), |bad| offset_of(bad + 1));
    let kept = if left.len() == RECORDS && bad.is_none() { Vec::new() } else { log[from..to].to_vec() };
    disk.write_file("a.log", &log);
    disk.write_file("a.idx", &index);
    Scene { name, disk, how: Repair::default(), finding, left, kept }
}

/// A record file alone.
fn bare(name: &'static str, finding: ErrorKind, left: Found, accept_count: bool, file: &[u8], kept: &[u8]) -> Scene {
    let disk = Simulated::new();
    disk.write_file("a.log", file);
    let how = Repair { accept_count, ..Repair::default() };
    Scene { name, disk, how, finding, left, kept: kept.to_vec() }
}

/// A durable log whose journal has `appended` records, with a wrong byte at `damaged_at`. Its files have only the count
/// of them: row R4.
fn damaged_journal(name: &'static str, appended: u64, damaged_at: usize, left: usize) -> Scene {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options(false)).unwrap();
    let before = ["a.log", "a.idx"].map(|name| disk.read_file(name).unwrap());
    for _ in 0..appended {
        append(&log, &[1; 1000]);
    }
    disk.kill();
    for (name, bytes) in ["a.log", "a.idx"].iter().zip(before) {
        disk.write_file(name, &bytes);
    }
    edit(&disk, "a.log", |log| set_count(log, appended));
    edit(&disk, "a.wal", |journal| journal[damaged_at] ^= 1);
    settle(&disk);
    let left = vec![Some(vec![1; 1000]); left];
    Scene { name, disk, how: Repair::default(), finding: ErrorKind::Corrupt, left, kept: Vec::new() }
}

/// One with an index file that cannot be read, and a record file that disagrees with the journal.
fn journal_without_an_index_file() -> Scene {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options(false)).unwrap();
    for number in 0..RECORDS {
        append(&log, &payload(number));
    }
    disk.kill();
    edit(&disk, "a.idx", |index| flip(index, 50));
    edit(&disk, "a.log", |log| flip(log, offset_of(5) + 8));
    settle(&disk);
    let mut left = all();
    left[5].iter_mut().for_each(|record| flip(record, 0));
    let (name, finding) = ("a journal that disagrees, and no index file", ErrorKind::Mismatch);
    Scene { name, disk, how: Repair::default(), finding, left, kept: Vec::new() }
}

fn set_count(log: &mut [u8], count: u64) {
    log[..8].copy_from_slice(&count.to_le_bytes());
}

/// Damage below the checkpoint: rows R1, R2, R3 and R4.
fn damaged_scenes() -> Vec<Scene> {
    use ErrorKind::{Corrupt, Mismatch, Truncated};
    let last = RECORDS - 1;
    vec![
        damaged("the last payload", Corrupt, all_but(&[last]), |log, _| flip(log, offset_of(last) + 9)),
        damaged("a payload in the middle", Corrupt, all_but(&[5]), |log, _| flip(log, offset_of(5) + 12)),
        damaged("payloads side by side", Corrupt, all_but(&[4, 5]), |log, _| {
            flip(log, offset_of(4) + 12);
            flip(log, offset_of(5) + 12);
        }),
        damaged("the first size", Corrupt, all(), |log, _| flip(log, 8)),
        damaged("the last size", Corrupt, all(), |log, _| flip(log, offset_of(last) + 7)),
        damaged("a size and its payload", Corrupt, all_but(&[last]), |log, _| {
            flip(log, offset_of(last));
            flip(log, offset_of(last) + 20);
        }),
        damaged("a count that is too small", Corrupt, all(), |log, _| set_count(log, 3)),
        damaged("a count that is too large", Mismatch, all(), |log, _| set_count(log, 1 << 40)),
        damaged("the first entry", Corrupt, all(), |_, index| flip_entry(index, 0)),
        damaged("entries side by side", Corrupt, all(), |_, index| (3..RECORDS).for_each(|at| flip_entry(index, at))),
        damaged("entries side by side, and a size between", Corrupt, all_but(&[3, 4, 5]), |log, index| {
            (3..6).for_each(|at| flip_entry(index, at));
            flip(log, offset_of(4) + 3);
        }),
        damaged("an entry and its size", Corrupt, all_but(&[last]), |log, index| {
            flip_entry(index, last);
            flip(log, offset_of(last));
        }),
        damaged("both checkpoints and a payload", Corrupt, all_but(&[6]), |log, index| {
            flip(index, 4096);
            flip(index, 8192);
            flip(log, offset_of(6) + 12);
        }),
        damaged("an index file cut short", Truncated, all(), |_, index| index.truncate(ENTRIES_AT + 2 * ENTRY_BYTES)),
        damaged("a record file cut short", Truncated, all()[..7].to_vec(), |log, _| log.truncate(offset_of(7) + 30)),
        damaged("a record file cut between records", Truncated, all()[..7].to_vec(), |log, _| {
            log.truncate(offset_of(7));
        }),
        damaged("a record file of 3 bytes", Truncated, Vec::new(), |log, _| log.truncate(3)),
    ]
}

/// Logs whose index file is useless or missing: rows R7, R9 and R10.
fn bare_scenes() -> Vec<Scene> {
    use ErrorKind::{Ambiguous, Corrupt, Mismatch};
    let mut zeros = file_of_all();
    set_count(&mut zeros, RECORDS as u64 + 2);
    zeros.resize(512, 0);
    let mut with_two_empty = all();
    with_two_empty.extend([Some(Vec::new()), Some(Vec::new())]);
    let mut behind = file_of_all();
    behind.resize(500, 0);
    behind.extend(b"something else");
    let mut leaves = file_of_all();
    leaves[offset_of(5) + 5] = 1;
    vec![
        bare("zeros that are no records", Ambiguous, all(), false, &zeros, &[]),
        bare("zeros that are records", Ambiguous, with_two_empty, true, &zeros, &[]),
        bare("other bytes after the records", Ambiguous, all(), false, &behind, b"something else"),
        bare(
            "other bytes after the records, and the count believed",
            Ambiguous,
            all(),
            true,
            &behind,
            b"something else",
        ),
        bare("a record that leaves the file", Corrupt, all()[..5].to_vec(), false, &leaves, &leaves[offset_of(5)..]),
        damaged("an index file of another log", Mismatch, all(), |_, index| {
            let disk = Simulated::new();
            let log = open(&disk).unwrap();
            (0..5).for_each(|number| append(&log, &[7; 30][number..]));
            log.shutdown().unwrap();
            *index = disk.read_file("a.idx").unwrap();
        }),
    ]
}

/// A killed log of all records, `synced` or not, with a byte of record 5 damaged.
fn killed(name: &'static str, fast_write: bool, synced: bool, left: Found) -> Scene {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options(fast_write)).unwrap();
    (0..RECORDS).for_each(|number| append(&log, &payload(number)));
    if synced {
        log.sync(0).unwrap();
    }
    disk.kill();
    edit(&disk, "a.log", |log| flip(log, offset_of(5) + 12));
    settle(&disk);
    let damaged = disk.read_file("a.log").unwrap()[offset_of(5)..offset_of(6)].to_vec();
    let kept = if left[5].is_none() { damaged } else { Vec::new() };
    Scene { name, disk, how: Repair::default(), finding: ErrorKind::Corrupt, left, kept }
}

/// A log that was closed with four records. A durable writer appended the others in one batch and was killed. Of record
/// 2, of which the journal has nothing, and of record 6 one byte each is damaged.
fn in_a_batch() -> Scene {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    (0..4).for_each(|number| append(&log, &payload(number)));
    log.shutdown().unwrap();
    let log = Log::open_on(disk.storage(), &options(false)).unwrap();
    let batch: Vec<Vec<u8>> = (4..RECORDS).map(payload).collect();
    log.append_batch(0, &batch.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    log.sync(0).unwrap();
    disk.kill();
    edit(&disk, "a.log", |log| {
        flip(log, offset_of(2) + 12);
        flip(log, offset_of(6) + 12);
    });
    settle(&disk);
    let kept = disk.read_file("a.log").unwrap()[offset_of(2)..offset_of(3)].to_vec();
    let name = "a record of a batch that the journal has, and one that it has not";
    Scene { name, disk, how: Repair::default(), finding: ErrorKind::Corrupt, left: all_but(&[2]), kept }
}

/// A killed durable log whose last record, longer than half a journal, is damaged: its frame says only that the record
/// existed.
fn in_place() -> Scene {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options(false)).unwrap();
    (0..3).for_each(|number| append(&log, &payload(number)));
    append(&log, &vec![9; 40_000]);
    log.sync(0).unwrap();
    disk.kill();
    edit(&disk, "a.log", |log| flip(log, offset_of(3) + 20_000));
    settle(&disk);
    let mut left = all()[..3].to_vec();
    left.push(None);
    let kept = disk.read_file("a.log").unwrap()[offset_of(3)..][..40_008].to_vec();
    let name = "a record of which the journal has only the place";
    Scene { name, disk, how: Repair::default(), finding: ErrorKind::Corrupt, left, kept }
}

/// A closed log to which a release of the original appended that writes a 16-byte header: row R6.
fn appended_with_header16() -> Scene {
    let mut left = all();
    left.push(Some(b"theirs".to_vec()));
    let scene = damaged("a writer of the 16-byte layout appended", ErrorKind::Layout, left, |log, _| {
        let offset = log.len();
        log.extend(6_u64.to_le_bytes());
        log.extend(b"theirs");
        set_count(log, RECORDS as u64 + 1);
        log[8..16].copy_from_slice(&offset.to_le_bytes());
    });
    Scene { kept: Vec::new(), ..scene }
}

pub fn scenes() -> Vec<Scene> {
    let journals = vec![
        killed("a record that the journal still has", false, true, all()),
        killed("records after a damaged one, in fast mode", true, false, all_but(&[5])),
        in_place(),
        in_a_batch(),
        appended_with_header16(),
        damaged_journal("a hole in the journal", 40, 4096 + 5000, 4),
        // Bytes after it do not count as frames, and may still be of use.
        damaged_journal("a damaged frame in the half written last", 5, 4096 + 2500, 2),
        damaged_journal("the first frame damaged", 5, 4096 + 100, 0),
        journal_without_an_index_file(),
    ];
    damaged_scenes().into_iter().chain(bare_scenes()).chain(journals).collect()
}

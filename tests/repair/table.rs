//! Every combination of damaged parts, and which records a repair leaves of each. The repair keeps the most that can be
//! proven, and never less where less is damaged.

use crate::scene::{ENTRIES_AT, ENTRY_BYTES, Found, append, open, options, read_all, repair};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Outcome, Repair};
use std::collections::BTreeMap;

const APPLY: Repair = Repair { apply: true, accept_count: false };
const RECORDS: usize = 61;
/// What the two checkpoints cover.
const OLDER: usize = 20;
const NEWER: usize = 40;
const RECORD_BYTES: usize = 8 + PAYLOAD_BYTES;
const PAYLOAD_BYTES: usize = 100;
const CHECKPOINTS: [usize; 2] = [4096, 8192];
/// The first frame of a journal, and how long one of a single record is.
const FRAMES_AT: usize = 4096;
const FRAME_BYTES: usize = 52 + RECORD_BYTES;

fn payload(number: usize) -> Vec<u8> {
    vec![number.to_le_bytes()[0] + 65; PAYLOAD_BYTES]
}

fn offset_of(number: usize) -> usize {
    8 + number * RECORD_BYTES
}

/// Something in the files that is damaged, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    OlderCheckpoint,
    NewerCheckpoint,
    Payload(usize),
    Size(usize),
    Entry(usize),
    /// The frame of this record; the frames after it do not count then, either.
    Frame(usize),
}

/// What the count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    Right,
    TooLow,
    TooHigh,
}

const PARTS: [Part; 8] = [
    Part::OlderCheckpoint,
    Part::NewerCheckpoint,
    Part::Payload(10),
    Part::Payload(30),
    Part::Payload(50),
    Part::Entry(52),
    Part::Frame(45),
    Part::Payload(RECORDS - 1),
];

/// The files of a log that was killed after its last record, as they are.
fn killed(fast_write: bool) -> BTreeMap<&'static str, Vec<u8>> {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options(fast_write)).unwrap();
    for number in 0..RECORDS {
        if [OLDER, NEWER].contains(&number) {
            log.sync(0).unwrap();
        }
        append(&log, &payload(number));
    }
    disk.kill();
    let files = ["a.log", "a.idx", "a.wal"].into_iter();
    files.filter_map(|name| Some((name, disk.read_file(name)?))).collect()
}

fn checkpoint_at(index: &[u8], is_newer: bool) -> usize {
    let seq = |at: &usize| u64::from_le_bytes(index[*at..*at + 8].try_into().unwrap());
    let found =
        if is_newer { CHECKPOINTS.into_iter().max_by_key(seq) } else { CHECKPOINTS.into_iter().min_by_key(seq) };
    found.unwrap()
}

fn damage(files: &BTreeMap<&'static str, Vec<u8>>, parts: &[Part]) -> BTreeMap<&'static str, Vec<u8>> {
    let mut damaged = files.clone();
    let mut flip = |name: &str, at: usize| {
        if let Some(byte) = damaged.get_mut(name).and_then(|file| file.get_mut(at)) {
            *byte ^= 0x40;
        }
    };
    for part in parts {
        match *part {
            Part::OlderCheckpoint => flip("a.idx", checkpoint_at(&files["a.idx"], false) + 1000),
            Part::NewerCheckpoint => flip("a.idx", checkpoint_at(&files["a.idx"], true) + 1000),
            Part::Payload(number) => flip("a.log", offset_of(number) + 8 + 50),
            Part::Size(number) => flip("a.log", offset_of(number) + 2),
            Part::Entry(number) => flip("a.idx", ENTRIES_AT + number * ENTRY_BYTES + 9),
            Part::Frame(number) => flip("a.wal", FRAMES_AT + number * FRAME_BYTES + 80),
        }
    }
    damaged
}

/// Which records are left where `parts` are damaged: those whose bytes exist in the record file or in the journal.
fn expected(fast_write: bool, parts: &[Part]) -> Found {
    let has = |part| parts.contains(&part);
    let frames = if fast_write {
        0
    } else if has(Part::Frame(45)) {
        45
    } else {
        RECORDS
    };
    let is_good = |number: usize| !has(Part::Payload(number)) || number < frames;
    let mut left: Found = (0..RECORDS).map(|number| is_good(number).then(|| payload(number))).collect();
    // Nothing says where the last record ends if no checkpoint covers it.
    while left.last() == Some(&None) {
        left.pop();
    }
    left
}

fn on_disk(files: &BTreeMap<&'static str, Vec<u8>>) -> Simulated {
    let disk = Simulated::new();
    for (name, bytes) in files {
        disk.write_file(name, bytes);
    }
    disk
}

/// Repairs, dry and really, and answers what is left.
fn repaired(disk: &Simulated, context: &str) -> Found {
    let fail = |error: immuta::Error| -> ! { panic!("{context}: {:?} {error}", error.kind) };
    let forecast = repair(disk, Repair { apply: false, ..APPLY }).unwrap_or_else(|error| fail(error));
    let report = repair(disk, APPLY).unwrap_or_else(|error| fail(error));
    let figures = |report: &immuta::Report| (report.count, report.bad_records, report.recovered, report.adopted);
    assert_eq!(figures(&forecast), figures(&report), "{context}: it does what it said");
    let log = open(disk).unwrap_or_else(|error| fail(error));
    assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{context}");
    let left = read_all(&log);
    let bad = left.iter().filter(|record| record.is_none()).count();
    assert_eq!((report.count, report.bad_records), (left.len() as u64, bad as u64), "{context}");
    log.shutdown().unwrap();
    let walked = immuta_walker::walk_closed(&disk.read_file("a.log").unwrap()).map(|walked| walked.count);
    assert_eq!(walked, Ok(left.len() as u64), "{context}: the walk");
    left
}

/// The parts whose bits `mask` has.
fn chosen(parts: &[Part], mask: usize) -> Vec<Part> {
    parts.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, part)| *part).collect()
}

/// With one damage fewer, no record less is left.
fn assert_monotone(left: &BTreeMap<usize, Found>, parts: &[Part], context: &str) {
    for (mask, found) in left {
        for bit in (0..parts.len()).filter(|bit| mask >> bit & 1 == 1) {
            let with_less = &left[&(mask & !(1 << bit))];
            let is_kept =
                |(number, record): (usize, &Option<Vec<u8>>)| record.is_none() || with_less.get(number) == Some(record);
            let is_right = with_less.len() >= found.len() && found.iter().enumerate().all(is_kept);
            assert!(is_right, "{context}: {:?} leaves more than without {:?}", chosen(parts, *mask), parts[bit]);
        }
    }
}

#[test]
fn every_combination_of_damaged_parts_of_a_killed_log() {
    let mut cells = 0;
    for fast_write in [false, true] {
        let files = killed(fast_write);
        let parts: Vec<Part> = PARTS.into_iter().filter(|part| !fast_write || *part != Part::Frame(45)).collect();
        for count in [Count::Right, Count::TooLow, Count::TooHigh] {
            let mut left = BTreeMap::new();
            for mask in 0..1 << parts.len() {
                let chosen = chosen(&parts, mask);
                let context = format!("fast {fast_write}, count {count:?}, {chosen:?}");
                let mut damaged = damage(&files, &chosen);
                let count_found = match count {
                    Count::Right => RECORDS as u64,
                    Count::TooLow => 7,
                    Count::TooHigh => 1 << 40,
                };
                damaged.get_mut("a.log").unwrap()[..8].copy_from_slice(&count_found.to_le_bytes());
                let found = repaired(&on_disk(&damaged), &context);
                let lengths = (found.len(), found.iter().filter(|record| record.is_none()).count());
                assert!(found == expected(fast_write, &chosen), "{context}: {lengths:?}");
                left.insert(mask, found);
                cells += 1;
            }
            assert_monotone(&left, &parts, &format!("fast {fast_write}, count {count:?}"));
        }
    }
    println!("{cells} cells");
    assert_eq!(cells, 3 * (256 + 128));
}

/// Rows R1 and R2.
#[test]
fn every_combination_of_damaged_parts_of_records_that_the_journal_has() {
    let files = killed(false);
    let parts = [
        Part::OlderCheckpoint,
        Part::NewerCheckpoint,
        Part::Payload(30),
        Part::Size(30),
        Part::Entry(30),
        Part::Entry(31),
        Part::Size(32),
    ];
    for mask in 0..1 << parts.len() {
        let chosen = chosen(&parts, mask);
        let context = format!("{chosen:?}");
        assert!(repaired(&on_disk(&damage(&files, &chosen)), &context) == expected(false, &[]), "{context}");
    }
    // A sector of the index file, and a size word in the midst of its entries.
    let mut damaged = damage(&files, &[Part::Size(30)]);
    damaged.get_mut("a.idx").unwrap()[ENTRIES_AT + 512..ENTRIES_AT + 1024].fill(0xff);
    assert!(repaired(&on_disk(&damaged), "a sector and a size") == expected(false, &[]), "a sector and a size");
}

/// Who appends to a closed log without an index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Writes the count alone.
    Header8,
    /// Writes the offset of the last record after the count, over the size of record 0.
    Header16,
}

/// Appends as a release of the original does.
fn append_as(writer: Writer, log: &mut Vec<u8>, record: &[u8]) {
    let (offset, count) = (log.len() as u64, u64::from_le_bytes(log[..8].try_into().unwrap()) + 1);
    log.extend((record.len() as u64).to_le_bytes());
    log.extend(record);
    log[..8].copy_from_slice(&count.to_le_bytes());
    if writer == Writer::Header16 {
        log[8..16].copy_from_slice(&offset.to_le_bytes());
    }
}

fn closed(records: usize) -> BTreeMap<&'static str, Vec<u8>> {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    (0..records).for_each(|number| append(&log, &payload(number)));
    log.shutdown().unwrap();
    ["a.log", "a.idx"].into_iter().map(|name| (name, disk.read_file(name).unwrap())).collect()
}

const THEIRS: [&[u8]; 3] = [b"from another writer", b"", b"and one more"];

/// Rows R5 and R6.
#[test]
fn every_combination_of_damaged_parts_of_a_log_that_another_writer_appended_to() {
    let parts =
        [Part::OlderCheckpoint, Part::NewerCheckpoint, Part::Payload(5), Part::Size(3), Part::Entry(4), Part::Entry(0)];
    for (writer, theirs) in [(Writer::Header8, 1), (Writer::Header8, 3), (Writer::Header16, 1), (Writer::Header16, 3)] {
        let mut files = closed(9);
        THEIRS[..theirs].iter().for_each(|record| append_as(writer, files.get_mut("a.log").unwrap(), record));
        for mask in 0..1 << parts.len() {
            let chosen = chosen(&parts, mask);
            let context = format!("{theirs} by {writer:?}, {chosen:?}");
            let mut all: Found = (0..9).map(|number| Some(payload(number))).collect();
            if chosen.contains(&Part::Payload(5)) {
                all[5] = None;
            }
            // Only its entry says what the size of the first record was.
            if writer == Writer::Header16 && chosen.contains(&Part::Entry(0)) {
                all[0] = None;
            }
            // Without its entry only its size says where it ends; two such damages in a row lose two records.
            if chosen.contains(&Part::Size(3)) && chosen.contains(&Part::Entry(4)) {
                all[3] = None;
                all[4] = None;
            }
            all.extend(THEIRS[..theirs].iter().map(|record| Some(record.to_vec())));
            assert_eq!(repaired(&on_disk(&damage(&files, &chosen)), &context), all, "{context}");
        }
    }
}

/// Rows O24 and R6.
#[test]
fn a_log_that_a_writer_of_the_16_byte_layout_appended_to_is_recognised_and_every_record_comes_back() {
    for ours in [1, 2, 9] {
        for theirs in [1, 2, 3] {
            let context = format!("{ours} of ours, {theirs} of theirs");
            let mut files = closed(ours);
            THEIRS[..theirs]
                .iter()
                .for_each(|record| append_as(Writer::Header16, files.get_mut("a.log").unwrap(), record));
            let disk = on_disk(&files);
            let error = open(&disk).map(drop).expect_err(&context);
            assert_eq!((error.kind, error.number, error.offset), (ErrorKind::Layout, 0, 8), "{context}: {error}");
            assert!(error.message().contains("16-byte header") && error.message().contains("immuta_repair"), "{error}");
            assert!(disk.read_file("a.log").as_ref() == Some(&files["a.log"]), "{context}: refused, and changed");
            let verified = immuta::verify_on(&disk.storage(), "a", &options(true), &mut |_, _| true).unwrap();
            assert_eq!(verified.finding, Some(ErrorKind::Layout), "{context}");
            let all: Found =
                (0..ours).map(payload).chain(THEIRS[..theirs].iter().map(|record| record.to_vec())).map(Some).collect();
            assert_eq!(repaired(&disk, &context), all, "{context}");
        }
    }
    // Killed while it wrote one more record, whose beginning is kept.
    let mut files = closed(4);
    append_as(Writer::Header16, files.get_mut("a.log").unwrap(), THEIRS[0]);
    files.get_mut("a.log").unwrap().extend(b"\0\0\0\0\0\0\0\0half a rec");
    let disk = on_disk(&files);
    assert_eq!(open(&disk).map(drop).map_err(|error| error.kind), Err(ErrorKind::Layout));
    let all: Found = (0..4).map(payload).chain([THEIRS[0].to_vec()]).map(Some).collect();
    assert_eq!(repaired(&disk, "killed in the midst"), all);
    assert!(disk.read_file("a.salvage-1").unwrap().ends_with(b"half a rec"));
}

/// Row R11.
#[test]
fn a_file_of_another_layout_beside_an_index_file_none_of_whose_records_is_there_is_left_alone() {
    let mut headerless = Vec::new();
    let mut header16 = 3_u64.to_le_bytes().to_vec();
    header16.extend([0; 8]);
    for record in [b"from another writer".as_slice(), b"one", b"and one more"] {
        let last = (header16.len() as u64).to_le_bytes();
        header16[8..16].copy_from_slice(&last);
        for file in [&mut headerless, &mut header16] {
            file.extend((record.len() as u64).to_le_bytes());
            file.extend(record);
        }
    }
    for (what, file) in [("no header", headerless), ("a 16-byte header", header16)] {
        for ours in [0, 1, 9] {
            let context = format!("{what}, {ours} of ours");
            let mut files = closed(ours);
            files.insert("a.log", file.clone());
            for apply in [false, true] {
                let disk = on_disk(&files);
                let error = repair(&disk, Repair { apply, ..APPLY }).map(drop).expect_err(&context);
                assert_eq!(error.kind, ErrorKind::Layout, "{context}: {error}");
                assert!(error.message().contains("import"), "{context}: the way on is not named: {error}");
                for (name, bytes) in &files {
                    assert!(disk.read_file(name).as_ref() == Some(bytes), "{context}: refused, and {name} changed");
                }
            }
        }
    }
}

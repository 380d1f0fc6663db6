//! What replay makes of journals that are of another log, are forged, or hold all records that there are.

use crate::error::{Error, ErrorKind};
use crate::files::index::Header;
use crate::format::PAGE_SIZE_BYTES;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Mode};
use crate::format::journal::{FRAME_HEADER_BYTES, Frame, HalfHeader};
use crate::format::number::Base;
use crate::format::{crc32c, in_memory};
use crate::storage::OpenMode;
use crate::storage::simulated::Simulated;
use crate::{Log, Next, Options, Outcome, Start};
use std::time::Duration;

mod segments;

const JOURNAL_BYTES: usize = 64 << 10;

fn open(disk: &Simulated) -> crate::Result<Log> {
    let journal_size_bytes = JOURNAL_BYTES as u64;
    let mut options = Options { mode: Mode::Durable, journal_size_bytes, ..Options::default() };
    options.add_namespace("a")?;
    Log::open_on(disk.storage(), &options)
}

fn append(log: &Log, payload: &[u8]) {
    log.append(0, payload).unwrap();
}

fn read_all(log: &Log) -> Vec<Vec<u8>> {
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    let mut records = Vec::new();
    while let Next::Ready(record) = stream.next(Some(Duration::ZERO)).unwrap() {
        records.push(record.data().to_vec());
    }
    records
}

/// A log whose three records are in the journal only: both files are as they were when it was opened.
fn only_in_the_journal() -> (Simulated, Vec<Vec<u8>>) {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    let before = ["a.log", "a.idx"].map(|name| disk.read_file(name).unwrap());
    let records: Vec<Vec<u8>> = [b"one".to_vec(), vec![2; 5000], Vec::new()].to_vec();
    for record in &records {
        append(&log, record);
    }
    disk.kill();
    for (name, bytes) in ["a.log", "a.idx"].iter().zip(before) {
        disk.write_file(name, &bytes);
    }
    (disk, records)
}

fn recovered(disk: &Simulated, context: &str) -> Vec<Vec<u8>> {
    let log = open(disk).unwrap_or_else(|error| panic!("{context}: {:?}: {error}", error.kind));
    assert_eq!(log.report(0).unwrap().outcome, Outcome::Recovered, "{context}");
    let found = read_all(&log);
    disk.kill();
    found
}

/// The open is refused and leaves every file as it was.
fn refused(disk: &Simulated, kind: ErrorKind, context: &str) -> Error {
    let files = ["a.log", "a.idx", "a.wal"].map(|name| disk.read_file(name));
    let error = open(disk).map(drop).expect_err(context);
    assert_eq!(error.kind, kind, "{context}: {error}");
    assert!(files == ["a.log", "a.idx", "a.wal"].map(|name| disk.read_file(name)), "{context}: a file was changed");
    error
}

fn edit(disk: &Simulated, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(name).unwrap();
    change(&mut bytes);
    disk.write_file(name, &bytes);
}

fn first_header(journal: &[u8]) -> HalfHeader {
    HalfHeader::decode(journal[..PAGE_SIZE_BYTES].try_into().unwrap()).unwrap()
}

/// Row O4.
#[test]
fn what_only_the_journal_holds_is_replayed_again_and_again() {
    let (disk, records) = only_in_the_journal();
    assert_eq!(recovered(&disk, "replay"), records);
    assert_eq!(recovered(&disk, "after the replay"), records);
    let (disk, records) = only_in_the_journal();
    // The record file is empty, as if only the journal had been synced.
    disk.write_file("a.log", b"");
    assert_eq!(recovered(&disk, "a record file of no size"), records);
}

#[test]
fn a_journal_of_another_log_writer_or_segment_does_not_count() {
    for (context, change) in [
        ("another log", (|header| header.log_id[3] ^= 1) as fn(&mut HalfHeader)),
        ("another epoch", |header| header.epoch += 1),
        ("another segment", |header| header.base = Base::new(3).unwrap()),
    ] {
        let (disk, _) = only_in_the_journal();
        edit(&disk, "a.wal", |journal| {
            let mut header = first_header(journal);
            change(&mut header);
            journal[..PAGE_SIZE_BYTES].copy_from_slice(&header.encode());
        });
        assert_eq!(recovered(&disk, context), Vec::<Vec<u8>>::new(), "{context}");
    }
}

/// Row O13.
#[test]
fn beside_one_bad_checkpoint_a_later_writers_journal_counts_if_it_goes_on_from_there() {
    let (disk, records) = only_in_the_journal();
    let file = disk.storage().open("a.idx", OpenMode::Read).unwrap();
    let (newest, slot) = Header::read(file.as_ref()).unwrap().newest().unwrap();
    let older = in_memory(CHECKPOINT_OFFSETS[1 - slot]);
    let log_id = first_header(&disk.read_file("a.wal").unwrap()).log_id;
    let of_an_earlier_writer = Checkpoint { seq: newest.seq - 1, epoch: newest.epoch ^ 1, ..newest };
    edit(&disk, "a.idx", |index| {
        index[older..older + PAGE_SIZE_BYTES].copy_from_slice(&of_an_earlier_writer.encode(&log_id));
        index[in_memory(CHECKPOINT_OFFSETS[slot])] ^= 1;
    });
    let copy = disk.copy();
    assert_eq!(recovered(&disk, "it goes on"), records);
    edit(&copy, "a.wal", |journal| {
        let header = HalfHeader { first_number: 1, first_offset: 19, ..first_header(journal) };
        journal[..PAGE_SIZE_BYTES].copy_from_slice(&header.encode());
    });
    refused(&copy, ErrorKind::Corrupt, "it does not, and goes on after what is there");
}

#[test]
fn a_half_that_lies_under_valid_checksums_is_refused() {
    type Forge = fn(&mut Frame, &mut [u8]);
    let forged: [(&str, Forge); 4] = [
        ("a later number", |frame, _| frame.first_number += 1),
        ("another offset", |frame, _| frame.offset += 8),
        ("a size that does not fill the frame", |_, body| body[0] -= 1),
        ("in place, where nothing is", |frame, _| frame.in_place = true),
    ];
    for (context, forge) in forged {
        let (disk, _) = only_in_the_journal();
        edit(&disk, "a.wal", |journal| {
            let salt = first_header(journal).salt;
            let head: [u8; FRAME_HEADER_BYTES] = journal[PAGE_SIZE_BYTES..][..FRAME_HEADER_BYTES].try_into().unwrap();
            let mut frame = Frame::decode(&head).unwrap();
            let body = &mut journal[PAGE_SIZE_BYTES + FRAME_HEADER_BYTES..][..in_memory(frame.length_bytes)];
            forge(&mut frame, body);
            let head = if frame.in_place { frame.encode(salt, &[]) } else { frame.encode(salt, &[body]) };
            journal[PAGE_SIZE_BYTES..][..FRAME_HEADER_BYTES].copy_from_slice(&head);
        });
        let error = refused(&disk, ErrorKind::Corrupt, context);
        assert!(
            error.message().contains("a.wal")
                && (error.message().contains("acknowledged") || error.message().contains("damaged")),
            "{context}: {error}"
        );
    }
}

#[test]
fn a_torn_half_counts_up_to_the_tear() {
    let (disk, records) = only_in_the_journal();
    let journal = disk.read_file("a.wal").unwrap();
    let second = PAGE_SIZE_BYTES + FRAME_HEADER_BYTES + 8 + records[0].len();
    let third = second + FRAME_HEADER_BYTES + 8 + records[1].len();
    for (at, survive) in [(0, 0), (PAGE_SIZE_BYTES + 60, 0), (second + 3, 1), (third - 1, 1), (third + 20, 2)] {
        let disk = disk.copy();
        edit(&disk, "a.wal", |journal| journal[at] ^= 0x80);
        assert_eq!(recovered(&disk, "torn"), records[..survive], "a byte at {at} is wrong");
    }
    for (length, survive) in [(0, 0), (100, 0), (PAGE_SIZE_BYTES, 0), (second, 1), (third, 2), (journal.len(), 3)] {
        let disk = disk.copy();
        edit(&disk, "a.wal", |journal| journal.truncate(length));
        assert_eq!(recovered(&disk, "cut"), records[..survive], "cut at {length}");
    }
}

#[test]
fn what_verifies_after_the_last_frame_is_kept() {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    let records = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    for record in &records {
        append(&log, record);
    }
    disk.kill();
    let second = PAGE_SIZE_BYTES + FRAME_HEADER_BYTES + 8 + records[0].len();
    edit(&disk, "a.wal", |journal| journal[second] ^= 1);
    assert_eq!(recovered(&disk, "the files go further than the journal"), records);
}

/// Frames of one size in both halves, so that old frames lie exactly where new ones end.
#[test]
fn frames_of_the_generation_before_never_follow_those_of_this_one() {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    let payload = |number: u64| [number.to_le_bytes().to_vec(), vec![7; 900]].concat();
    let frames_per_half = (JOURNAL_BYTES / 2 - PAGE_SIZE_BYTES) / (FRAME_HEADER_BYTES + 8 + payload(0).len());
    // Both halves full, then five frames over the first.
    let count = 2 * frames_per_half + 5;
    for number in 0..count {
        append(&log, &payload(number as u64));
        if number % 8 == 0 {
            log.sync(0).unwrap();
        }
    }
    disk.kill();
    let found = crate::files::journal::find(disk.storage().as_ref(), "a", Base::FIRST).unwrap().unwrap();
    let frames_in = |half| {
        let (mut frames, mut count) = (found.frames(half), 0);
        while frames.next().unwrap().is_some() {
            count += 1;
        }
        count
    };
    let counts: Vec<usize> = found.halves.iter().map(frames_in).collect();
    assert_eq!(counts, [frames_per_half, 5], "frames of the older half, and of the newer one");
    assert_eq!(recovered(&disk, "two generations").len(), count);
}

#[test]
fn a_damaged_frame_with_a_newer_half_after_it_is_missed() {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    let before = ["a.log", "a.idx"].map(|name| disk.read_file(name).unwrap());
    for _ in 0..40 {
        append(&log, &[1; 1000]);
    }
    disk.kill();
    for (name, bytes) in ["a.log", "a.idx"].iter().zip(before) {
        disk.write_file(name, &bytes);
    }
    edit(&disk, "a.wal", |journal| journal[PAGE_SIZE_BYTES + 5000] ^= 1);
    let error = refused(&disk, ErrorKind::Corrupt, "a hole in the journal");
    assert_eq!((error.number, error.offset), (4, 8 + 4 * 1008), "{error}");
}

#[test]
fn payloads_that_look_like_a_journal_are_payloads() {
    let (disk, _) = only_in_the_journal();
    let journal = disk.read_file("a.wal").unwrap();
    // The payloads are a real header and real frames. Later the journal with these payloads is cut inside a frame.
    let payload = journal[..PAGE_SIZE_BYTES + 200].to_vec();
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    for _ in 0..3 {
        append(&log, &payload);
    }
    disk.kill();
    assert_eq!(recovered(&disk, "payloads"), vec![payload; 3]);
}

/// Rows O17 and O19.
#[test]
fn frames_whose_files_are_gone_are_not_forgotten() {
    let (disk, _) = only_in_the_journal();
    disk.storage().remove("a.log").unwrap();
    let error = refused(&disk, ErrorKind::Missing, "no record file");
    assert!(error.message().contains("a.wal"), "{error}");
    disk.storage().remove("a.idx").unwrap();
    refused(&disk, ErrorKind::Missing, "nor an index file");
    let (disk, records) = only_in_the_journal();
    disk.storage().remove("a.idx").unwrap();
    let log = open(&disk).unwrap();
    assert_eq!((log.report(0).unwrap().outcome, read_all(&log)), (Outcome::Adopted, records));
}

/// Beside records without an index file, a journal is believed only where it follows these records and its own frames.
#[test]
fn a_forged_journal_beside_records_without_an_index_file_is_refused() {
    let (disk, _) = only_in_the_journal();
    disk.storage().remove("a.idx").unwrap();
    edit(&disk, "a.wal", |journal| {
        let salt = first_header(journal).salt;
        let head: [u8; FRAME_HEADER_BYTES] = journal[PAGE_SIZE_BYTES..][..FRAME_HEADER_BYTES].try_into().unwrap();
        let mut frame = Frame::decode(&head).unwrap();
        frame.first_number += 1;
        let body = journal[PAGE_SIZE_BYTES + FRAME_HEADER_BYTES..][..in_memory(frame.length_bytes)].to_vec();
        journal[PAGE_SIZE_BYTES..][..FRAME_HEADER_BYTES].copy_from_slice(&frame.encode(salt, &[&body]));
    });
    let error = refused(&disk, ErrorKind::Mismatch, "a frame that does not follow");
    assert_eq!((error.number, error.offset), (0, 8), "{error}");

    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    (0..40).for_each(|_| append(&log, &[1; 1000]));
    disk.kill();
    disk.storage().remove("a.idx").unwrap();
    edit(&disk, "a.wal", |journal| {
        let second = &mut journal[JOURNAL_BYTES / 2..][..PAGE_SIZE_BYTES];
        let mut header = first_header(second);
        header.epoch += 1;
        second.copy_from_slice(&header.encode());
    });
    refused(&disk, ErrorKind::Mismatch, "halves of two writers");
}

/// Row O6.
#[test]
fn a_missing_journal_is_missed_when_the_count_says_so() {
    let (disk, _) = only_in_the_journal();
    edit(&disk, "a.log", |log| log[..8].copy_from_slice(&3_u64.to_le_bytes()));
    disk.storage().remove("a.wal").unwrap();
    refused(&disk, ErrorKind::Corrupt, "the count is beyond what verifies");
}

#[test]
fn a_frame_that_goes_back_is_refused_and_overwrites_nothing() {
    for offset in [8, 1 << 20] {
        let (disk, records) = only_in_the_journal();
        edit(&disk, "a.wal", |journal| {
            let salt = first_header(journal).salt;
            let frames_bytes: usize = records.iter().map(|record| FRAME_HEADER_BYTES + 8 + record.len()).sum();
            let body = [3_u64.to_le_bytes().as_slice(), b"two"].concat();
            let forged =
                Frame { length_bytes: 11, in_place: false, sequence: 3, first_number: 0, count: 1, offset, time_ns: 1 };
            let forged = [forged.encode(salt, &[&body]).as_slice(), &body].concat();
            journal[PAGE_SIZE_BYTES + frames_bytes..][..forged.len()].copy_from_slice(&forged);
        });
        refused(&disk, ErrorKind::Corrupt, "a second frame of record 0");
    }
}

/// Row O28.
#[test]
fn a_journal_of_a_newer_version_is_not_taken_for_an_empty_one() {
    let newer: [(&str, usize, &[u8]); 2] = [("version 2", 8, &[2]), ("2 GiB long", 16, &(2_u64 << 30).to_le_bytes())];
    for (context, at, field) in newer {
        let (disk, _) = only_in_the_journal();
        edit(&disk, "a.wal", |journal| {
            journal[at..at + field.len()].copy_from_slice(field);
            let crc = crc32c(&journal[..PAGE_SIZE_BYTES - 4]);
            journal[PAGE_SIZE_BYTES - 4..PAGE_SIZE_BYTES].copy_from_slice(&crc.to_le_bytes());
        });
        let error = refused(&disk, ErrorKind::Version, context);
        assert!(error.message().contains("a.wal"), "{error}");
    }
}

#[test]
fn what_the_journal_still_holds_is_no_damage_to_a_reader() {
    let (disk, _) = only_in_the_journal();
    edit(&disk, "a.log", |log| log[..8].copy_from_slice(&3_u64.to_le_bytes()));
    let report = |disk: &Simulated| {
        let mut options = Options { read_only: true, ..Options::default() };
        options.add_namespace("a").unwrap();
        let report = Log::open_on(disk.storage(), &options).unwrap().report(0).unwrap();
        (report.outcome, report.finding, report.count)
    };
    assert_eq!(report(&disk), (Outcome::Recovered, None, 0));
    disk.storage().remove("a.wal").unwrap();
    assert_eq!(report(&disk), (Outcome::Damaged, Some(ErrorKind::Corrupt), 0), "without the journal they are missing");
}

/// Row O29.
#[test]
fn no_room_for_a_second_journal_leaves_the_first_and_fast_mode() {
    let (disk, records) = only_in_the_journal();
    let used: usize = ["a.log", "a.idx", "a.wal"].iter().map(|name| disk.read_file(name).unwrap().len()).sum();
    disk.set_capacity(used as u64 + 30_000);
    let error = refused(&disk, ErrorKind::NoSpace, "no room");
    assert!(error.message().contains("fast mode"), "{error}");
    assert!(disk.read_file("a.wal.tmp").is_none(), "nothing half made is left");
    let mut options = Options::default();
    options.add_namespace("a").unwrap();
    assert_eq!(read_all(&Log::open_on(disk.storage(), &options).unwrap()), records);
}

#[test]
fn a_read_lock_keeps_writers_out_and_is_named_as_what_it_is() {
    let disk = Simulated::new();
    append(&open(&disk).unwrap(), b"one");
    disk.set_read_lock("a.log", true);
    let error = refused(&disk, ErrorKind::Locked, "a read lock");
    assert!(
        error.message().contains("it has a read lock") && error.message().contains("process 1 holds it"),
        "{error}"
    );
    disk.set_read_lock("a.log", false);
    let log = open(&disk).unwrap();
    assert_eq!(read_all(&log), [b"one"]);
    let error = refused(&disk, ErrorKind::Locked, "a second writer");
    assert!(error.message().contains("another writer") && error.message().contains("no process"), "{error}");
}

#[test]
fn a_writer_that_keeps_another_out_is_named_if_the_system_says_who_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.add_namespace("a").unwrap();
    let _log = Log::open(directory.path(), &options).unwrap();
    let error = Log::open(directory.path(), &options).expect_err("two writers");
    assert_eq!(error.kind, ErrorKind::Locked);
    assert!(error.message().contains("this process holds it"), "{error}");
}

#[test]
fn a_directory_in_the_place_of_a_journal_is_in_no_fast_writers_way() {
    let [directory, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let open = |fast_write: bool| {
        let mut options = Options { mode: if fast_write { Mode::Fast } else { Mode::Durable }, ..Options::default() };
        options.add_namespace("a").unwrap();
        Log::open(directory.path(), &options).map_err(|error| error.kind)
    };
    std::fs::create_dir(directory.path().join("a.wal")).unwrap();
    assert_eq!(open(false).map(drop), Err(ErrorKind::NotRegular), "a durable writer needs the name");
    let log = open(true).unwrap();
    append(&log, b"in a new log");
    let copy = |from: &tempfile::TempDir, to: &tempfile::TempDir| {
        for name in ["a.log", "a.idx"] {
            std::fs::copy(from.path().join(name), to.path().join(name)).unwrap();
        }
    };
    copy(&directory, &other);
    log.shutdown().unwrap();

    // As a kill left it, but for a checkpoint that cannot be read.
    copy(&other, &directory);
    let index = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.idx")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&index, &[0; 64], CHECKPOINT_OFFSETS[0]).unwrap();
    let log = open(true).unwrap();
    assert_eq!(read_all(&log), [b"in a new log"]);
    log.shutdown().unwrap();

    std::fs::remove_file(directory.path().join("a.idx")).unwrap();
    assert_eq!(read_all(&open(true).unwrap()), [b"in a new log"], "adopted");
}

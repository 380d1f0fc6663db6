//! What files say about segments: whose files they are, and what each opening carries on.

use super::{append, edit, first_header, only_in_the_journal, open, read_all, refused};
use crate::error::ErrorKind;
use crate::files::index::Header;
use crate::format::in_memory;
use crate::format::index::{CHECKPOINT_OFFSETS, Checkpoint, Identity, Place};
use crate::format::journal::HalfHeader;
use crate::format::number::{Base, Outer};
use crate::format::{PAGE_SIZE_BYTES, Page, crc32c};
use crate::storage::OpenMode;
use crate::storage::simulated::Simulated;
use crate::{Log, Options, Outcome, Repair, import_on, repair_on, verify_on};

fn options(read_only: bool) -> Options {
    let mut options = Options { read_only, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

fn header(disk: &Simulated) -> Header {
    Header::read(disk.storage().open("a.idx", OpenMode::Read).unwrap().as_ref()).unwrap()
}

/// A log with one record; `closed` or killed.
fn log_of_one(closed: bool) -> Simulated {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    append(&log, b"one");
    if closed {
        log.shutdown().unwrap();
    } else {
        disk.kill();
    }
    disk
}

/// Rows O27 and R12.
#[test]
fn an_index_file_of_another_segment_is_refused_and_left_alone() {
    for closed in [true, false] {
        let disk = log_of_one(closed);
        edit(&disk, "a.idx", |index| {
            let mut identity = Identity::decode(index.first_chunk().unwrap()).unwrap();
            identity.place = Some(Place { base: Base::new(7).unwrap(), before: None });
            index[..PAGE_SIZE_BYTES].copy_from_slice(&identity.encode());
        });
        let error = refused(&disk, ErrorKind::Mismatch, "opening");
        assert!(error.message().contains("a.idx") && error.message().contains("record 7"), "{error}");
        let files = ["a.log", "a.idx", "a.wal"].map(|name| disk.read_file(name));
        let read_only = Log::open_on(disk.storage(), &options(true)).map(drop);
        assert_eq!(read_only.map_err(|error| error.kind), Err(ErrorKind::Mismatch));
        let report = verify_on(&disk.storage(), "a", &options(true), &mut |_, _| true).unwrap();
        assert_eq!(report.finding, Some(ErrorKind::Mismatch));
        let how = Repair { apply: true, ..Repair::default() };
        let repaired = repair_on(&disk.storage(), "a", &options(false), how, &mut |_, _| true).map(drop);
        assert_eq!(repaired.map_err(|error| error.kind), Err(ErrorKind::Mismatch));
        assert!(files == ["a.log", "a.idx", "a.wal"].map(|name| disk.read_file(name)), "a file was changed");
    }
}

/// Row O28: a page whose checksum is right has a value that no segment can have.
#[test]
fn a_value_that_no_segment_can_have_is_refused_as_a_newer_format() {
    let later_segment = |page: &mut Page| page[32] = 1; // with 0 as its base
    let base_above_the_limit = |page: &mut Page| page[80..88].copy_from_slice(&(1_u64 << 63).to_le_bytes());
    for (name, change) in [("a.idx", later_segment as fn(&mut Page)), ("a.wal", base_above_the_limit)] {
        let (disk, _) = only_in_the_journal();
        edit(&disk, name, |file| {
            let page = file.first_chunk_mut().unwrap();
            change(page);
            let checksum = crc32c(&page[..PAGE_SIZE_BYTES - 4]);
            page[PAGE_SIZE_BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
        });
        let error = refused(&disk, ErrorKind::Version, name);
        assert!(error.message().contains("a value that this library does not know"), "{error}");
    }
}

/// Makes both checkpoints say that the namespace begins at record 1 and that the segment ends early.
fn mark(disk: &Simulated) {
    let Header { identity, checkpoints, .. } = header(disk);
    let (log_id, first) = (identity.unwrap().log_id, Outer::of_field(1).unwrap());
    edit(disk, "a.idx", |index| {
        for (checkpoint, offset) in checkpoints.into_iter().zip(CHECKPOINT_OFFSETS) {
            let page = Checkpoint { first, ends_early: true, ..checkpoint.unwrap() }.encode(&log_id);
            index[in_memory(offset)..][..PAGE_SIZE_BYTES].copy_from_slice(&page);
        }
    });
}

/// What both checkpoints say of that.
fn marks(disk: &Simulated) -> Vec<(u64, bool)> {
    let checkpoints = header(disk).checkpoints.map(Option::unwrap);
    checkpoints.iter().map(|checkpoint| (checkpoint.first.field(), checkpoint.ends_early)).collect()
}

#[test]
fn every_checkpoint_carries_on_what_is_not_about_its_writer() {
    for closed in [true, false] {
        let disk = log_of_one(closed);
        mark(&disk);
        let log = open(&disk).unwrap();
        assert_eq!(marks(&disk), [(1, true); 2], "after the opening");
        append(&log, b"two");
        log.sync(0).unwrap();
        append(&log, b"three");
        log.sync(0).unwrap();
        assert_eq!(marks(&disk), [(1, true); 2], "after checkpoints");
        log.shutdown().unwrap();
        assert_eq!(marks(&disk), [(1, true); 2], "after the close");
        assert_eq!(read_all(&open(&disk).unwrap()), [b"one".as_slice(), b"two", b"three"]);
    }
}

/// Row R3.
#[test]
fn a_repair_leaves_the_namespace_where_it_begins_and_ends() {
    let disk = log_of_one(true);
    mark(&disk);
    edit(&disk, "a.log", |log| *log.last_mut().unwrap() ^= 1);
    let how = Repair { apply: true, ..Repair::default() };
    let report = repair_on(&disk.storage(), "a", &options(false), how, &mut |_, _| true).unwrap();
    assert_eq!((report.outcome, report.bad_records), (Outcome::Repaired, 1));
    assert_eq!(marks(&disk), [(1, true); 2]);
}

/// A journal whose frames are those of another segment, beside nothing else.
fn journal_of_another_segment() -> Simulated {
    let (disk, _) = only_in_the_journal();
    edit(&disk, "a.wal", |journal| {
        let header = HalfHeader { base: Base::new(7).unwrap(), ..first_header(journal) };
        journal[..PAGE_SIZE_BYTES].copy_from_slice(&header.encode());
    });
    for name in ["a.log", "a.idx"] {
        disk.storage().remove(name).unwrap();
    }
    disk
}

/// Rows O17 and O19: frames of another segment are records, too, and nothing may remove them as if they were none.
#[test]
fn a_journal_of_another_segment_is_in_the_way_of_a_new_log() {
    let disk = journal_of_another_segment();
    let error = refused(&disk, ErrorKind::Missing, "no record file");
    assert!(error.message().contains("a.wal"), "{error}");

    disk.write_file("original.log", &[0; 8]);
    let beside = disk.storage();
    let journal = disk.read_file("a.wal");
    let imported =
        import_on(beside.as_ref(), "original.log", beside.as_ref(), "a", &Options::default(), &mut |_, _| true);
    assert_eq!(imported.map(drop).map_err(|error| error.kind), Err(ErrorKind::Exists));
    assert_eq!(disk.read_file("a.wal"), journal);

    // A record file of the original, with one record of a byte.
    disk.write_file("a.log", b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0x");
    let log = open(&disk).unwrap();
    assert_eq!(read_all(&log), [b"x"]);
    assert_eq!(disk.read_file("a.wal.bad-1"), journal, "kept aside");
}

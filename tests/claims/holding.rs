//! How much memory calls take: no more than some buffers, whatever files claim and however much is damaged.

use crate::forged::{empty_records, index_file};
use crate::layout::{ENTRIES_AT, entry, put};
use crate::{heap, options};
use immuta::{ErrorKind, Log, Mode, Options, Outcome, Repair, Report, Result, import, repair, verify};
use std::fs::{File, write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tempfile::TempDir;

/// Buffers that files are read through, and copied.
const BUFFERS_BYTES: usize = 2 << 20;

/// What `act` answers, made in little memory.
fn held_little<T>(what: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let (done, held_bytes) = heap::most_held(act);
    assert!(held_bytes < BUFFERS_BYTES, "{what}: {held_bytes} bytes of memory");
    done
}

fn repair_in(directory: &TempDir, apply: bool, accept_count: bool) -> Result<Report> {
    let how = Repair { apply, accept_count };
    held_little("a repair", || repair(directory.path(), "a", &options(), how, &mut |_, _| true))
}

fn verify_in(directory: &TempDir) -> Result<Report> {
    held_little("a verification", || verify(directory.path(), "a", &options(), &mut |_, _| true))
}

/// Gives the file of `size_bytes` at `path` the bytes of `parts` at their offsets, and nothing between.
fn lay(path: &Path, size_bytes: u64, parts: &[(u64, &[u8])]) -> bool {
    let file = File::create(path).unwrap();
    for (offset, bytes) in parts {
        file.write_all_at(bytes, *offset).unwrap();
    }
    file.set_len(size_bytes).is_ok()
}

#[test]
fn a_count_in_a_checkpoint_takes_no_memory() {
    const CLAIMED: u64 = 1_000_003;
    let directory = tempfile::tempdir().unwrap();
    let end = 8 + 8 * CLAIMED;
    assert!(lay(&directory.path().join("a.log"), end, &[(0, &CLAIMED.to_le_bytes())]));
    let header = index_file(1, CLAIMED, end, |index| put(index, ENTRIES_AT, &entry(0, 8, true, &[0; 8])));
    assert!(lay(&directory.path().join("a.idx"), 16384 + 24 * CLAIMED, &[(0, &header)]));
    assert_eq!(verify_in(&directory).unwrap().bad_records, CLAIMED - 1);
    for apply in [false, true] {
        let refused = repair_in(&directory, apply, false).map(drop).map_err(|error| error.kind);
        assert_eq!(refused, Err(ErrorKind::Ambiguous), "entries and records lie in holes");
    }
    let forecast = repair_in(&directory, false, true).unwrap();
    let report = repair_in(&directory, true, true).unwrap();
    assert_eq!((forecast.outcome, report.outcome), (Outcome::Damaged, Outcome::Repaired));
    assert_eq!((forecast.count, forecast.adopted, forecast.bad_records), (CLAIMED, CLAIMED - 1, 0));
    assert_eq!((report.count, report.adopted, report.bad_records), (CLAIMED, CLAIMED - 1, 0));
    assert_eq!(Log::open(directory.path(), &options()).unwrap().stats(0).unwrap().count, CLAIMED);
}

#[test]
fn a_count_without_an_index_file_takes_no_memory() {
    const CLAIMED: u64 = 1_000_003;
    let directory = tempfile::tempdir().unwrap();
    assert!(lay(&directory.path().join("a.log"), 8 + 8 * CLAIMED, &[(0, &CLAIMED.to_le_bytes())]));
    let refused = held_little("opening", || Log::open(directory.path(), &options()));
    assert_eq!(refused.map(drop).map_err(|error| error.kind), Err(ErrorKind::Ambiguous));
    assert_eq!(repair_in(&directory, true, true).unwrap().count, CLAIMED);
}

#[test]
fn a_record_of_terabytes_in_a_hole_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let sizes = [(1_u64 << 42) - 32, 1 << 40, 1 << 36];
    let parts =
        |size: u64| [[2, size].map(u64::to_le_bytes).concat(), [&3_u64.to_le_bytes(), b"abc".as_slice()].concat()];
    let path = directory.path().join("a.log");
    let size = sizes.into_iter().find(|size| {
        let [head, last] = parts(*size);
        lay(&path, size + 16 + 11, &[]) && lay(&path, size + 16 + 11, &[(0, &head), (size + 16, &last)])
    });
    let size = size.unwrap();
    println!("{size} bytes");
    let [_, last] = parts(size);
    let place = usize::try_from(size + 16).unwrap();
    let index = index_file(2, 2, size + 16 + 11, |index| {
        put(index, ENTRIES_AT, &entry(0, 8, true, b"of something else"));
        put(index, ENTRIES_AT + 24, &entry(1, place, true, &last));
    });
    write(directory.path().join("a.idx"), index).unwrap();
    assert_eq!(verify_in(&directory).unwrap().bad_records, 1);
    assert_eq!(repair_in(&directory, false, false).unwrap().bad_records, 1);
    let report = repair_in(&directory, true, false).unwrap();
    assert_eq!((report.outcome, report.count, report.bad_records), (Outcome::Repaired, 2, 1));
    let target = directory.path().join("imported");
    let imported = held_little("an import", || import(&path, &target, "a", &options(), &mut |_, _| true));
    assert_eq!(imported.unwrap().count, 2);
}

#[test]
fn any_number_of_damages_takes_no_memory() {
    const RECORDS: usize = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), &options()).unwrap();
    let records = vec![b"a payload".as_slice(); 1000];
    for _ in 0..RECORDS / 1000 {
        log.append_batch(0, &records).unwrap();
    }
    log.shutdown().unwrap();
    let path = directory.path().join("a.log");
    let mut bytes = std::fs::read(&path).unwrap();
    (0..RECORDS).step_by(2).for_each(|number| bytes[8 + number * 17 + 10] ^= 1);
    write(&path, bytes).unwrap();
    let bad = RECORDS as u64 / 2;
    assert_eq!(verify_in(&directory).unwrap().bad_records, bad);
    assert_eq!(repair_in(&directory, false, false).unwrap().bad_records, bad);
    assert_eq!(repair_in(&directory, true, false).unwrap().bad_records, bad);
}

#[test]
fn empty_records_that_are_written_need_no_confirmation() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path().join("a.log"), empty_records(100_003, b"")).unwrap();
    assert_eq!(Log::open(directory.path(), &options()).unwrap().stats(0).unwrap().count, 100_003);
}

#[test]
fn a_frame_of_the_journal_with_many_records_takes_no_memory() {
    const RECORDS: usize = 20_000;
    let living = tempfile::tempdir().unwrap();
    let durable = Options { mode: Mode::Durable, journal_size_bytes: 64 << 20, ..options() };
    let log = Log::open(living.path(), &durable).unwrap();
    let record = vec![7; 1000];
    let records = vec![record.as_slice(); RECORDS];
    // The files as a loss of power may leave them: the batch is in the journal only.
    let with = tempfile::tempdir().unwrap();
    let without = tempfile::tempdir().unwrap();
    let copy = |name: &str, to: &TempDir| std::fs::copy(living.path().join(name), to.path().join(name)).unwrap();
    for directory in [&with, &without] {
        copy("a.log", directory);
    }
    copy("a.idx", &with);
    log.append_batch(0, &records).unwrap();
    for directory in [&with, &without] {
        copy("a.wal", directory);
    }
    for (what, directory) in [("with its index file", &with), ("without", &without)] {
        let log = held_little(what, || Log::open(directory.path(), &options())).unwrap();
        assert_eq!(log.stats(0).unwrap().count, RECORDS as u64, "{what}");
    }
}

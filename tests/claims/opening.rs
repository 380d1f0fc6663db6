//! Opening for writing and for reading, and what a repair makes of what they refuse.

use crate::forged::{closed, empty_records, extend, image_of, index_file, sparse_records};
use crate::{cost, options, read_only, repair};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Options, Outcome, Repair, scan_on, verify_on};

const ACCEPTING: Repair = Repair { apply: false, accept_count: true };

/// Row O22.
#[test]
fn an_index_file_that_is_too_long_is_cut_and_its_hole_is_given_no_blocks() {
    const LONG: usize = 64 << 20;
    let disk = closed(&[b"one", b"two"]);
    let whole = disk.read_file("a.idx").unwrap().len();
    extend(&disk, "a.idx", LONG);
    let (log, cost) = cost(&disk, || Log::open_on(disk.storage(), &options()));
    let log = log.unwrap();
    assert_eq!(disk.read_file("a.idx").unwrap().len(), whole, "a writer begins with the entries there are");
    assert!(cost.read_bytes < 1 << 20 && cost.calls < 200, "{cost:?}");
    log.append(0, b"three").unwrap();
    let after = disk.read_file("a.idx").unwrap().len();
    assert!(after < 1 << 20, "{after} bytes after the first append");
    log.shutdown().unwrap();
}

/// How a log came to have records in a hole that no entry confirms, and how many records it has then.
fn in_holes() -> Vec<(&'static str, Simulated, u64)> {
    const EMPTY: u64 = 100_003;
    let without = Simulated::new();
    without.write_file("a.log", &empty_records(EMPTY, b""));
    let before_another = Simulated::new();
    before_another.write_file("a.log", &empty_records(EMPTY, b"after the hole"));
    let ahead = closed(&[b"one", b"two"]);
    let size_bytes = ahead.read_file("a.log").unwrap().len() + 8 * 100_003;
    extend(&ahead, "a.log", size_bytes);
    let mut log = ahead.read_file("a.log").unwrap();
    log[..8].copy_from_slice(&(EMPTY + 2).to_le_bytes());
    ahead.write_file("a.log", &log);
    let cut_off = Simulated::new();
    cut_off.write_file("a.log", &empty_records(EMPTY, b""));
    cut_off.write_file("a.idx", &index_file(0, EMPTY, 8 + 8 * EMPTY, |_| ()));
    vec![
        ("no index file", without, EMPTY),
        ("no index file, and a record after the hole", before_another, EMPTY + 1),
        ("a count ahead of an index file that was closed", ahead, EMPTY + 2),
        ("an index file whose entries are cut off", cut_off, EMPTY),
    ]
}

/// Rows O21 and R8.
#[test]
fn records_in_a_hole_that_only_a_count_claims_are_ambiguous_and_nothing_is_made() {
    for (what, disk, _) in in_holes() {
        let before = image_of(&disk);
        let (opened, cost) = cost(&disk, || Log::open_on(disk.storage(), &options()));
        assert_eq!(opened.map(drop).map_err(|error| error.kind), Err(ErrorKind::Ambiguous), "{what}");
        assert!(cost.read_bytes < 2 << 20 && cost.written_bytes < 1 << 16, "{what}: {cost:?}");
        if !before.contains_key("a.idx") {
            let opened = Log::open_on(disk.storage(), &read_only());
            assert_eq!(opened.map(drop).map_err(|error| error.kind), Err(ErrorKind::Ambiguous), "{what}, read-only");
        }
        let report = verify_on(&disk.storage(), "a", &options(), &mut |_, _| true).unwrap();
        assert_eq!(report.finding, Some(ErrorKind::Ambiguous), "{what}: what a verification finds");
        for apply in [false, true] {
            let repaired = repair(&disk, Repair { apply, accept_count: false });
            assert_eq!(repaired.map(drop).map_err(|error| error.kind), Err(ErrorKind::Ambiguous), "{what}, {apply}");
        }
        assert!(image_of(&disk) == before, "{what}: nothing is made, and nothing changed");
    }
}

/// Row R8.
#[test]
fn a_repair_that_accepts_the_count_indexes_records_in_a_hole() {
    for (what, disk, count) in in_holes() {
        let before = image_of(&disk);
        let forecast = repair(&disk, ACCEPTING).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(image_of(&disk) == before, "{what}: a dry run changes nothing");
        let repaired = repair(&disk, Repair { apply: true, ..ACCEPTING });
        let report = repaired.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((forecast.outcome, report.outcome), (Outcome::Damaged, Outcome::Repaired), "{what}");
        assert_eq!((forecast.finding, report.finding), (Some(ErrorKind::Ambiguous), Some(ErrorKind::Ambiguous)));
        assert_eq!((forecast.count, report.count), (count, count), "{what}");
        assert_eq!((forecast.adopted, forecast.bad_records), (report.adopted, report.bad_records), "{what}");
        let log = Log::open_on(disk.storage(), &options()).unwrap();
        assert_eq!((log.report(0).unwrap().outcome, log.stats(0).unwrap().count), (Outcome::Clean, count), "{what}");
    }
}

/// Row R8.
#[test]
fn a_repair_that_accepts_the_count_needs_room_for_the_index_and_says_so_before() {
    for (what, disk, count) in in_holes() {
        let before = image_of(&disk);
        let used: u64 = before.values().map(|bytes| bytes.len().next_multiple_of(4096) as u64).sum();
        disk.set_capacity(used + 24 * count / 2);
        for apply in [false, true] {
            let repaired = repair(&disk, Repair { apply, ..ACCEPTING });
            assert_eq!(repaired.map(drop).map_err(|error| error.kind), Err(ErrorKind::NoSpace), "{what}, {apply}");
            assert!(image_of(&disk) == before, "{what}, {apply}: nothing is made");
        }
    }
}

/// Row O21.
#[test]
fn records_in_a_hole_that_an_index_file_confirms_are_served() {
    let disk = closed(&vec![b"".as_slice(); 20_000]);
    let log = Log::open_on(disk.storage(), &options()).unwrap();
    assert_eq!((log.report(0).unwrap().outcome, log.stats(0).unwrap().count), (Outcome::Clean, 20_000));
}

#[test]
fn a_call_that_fails_while_holes_are_looked_for_changes_nothing() {
    for (what, disk, _) in in_holes() {
        let before = image_of(&disk);
        for call in 0.. {
            let disk = disk.copy();
            let first = disk.calls() + call;
            disk.fail_call(first, libc::EIO, true);
            let opened = Log::open_on(disk.storage(), &options()).map(drop).map_err(|error| error.kind);
            let was_met = disk.calls() > first;
            disk.clear_faults();
            assert!(image_of(&disk) == before, "{what}, call {call}");
            if !was_met {
                assert_eq!(opened, Err(ErrorKind::Ambiguous), "{what}");
                break;
            }
            assert!(matches!(opened, Err(ErrorKind::Io | ErrorKind::Ambiguous)), "{what}, call {call}: {opened:?}");
        }
    }
}

#[test]
fn holes_between_data_are_not_filled_by_an_opening() {
    const COUNT: u64 = 67;
    let disk = Simulated::new();
    disk.write_file("a.log", &sparse_records(COUNT));
    let (log, adopting) = cost(&disk, || Log::open_on(disk.storage(), &options()));
    assert_eq!(log.unwrap().report(0).unwrap().adopted, COUNT);
    // The blocks that the size words are in, the index file, the live page.
    assert!(adopting.written_bytes < COUNT * 4096 + (64 << 10), "{adopting:?}");

    let disk = closed(&[b"one", b"two"]);
    let behind = [disk.read_file("a.log").unwrap(), sparse_records(COUNT)].concat();
    disk.write_file("a.log", &behind);
    let (log, salvaging) = cost(&disk, || Log::open_on(disk.storage(), &options()));
    assert!(log.unwrap().report(0).unwrap().salvage.is_some());
    assert!(disk.read_file("a.salvage-1").is_some_and(|kept| behind.ends_with(&kept)));
    assert!(salvaging.written_bytes < COUNT * 4096 + (64 << 10), "{salvaging:?}");
}

#[test]
fn records_too_many_to_be_indexed_in_memory_refuse_nothing_but_themselves() {
    let records = vec![[1, 0, 0, 0, 0, 0, 0, 0, b'.']; (1 << 24) + 1].concat();
    let disk = closed(&[b"one"]);
    disk.write_file("large.log", &[((1_u64 << 24) + 1).to_le_bytes().to_vec(), records].concat());
    let log = Log::open_on(disk.storage(), &Options { read_only: true, ..Options::default() }).unwrap();
    assert_eq!((log.namespace_count(), log.namespace_name(0).unwrap()), (1, "a"));
    let refused = log.add_namespace("large").map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::TooLarge));
    let found = scan_on(disk.storage().as_ref(), &Options::default()).unwrap();
    let refusals = found.iter().map(|found| found.refusal.as_ref().map(|error| error.kind));
    assert!(refusals.eq([None, Some(ErrorKind::TooLarge)]));
}

/// Rows O20 and R7.
#[test]
fn the_advice_about_zeros_that_may_be_records_in_a_hole_leads_somewhere() {
    let disk = closed(&[b"one", b"two"]);
    disk.storage().remove("a.idx").unwrap();
    // The file has blocks that were never written, as a writer leaves it; the count on the disk says more records than
    // reached it.
    extend(&disk, "a.log", 64 << 10);
    let mut log = disk.read_file("a.log").unwrap();
    log[..8].copy_from_slice(&999_u64.to_le_bytes());
    disk.write_file("a.log", &log);
    let error = Log::open_on(disk.storage(), &options()).unwrap_err();
    assert_eq!((error.kind, error.number, error.offset), (ErrorKind::Ambiguous, 2, 30), "{error}");
    let refused = repair(&disk, Repair::default()).unwrap_err();
    assert_eq!(refused.message(), error.message());
    let advice = "call immuta_repair with IMMUTA_REPAIR_ACCEPT_COUNT; if they are none, cut the file at offset 30";
    assert!(error.message().contains(advice), "{error}");

    let cut = disk.copy();
    cut.write_file("a.log", &log[..30]);
    assert_eq!(repair(&cut, Repair { apply: true, ..Repair::default() }).unwrap().count, 2);
    assert_eq!(repair(&disk, Repair { apply: true, ..ACCEPTING }).unwrap().count, 999);
}

#[test]
fn records_in_a_hole_with_other_bytes_after_them_are_refused_for_the_hole() {
    const EMPTY: u64 = 10_003;
    let disk = Simulated::new();
    disk.write_file("a.log", &[empty_records(EMPTY, b""), b"no record".to_vec()].concat());
    let error = Log::open_on(disk.storage(), &options()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    assert!(error.message().contains("IMMUTA_REPAIR_ACCEPT_COUNT"), "{error}");
    assert_eq!(repair(&disk, Repair::default()).unwrap_err().message(), error.message());
    let report = repair(&disk, Repair { apply: true, ..ACCEPTING }).unwrap();
    assert_eq!((report.count, report.salvage.is_some()), (EMPTY, true));
}

/// Row R9.
#[test]
fn a_file_without_one_record_is_not_said_to_be_repairable() {
    let disk = Simulated::new();
    disk.write_file("a.log", &[[5, 0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 0], *b"too few."].concat());
    let error = Log::open_on(disk.storage(), &options()).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && !error.message().contains("immuta_repair"), "{error}");
    assert_eq!(repair(&disk, Repair::default()).unwrap_err().message(), error.message());
}

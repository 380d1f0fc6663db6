//! Repairing takes little memory, works by the data that exists, and keeps bytes in one file; a dry run says what the
//! real one does.

use crate::forged::{closed, image_of, index_file};
use crate::layout::{ENTRIES_AT, entry, put};
use crate::{BUFFER_BYTES, cost, options, repair};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Next, Outcome, Repair, Start};
use std::time::Duration;

const DRY: Repair = Repair { apply: false, accept_count: false };
const APPLY: Repair = Repair { apply: true, accept_count: false };
const RECORDS: usize = 24_000;
const RECORD_BYTES: usize = 8 + 9;

/// A log of which every other record is damaged, no two next to each other.
fn damaged_all_over() -> Simulated {
    let disk = closed(&vec![b"a payload".as_slice(); RECORDS]);
    let mut log = disk.read_file("a.log").unwrap();
    (0..RECORDS).step_by(2).for_each(|number| log[8 + number * RECORD_BYTES + 10] ^= 1);
    disk.write_file("a.log", &log);
    disk
}

#[test]
fn more_than_9999_separate_damages_are_kept_in_one_file_and_repaired() {
    let disk = damaged_all_over();
    let before = image_of(&disk);
    let (forecast, dry) = cost(&disk, || repair(&disk, DRY));
    let forecast = forecast.unwrap();
    assert!(image_of(&disk) == before);
    let (report, real) = cost(&disk, || repair(&disk, APPLY));
    let report = report.unwrap();
    let bad = RECORDS as u64 / 2;
    assert_eq!((forecast.outcome, report.outcome), (Outcome::Damaged, Outcome::Repaired));
    assert_eq!((forecast.bad_records, report.bad_records), (bad, bad));
    assert_eq!((forecast.trimmed_bytes, report.trimmed_bytes), (bad * 17, bad * 17));
    assert_eq!((forecast.count, report.count), (RECORDS as u64, RECORDS as u64));
    assert!(dry.calls < 1000, "{dry:?}");
    assert!(real.calls < 10 * bad, "no more than some calls for each damage: {real:?}");
    assert!(real.read_bytes < 64 * before["a.log"].len() as u64, "{real:?}");
    assert!(report.salvage.is_some_and(|path| path.ends_with("a.salvage-1")));
    assert!(disk.read_file("a.salvage-2").is_none(), "one file for all");
    // As docs/format.md draws it: a magic number, and for each stretch its offset, its length and its bytes.
    let salvage = disk.read_file("a.salvage-1").unwrap();
    let mut expected = b"\x89IMS\r\n\x1a\n".to_vec();
    for number in (0..RECORDS).step_by(2) {
        let offset = 8 + number * RECORD_BYTES;
        expected.extend((offset as u64).to_le_bytes());
        expected.extend((RECORD_BYTES as u64).to_le_bytes());
        expected.extend(&before["a.log"][offset..offset + RECORD_BYTES]);
    }
    assert!(salvage == expected, "{} bytes, {} expected", salvage.len(), expected.len());
    let log = Log::open_on(disk.storage(), &options()).unwrap();
    let mut stream = log.stream(0, Start::Number(1)).unwrap();
    assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(record)) if record.data() == b"a payload"));
    assert_eq!(stream.next(Some(Duration::ZERO)).map(drop).map_err(|error| error.kind), Err(ErrorKind::Corrupt));
}

#[test]
fn one_stretch_is_kept_as_its_bytes_alone() {
    let disk = closed(&[b"one", b"two", b"three"]);
    let mut log = disk.read_file("a.log").unwrap();
    log[8 + 11 + 8] ^= 1;
    disk.write_file("a.log", &log);
    repair(&disk, APPLY).unwrap();
    assert_eq!(disk.read_file("a.salvage-1").as_deref(), Some(&log[8 + 11..8 + 22]));
}

#[test]
fn a_dry_run_refuses_what_the_real_one_would() {
    for name in ["a.salvage", "a.idx.bad"] {
        let disk = damaged_all_over();
        (1..10_000).for_each(|number| disk.write_file(&format!("{name}-{number}"), b""));
        let before = image_of(&disk);
        for how in [DRY, APPLY] {
            let refused = repair(&disk, how).map(drop).map_err(|error| error.kind);
            assert_eq!(refused, Err(ErrorKind::Exists), "{name}, {how:?}");
            assert!(image_of(&disk) == before, "{name}, {how:?}");
        }
    }
    let disk = damaged_all_over();
    let before = image_of(&disk);
    let used: u64 = before.values().map(|bytes| bytes.len().next_multiple_of(4096) as u64).sum();
    for pages in [1, 60, 160, 300] {
        disk.set_capacity(used + 8192 + pages * 4096);
        let kinds = [DRY, APPLY].map(|how| repair(&disk.copy(), how).map(drop).map_err(|error| error.kind));
        assert_eq!(kinds[0], kinds[1], "with room for {pages} pages");
    }
}

#[test]
fn a_repair_does_not_read_the_hole_that_a_record_claims() {
    const CLAIMED: usize = 32 << 20;
    let mut log = 2_u64.to_le_bytes().to_vec();
    log.extend((CLAIMED as u64).to_le_bytes());
    log.resize(16 + CLAIMED, 0);
    log.extend([3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']);
    let second = 16 + CLAIMED;
    let disk = Simulated::new();
    let index = index_file(2, 2, log.len() as u64, |index| {
        put(index, ENTRIES_AT, &entry(0, 8, true, b"of something else"));
        put(index, ENTRIES_AT + 24, &entry(1, second, true, &log[second..]));
    });
    disk.write_file("a.idx", &index);
    disk.write_file("a.log", &log);
    let (report, cost) = cost(&disk, || repair(&disk, DRY));
    let report = report.unwrap();
    assert_eq!((report.count, report.bad_records), (2, 1));
    assert!(cost.read_bytes < 16 * BUFFER_BYTES && cost.calls < 200, "{cost:?}");
}

/// Row O12.
#[test]
fn a_dry_run_of_what_opening_would_mend_knows_the_room_for_what_is_cut_off() {
    let disk = closed(&[b"one", b"two"]);
    let cut_off = [disk.read_file("a.log").unwrap(), vec![0xFF; 40 << 10]].concat();
    disk.write_file("a.log", &cut_off);
    let mut outcomes = Vec::new();
    for free_pages in 0..16 {
        disk.set_capacity(u64::MAX);
        let free = disk.storage().free_bytes().unwrap();
        disk.set_capacity((u64::MAX - free) + free_pages * 4096);
        let kinds = [DRY, APPLY].map(|how| repair(&disk.copy(), how).map(drop).map_err(|error| error.kind));
        assert_eq!(kinds[0], kinds[1], "with room for {free_pages} pages");
        outcomes.push(kinds[0]);
    }
    assert_eq!((outcomes[0], outcomes[15]), (Err(ErrorKind::NoSpace), Ok(())));
}

/// Row R8.
#[test]
fn a_count_that_holds_is_weighed_before_the_hole_that_it_claims_is_walked() {
    const CLAIMED: u64 = 1 << 21;
    for is_hole_whole in [true, false] {
        // Empty records in a hole, which the checkpoint says are there; or, with a size that is wrong, do not lead to
        // its end.
        let mut log = CLAIMED.to_le_bytes().to_vec();
        log.resize(8 + 8 * usize::try_from(CLAIMED).unwrap(), 0);
        if !is_hole_whole {
            log[8] = 1;
        }
        let disk = Simulated::new();
        disk.write_file("a.idx", &index_file(0, CLAIMED, log.len() as u64, |_| ()));
        disk.write_file("a.log", &log);
        let before = image_of(&disk);
        let used: u64 = before.values().map(|bytes| bytes.len().next_multiple_of(4096) as u64).sum();
        disk.set_capacity(used + (1 << 20));
        for apply in [false, true] {
            let (repaired, cost) = cost(&disk, || repair(&disk, Repair { apply, accept_count: true }));
            let error = repaired.map(drop).expect_err("no room for so many entries");
            assert_eq!(error.kind, ErrorKind::NoSpace, "{is_hole_whole}, {apply}: {error}");
            assert!(cost.read_bytes < 16 * BUFFER_BYTES, "{is_hole_whole}, {apply}: {cost:?}");
            assert!(image_of(&disk) == before, "{is_hole_whole}, {apply}");
        }
    }
}

//! Verifying reads every record once, and of it only the bytes that exist.

use crate::forged::{empty_records, index_file};
use crate::layout::{ENTRIES_AT, ENTRY_BYTES, entry, put};
use crate::{BUFFER_BYTES, cost, options};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Result, verify_on};

/// The record that an entry, given by its number, claims to be, and the offset of that record.
type Place<'a> = &'a dyn Fn(usize) -> (usize, usize);

fn verify(disk: &Simulated) -> Result<immuta::Report> {
    verify_on(&disk.storage(), "a", &options(), &mut |_, _| true)
}

#[test]
fn a_verification_passes_over_entries_that_are_not_there() {
    const CLAIMED: u64 = 2_000_000;
    let disk = Simulated::new();
    let log = empty_records(CLAIMED, b"");
    let entries = usize::try_from(CLAIMED).unwrap();
    disk.write_file(
        "a.idx",
        &index_file(entries, CLAIMED, log.len() as u64, |index| {
            put(index, ENTRIES_AT, &entry(0, 8, true, &[0; 8]));
            put(index, ENTRIES_AT + (entries - 1) * ENTRY_BYTES, &entry(entries - 1, log.len() - 8, true, &[0; 8]));
        }),
    );
    disk.write_file("a.log", &log);
    let (report, cost) = cost(&disk, || verify(&disk));
    let report = report.unwrap();
    assert_eq!((report.finding, report.bad_records), (Some(ErrorKind::Corrupt), CLAIMED - 2));
    assert_eq!((report.count, report.first_bad_number), (CLAIMED, 1));
    assert!(cost.read_bytes < 8 * BUFFER_BYTES && cost.calls < 200, "{cost:?}");
}

#[test]
fn a_verification_reads_no_byte_twice_for_entries_that_overlap() {
    const ENTRIES: usize = 1000;
    const SIZE: usize = 1 << 20;
    let mut log = (ENTRIES as u64).to_le_bytes().to_vec();
    log.extend((SIZE as u64).to_le_bytes());
    log.resize(16 + SIZE, 7);
    let end = log.len() as u64;
    // All of them the same record; every other one back before it; one after the other, each with a size that leads to
    // the end.
    let same = |number: usize| (number, 8);
    let back_and_forth = |number: usize| (number, if number.is_multiple_of(2) { 8 } else { 1 << 19 });
    let nested = |number: usize| (number, 8 + 8 * number);
    let nest = |log: &mut Vec<u8>| {
        for number in 0..ENTRIES {
            let at = 8 + 8 * number;
            let left = (log.len() - at - 8) as u64;
            log[at..at + 8].copy_from_slice(&left.to_le_bytes());
        }
    };
    let cases: [(&str, Place<'_>, bool); 3] =
        [("the same", &same, false), ("back and forth", &back_and_forth, false), ("nested", &nested, true)];
    for (what, place, is_nested) in cases {
        let mut file = log.clone();
        if is_nested {
            nest(&mut file);
        }
        let disk = Simulated::new();
        let index = index_file(ENTRIES, ENTRIES as u64, end, |index| {
            for number in 0..ENTRIES {
                let (number, offset) = place(number);
                let record = if is_nested { &file[offset..offset + 8] } else { &file[offset..] };
                put(index, ENTRIES_AT + number * ENTRY_BYTES, &entry(number, offset, true, record));
            }
        });
        disk.write_file("a.idx", &index);
        disk.write_file("a.log", &file);
        let (report, cost) = cost(&disk, || verify(&disk));
        assert!(report.unwrap().bad_records >= ENTRIES as u64 - 1, "{what}");
        // Opening reads the first record and the last one, a verification all of them.
        assert!(cost.read_bytes < 4 * end + 8 * BUFFER_BYTES, "{what}: {cost:?}");
    }
}

#[test]
fn a_verification_of_one_long_record_can_be_cancelled() {
    const SIZE: usize = 64 << 20;
    let disk = crate::forged::closed(&[&vec![7; SIZE]]);
    let mut called = 0;
    let verified = verify_on(&disk.storage(), "a", &options(), &mut |_, _| {
        called += 1;
        called < 3
    });
    assert_eq!(verified.map(drop).map_err(|error| error.kind), Err(ErrorKind::Cancelled));
}

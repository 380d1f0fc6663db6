//! 1 to 16, 27: the record file: empty, with a count or sizes that are wrong, with zeros where records were, with a bit
//! flipped.

use crate::image::{bytes, file_of, lay, log_image, open, open_read_only, options, padded, read_all};
use crate::support::{
    assert_good_but, assert_only_bad, assert_refused, assert_refused_by_all, assert_served_but, closed, five, flipped,
    lay_image, offset_of, patched, verified,
};
use immuta::{ErrorKind, Log, Next, Outcome, Start, verify};
use std::time::Duration;

/// Row O1.
#[test]
fn hostile_01_main_empty() {
    let directory = lay(&[("a.log", b"")]);
    assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(open(directory.path()).unwrap().report(0).unwrap().outcome, Outcome::Created);
    assert_eq!(std::fs::read(directory.path().join("a.log")).unwrap(), [0; 8]);
}

/// Rows O1 and O26.
#[test]
fn hostile_02_main_1_to_7_bytes() {
    for size in 1..8 {
        let directory = lay(&[("a.log", &vec![7; size])]);
        // No file has a record of the log: it is being created, or a crash cut its creation.
        let refused = verify(directory.path(), "a", &options(true), &mut |_, _| true).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NotFound);
        assert_eq!(open(directory.path()).unwrap().report(0).unwrap().outcome, Outcome::Created);
        let directory = lay(&[("a.log", &vec![7; size]), ("a.idx", &closed()["a.idx"])]);
        assert_refused(directory.path(), ErrorKind::Truncated);
    }
}

#[test]
fn hostile_03_main_8_zero_bytes() {
    let directory = lay(&[("a.log", &[0; 8])]);
    assert_eq!(verified(directory.path()).finding, None);
    assert_served_but(directory.path(), &vec![], &[]);
    assert_eq!(open(directory.path()).unwrap().report(0).unwrap().count, 0);
}

/// Row O20.
#[test]
fn hostile_04_count_of_all_ones_without_index_file() {
    let mut file = file_of(&five());
    file[..8].fill(0xFF);
    assert_refused_by_all(lay(&[("a.log", &file)]).path(), ErrorKind::Corrupt);
}

/// Rows O5 and O8.
#[test]
fn hostile_05_count_of_2_to_the_63_beside_a_good_index_file() {
    let count = (1_u64 << 63).to_le_bytes();
    let directory = lay_image(&patched(closed(), "a.log", 0, &count));
    assert!(verified(directory.path()).finding.is_some());
    assert_served_but(directory.path(), &five(), &[]);
    assert_refused(directory.path(), ErrorKind::Mismatch);
    // After a crash the count is never trusted: the records that verify are the log, and the report has the count that
    // was found.
    let directory = lay_image(&patched(log_image(&five()[..2], &five()[2..], false), "a.log", 0, &count));
    let log = open(directory.path()).unwrap();
    assert_good_but(&log, &five(), &[]);
    assert_eq!(log.report(0).unwrap().header_count, 1 << 63);
}

/// The size of record 1 is `size`: reported by number with an index file, refused at its offset without one.
fn wrong_size(size: u64) {
    let image = patched(closed(), "a.log", offset_of(1), &size.to_le_bytes());
    assert_only_bad(&image, 1);
    let directory = lay(&[("a.log", &image["a.log"])]);
    let error = open(directory.path()).unwrap_err();
    assert_eq!((error.kind, error.number, error.offset), (ErrorKind::Corrupt, 1, offset_of(1) as u64));
    assert_refused_by_all(directory.path(), ErrorKind::Corrupt);
}

#[test]
fn hostile_06_size_of_all_ones() {
    wrong_size(u64::MAX);
}

#[test]
fn hostile_07_size_of_2_to_the_63() {
    wrong_size(1 << 63);
}

#[test]
fn hostile_08_size_that_overflows() {
    wrong_size(u64::MAX - offset_of(1) as u64 - 7);
}

#[test]
fn hostile_09_size_one_more_than_is_left() {
    wrong_size((closed()["a.log"].len() - offset_of(1) - 8) as u64 + 1);
}

#[test]
fn hostile_10_size_over_the_limit_inside_the_file() {
    let directory = lay_image(&log_image(&[b"x".to_vec(), vec![1; 5000], b"y".to_vec()], &[], true));
    for read_only in [true, false] {
        let mut options = options(read_only);
        options.max_record_size_bytes = 4999;
        let log = Log::open(directory.path(), &options).unwrap();
        let mut stream = log.stream(0, Start::Number(1)).unwrap();
        let error = stream.next(Some(Duration::ZERO)).unwrap_err();
        assert_eq!((error.kind, error.number), (ErrorKind::TooLarge, 1));
        stream.seek(2).unwrap();
        assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(record)) if record.data() == b"y"));
    }
}

#[test]
fn hostile_11_zeros_inside_the_synced_part() {
    let written = vec![b"x".to_vec(), vec![1; 3000], vec![2; 3000], vec![3; 3000], b"y".to_vec()];
    let directory = lay_image(&patched(log_image(&written, &[], true), "a.log", 1000, &[0; 4096]));
    assert_eq!(verified(directory.path()).bad_records, 2);
    assert_served_but(directory.path(), &written, &[1, 2]);
    assert_good_but(&open(directory.path()).unwrap(), &written, &[1, 2]);
}

#[test]
fn hostile_12_zeros_at_the_end_without_index_file() {
    let mut file = padded(file_of(&five()), 512);
    file[offset_of(3)..].fill(0);
    assert_refused_by_all(lay(&[("a.log", &file)]).path(), ErrorKind::Ambiguous);
}

/// A million of them here. Without an index file `a_million_empty_records_are_walked_in_one_step` shows that memory
/// does not grow with them.
#[test]
fn hostile_13_many_empty_records() {
    const EMPTY: usize = 1_000_000;
    let directory = lay(&[]);
    let log = open(directory.path()).unwrap();
    log.append_batch(0, &vec![b"".as_slice(); EMPTY]).unwrap();
    log.shutdown().unwrap();
    assert_eq!(verified(directory.path()).finding, None);
    let log = open(directory.path()).unwrap();
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    let mut count = 0;
    while let Next::Ready(batch) = stream.next_batch(EMPTY, 1, Some(Duration::ZERO)).unwrap() {
        count += batch.len();
    }
    assert_eq!(count, EMPTY);
}

#[test]
fn hostile_14_bit_flipped_in_a_payload() {
    (0..8).for_each(|bit| assert_only_bad(&flipped(closed(), "a.log", offset_of(1) + 8 + 3, bit), 1));
}

#[test]
fn hostile_15_bit_flipped_in_a_size() {
    (0..64).for_each(|bit| assert_only_bad(&flipped(closed(), "a.log", offset_of(1) + bit / 8, bit % 8), 1));
}

/// Rows O8 and O25.
#[test]
fn hostile_16_bit_flipped_in_the_count() {
    for bit in 0..64 {
        let (at, bit) = (bit / 8, bit % 8);
        let directory = lay_image(&flipped(closed(), "a.log", at, bit));
        assert!(verified(directory.path()).finding.is_some());
        // A record fewer is missing; a record more belongs to another time.
        let fewer = at == 0 && 5_u8 & (1 << bit) != 0;
        assert_refused(directory.path(), if fewer { ErrorKind::Corrupt } else { ErrorKind::Mismatch });
        // After a crash it is repaired, unless it says that synced records are gone.
        let directory = lay_image(&flipped(log_image(&[], &five(), false), "a.log", at, bit));
        assert_good_but(&open(directory.path()).unwrap(), &five(), &[]);
    }
}

#[test]
fn hostile_27_payloads_that_look_like_a_log() {
    let image = closed();
    let written = vec![image["a.log"].clone(), image["a.idx"].clone(), bytes(&[1, 5], b"hello")];
    let directory = lay_image(&log_image(&written, &[], true));
    assert_served_but(directory.path(), &written, &[]);
    // No call searches for records inside: without an index file there is nothing after a wrong size.
    let mut file = file_of(&written);
    file[8..16].copy_from_slice(&1_u64.to_le_bytes());
    let directory = lay(&[("a.log", &file)]);
    assert!(open(directory.path()).is_err());
    assert!(open_read_only(directory.path()).map(|log| read_all(&log)).is_err());
}

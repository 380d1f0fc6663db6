//! An index file older than its log, cut short or damaged: what is adopted, and what is refused.

use crate::disk::{
    CHECKPOINTS, Files, INDEX, JOURNAL, LOG, SECTOR_BYTES, append_batch, killed_after, open, records, recover, refused,
    three_closed,
};
use crate::records::read_all;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Mode, Outcome};

/// Row O7.
#[test]
fn an_index_file_older_than_its_log() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    log.sync(0).unwrap();
    let open_index = disk.read_file(INDEX);
    append_batch(&log, &records(3, 3, 300)).unwrap();
    log.shutdown().unwrap();
    let newer = Files::of(&disk);

    let (report, found) =
        recover(&Files { index: open_index, ..newer.clone() }.on_disk(), Mode::Fast, "of an open log");
    assert_eq!((report.adopted, found), (3, records(0, 6, 300)));
    let (report, found) = recover(&Files { index: three_closed().index, ..newer.clone() }.on_disk(), Mode::Fast, "");
    assert_eq!((report.outcome, report.adopted), (Outcome::Recovered, 3), "of a log with the same first records");
    assert_eq!(found, records(0, 6, 300));
}

/// Row O1.
#[test]
fn an_empty_log_whose_record_file_is_gone_is_begun_again() {
    let disk = Simulated::new();
    open(&disk, Mode::Fast).unwrap().shutdown().unwrap();
    disk.storage().remove(LOG).unwrap();
    let (report, found) = recover(&disk, Mode::Fast, "its index file knows of no record");
    assert_eq!((report.outcome, found.len()), (Outcome::Created, 0));
}

/// Rows O15 and O18.
#[test]
fn entries_cut_off_below_the_checkpoint() {
    let files = three_closed();
    for bytes in [0, 1, 4095, 4096, 8191, 8192, 12_288, 16_383] {
        let mut cut = files.clone();
        cut.index().truncate(bytes);
        let (report, found) = recover(&cut.on_disk(), Mode::Fast, &format!("{bytes} bytes left"));
        assert_eq!((report.adopted, found), (3, records(0, 3, 300)), "{bytes} bytes left");
    }
    for entries in 0..3 {
        let mut cut = files.clone();
        cut.index().truncate(16384 + entries * 24 + 7);
        let (report, found) = recover(&cut.on_disk(), Mode::Fast, &format!("{entries} entries left"));
        assert_eq!(found, records(0, 3, 300), "{entries} entries left");
        assert_eq!((report.adopted, report.finding), (3 - entries as u64, Some(ErrorKind::Truncated)));
    }
    let mut wrong = files.clone();
    wrong.index().truncate(16384 + 24);
    let at = 8 + 308;
    wrong.log()[at] ^= 1;
    refused(&wrong.on_disk(), Mode::Fast, ErrorKind::Truncated, "sizes that do not lead to the end");
}

/// Rows O13 and O14.
#[test]
fn checkpoints_that_cannot_be_read() {
    for mode in [Mode::Fast, Mode::Durable] {
        let disk = killed_after(mode, &records(0, 3, 300), &records(3, 3, 300));
        let files = Files::of(&disk);
        for damaged in [&CHECKPOINTS[..1], &CHECKPOINTS[1..], &CHECKPOINTS[..]] {
            let mut files = files.clone();
            for page in damaged {
                files.index()[page + 100] ^= 1;
            }
            let context = format!("{mode:?}, damaged at {damaged:?}");
            let (report, found) = recover(&files.on_disk(), mode, &context);
            assert_eq!(found, records(0, 6, 300), "{context}");
            assert_eq!(report.finding, Some(ErrorKind::Corrupt), "{context}");
        }
    }
}

/// Row O14.
#[test]
fn a_damaged_checkpoint_beside_a_durable_count_that_is_ahead() {
    let disk = killed_after(Mode::Durable, &[], &records(0, 3, 300));
    let mut files = Files::of(&disk);
    files.log()[8..].fill(0);
    files.journal().fill(0);
    for page in CHECKPOINTS {
        files.index()[page + 100] ^= 1;
    }
    let error = refused(&files.on_disk(), Mode::Durable, ErrorKind::Corrupt, "acknowledged records are missing");
    assert_eq!((error.number, error.offset), (0, 8));
    assert!(files.on_disk().read_file(JOURNAL).is_some() && files.on_disk().read_file(LOG).is_some());
    let log = open(&files.on_disk(), Mode::Fast).map(|log| read_all(&log).unwrap());
    assert_eq!(log.map_err(|error| error.kind), Err(ErrorKind::Corrupt), "in whatever mode it is opened");
}

/// A fast log of 20 records as a kill left it; a checkpoint covers the first ten.
fn ten_covered_of_twenty() -> Files {
    let disk = killed_after(Mode::Fast, &records(0, 10, 300), &records(10, 10, 300));
    Files::of(&disk)
}

/// Row O14.
#[test]
fn damage_to_both_checkpoints_never_cuts_a_record() {
    let files = ten_covered_of_twenty();
    let mut without_entries = files.clone();
    without_entries.index().truncate(5000);
    let (report, found) = recover(&without_entries.on_disk(), Mode::Fast, "no checkpoint, no entry");
    assert_eq!((report.finding, report.adopted, found), (Some(ErrorKind::Corrupt), 20, records(0, 20, 300)));
    let mut damaged = files;
    for page in CHECKPOINTS {
        damaged.index()[page + 9] ^= 1;
    }
    damaged.index()[16384 + 5 * 24] ^= 1;
    let error = refused(&damaged.on_disk(), Mode::Fast, ErrorKind::Corrupt, "entries after the damaged one are good");
    assert_eq!((error.number, error.offset), (0, 8), "the batch it is in");
}

/// Rows O5 and O8.
#[test]
fn a_count_ahead_in_an_open_file_of_a_size_that_no_writer_leaves() {
    const END: usize = 8 + 20 * 308;
    let mut files = ten_covered_of_twenty();
    files.log().truncate(END);
    files.log()[0] = 30;
    let error = refused(&files.on_disk(), Mode::Fast, ErrorKind::Mismatch, "the index file is of another time");
    assert_eq!((error.number, error.offset), (20, END as u64), "{error}");
    // A loss of power leaves whole sectors.
    files.log().resize(END.next_multiple_of(SECTOR_BYTES), 0);
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "the usual loss of power");
    assert_eq!((report.finding, report.header_count, found), (Some(ErrorKind::Corrupt), 30, records(0, 20, 300)));
}

/// Row O15.
#[test]
fn records_after_lost_entries_are_never_taken_unverified() {
    let mut files = ten_covered_of_twenty();
    files.index().truncate(16384 + 5 * 24);
    refused(&files.on_disk(), Mode::Fast, ErrorKind::Truncated, "nothing shows the records after the checkpoint");
    files.log()[0] = 10;
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "there are none");
    assert_eq!((report.adopted, found), (5, records(0, 10, 300)));
}

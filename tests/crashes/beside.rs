//! A journal and records without an index file: what the two together prove, and what is refused.

use crate::disk::{
    Files, SECTOR_BYTES, append, append_batch, cut_opening_anywhere, open, records, recover, refused,
    three_closed_then_three_more,
};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Mode, Outcome};

const RECORD_BYTES: usize = 8 + 300;

/// Six records, of which the journal has the last three, and no index file.
fn without_index_file() -> Files {
    let (_, crashed) = three_closed_then_three_more();
    Files { index: None, ..crashed }
}

/// The same with the record file ending after its records, and `more` after them that only the count includes.
fn followed_by(more: &[Vec<u8>]) -> Files {
    let mut files = without_index_file();
    let log = files.log();
    log.truncate(8 + 6 * RECORD_BYTES);
    log[0] = 6 + u8::try_from(more.len()).unwrap();
    for record in more {
        log.extend((record.len() as u64).to_le_bytes());
        log.extend(record);
    }
    files
}

/// Row O19.
#[test]
fn the_count_knows_records_after_the_journals() {
    let more = records(6, 2, 300);
    let mut files = followed_by(&more);
    let (report, found) = recover(&files.on_disk(), Mode::Durable, "they lead to the end");
    assert_eq!((report.outcome, report.adopted, found), (Outcome::Adopted, 8, records(0, 8, 300)));
    let padded_bytes = files.log().len().next_multiple_of(SECTOR_BYTES);
    files.log().resize(padded_bytes, 0);
    let (_, found) = recover(&files.on_disk(), Mode::Durable, "only zeros follow them");
    assert_eq!(found, records(0, 8, 300));
    let mut files = followed_by(&more);
    files.log().pop();
    let error = refused(&files.on_disk(), Mode::Durable, ErrorKind::Mismatch, "they leave the file");
    assert_eq!(error.number, 6, "{error}");
}

/// Row O20.
#[test]
fn other_bytes_follow_the_records_that_the_journal_and_the_count_know() {
    let mut files = followed_by(&[]);
    files.log().extend(b"what is this?");
    let error = refused(&files.on_disk(), Mode::Durable, ErrorKind::Ambiguous, "they may be records or not");
    assert_eq!((error.number, error.offset), (6, 8 + 6 * RECORD_BYTES as u64), "{error}");
}

/// Row O17.
#[test]
fn a_record_file_too_short_for_a_count_beside_a_journal_of_later_records() {
    for size in 0..8 {
        let mut files = without_index_file();
        files.log().truncate(size);
        refused(&files.on_disk(), Mode::Durable, ErrorKind::Missing, &format!("{size} bytes"));
    }
}

#[test]
fn a_journal_cut_short_by_hand_counts_as_far_as_its_frames_are_whole() {
    let files = without_index_file();
    let whole = files.journal.clone().unwrap();
    let frame_end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in [frame_end / 2, frame_end - 1] {
        let mut files = Files { journal: Some(whole[..cut].to_vec()), ..files.clone() };
        let (_, found) = recover(&files.on_disk(), Mode::Durable, "all bytes are in the record file");
        assert_eq!(found, records(0, 6, 300), "cut at {cut}");
        files.log().truncate(8 + 3 * RECORD_BYTES);
        files.log()[0] = 3;
        let (_, found) = recover(&files.on_disk(), Mode::Durable, "what the frame had is gone");
        assert_eq!(found, records(0, 3, 300), "cut at {cut}");
    }
}

/// Row O19.
#[test]
fn an_index_file_lost_beside_a_journal() {
    let (_, crashed) = three_closed_then_three_more();
    let mut all = Files { index: None, ..crashed };
    let (report, found) = recover(&all.on_disk(), Mode::Durable, "all bytes are there");
    assert_eq!((report.outcome, found), (Outcome::Adopted, records(0, 6, 300)));
    // After a power loss the record file may have nothing of what the journal holds, not even the count.
    all.log()[0] = 3;
    all.log()[8 + 3 * 308..].fill(0);
    let (report, found) = recover(&all.on_disk(), Mode::Fast, "the journal has it");
    assert_eq!((report.outcome, found), (Outcome::Adopted, records(0, 6, 300)));
    all.log().truncate(8 + 3 * 308);
    cut_opening_anywhere(&all.on_disk(), Mode::Durable, |cut| {
        let (_, found) = recover(&cut.left, Mode::Durable, &cut.context);
        assert_eq!(found, records(0, 6, 300), "{}", cut.context);
    });
}

#[test]
fn an_index_file_lost_beside_a_journal_with_a_commit_in_place() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    let sent = [records(0, 2, 300), records(2, 4, 20_000), records(6, 1, 300)].concat();
    append_batch(&log, &sent[..2]).unwrap();
    append_batch(&log, &sent[2..6]).unwrap();
    append(&log, &sent[6]).unwrap();
    disk.kill();
    let mut files = Files { index: None, ..Files::of(&disk) };
    let (_, found) = recover(&files.on_disk(), Mode::Durable, "whole");
    assert_eq!(found, sent);
    let at = 8 + 2 * 308;
    files.log()[at..at + 8].copy_from_slice(&20_001_u64.to_le_bytes());
    refused(&files.on_disk(), Mode::Durable, ErrorKind::Mismatch, "sizes that do not fill the frame");
}

#[test]
fn adopting_beside_a_journal_cut_at_any_call_keeps_an_empty_last_record() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append(&log, b"first").unwrap();
    append(&log, b"").unwrap();
    disk.kill();
    let files = Files { index: None, ..Files::of(&disk) };
    for mode in [Mode::Fast, Mode::Durable] {
        cut_opening_anywhere(&files.on_disk(), mode, |cut| {
            let (_, found) = recover(&cut.left, mode, &cut.context);
            assert_eq!(found, [b"first".to_vec(), Vec::new()], "{mode:?}, {}", cut.context);
        });
    }
}

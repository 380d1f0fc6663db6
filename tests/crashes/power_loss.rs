//! Losses of power: what a writer that syncs now and then leaves, what recovery keeps of it, and cuts during closing
//! and recovery.

use crate::disk::{
    Cut, Files, PAGE_BYTES, SECTOR_BYTES, after_power_loss, append, append_batch, cut_anywhere, cut_opening_anywhere,
    killed_after, open, open_flushing, records, recover, refused,
};
use crate::records::Records;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Mode, Outcome};
use std::time::Duration;

/// A fast log of 10 synced records and 500 more, before and after those.
fn ten_synced_then_more() -> (Files, Files) {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 400)).unwrap();
    log.sync(0).unwrap();
    let before = Files::of(&disk);
    for record in records(10, 500, 400) {
        append(&log, &record).unwrap();
    }
    let after = Files::of(&disk);
    disk.kill();
    (before, after)
}

/// The end of the first `count` records of 400 bytes.
fn end_of(count: usize) -> usize {
    8 + count * 408
}

/// Row O5.
#[test]
fn fast_mode_power_loss_with_the_header_page_on_disk_before_the_size() {
    let (before, after) = ten_synced_then_more();
    let (old, new) = (before.log.clone().unwrap(), after.log.clone().unwrap());
    let good = records(0, 10, 400);

    let mut header_only = before.clone();
    header_only.log()[..SECTOR_BYTES].copy_from_slice(&new[..SECTOR_BYTES]);
    let mut size_too = header_only.clone();
    size_too.log().resize(new.len(), 0);
    let mut a_hole_with_data_after_it = size_too.clone();
    let tail = end_of(500)..end_of(510);
    a_hole_with_data_after_it.log()[tail.clone()].copy_from_slice(&new[tail]);
    let mut without_entries = before.clone();
    without_entries.log = after.log.clone();
    let mut entries_of_lost_records = after.clone();
    entries_of_lost_records.log().truncate(old.len());
    for (context, files, is_salvaged) in [
        // A piece of record 10 shares the sector with the count in none of these, so zeros follow the first ten.
        ("the header page only", header_only, false),
        ("the size too", size_too, false),
        ("a hole with data after it", a_hole_with_data_after_it, true),
        ("all records, no entries", without_entries, true),
    ] {
        let disk = files.on_disk();
        let (report, found) = recover(&disk, Mode::Fast, context);
        assert_eq!(found, good, "{context}");
        assert_eq!((report.outcome, report.header_count, report.count), (Outcome::Recovered, 510, 10), "{context}");
        assert_eq!(report.finding, Some(ErrorKind::Corrupt), "{context}");
        assert_eq!((report.first_bad_number, report.first_bad_offset), (10, end_of(10) as u64), "{context}");
        let kept = disk.read_file("a.salvage-1");
        assert_eq!(
            report.salvage.as_ref().is_some_and(|path| path.ends_with("a.salvage-1")),
            is_salvaged,
            "{context}: {:?}",
            report.salvage
        );
        assert_eq!(kept, is_salvaged.then(|| files.log.unwrap()[end_of(10)..].to_vec()), "{context}: whole");
    }
    let whole_records = (old.len() - 8) / 408;
    let (report, found) = recover(&entries_of_lost_records.on_disk(), Mode::Fast, "entries of lost records");
    assert!(found.len() >= 10 && found.len() <= whole_records && records(0, 510, 400).starts_with(&found));
    assert_eq!(report.header_count, 510);
}

/// Where the entry of record `number` lies in the index file.
fn entry_at(number: usize) -> usize {
    16_384 + number * 24
}

/// The first page holds the count, too: without the page the count says nothing about the records after it.
/// Rows O10 and O11.
#[test]
fn whole_records_after_a_page_that_was_not_written_back_are_kept_and_said() {
    const SIZE: usize = 100;
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    let before = Files::of(&disk);
    for record in records(0, 120, SIZE) {
        append(&log, &record).unwrap();
    }
    let after = Files::of(&disk);
    disk.kill();
    let end = |count: usize| 8 + count * (SIZE + 8);
    let first_page = |files: &Files| {
        let mut page = files.log.clone().unwrap();
        page.resize(PAGE_BYTES, 0);
        page
    };
    let mut first_page_lost = after.clone();
    first_page_lost.log()[..PAGE_BYTES].copy_from_slice(&first_page(&before));
    let mut second_page_lost = after.clone();
    second_page_lost.log()[PAGE_BYTES..2 * PAGE_BYTES].fill(0);
    second_page_lost.log()[..8].fill(0);
    // The record after the gap is the last one of which anything was written.
    let mut one_survives = first_page_lost.clone();
    one_survives.log()[PAGE_BYTES..end(119)].fill(0);
    for (context, files, count) in [
        ("the first page", &first_page_lost, 0),
        ("the second page", &second_page_lost, (PAGE_BYTES - 8) / (SIZE + 8)),
        ("all but the last record", &one_survives, 0),
    ] {
        let disk = files.on_disk();
        let (report, found) = recover(&disk, Mode::Fast, context);
        assert_eq!(found, records(0, count, SIZE), "{context}");
        assert_eq!((report.outcome, report.header_count), (Outcome::Recovered, 0), "{context}");
        assert_eq!(report.finding, Some(ErrorKind::Corrupt), "{context}: records are missing");
        let first_bad = (report.first_bad_number, report.first_bad_offset);
        assert_eq!(first_bad, (count as u64, end(count) as u64), "{context}");
        assert!(
            report.salvage.as_ref().is_some_and(|path| path.ends_with("a.salvage-1")),
            "{context}: {:?}",
            report.salvage
        );
        let kept = disk.read_file("a.salvage-1").unwrap();
        assert_eq!(kept, files.log.as_ref().unwrap()[end(count)..], "{context}: whole");
    }
    // Bytes that nothing proves are those of a commit in flight.
    let mut without_entries = first_page_lost.clone();
    without_entries.index()[entry_at(0)..].fill(0);
    let disk = without_entries.on_disk();
    let (report, found) = recover(&disk, Mode::Fast, "no entries");
    assert_eq!((found.len(), report.finding, report.salvage), (0, None, None), "no entries");
}

/// Rows O3 and O11.
#[test]
fn a_commit_that_a_kill_cut_leaves_no_copy() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    let before = Files::of(&disk);
    append_batch(&log, &records(10, 5, 300)).unwrap();
    disk.kill();
    let after = Files::of(&disk);
    for entries in 0..5 {
        let mut files = Files { log: after.log.clone(), ..before.clone() };
        files.log()[..8].copy_from_slice(&10_u64.to_le_bytes());
        let written = entry_at(10)..entry_at(10 + entries);
        files.index()[written.clone()].copy_from_slice(&after.index.as_ref().unwrap()[written]);
        let disk = files.on_disk();
        let (report, found) = recover(&disk, Mode::Fast, &format!("{entries} entries of five"));
        assert_eq!((found.len(), report.finding, report.salvage), (10, None, None), "{entries} entries of five");
    }
}

/// In durable mode no acknowledged record is after a gap that the journal leaves, so nothing is missing. Records after
/// it that verify are kept all the same.
/// Row O10.
#[test]
fn whole_records_after_a_commit_that_never_was_are_kept_in_durable_mode_too() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    let acknowledged = Files::of(&disk);
    append(&log, &records(3, 1, 300)[0]).unwrap();
    append(&log, &records(4, 1, 300)[0]).unwrap();
    disk.kill();
    let after = Files::of(&disk);
    let mut files = Files { journal: acknowledged.journal, ..after };
    files.log()[..8].copy_from_slice(&3_u64.to_le_bytes());
    files.log()[8 + 3 * 308..][..308].fill(0);
    let disk = files.on_disk();
    let (report, found) = recover(&disk, Mode::Durable, "staged after one that was not written");
    assert_eq!((found, report.finding), (records(0, 3, 300), None));
    assert_eq!((report.first_bad_number, report.first_bad_offset), (0, 0));
    assert_eq!(disk.read_file("a.salvage-1").unwrap(), files.log.unwrap()[8 + 3 * 308..]);
}

#[test]
fn what_the_flusher_has_covered_outlasts_a_loss_of_power() {
    let disk = Simulated::new();
    let log = open_flushing(&disk, Mode::Fast, Duration::from_millis(1)).unwrap();
    for number in 0..3 {
        append(&log, &records(number, 1, 300)[0]).unwrap();
        while log.stats(0).unwrap().durable_count != number as u64 + 1 {
            std::thread::yield_now();
        }
        let (_, found) = recover(&after_power_loss(&disk, number as u64), Mode::Fast, &format!("{number} flushed"));
        assert_eq!(found, records(0, number + 1, 300));
    }
}

/// Row O12.
#[test]
fn fast_mode_power_loss_is_never_mended_without_room_for_what_is_cut() {
    let (before, after) = ten_synced_then_more();
    let files = Files { log: after.log, ..before };
    let disk = files.on_disk();
    let used = files.log.as_ref().unwrap().len() + files.index.as_ref().unwrap().len();
    disk.set_capacity(used as u64 + (64 << 10));
    let error = refused(&disk, Mode::Fast, ErrorKind::NoSpace, "no room for the salvage file");
    assert!(error.message().contains("a.salvage-K"), "{error}");
    disk.set_capacity(u64::MAX);
    let (report, _) = recover(&disk, Mode::Fast, "with room again");
    assert!(report.salvage.is_some_and(|path| path.ends_with("a.salvage-1")));
}

#[test]
fn a_recovery_cut_at_any_call_keeps_what_it_cuts_off_and_can_be_resumed() {
    let (before, after) = ten_synced_then_more();
    let files = Files { log: after.log.clone(), ..before };
    let lost = files.log.as_ref().unwrap()[end_of(10)..].to_vec();
    cut_opening_anywhere(&files.on_disk(), Mode::Fast, |cut| {
        let (_, found) = recover(&cut.left, Mode::Fast, &cut.context);
        assert_eq!(found, records(0, 10, 400), "{}", cut.context);
        let kept = cut.left.storage().list().unwrap();
        let mut kept = kept.iter().filter(|name| name.starts_with("a.salvage-"));
        let is_whole = |name| cut.left.read_file(name).as_ref() == Some(&lost);
        assert!(kept.any(|name| is_whole(name)), "{}: what was cut is nowhere", cut.context);
    });
}

#[test]
fn closing_and_recovery_cut_between_any_two_of_their_steps() {
    for (mode, next_mode) in [
        (Mode::Fast, Mode::Fast),
        (Mode::Fast, Mode::Durable),
        (Mode::Durable, Mode::Fast),
        (Mode::Durable, Mode::Durable),
    ] {
        let sent = records(0, 12, 300);
        let begin = || {
            let disk = Simulated::new();
            let log = open(&disk, mode).unwrap();
            append_batch(&log, &sent[..10]).unwrap();
            log.sync(0).unwrap();
            append_batch(&log, &sent[10..]).unwrap();
            (disk, log)
        };
        // Records that were not synced may be lost with the power, unless closing has succeeded.
        let is_right = |found: &Records, cut: &Cut| {
            let may_miss = mode == Mode::Fast && !cut.is_done && cut.lost_power;
            *found == sent || may_miss && *found == sent[..10]
        };
        cut_anywhere(
            begin,
            |_, log| log.shutdown().is_ok(),
            |cut| {
                let context = format!("{mode:?}, then {next_mode:?}, close {}", cut.context);
                assert!(is_right(&recover(&cut.left, next_mode, &context).1, cut), "{context}");
            },
        );
        let crashed = killed_after(mode, &sent[..10], &sent[10..]);
        cut_opening_anywhere(&crashed, next_mode, |cut| {
            let context = format!("{mode:?}, then {next_mode:?}, recovery {}", cut.context);
            assert!(is_right(&recover(&cut.left, mode, &context).1, cut), "{context}");
        });
    }
}

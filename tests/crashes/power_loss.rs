//! Losses of power: what a writer that syncs now and then leaves, what recovery keeps of it, and closing and recovery cut in their midst.

use crate::disk::{
    Cut, Files, Mode, SECTOR_BYTES, after_power_loss, append, append_batch, cut_anywhere, cut_opening_anywhere,
    killed_after, open, open_flushing, records, recover, refused,
};
use crate::records::Records;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Outcome};
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

#[test]
fn fast_mode_power_loss_with_the_header_page_on_disk_before_the_size() {
    let (before, after) = ten_synced_then_more();
    let (old, new) = (before.log.clone().unwrap(), after.log.clone().unwrap());
    let good = records(0, 10, 400);

    let mut header_only = before.clone();
    header_only.log()[..SECTOR_BYTES].copy_from_slice(&new[..SECTOR_BYTES]);
    let mut size_too = header_only.clone();
    size_too.log().resize(new.len(), 0);
    let mut a_hole_with_data_behind = size_too.clone();
    let tail = end_of(500)..end_of(510);
    a_hole_with_data_behind.log()[tail.clone()].copy_from_slice(&new[tail]);
    let mut without_entries = before.clone();
    without_entries.log = after.log.clone();
    let mut entries_of_lost_records = after.clone();
    entries_of_lost_records.log().truncate(old.len());
    for (context, files, is_salvaged) in [
        // A piece of record 10 shares the sector with the count in none of these, so zeros follow the first ten.
        ("the header page only", header_only, false),
        ("the size too", size_too, false),
        ("a hole with data behind", a_hole_with_data_behind, true),
        ("all records, no entries", without_entries, true),
    ] {
        let disk = files.on_disk();
        let (report, found) = recover(&disk, Mode::Fast, context);
        assert_eq!(found, good, "{context}");
        assert_eq!((report.outcome, report.header_count, report.count), (Outcome::Recovered, 510, 10), "{context}");
        assert_eq!(report.finding, Some(ErrorKind::Corrupt), "{context}");
        assert_eq!((report.first_bad_number, report.first_bad_offset), (10, end_of(10) as u64), "{context}");
        let kept = disk.read_file("a.salvage-1");
        assert_eq!(report.salvage.ends_with("a.salvage-1"), is_salvaged, "{context}: {:?}", report.salvage);
        assert_eq!(kept, is_salvaged.then(|| files.log.unwrap()[end_of(10)..].to_vec()), "{context}: whole");
    }
    let whole_records = (old.len() - 8) / 408;
    let (report, found) = recover(&entries_of_lost_records.on_disk(), Mode::Fast, "entries of lost records");
    assert!(found.len() >= 10 && found.len() <= whole_records && records(0, 510, 400).starts_with(&found));
    assert_eq!(report.header_count, 510);
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

#[test]
fn fast_mode_power_loss_is_never_mended_without_room_for_what_is_cut() {
    let (before, after) = ten_synced_then_more();
    let files = Files { log: after.log, ..before };
    let disk = files.on_disk();
    let used = files.log.as_ref().unwrap().len() + files.index.as_ref().unwrap().len();
    disk.set_capacity(used as u64 + (64 << 10));
    let error = refused(&disk, Mode::Fast, ErrorKind::NoSpace, "no room for the salvage file");
    assert!(error.message().contains("a.salvage-1"), "{error}");
    disk.set_capacity(u64::MAX);
    let (report, _) = recover(&disk, Mode::Fast, "with room again");
    assert!(report.salvage.ends_with("a.salvage-1"));
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
        // What was not synced may go with the power, unless closing has succeeded.
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

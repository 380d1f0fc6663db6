//! The crashes and mishaps that logs are known to break on, one test each: what is on the disk then, what opening for writing makes of it,
//! and what it must refuse. (A slow flusher beside a sync of another thread stands in `races.rs`, where syncs can be held still.)

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "crashes/agreement.rs"]
mod agreement;
#[path = "crashes/beside.rs"]
mod beside;
#[path = "crashes/disk.rs"]
mod disk;
#[path = "support/records.rs"]
mod records;

use disk::{
    CHECKPOINTS, Files, INDEX, JOURNAL, LOG, Mode, PAGE_BYTES, SECTOR_BYTES, append, append_batch, open, records,
    recover, refused,
};
use immuta::storage::OpenMode;
use immuta::storage::simulated::{Fault, Simulated};
use immuta::{ErrorKind, Log, Next, Options, Outcome, Timeout};
use records::read_all;

const POWER_CUTS: u64 = 40;

/// What is left on the disk when the power goes with `seed`, after whatever became of the process.
fn after_power_loss(disk: &Simulated, seed: u64) -> Simulated {
    let left = disk.copy();
    left.clear_faults();
    left.kill();
    left.power_loss(seed);
    left
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

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
fn fast_mode_power_loss_is_never_mended_without_room_for_what_is_cut() {
    let (before, after) = ten_synced_then_more();
    let files = Files { log: after.log, ..before };
    let disk = files.on_disk();
    let used = files.log.as_ref().unwrap().len() + files.index.as_ref().unwrap().len();
    disk.set_capacity(used as u64 + (64 << 10));
    let error = refused(&disk, Mode::Fast, ErrorKind::NoSpace, "no room for the salvage file");
    assert!(error.message.contains("a.salvage-1"), "{error}");
    disk.set_capacity(u64::MAX);
    let (report, _) = recover(&disk, Mode::Fast, "with room again");
    assert!(report.salvage.ends_with("a.salvage-1"));
}

#[test]
fn a_recovery_cut_at_any_call_keeps_what_it_cuts_off_and_can_be_resumed() {
    let (before, after) = ten_synced_then_more();
    let files = Files { log: after.log.clone(), ..before };
    let lost = files.log.as_ref().unwrap()[end_of(10)..].to_vec();
    for call in 0.. {
        let disk = files.on_disk();
        disk.kill_at_call(disk.calls() + call);
        let done = open(&disk, Mode::Fast).is_ok();
        for seed in 0..POWER_CUTS {
            let left = after_power_loss(&disk, seed);
            let (_, found) = recover(&left, Mode::Fast, &format!("cut at call {call}, seed {seed}"));
            assert_eq!(found, records(0, 10, 400), "call {call}, seed {seed}");
            let kept = left.storage().list().unwrap();
            let kept = kept.iter().filter(|name| name.starts_with("a.salvage-"));
            assert!(
                kept.map(|name| left.read_file(name)).any(|bytes| bytes.as_ref() == Some(&lost)),
                "call {call}, seed {seed}: what was cut is nowhere"
            );
        }
        if done {
            break;
        }
    }
}

#[test]
fn a_batch_larger_than_a_journal_half() {
    let first = records(0, 1, 100);
    let large = records(1, 4, 20_000);
    let all = [first.as_slice(), &large].concat();
    for call in 0.. {
        let disk = Simulated::new();
        let log = open(&disk, Mode::Durable).unwrap();
        append_batch(&log, &first).unwrap();
        disk.kill_at_call(disk.calls() + call);
        let done = append_batch(&log, &large).is_ok();
        for seed in 0..POWER_CUTS {
            let (_, found) =
                recover(&after_power_loss(&disk, seed), Mode::Durable, &format!("call {call}, seed {seed}"));
            assert!(found == all || !done && found == first, "call {call}, seed {seed}: {} records", found.len());
        }
        if done {
            break;
        }
    }
}

#[test]
fn the_first_durable_append_ever() {
    let only = records(0, 1, 3000);
    for call in 0.. {
        let disk = Simulated::new();
        disk.kill_at_call(call);
        let done = open(&disk, Mode::Durable).is_ok_and(|log| append_batch(&log, &only).is_ok());
        for seed in 0..POWER_CUTS {
            let (_, found) =
                recover(&after_power_loss(&disk, seed), Mode::Durable, &format!("call {call}, seed {seed}"));
            assert!(found == only || !done && found.is_empty(), "call {call}, seed {seed}");
        }
        if done {
            break;
        }
    }
}

#[test]
fn a_lost_newest_checkpoint_while_a_half_was_begun_anew() {
    let sent = records(0, 7, 9000);
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    for (number, record) in sent.iter().enumerate() {
        if number == 5 {
            // Covers what the half holds that the seventh needs.
            log.sync(0).unwrap();
        }
        append(&log, record).unwrap();
    }
    for seed in 0..POWER_CUTS {
        let left = after_power_loss(&disk, seed);
        let mut files = Files::of(&left);
        let newest = files.newest_checkpoint();
        files.index()[newest..newest + PAGE_BYTES].fill(0);
        let (_, found) = recover(&files.on_disk(), Mode::Durable, &format!("seed {seed}"));
        assert_eq!(found, sent, "seed {seed}");
    }
}

#[test]
fn a_damaged_frame_in_the_older_half_with_a_newer_half_behind_it() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    let opened = Files::of(&disk);
    for record in records(0, 5, 9000) {
        append(&log, &record).unwrap();
    }
    disk.kill();
    // Nothing of the record and side file reached the disk.
    let files = Files { journal: Files::of(&disk).journal, ..opened };
    let (_, found) = recover(&files.on_disk(), Mode::Durable, "undamaged");
    assert_eq!(found, records(0, 5, 9000));
    for at in [PAGE_BYTES + 10, PAGE_BYTES + 100, PAGE_BYTES + 9100] {
        let mut damaged = files.clone();
        damaged.journal()[at] ^= 1;
        let error = refused(&damaged.on_disk(), Mode::Durable, ErrorKind::Corrupt, "a frame of the older half");
        assert!(error.message.contains("acknowledged"), "{error}");
    }
}

#[test]
fn the_journal_missing_after_a_kill() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 5, 300)).unwrap();
    let opened_and_synced = disk.copy();
    disk.kill();
    let files = Files { journal: None, ..Files::of(&disk) };
    let (report, found) = recover(&files.on_disk(), Mode::Durable, "the files have it all");
    assert_eq!(found, records(0, 5, 300));
    assert_eq!(report.finding, Some(ErrorKind::Missing), "it is told");

    // After a power loss that left the count and not the records it is seen that acknowledged ones are missing.
    let left = after_power_loss(&opened_and_synced, 0);
    let mut files = Files { journal: None, ..Files::of(&left) };
    files.log()[..8].copy_from_slice(&5_u64.to_le_bytes());
    files.log()[8..].fill(0);
    refused(&files.on_disk(), Mode::Durable, ErrorKind::Corrupt, "the count tells of lost records");
}

/// A durable log closed with three records, and as a kill left it with three more.
fn three_closed_then_three_more() -> (Files, Files) {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    log.shutdown().unwrap();
    let closed = Files::of(&disk);
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(3, 3, 300)).unwrap();
    disk.kill();
    (closed, Files::of(&disk))
}

#[test]
fn a_stale_journal_beside_a_restored_log() {
    let (closed, crashed) = three_closed_then_three_more();
    let restored = Files { journal: crashed.journal.clone(), ..closed.clone() };
    let (report, found) = recover(&restored.on_disk(), Mode::Durable, "of another epoch");
    assert_eq!((report.outcome, found), (Outcome::Clean, records(0, 3, 300)));

    // Without the side file the journal is all that tells.
    let continued = Files { index: None, ..restored.clone() };
    let (report, found) = recover(&continued.on_disk(), Mode::Durable, "it continues the records");
    assert_eq!((report.outcome, report.adopted, found), (Outcome::Adopted, 6, records(0, 6, 300)));

    let mut older = continued.clone();
    older.log().truncate(8 + 308);
    older.log()[0] = 1;
    let disk = older.on_disk();
    let (_, found) = recover(&disk, Mode::Durable, "it does not continue the records");
    assert_eq!(found, records(0, 1, 300));
    assert_eq!(disk.read_file("a.wal.bad-1"), crashed.journal, "and is kept");

    let mut other = crashed.clone();
    other.index = None;
    let at = 8 + 3 * 308 + 100;
    other.log()[at] ^= 1;
    refused(&other.on_disk(), Mode::Durable, ErrorKind::Mismatch, "it disagrees with the records");
}

#[test]
fn a_side_file_lost_beside_a_journal() {
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
    for call in 0.. {
        let disk = all.on_disk();
        disk.kill_at_call(disk.calls() + call);
        let done = open(&disk, Mode::Durable).is_ok();
        for seed in 0..POWER_CUTS {
            let (_, found) =
                recover(&after_power_loss(&disk, seed), Mode::Durable, &format!("call {call}, seed {seed}"));
            assert_eq!(found, records(0, 6, 300), "call {call}, seed {seed}");
        }
        if done {
            break;
        }
    }
}

#[test]
fn a_side_file_lost_beside_a_journal_with_a_commit_in_place() {
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
fn a_poison_mark_over_the_last_good_checkpoint() {
    for mode in [Mode::Fast, Mode::Durable] {
        // One synced checkpoint or two, so that the mark has the one slot or the other to go to; each sync that follows fails once.
        for (syncs, failing) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let disk = Simulated::new();
            let log = open(&disk, mode).unwrap();
            for number in 0..syncs {
                append_batch(&log, &records(number * 10, 10, 300)).unwrap();
                log.sync(0).unwrap();
            }
            let covered = syncs * 10;
            append_batch(&log, &records(covered, 10, 300)).unwrap();
            disk.fail_call(disk.calls() + failing, libc::EIO, false);
            let context = format!("{mode:?}, {syncs} syncs, call {failing} of the next fails");
            let failed = log.sync(0).is_err();
            let all = records(0, covered + 10, 300);
            let killed = disk.copy();
            killed.clear_faults();
            killed.kill();
            assert_eq!(recover(&killed, mode, &context).1, all, "{context}: killed");
            // What the failed sync left in the cache only is on the disk, now that a recovery has said so.
            let with_one_more = [all.as_slice(), &[b"one more".to_vec()]].concat();
            let (_, found) =
                recover(&after_power_loss(&killed, 0), mode, &format!("{context}: killed, then the power went"));
            assert_eq!(found, with_one_more, "{context}: killed, then the power went");
            for seed in 0..POWER_CUTS {
                let (_, found) = recover(&after_power_loss(&disk, seed), mode, &format!("{context}, seed {seed}"));
                let least = if failed && mode == Mode::Fast { covered } else { covered + 10 };
                assert!(found.len() >= least && all.starts_with(&found), "{context}, seed {seed}: {}", found.len());
            }
        }
    }
}

#[test]
fn an_aborted_batch_of_equal_sized_records_behind_a_shorter_successor() {
    for mode in [Mode::Fast, Mode::Durable] {
        let mut succeeded = 0;
        for call in 0.. {
            let disk = Simulated::new();
            let log = open(&disk, mode).unwrap();
            append(&log, b"first").unwrap();
            disk.fail_call(disk.calls() + call, libc::ENOSPC, false);
            let aborted = append_batch(&log, &records(0, 3, 100)).is_err();
            disk.clear_faults();
            if !aborted {
                assert!(call > 0);
                break;
            }
            if append(&log, &records(7, 1, 100)[0]).is_err() {
                continue;
            }
            succeeded += 1;
            disk.kill();
            let (_, found) = recover(&disk, mode, &format!("{mode:?}, call {call}"));
            assert_eq!(found, [vec![b"first".to_vec()], records(7, 1, 100)].concat(), "{mode:?}, call {call}");
        }
        assert!(succeeded > 0, "{mode:?}: no batch was aborted without a trace");
    }
}

/// Its entries may have been written before the lack of room was noticed: zeros in the cache alone do not take them back.
#[test]
fn an_aborted_batch_leaves_no_trace_that_a_loss_of_power_brings_back() {
    for mode in [Mode::Fast, Mode::Durable] {
        let (first, aborted, next) = (records(0, 1, 120), records(1, 3, 120), records(7, 3, 120));
        let mut succeeded = 0;
        for call in 0.. {
            let disk = Simulated::new();
            let log = open(&disk, mode).unwrap();
            append_batch(&log, &first).unwrap();
            log.sync(0).unwrap();
            disk.strike_call(disk.calls() + call, Fault::RefuseLate(libc::ENOSPC), false);
            let outcome = append_batch(&log, &aborted);
            disk.clear_faults();
            let Err(error) = outcome else { break };
            if error.kind != ErrorKind::NoSpace {
                continue;
            }
            let found = |seed| recover(&after_power_loss(&disk, seed), mode, &format!("call {call}, seed {seed}")).1;
            for seed in 0..POWER_CUTS {
                assert_eq!(found(seed), first, "{mode:?}, call {call}, seed {seed}: only aborted");
            }
            append_batch(&log, &next).unwrap();
            succeeded += 1;
            let all = [first.clone(), next.clone()].concat();
            for seed in 0..POWER_CUTS {
                let found = found(seed);
                let is_right = found == all || mode == Mode::Fast && found == first;
                assert!(is_right, "{mode:?}, call {call}, seed {seed}: another in its place, {} records", found.len());
            }
        }
        assert!(succeeded > 0, "{mode:?}: no batch was aborted without a trace");
    }
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
        let crashed = Simulated::new();
        let log = open(&crashed, mode).unwrap();
        append_batch(&log, &sent[..10]).unwrap();
        log.sync(0).unwrap();
        append_batch(&log, &sent[10..]).unwrap();
        for call in 0.. {
            let disk = Simulated::new();
            let log = open(&disk, mode).unwrap();
            append_batch(&log, &sent).unwrap();
            log.sync(0).unwrap();
            disk.kill_at_call(disk.calls() + call);
            let done = log.shutdown().is_ok();
            for seed in 0..POWER_CUTS {
                let context = format!("{mode:?}, then {next_mode:?}, close cut at call {call}, seed {seed}");
                assert_eq!(recover(&after_power_loss(&disk, seed), next_mode, &context).1, sent, "{context}");
            }
            if done {
                break;
            }
        }
        crashed.kill();
        for call in 0.. {
            let disk = crashed.copy();
            disk.kill_at_call(disk.calls() + call);
            let done = open(&disk, next_mode).is_ok();
            let killed = disk.copy();
            killed.kill();
            assert_eq!(recover(&killed, mode, "killed").1, sent, "{mode:?}, {next_mode:?}, recovery killed at {call}");
            for seed in 0..POWER_CUTS {
                let context = format!("{mode:?}, {next_mode:?}, recovery cut at call {call}, seed {seed}");
                let (_, found) = recover(&after_power_loss(&disk, seed), mode, &context);
                assert!(found == sent || mode == Mode::Fast && !done && found == sent[..10], "{context}");
            }
            if done {
                break;
            }
        }
    }
}

/// A log of three records, closed cleanly.
fn three_closed() -> Files {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    log.shutdown().unwrap();
    Files::of(&disk)
}

/// Appends as the original does: the record at the end, then the count.
fn append_as_the_original(log: &mut Vec<u8>, record: &[u8]) {
    log.extend_from_slice(&(record.len() as u64).to_le_bytes());
    log.extend_from_slice(record);
    let count = word(log, 0) + 1;
    log[..8].copy_from_slice(&count.to_le_bytes());
}

#[test]
fn the_original_appending_to_a_cleanly_closed_log() {
    let mut files = three_closed();
    append_as_the_original(files.log(), b"from the original");
    append_as_the_original(files.log(), b"");
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "appended to");
    assert_eq!(found, [records(0, 3, 300), vec![b"from the original".to_vec(), Vec::new()]].concat());
    assert_eq!((report.outcome, report.count, report.adopted), (Outcome::Recovered, 5, 2));

    let mut torn = three_closed();
    torn.log().extend_from_slice(b"\x09\0\0\0\0\0\0\0half");
    let disk = torn.on_disk();
    let (report, found) = recover(&disk, Mode::Fast, "stopped before its count");
    assert_eq!((found, report.trimmed_bytes), (records(0, 3, 300), 12));
    assert_eq!(disk.read_file("a.salvage-1").unwrap(), b"\x09\0\0\0\0\0\0\0half");

    let mut counted = three_closed();
    counted.log()[0] = 4;
    refused(&counted.on_disk(), Mode::Fast, ErrorKind::Mismatch, "a count without its record");
    counted.log().extend_from_slice(&[0; 600]);
    refused(&counted.on_disk(), Mode::Fast, ErrorKind::Mismatch, "zeros that may be an empty record or none");
}

#[test]
fn a_side_file_older_than_its_log() {
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

#[test]
fn checkpoints_that_cannot_be_read() {
    for mode in [Mode::Fast, Mode::Durable] {
        let disk = Simulated::new();
        let log = open(&disk, mode).unwrap();
        append_batch(&log, &records(0, 3, 300)).unwrap();
        log.sync(0).unwrap();
        append_batch(&log, &records(3, 3, 300)).unwrap();
        disk.kill();
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

#[test]
fn a_damaged_checkpoint_beside_a_durable_count_that_is_ahead() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    disk.kill();
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

#[test]
fn a_recovery_for_durable_writes_cut_anywhere_misses_no_journal() {
    let crashed = Simulated::new();
    let log = open(&crashed, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 3, 100)).unwrap();
    crashed.kill();
    for call in 0.. {
        let disk = crashed.copy();
        disk.kill_at_call(disk.calls() + call);
        let done = open(&disk, Mode::Durable).is_ok();
        for seed in 0..POWER_CUTS {
            let context = format!("cut at call {call}, seed {seed}");
            let (report, _) = recover(&after_power_loss(&disk, seed), Mode::Durable, &context);
            assert_ne!(report.finding, Some(ErrorKind::Missing), "{context}");
        }
        if done {
            break;
        }
    }
}

#[test]
fn a_journal_that_a_fast_writer_removed_does_not_come_back() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 100)).unwrap();
    disk.kill();
    let _fast = open(&disk, Mode::Fast).unwrap();
    for seed in 0..POWER_CUTS {
        assert_eq!(Files::of(&after_power_loss(&disk, seed)).journal, None, "seed {seed}");
    }
}

#[test]
fn a_cache_lost_while_a_log_is_recovered_takes_nothing_that_was_synced() {
    let sent = records(0, 12, 300);
    for mode in [Mode::Fast, Mode::Durable] {
        let failed = Simulated::new();
        let log = open(&failed, mode).unwrap();
        append_batch(&log, &sent[..4]).unwrap();
        log.sync(0).unwrap();
        append_batch(&log, &sent[4..8]).unwrap();
        append_batch(&log, &sent[8..]).unwrap();
        failed.fail_call(failed.calls(), libc::EIO, false);
        log.sync(0).unwrap_err();
        failed.kill();
        for call in 0.. {
            let disk = failed.copy();
            let before = disk.calls();
            disk.drop_cache_at_call(before + call);
            drop(open(&disk, mode));
            let context = format!("{mode:?}, cache dropped at call {call}");
            let (_, found) = recover(&after_power_loss(&disk, call), mode, &context);
            let least = if mode == Mode::Fast { 4 } else { 12 };
            assert!(sent.starts_with(&found) && found.len() % 4 == 0 && found.len() >= least, "{context}");
            if disk.calls() - before <= call {
                break;
            }
        }
    }
}

/// A fast log of 20 records, the first ten covered by a checkpoint, as a kill left it.
fn ten_covered_of_twenty() -> Files {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    log.sync(0).unwrap();
    append_batch(&log, &records(10, 10, 300)).unwrap();
    disk.kill();
    Files::of(&disk)
}

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
    let error = refused(&damaged.on_disk(), Mode::Fast, ErrorKind::Corrupt, "entries behind the damaged one are good");
    assert_eq!((error.number, error.offset), (0, 8), "the batch it is in");
}

#[test]
fn records_behind_lost_entries_are_never_taken_unverified() {
    let mut files = ten_covered_of_twenty();
    files.index().truncate(16384 + 5 * 24);
    refused(&files.on_disk(), Mode::Fast, ErrorKind::Truncated, "nothing tells of the records behind the checkpoint");
    files.log()[0] = 10;
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "there are none");
    assert_eq!((report.adopted, found), (5, records(0, 10, 300)));
}

#[test]
fn the_original_appending_beside_a_damaged_checkpoint() {
    for fill in [15, 720] {
        let mut files = three_closed();
        let newest = files.newest_checkpoint();
        // Of two that say the same the other one was written by closing, too.
        let clean = files.index()[newest..newest + PAGE_BYTES].to_vec();
        let other = CHECKPOINTS[0] + CHECKPOINTS[1] - newest;
        files.index()[other..other + PAGE_BYTES].copy_from_slice(&clean);
        files.index()[other + 9] ^= 1;
        let size = files.log().len();
        append_as_the_original(files.log(), &vec![7; fill]);
        let (report, found) = recover(&files.on_disk(), Mode::Fast, &format!("{} bytes", size + 8 + fill));
        assert_eq!((found.len(), report.adopted), (4, 1));
    }
}

#[test]
fn records_adopted_after_a_failed_sync_reach_the_disk() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    disk.fail_call(disk.calls(), libc::EIO, false);
    log.sync(0).unwrap_err();
    disk.clear_faults();
    disk.kill();
    disk.storage().remove(INDEX).unwrap();
    let log = open(&disk, Mode::Fast).unwrap();
    assert_eq!(log.report(0).unwrap().outcome, Outcome::Adopted);
    log.shutdown().unwrap();
    for seed in 0..POWER_CUTS {
        let (_, found) = recover(&after_power_loss(&disk, seed), Mode::Fast, &format!("seed {seed}"));
        assert_eq!(found, records(0, 10, 300), "seed {seed}");
    }
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
        for call in 0.. {
            let disk = files.on_disk();
            disk.kill_at_call(disk.calls() + call);
            let done = open(&disk, mode).is_ok();
            for seed in 0..POWER_CUTS {
                let context = format!("{mode:?}, call {call}, seed {seed}");
                let (_, found) = recover(&after_power_loss(&disk, seed), mode, &context);
                assert_eq!(found, [b"first".to_vec(), Vec::new()], "{context}");
            }
            if done {
                break;
            }
        }
    }
}

#[test]
fn no_room_to_adopt_changes_nothing() {
    let mut files = three_closed();
    files.index()[0] ^= 1;
    for mode in [Mode::Fast, Mode::Durable] {
        let used = (files.log().len() as u64).next_multiple_of(4096) + files.index().len() as u64;
        let mut refusals = 0;
        for room in (8192_u64..).step_by(4096) {
            let disk = files.on_disk();
            disk.set_capacity(used + room);
            let opened = open(&disk, mode).map_err(|error| error.kind);
            let moved_aside = disk.read_file("a.idx.bad-1");
            if opened.is_ok() {
                assert_eq!(moved_aside, files.index, "{mode:?}, {room} bytes of room");
                break;
            }
            assert_eq!(opened.unwrap_err(), ErrorKind::NoSpace, "{mode:?}, {room} bytes of room");
            assert_eq!((Files::of(&disk), moved_aside), (files.clone(), None), "{mode:?}, {room} bytes of room");
            refusals += 1;
        }
        assert!(refusals > 0, "{mode:?}");
    }
}

#[test]
fn a_lock_just_taken_beside_a_dead_writers_page_rolls_nothing_back() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append(&log, b"counted").unwrap();
    append(&log, b"killed before it was counted").unwrap();
    let live = disk.read_file("a.live").unwrap();
    disk.kill();
    let mut files = Files::of(&disk);
    files.log()[0] = 1;
    let disk = files.on_disk();
    disk.write_file("a.live", &live);
    let mut options = Options { read_only: true, ..Options::default() };
    options.add_namespace("a").unwrap();
    let reader = Log::open_on(disk.storage(), &options).unwrap();
    let mut stream = reader.stream(0, 0).unwrap();
    for _ in 0..2 {
        assert!(matches!(stream.next(Timeout::Ns(0)), Ok(Next::Ready(_))));
    }
    // The next writer has the lock, and has not come to say that it is not ready.
    let next_writer = disk.storage().open(LOG, OpenMode::Write).unwrap();
    assert!(next_writer.try_lock().unwrap());
    let waited = stream.next(Timeout::Ns(100_000_000)).map(drop);
    assert!(matches!(waited, Ok(())), "{waited:?}");
    drop(next_writer);
    assert_eq!(recover(&disk, Mode::Fast, "both are there").1.len(), 2);
}

#[test]
fn a_journal_that_came_back_makes_no_fast_writer_a_durable_one() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    disk.kill();
    let journal = disk.read_file(JOURNAL);
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(3, 3, 300)).unwrap();
    disk.kill();
    // The removal of the journal, a checkpoint and the last records did not reach the disk; the count did.
    let mut files = Files { journal, ..Files::of(&disk) };
    let older = CHECKPOINTS[0] + CHECKPOINTS[1] - files.newest_checkpoint();
    files.index()[older + 100] ^= 1;
    files.log()[8 + 3 * 308..].fill(0);
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "as a fast writer's");
    assert_eq!((report.header_count, found), (6, records(0, 3, 300)));
}

//! Durable appends and their journal: cut in the middle, damaged, missing, stale, or reappeared.

use crate::disk::{
    CHECKPOINTS, Files, JOURNAL, PAGE_BYTES, POWER_CUTS, after_power_loss, append, append_batch, cut_anywhere,
    cut_opening_anywhere, killed_after, open, records, recover, refused, three_closed, three_closed_then_three_more,
};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Mode, Options, Outcome, Repair, repair_on};

#[test]
fn a_batch_larger_than_a_journal_half() {
    let first = records(0, 1, 100);
    let large = records(1, 4, 20_000);
    let all = [first.as_slice(), &large].concat();
    let begin = || {
        let disk = Simulated::new();
        let log = open(&disk, Mode::Durable).unwrap();
        append_batch(&log, &first).unwrap();
        (disk, log)
    };
    cut_anywhere(
        begin,
        |_, log| append_batch(log, &large).is_ok(),
        |cut| {
            let (_, found) = recover(&cut.left, Mode::Durable, &cut.context);
            assert!(found == all || !cut.is_done && found == first, "{}: {} records", cut.context, found.len());
        },
    );
}

/// Row O4.
#[test]
fn the_first_durable_append_ever() {
    let only = records(0, 1, 3000);
    cut_anywhere(
        || (Simulated::new(), ()),
        |disk, ()| open(disk, Mode::Durable).is_ok_and(|log| append_batch(&log, &only).is_ok()),
        |cut| {
            let (_, found) = recover(&cut.left, Mode::Durable, &cut.context);
            assert!(found == only || !cut.is_done && found.is_empty(), "{}", cut.context);
        },
    );
}

#[test]
fn a_lost_newest_checkpoint_while_a_half_was_begun_again() {
    let sent = records(0, 7, 9000);
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    for (number, record) in sent.iter().enumerate() {
        if number == 5 {
            // The checkpoint covers the frames of the half that the seventh record needs.
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

/// Row O4.
#[test]
fn a_damaged_frame_in_the_older_half_with_a_newer_half_after_it() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    let opened = Files::of(&disk);
    for record in records(0, 5, 9000) {
        append(&log, &record).unwrap();
    }
    disk.kill();
    // Nothing of the record and index file reached the disk.
    let files = Files { journal: Files::of(&disk).journal, ..opened };
    let (_, found) = recover(&files.on_disk(), Mode::Durable, "undamaged");
    assert_eq!(found, records(0, 5, 9000));
    for at in [PAGE_BYTES + 10, PAGE_BYTES + 100, PAGE_BYTES + 9100] {
        let mut damaged = files.clone();
        damaged.journal()[at] ^= 1;
        let error = refused(&damaged.on_disk(), Mode::Durable, ErrorKind::Corrupt, "a frame of the older half");
        assert!(error.message().contains("acknowledged"), "{error}");
    }
}

/// Rows O6 and O16.
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

    // After a power loss that left the count and not the records, the opening notices that acknowledged records are
    // missing.
    let left = after_power_loss(&opened_and_synced, 0);
    let mut files = Files { journal: None, ..Files::of(&left) };
    files.log()[..8].copy_from_slice(&5_u64.to_le_bytes());
    files.log()[8..].fill(0);
    refused(&files.on_disk(), Mode::Durable, ErrorKind::Corrupt, "the count shows that records are lost");
}

/// Rows O2 and O19.
#[test]
fn a_stale_journal_beside_a_restored_log() {
    let (closed, crashed) = three_closed_then_three_more();
    let restored = Files { journal: crashed.journal.clone(), ..closed.clone() };
    let (report, found) = recover(&restored.on_disk(), Mode::Durable, "of another epoch");
    assert_eq!((report.outcome, found), (Outcome::Clean, records(0, 3, 300)));

    // Without the index file only the journal says that there are more records.
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
fn a_recovery_for_durable_writes_cut_anywhere_misses_no_journal() {
    let crashed = killed_after(Mode::Fast, &[], &records(0, 3, 100));
    cut_opening_anywhere(&crashed, Mode::Durable, |cut| {
        let (report, _) = recover(&cut.left, Mode::Durable, &cut.context);
        assert_ne!(report.finding, Some(ErrorKind::Missing), "{}", cut.context);
    });
}

#[test]
fn a_journal_that_a_fast_writer_removed_does_not_come_back() {
    let disk = killed_after(Mode::Durable, &[], &records(0, 3, 100));
    let _fast = open(&disk, Mode::Fast).unwrap();
    for seed in 0..POWER_CUTS {
        assert_eq!(Files::of(&after_power_loss(&disk, seed)).journal, None, "seed {seed}");
    }
}

/// Rows O5 and O13.
#[test]
fn a_journal_that_came_back_makes_no_fast_writer_a_durable_one() {
    let disk = killed_after(Mode::Durable, &[], &records(0, 3, 300));
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

/// The checkpoint that says whose journal it is cannot be read, and the record before its frames is damaged.
/// Row O13.
#[test]
fn a_later_writers_journal_that_does_not_go_on_is_not_given_up() {
    let disk = three_closed().on_disk();
    let log = open(&disk, Mode::Durable).unwrap();
    // The record is larger than a half, so its frame says only that it is in its place.
    append(&log, &records(3, 1, 40 << 10)[0]).unwrap();
    (4..14).for_each(|number| append(&log, &records(number, 1, 300)[0]).unwrap());
    disk.kill();
    let mut files = Files::of(&disk);
    files.log()[..8].copy_from_slice(&3_u64.to_le_bytes());
    files.log()[8 + 3 * 308 + 8 + 100] ^= 1;
    let newest = files.newest_checkpoint();
    files.index()[newest] ^= 1;
    for mode in [Mode::Fast, Mode::Durable] {
        let error = refused(&files.on_disk(), mode, ErrorKind::Corrupt, "frames beyond what verifies");
        assert!(error.message().contains(JOURNAL) && error.message().contains("immuta_repair"), "{error}");
    }
    let disk = files.on_disk();
    let apply = Repair { apply: true, ..Repair::default() };
    let report = repair_on(&disk.storage(), "a", &Options::default(), apply, &mut |_, _| true).unwrap();
    assert_eq!((report.count, report.bad_records), (14, 1));
}

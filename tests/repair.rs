//! Repairs: what each leaves, that a dry run changes nothing, and that a repair which is interrupted or refused at any
//! call can be repeated.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "repair/scene.rs"]
mod scene;
#[path = "repair/table.rs"]
mod table;

use immuta::storage::OpenMode;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Outcome, Repair, Report};
use scene::{Found, Image, RECORDS, Scene, all, append, image_of, offset_of, open, payload, read_all, repair, scenes};
use std::time::Duration;

fn apply(scene: &Scene) -> Repair {
    Repair { apply: true, ..scene.how }
}

/// Checks that nothing is lost: the index file and the journal as they were, and the bytes that were replaced.
fn assert_kept(scene: &Scene, before: &Image, disk: &Simulated, context: &str) {
    let after = image_of(disk);
    let among = |prefix: &str, bytes: &[u8]| {
        let copies = after.iter().filter(|(name, _)| name.starts_with(prefix));
        copies.into_iter().any(|(_, copy)| copy.windows(bytes.len().max(1)).any(|window| window == bytes))
    };
    if let Some(index) = before.get("a.idx") {
        let is_kept = after.iter().any(|(name, copy)| name.starts_with("a.idx.bad-") && copy == index);
        assert!(is_kept, "{context}: the index file as it was");
    }
    if let Some(journal) = before.get("a.wal") {
        let is_kept = after.iter().any(|(name, copy)| name.starts_with("a.wal.bad-") && copy == journal);
        assert!(is_kept, "{context}: the journal as it was");
    }
    assert!(scene.kept.is_empty() || among("a.salvage-", &scene.kept), "{context}: {:?} was not kept", scene.kept);
}

/// The log opens, reads as it must, takes one more record, and stays that way.
fn assert_healed(scene: &Scene, disk: &Simulated, context: &str) {
    let mut left = scene.left.clone();
    for round in 0..2 {
        let log = open(disk).unwrap_or_else(|error| panic!("{context}: refused, {:?}: {error}", error.kind));
        assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{context}");
        assert!(read_all(&log) == left, "{context}, round {round}: {:?}", read_all(&log));
        append(&log, b"more");
        left.push(Some(b"more".to_vec()));
        log.shutdown().unwrap();
        let walked = immuta_walker::walk_closed(&disk.read_file("a.log").unwrap()).map(|walked| walked.count);
        assert_eq!(walked, Ok(left.len() as u64), "{context}: the walk");
    }
    let mut names = disk.storage().list().unwrap().into_iter();
    let left_over = names.find(|name| name == "a.wal" || name.rsplit_once('.').is_some_and(|(_, last)| last == "tmp"));
    assert_eq!(left_over, None, "{context}: it should be gone");
}

#[test]
fn a_repair_leaves_everything_that_verifies_and_a_dry_run_changes_nothing() {
    for scene in scenes() {
        let name = scene.name;
        let before = image_of(&scene.disk);
        if let Err(refusal) = open(&scene.disk.copy()) {
            assert_eq!(refusal.kind, scene.finding, "{name}: {refusal}");
            assert!(refusal.message().contains("immuta_repair"), "{name}: the way on is not named: {refusal}");
        }
        let live = scene.disk.read_file("a.live");
        let forecast =
            repair(&scene.disk, scene.how).unwrap_or_else(|error| panic!("{name}: {:?} {error}", error.kind));
        assert!(image_of(&scene.disk) == before && scene.disk.read_file("a.live") == live, "{name}: a dry run");
        let report = repair(&scene.disk, apply(&scene)).unwrap();
        assert_eq!((forecast.outcome, report.outcome), (Outcome::Damaged, Outcome::Repaired), "{name}");
        let without_times = |report: &Report| {
            let mut report = report.clone();
            (report.outcome, report.duration, report.salvage) = (Outcome::Damaged, Duration::ZERO, None);
            report
        };
        let (done, foreseen) = (format!("{:?}", without_times(&report)), format!("{:?}", without_times(&forecast)));
        assert_eq!(done, foreseen, "{name}: it does what it said");
        assert_eq!(report.finding, Some(scene.finding), "{name}");
        assert_eq!(report.count, scene.left.len() as u64, "{name}");
        let bad: Vec<u64> = (0..).zip(&scene.left).filter(|(_, record)| record.is_none()).map(|(n, _)| n).collect();
        assert_eq!(report.bad_records, bad.len() as u64, "{name}");
        assert!(bad.first().is_none_or(|first| *first == report.first_bad_number), "{name}: {report:?}");
        assert_kept(&scene, &before, &scene.disk, name);
        assert_healed(&scene, &scene.disk, name);
        let again = repair(&scene.disk, apply(&scene)).unwrap();
        assert_eq!((again.outcome, again.finding), (Outcome::Clean, None), "{name}: nothing is left to do");
        assert_eq!(again.bad_records, bad.len() as u64, "{name}: what is in quarantine stays there");
    }
}

/// Row R9.
#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let disk = Simulated::new();
    disk.write_file("a.log", b"This is no log at all, but a text of some length.");
    let before = image_of(&disk);
    for apply in [false, true] {
        let error = repair(&disk, Repair { apply, accept_count: true }).expect_err("not one record");
        assert_eq!((error.kind, error.number, error.offset), (ErrorKind::Corrupt, 0, 8), "{error}");
        assert!(image_of(&disk) == before);
    }
}

#[test]
fn a_repair_cut_at_any_call_is_run_again_and_nothing_is_lost() {
    let mut cuts = 0;
    for scene in scenes() {
        let before = image_of(&scene.disk);
        for call in 0_u64.. {
            let disk = scene.disk.copy();
            disk.kill_at_call(disk.calls() + call);
            let is_whole = repair(&disk, apply(&scene)).is_ok();
            for seed in 0..4 {
                let disk = disk.copy();
                if seed == 0 {
                    disk.kill();
                } else {
                    disk.power_loss(seed);
                }
                let context = format!("{}, cut at call {call}, {seed}", scene.name);
                repair(&disk, apply(&scene)).unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
                assert_kept(&scene, &before, &disk, &context);
                assert_healed(&scene, &disk, &context);
                cuts += 1;
            }
            if is_whole {
                break;
            }
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 2000);
}

#[test]
fn a_refused_call_anywhere_in_a_repair_loses_nothing() {
    let mut faults = 0;
    for scene in scenes() {
        let before = image_of(&scene.disk);
        for (os_error, sticky) in [(libc::EIO, false), (libc::EIO, true), (libc::ENOSPC, false), (libc::ENOSPC, true)] {
            for call in 0_u64.. {
                let disk = scene.disk.copy();
                let first = disk.calls() + call;
                disk.fail_call(first, os_error, sticky);
                let repaired = repair(&disk, apply(&scene));
                let was_reached = disk.calls() > first;
                disk.clear_faults();
                let context = format!("{}, call {call} refused with {os_error}, {sticky}", scene.name);
                let image = image_of(&disk);
                let (is_as_before, is_index_file_as_before) =
                    (image == before, image.get("a.idx") == before.get("a.idx"));
                if let Err(error) = &repaired {
                    assert!(error.kind != ErrorKind::Panic, "{context}: {error}");
                }
                let mut has_given_way = true;
                if repaired.is_err() || !is_as_before {
                    let again = repair(&disk, apply(&scene));
                    let again = again.unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
                    // The records of the journal may be written, and the log be whole, before any bytes are replaced.
                    has_given_way = again.outcome == Outcome::Repaired || !is_index_file_as_before;
                }
                if has_given_way {
                    assert_kept(&scene, &before, &disk, &context);
                }
                assert_healed(&scene, &disk, &context);
                faults += 1;
                if !was_reached {
                    break;
                }
            }
        }
    }
    println!("{faults} faults");
    assert!(faults > 2000);
}

/// A log killed after the call number `failing` of a sync was refused, so that the cache may have records that the disk
/// lacks. Then it was damaged: a record that its checkpoint covers, or, without its index file, a byte after the
/// records. Returns the log, what is left of it, and whether the disk lacks records.
fn after_a_failed_sync(has_index_file: bool, failing: u64) -> (Simulated, Found, bool) {
    let disk = Simulated::new();
    let log = open(&disk).unwrap();
    (0..4).for_each(|number| append(&log, &payload(number)));
    log.sync(0).unwrap();
    (4..RECORDS).for_each(|number| append(&log, &payload(number)));
    disk.fail_call(disk.calls() + failing, libc::EIO, false);
    let _ = log.sync(0);
    disk.kill();
    disk.clear_faults();
    let without = disk.copy();
    without.power_loss(0);
    let lacks_records = without.read_file("a.log").is_none_or(|file| file.get(offset_of(RECORDS) - 1) != Some(&b'I'));
    let (storage, mut left) = (disk.storage(), all());
    let file = storage.open("a.log", OpenMode::Write).unwrap();
    if has_index_file {
        file.write_at(offset_of(2) as u64 + 9, b"?").unwrap();
        left[2] = None;
    } else {
        storage.remove("a.idx").unwrap();
        file.write_at(file.metadata().unwrap().size_bytes, b"?").unwrap();
    }
    (disk, left, lacks_records)
}

const FAILED_SYNCS: u64 = 12;
const APPLY: Repair = Repair { apply: true, accept_count: false };

#[test]
fn what_a_failed_sync_left_in_the_cache_only_is_on_the_disk_once_a_repair_has_said_so() {
    for has_index_file in [true, false] {
        let mut lacking = 0;
        for failing in 0..FAILED_SYNCS {
            let context = format!("index file {has_index_file}, call {failing} failed");
            let (disk, left, lacks_records) = after_a_failed_sync(has_index_file, failing);
            lacking += u64::from(lacks_records);
            let report = repair(&disk, APPLY).unwrap();
            assert_eq!((report.outcome, report.count), (Outcome::Repaired, RECORDS as u64), "{context}");
            disk.power_loss(0);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
            assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{context}");
            assert!(read_all(&log) == left, "{context}: {:?}", read_all(&log));
        }
        assert!(lacking > 0, "the sync of the record file is among those that failed");
    }
}

#[test]
fn what_leaves_the_cache_in_the_midst_of_a_repair_is_said_and_never_counted() {
    let mut refusals = 0;
    for (damaged, left, _) in (0..FAILED_SYNCS).map(|failing| after_a_failed_sync(true, failing)).filter(|log| log.2) {
        for call in 0..150 {
            let disk = damaged.copy();
            disk.drop_cache_at_call(disk.calls() + call);
            let context = format!("the cache dropped at call {call}");
            let repaired = repair(&disk, APPLY).map(|report| report.count);
            if let Err(error) = &repaired {
                assert_eq!(error.kind, ErrorKind::Io, "{context}: {error}");
                refusals += 1;
            }
            let count = repaired.or_else(|_| repair(&disk, APPLY).map(|report| report.count)).unwrap();
            disk.power_loss(0);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
            let found = read_all(&log);
            assert_eq!((log.report(0).unwrap().outcome, found.len() as u64), (Outcome::Clean, count), "{context}");
            assert!(found.len() >= 4 && left.starts_with(&found), "{context}: {found:?}");
        }
    }
    println!("{refusals} refusals");
    assert!(refusals > 0);
}

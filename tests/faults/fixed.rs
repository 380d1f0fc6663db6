//! Refusals whose every detail is known: failed syncs, full disks, names that are not durable yet, a sync beside a
//! commit.

use crate::application::{Application, append, file_of, open, payloads};
use crate::records::{Records, read_all};
use immuta::ErrorKind;
use immuta::storage::simulated::Simulated;

const BLOCK_BYTES: u64 = 4096;

#[test]
fn a_failed_sync_poisons_until_the_log_is_opened_again() {
    let records = payloads(7);
    // The check whether the files are in place comes first.
    for (call, what) in (1..).zip(["syncing the record file", "syncing the index file", "writing the checkpoint"]) {
        let disk = Simulated::new();
        let log = open(&disk).unwrap();
        append(&log, &records[..3]).unwrap();
        log.sync(0).unwrap();
        append(&log, &records[3..]).unwrap();
        disk.fail_call(disk.calls() + call, libc::EIO, false);
        let error = log.sync(0).unwrap_err();
        assert_eq!((error.kind, error.os_error), (ErrorKind::Io, libc::EIO), "{what}: {error}");
        let calls = disk.calls();
        assert_eq!(append(&log, &records).unwrap_err().kind, ErrorKind::Poisoned, "{what}");
        assert_eq!(log.sync(0).unwrap_err().kind, ErrorKind::Poisoned, "{what}");
        assert_eq!(disk.calls(), calls, "{what}: nothing is tried again");
        assert!(read_all(&log).unwrap() == records, "{what}: reads go on");
        assert_eq!(log.shutdown().unwrap_err().kind, ErrorKind::Poisoned, "{what}");
        // The bytes that a failed sync forgot are written once more: from here on a loss of power takes nothing.
        open(&disk).unwrap();
        disk.power_loss(call);
        Application::knowing(&records).heal(&disk, what);
    }
}

#[test]
fn a_full_disk_leaves_no_trace_and_the_same_append_succeeds_with_room() {
    let large: Records = (0..9000).map(|number| vec![7; number % 9]).collect();
    let is_grown_by_zeros =
        |before: &[u8], now: &[u8]| now.strip_prefix(before).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    for free_blocks in 0_u64.. {
        let disk = Simulated::new();
        let log = open(&disk).unwrap();
        append(&log, &payloads(2)).unwrap();
        let files = || ["a.log", "a.idx"].map(|name| disk.read_file(name).unwrap());
        let before = files();
        disk.set_capacity((before[0].len() + before[1].len()) as u64 + free_blocks * BLOCK_BYTES);
        let Err(error) = append(&log, &large) else {
            println!("refused with 0 to {} blocks free", free_blocks - 1);
            assert!(free_blocks > 50, "both files were short of room at some time");
            return;
        };
        assert_eq!(error.kind, ErrorKind::NoSpace, "{free_blocks} blocks free: {error}");
        let unchanged = before.iter().zip(&files()).all(|(before, now)| is_grown_by_zeros(before, now));
        assert!(unchanged, "{free_blocks} blocks free: a trace was left");
        let mut application = Application::knowing(&payloads(2));
        disk.set_capacity(u64::MAX);
        if free_blocks % 2 == 0 {
            assert_eq!(append(&log, &large).unwrap(), 2, "{free_blocks} blocks free, then all");
            application.acknowledged.extend_from_slice(&large);
        }
        disk.kill();
        application.heal(&disk, free_blocks);
    }
}

#[test]
fn adopting_on_a_full_disk_leaves_nothing_half_made() {
    // Entries of several runs, so that some are written before the disk is full.
    let records: Records = (0..6000).map(|number| vec![9; number % 3]).collect();
    let file = file_of(&records);
    let mut refusals = 0;
    for free_blocks in 0_u64.. {
        let disk = Simulated::new();
        disk.write_file("a.log", &file);
        disk.set_capacity((file.len() as u64).next_multiple_of(BLOCK_BYTES) + free_blocks * BLOCK_BYTES);
        let Err(error) = open(&disk) else { break };
        refusals += 1;
        assert_eq!(error.kind, ErrorKind::NoSpace, "{free_blocks} blocks free: {error}");
        assert_eq!(disk.read_file("a.idx.tmp"), None, "{free_blocks} blocks free");
        assert!(disk.read_file("a.log").unwrap() == file, "{free_blocks} blocks free: the records");
        disk.set_capacity(u64::MAX);
        Application::knowing(&records).heal(&disk, free_blocks);
    }
    assert!(refusals > 144_000 / 4096, "refused {refusals} times");
}

#[test]
fn a_writer_killed_while_creating_leaves_names_the_next_one_makes_durable() {
    let disk = Simulated::new();
    open(&disk).unwrap();
    for call in 0..disk.calls() {
        for seed in 0..16 {
            let disk = Simulated::new();
            disk.kill_at_call(call);
            let _ = open(&disk);
            let log = open(&disk).unwrap();
            append(&log, &[b"synced".to_vec()]).unwrap();
            log.sync(0).unwrap();
            disk.power_loss(seed);
            Application::knowing(&[b"synced".to_vec()]).heal(&disk, (call, seed));
        }
    }
}

#[test]
fn a_commit_that_fails_beside_a_sync_never_leaves_a_log_that_is_refused() {
    // Between making room and writing there are checksums to compute: time for the sync to come while the commit is
    // under way.
    let large: Records = (0..30_000).map(|number| vec![3; number % 20]).collect();
    let begin = |disk: &Simulated| {
        let log = open(disk).unwrap();
        append(&log, &payloads(1)).unwrap();
        log
    };
    let disk = Simulated::new();
    let log = begin(&disk);
    let before = disk.calls();
    disk.fail_call(u64::MAX, libc::EIO, false); // with a fault planned, an append makes the calls that it makes below
    append(&log, &large).unwrap();
    let calls = before..disk.calls();
    let publish = calls.end - 1;
    for call in calls {
        for kill in [false, true] {
            let disk = Simulated::new();
            let log = begin(&disk);
            let mut application = Application::knowing(&payloads(1));
            application.in_flight.clone_from(&large);
            disk.fail_call(call, libc::EIO, false);
            let (appended, synced) = std::thread::scope(|scope| {
                let syncing = scope.spawn(|| {
                    while disk.calls() == before {
                        std::thread::yield_now();
                    }
                    log.sync(0)
                });
                (append(&log, &large), syncing.join().unwrap())
            });
            assert_eq!(appended.unwrap_err().kind, ErrorKind::Io, "call {call}");
            if call == publish {
                assert_eq!(synced.unwrap_err().kind, ErrorKind::Poisoned, "a sync beside a publish that failed");
            }
            if kill {
                disk.kill();
            }
            drop(log);
            application.heal(&disk, (call, kill));
        }
    }
}

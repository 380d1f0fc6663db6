//! Calls that the system refuses, and the crash that follows: poisoned logs, aborted batches, a lost cache, no room to
//! adopt.

use crate::disk::{
    Files, INDEX, LOG, POWER_CUTS, after_kill, after_power_loss, append, append_batch, open, records, recover, refused,
    three_closed,
};
use immuta::storage::simulated::{Fault, Simulated};
use immuta::{ErrorKind, Mode, Outcome};

/// Rows O3 and O4.
#[test]
fn a_poison_mark_over_the_last_good_checkpoint() {
    for mode in [Mode::Fast, Mode::Durable] {
        // One synced checkpoint or two, so that the mark goes to the one slot or the other; each sync that follows
        // fails once.
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
            let killed = after_kill(&disk);
            assert_eq!(recover(&killed, mode, &context).1, all, "{context}: killed");
            // The records that the failed sync left in the cache only are on the disk, now that a recovery has reported
            // them.
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
fn an_aborted_batch_of_equal_sized_records_after_a_shorter_successor() {
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

/// Its entries may have been written before the lack of room was noticed: zeros in the cache alone do not take them
/// back.
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
fn no_name_to_move_a_file_aside_to_changes_nothing() {
    let mut files = three_closed();
    files.index()[0] ^= 1;
    let disk = files.on_disk();
    for number in 1..10_000 {
        disk.write_file(&format!("a.idx.bad-{number}"), b"kept");
    }
    // Zeros after the records would be cut.
    disk.write_file(LOG, &[files.log().clone(), vec![0; 512 - files.log().len() % 512]].concat());
    let error = refused(&disk, Mode::Fast, ErrorKind::Exists, "too many");
    assert!(error.message().contains("a.idx.bad-"), "{error}");
    disk.storage().remove("a.idx.bad-77").unwrap();
    let (report, found) = recover(&disk, Mode::Fast, "one was removed");
    assert_eq!((report.outcome, found), (Outcome::Adopted, records(0, 3, 300)));
    assert_eq!(disk.read_file("a.idx.bad-77"), files.index);
}

/// Row O12.
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

//! Races of commits, checkpoints and closing, each made to happen every time: a sync is held still while others stage,
//! wait for room, make a checkpoint or close; then it succeeds or fails.
//!
//! The power is cut (on a copy of the disk) at the moments that matter.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "races/gated.rs"]
mod gated;
#[path = "support/records.rs"]
mod records;
#[path = "races/scene.rs"]
mod scene;

use immuta::{Error, ErrorKind, Outcome};
use records::read_all;
use scene::{Scene, outcome, reopen, thirds_of_half};

const LOG: &str = "a.log";
const INDEX: &str = "a.idx";
const JOURNAL: &str = "a.wal";

/// The answer to an append that may or may not be there later.
fn assert_in_doubt(error: &Error) {
    assert!(matches!(error.kind, ErrorKind::Io | ErrorKind::Poisoned), "{:?}: {error}", error.kind);
    assert!(error.message().contains("may or may not"), "{error}");
}

#[test]
fn those_who_stage_after_a_leader_share_one_write_and_one_sync() {
    let scene = Scene::open();
    let sent: Vec<Vec<u8>> = (0..5).map(|number| vec![number; 100]).collect();
    let before = scene.writes_and_syncs(JOURNAL);
    scene.hold(JOURNAL);
    let leader = scene.append(&sent[0]);
    let others: Vec<_> = sent[1..].iter().map(|record| scene.append(record)).collect();
    assert_eq!(scene.held(JOURNAL), 1, "one leads");
    assert!(read_all(&scene.log).unwrap().is_empty(), "nothing is shown before its sync");
    scene.assert_survives(0, &sent);
    scene.release(JOURNAL);
    outcome(leader).unwrap();
    assert!(others.iter().all(|other| !other.is_finished()), "acknowledged before the sync of its own group");
    assert_eq!(read_all(&scene.log).unwrap(), sent[..1]);
    scene.assert_survives(1, &sent);
    scene.release(JOURNAL);
    for other in others {
        outcome(other).unwrap();
    }
    assert_eq!(read_all(&scene.log).unwrap(), sent);
    scene.assert_survives(5, &sent);
    assert_eq!(scene.writes_and_syncs(JOURNAL), (before.0 + 2, before.1 + 2), "two groups");
}

#[test]
fn what_is_staged_when_a_half_ends_is_written_before_the_other_half_begins() {
    let scene = Scene::open();
    let sent = thirds_of_half(4);
    scene.hold(JOURNAL);
    let first_half: Vec<_> = sent[..3].iter().map(|record| scene.append(record)).collect();
    let fourth = scene.append(&sent[3]);
    scene.release(JOURNAL);
    scene.release(JOURNAL);
    for append in first_half {
        outcome(append).unwrap();
    }
    assert!(!fourth.is_finished());
    scene.assert_survives(3, &sent);
    scene.release(JOURNAL);
    assert_eq!(outcome(fourth).unwrap().number, 3);
    scene.assert_survives(4, &sent);
}

#[test]
fn a_half_begins_again_only_when_a_checkpoint_covers_what_it_holds() {
    let scene = Scene::open();
    let sent = thirds_of_half(7);
    scene.append_all(&sent[..1]);
    // It covers one record and has synced the record file: on the disk, later records are only in the journal.
    scene.hold(INDEX);
    let syncing = scene.start(|log| log.sync(0));
    scene.append_all(&sent[1..6]);
    let seventh = scene.append(&sent[6]);
    assert!(!seventh.is_finished(), "both halves are full");
    scene.assert_survives(6, &sent);
    scene.release(INDEX);
    scene.release(INDEX);
    outcome(syncing).unwrap();
    // The flush thread, told when the second half was begun, makes a checkpoint of all six.
    assert_eq!(scene.held(INDEX), 1, "the next checkpoint");
    assert!(!seventh.is_finished(), "the half holds more than the first checkpoint covers");
    scene.assert_survives(6, &sent);
    scene.release(INDEX);
    assert!(!seventh.is_finished(), "the checkpoint itself is not on disk yet");
    scene.assert_survives(6, &sent);
    scene.release(INDEX);
    assert_eq!(outcome(seventh).unwrap().number, 6);
    scene.assert_survives(7, &sent);
}

#[test]
fn closing_waits_for_appends_in_flight_and_sends_those_away_that_wait_for_room() {
    let scene = Scene::open();
    let sent = thirds_of_half(7);
    scene.append_all(&sent[..4]);
    scene.hold(JOURNAL);
    let (leader, behind, without_room) = (scene.append(&sent[4]), scene.append(&sent[5]), scene.append(&sent[6]));
    assert!(!without_room.is_finished());
    let closing = scene.start(immuta::Log::shutdown);
    assert_eq!(outcome(without_room).unwrap_err().kind, ErrorKind::Closed);
    assert_eq!(outcome(scene.append(b"late")).unwrap_err().kind, ErrorKind::Closed);
    assert!(!closing.is_finished(), "an append is in flight");
    scene.release(JOURNAL);
    outcome(leader).unwrap();
    assert!(!closing.is_finished(), "another one is");
    scene.release(JOURNAL);
    outcome(behind).unwrap();
    outcome(closing).unwrap();
    assert_eq!(reopen(&scene.disk), (Outcome::Clean, sent[..6].to_vec()));
}

#[test]
fn a_large_commit_never_syncs_after_a_checkpoint_that_could_not() {
    let scene = Scene::open();
    let sent = [b"small".to_vec(), vec![7; 100_000]];
    scene.append_all(&sent[..1]);
    scene.hold(LOG);
    let syncing = scene.start(|log| log.sync(0));
    // Too long for the journal, so it is to be synced in place, after the checkpoint.
    let large = scene.append(&sent[1]);
    assert_eq!(scene.held(LOG), 1);
    scene.fail(LOG);
    assert_eq!(outcome(syncing).unwrap_err().kind, ErrorKind::Io);
    assert_eq!(scene.held(LOG), 0, "the kernel would say that all is well");
    assert_in_doubt(&outcome(large).unwrap_err());
    scene.assert_survives(1, &sent);
}

#[test]
fn a_commit_in_flight_beside_a_checkpoint_that_fails_is_in_doubt() {
    let scene = Scene::open();
    let sent = thirds_of_half(3);
    scene.append_all(&sent[..1]);
    scene.hold(LOG);
    scene.hold(JOURNAL);
    let syncing = scene.start(|log| log.sync(0));
    let (leader, behind) = (scene.append(&sent[1]), scene.append(&sent[2]));
    scene.fail(LOG);
    assert_eq!(outcome(syncing).unwrap_err().kind, ErrorKind::Io);
    scene.release(JOURNAL);
    assert_in_doubt(&outcome(leader).unwrap_err());
    assert_in_doubt(&outcome(behind).unwrap_err());
    assert_eq!(read_all(&scene.log).unwrap(), sent[..1], "nothing more is shown");
    scene.assert_survives(1, &sent);
}

#[test]
fn a_commit_that_fails_leaves_nobody_waiting() {
    let scene = Scene::open();
    let sent = thirds_of_half(4);
    scene.hold(JOURNAL);
    let in_flight: Vec<_> = sent[..3].iter().map(|record| scene.append(record)).collect();
    let without_room = scene.append(&sent[3]);
    scene.fail(JOURNAL);
    for append in in_flight {
        assert_in_doubt(&outcome(append).unwrap_err());
    }
    assert_eq!(outcome(without_room).unwrap_err().kind, ErrorKind::Poisoned);
    assert_eq!(scene.held(JOURNAL), 0, "nothing is tried again");
    assert_eq!(outcome(scene.append(b"late")).unwrap_err().kind, ErrorKind::Poisoned);
    assert!(read_all(&scene.log).unwrap().is_empty());
    assert_eq!(outcome(scene.start(immuta::Log::shutdown)).unwrap_err().kind, ErrorKind::Poisoned);
    scene.assert_survives(0, &sent[..3]);
}

#[test]
fn a_checkpoint_that_fails_leaves_nobody_waiting_for_room() {
    for (file, succeed) in [(LOG, 0), (INDEX, 0), (INDEX, 1)] {
        let scene = Scene::open();
        let sent = thirds_of_half(8);
        scene.append_all(&sent[..1]);
        scene.hold(file);
        let syncing = scene.start(|log| log.sync(0));
        (0..succeed).for_each(|_| scene.release(file));
        scene.append_all(&sent[1..6]);
        let without_room = [scene.append(&sent[6]), scene.append(&sent[7])];
        assert!(without_room.iter().all(|append| !append.is_finished()), "both halves are full");
        scene.fail(file);
        assert_eq!(outcome(syncing).unwrap_err().kind, ErrorKind::Io, "{file}");
        for append in without_room {
            assert_eq!(outcome(append).unwrap_err().kind, ErrorKind::Poisoned, "{file}");
        }
        assert_eq!(scene.held(file), 0, "{file}: nothing is tried again");
        assert_eq!(outcome(scene.start(immuta::Log::shutdown)).unwrap_err().kind, ErrorKind::Poisoned, "{file}");
        scene.assert_survives(6, &sent[..6]);
    }
}

#[test]
fn a_slow_flushers_checkpoint_against_a_sync_in_another_thread() {
    for fails in [false, true] {
        let scene = Scene::open_fast();
        let sent: Vec<Vec<u8>> = (0..5).map(|number| vec![number; 100]).collect();
        scene.append_all(&sent[..3]);
        scene.hold(LOG);
        let slow = scene.start(|log| log.sync(0));
        scene.append_all(&sent[3..]);
        let later = scene.start(|log| log.sync(0));
        assert_eq!(scene.held(LOG), 1, "checkpoints are made one at a time");
        scene.assert_survives(0, &sent);
        if fails {
            scene.fail(LOG);
            assert_eq!(outcome(slow).unwrap_err().kind, ErrorKind::Io);
            assert_eq!(
                outcome(later).unwrap_err().kind,
                ErrorKind::Poisoned,
                "no sync is trusted after one that failed"
            );
            assert_eq!(read_all(&scene.log).unwrap(), sent, "readers go on");
            continue;
        }
        scene.release(LOG);
        outcome(slow).unwrap();
        scene.assert_survives(3, &sent);
        assert!(!later.is_finished(), "what it is to cover was not synced yet");
        scene.release(LOG);
        outcome(later).unwrap();
        scene.assert_survives(5, &sent);
    }
}

//! What the writer does when it is at its limits, closed, or left by a panic.

use super::*;
use crate::storage::simulated::Simulated;
use crate::{Log, Mode, Next, Options, Start};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

fn open(disk: &Simulated, fast_write: bool) -> Log {
    let mut options = Options { mode: if fast_write { Mode::Fast } else { Mode::Durable }, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options).unwrap()
}

fn append(log: &Log) -> Result<()> {
    log.append(0, b"record").map(drop)
}

#[test]
fn records_end_where_the_format_does() {
    let fits = Appended { number: 0, offset: (1 << 47) - 16, stored_size: 8, count: 1 };
    assert_eq!(end_of(fits).ok(), Some(1 << 47));
    let one_byte_more = Appended { stored_size: 9, ..fits };
    let overflows = Appended { stored_size: u64::MAX, count: 2, ..fits };
    let too_many = Appended { count: u64::MAX, ..fits };
    for appended in [one_byte_more, overflows, too_many] {
        assert_eq!(end_of(appended).unwrap_err().kind, ErrorKind::TooLarge, "{appended:?}");
    }
}

#[test]
fn a_panic_in_a_commit_poisons_the_namespace_and_reads_go_on() {
    for fast_write in [true, false] {
        let log = open(&Simulated::new(), fast_write);
        append(&log).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _unfinished = Unfinished(log.writer(0).unwrap());
            panic!("in the midst of a commit");
        }));
        assert!(panicked.is_err());
        assert_eq!(append(&log).unwrap_err().kind, ErrorKind::Poisoned);
        let mut stream = log.stream(0, Start::Beginning).unwrap();
        assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(_))));
    }
}

#[test]
fn small_records_and_larger_ones_are_put_alike() {
    let disk = Simulated::new();
    let edge = put::SMALL_RECORD_BYTES - 8;
    let sizes = [0, 1, edge - 1, edge, edge + 1, 5000];
    let payload = |size: usize| (0..size).map(|at| at.to_le_bytes()[0]).collect::<Vec<u8>>();
    for fast_write in [true, false] {
        let log = open(&disk, fast_write);
        for size in sizes {
            log.append(0, payload(size)).unwrap();
        }
        let whole: Vec<u8> =
            sizes.iter().flat_map(|size| [&size.to_le_bytes()[..], &payload(*size)].concat()).collect();
        log.shutdown().unwrap();
        assert!(disk.read_file("a.log").unwrap().ends_with(&whole), "the bytes that the format wants");
        let log = open(&disk, fast_write);
        let mut stream = log.stream(0, Start::Beginning).unwrap();
        let read: Vec<_> = stream.records(Some(Duration::ZERO)).map(|record| record.unwrap().data().len()).collect();
        assert!(read.ends_with(&sizes), "{read:?}");
    }
}

#[test]
fn room_is_asked_for_once_before_it_is_needed_and_the_flush_thread_makes_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(["a"]);
    options.flush_interval = None;
    let log = Log::open(directory.path(), &options).unwrap();
    let writer = log.writer(0).unwrap();
    let room_end = || writer.groups.lock().state.as_ref().unwrap().log.room_end();
    let payload = vec![7; 65_536];
    let append = || writer.append(Payloads::One(&[&payload]), None).unwrap();
    // A request makes room, unless the file ends there. Room made is used up only after the next request.
    let mut makings = 0;
    for _ in 0..800 {
        let (before, appended) = (room_end(), append());
        let was_asked = writer.is_room_asked();
        writer.make_room_ahead();
        assert!(!writer.is_room_asked());
        if was_asked && room_end() > before {
            makings += 1;
            let made = room_end();
            assert!(before > appended.offset, "asked at {}, room to {before}", appended.offset);
            writer.make_room_ahead();
            assert_eq!(room_end(), made, "nothing is made that was not asked for");
            let is_end_of_file = made == writer.log.metadata().unwrap().size_bytes;
            while !writer.is_room_asked() && !is_end_of_file {
                append();
                assert_eq!(room_end(), made, "the next request comes before the room is used up");
            }
        }
    }
    assert_eq!(makings > 3, writer.namespace.storage.maps_files(), "an engine that stores asks: {makings}");
    // With the thread, which is started by the first append through the log.
    while writer.is_room_asked() {
        log.append(0, b"small").unwrap();
        std::thread::yield_now();
    }
    log.shutdown().unwrap();
    writer.make_room_ahead();
}

/// A log on real files whose writer has asked for room that can be made; `None` where the engine never asks.
fn log_that_asked_for_room(directory: &Path) -> Option<Log> {
    let mut options = Options::new(["a"]);
    options.flush_interval = None;
    let log = Log::open(directory, &options).unwrap();
    let writer = log.writer(0).unwrap();
    let payload = vec![7; 65_536];
    while writer.namespace.storage.maps_files() {
        writer.append(Payloads::One(&[&payload]), None).unwrap();
        let is_at_end = room_end(writer) == writer.log.metadata().unwrap().size_bytes;
        if writer.is_room_asked() && !is_at_end {
            return Some(log);
        }
    }
    None
}

fn room_end(writer: &Writer) -> u64 {
    writer.groups.lock().state.as_ref().unwrap().log.room_end()
}

#[test]
fn no_room_is_made_ahead_in_a_poisoned_namespace() {
    let directory = tempfile::tempdir().unwrap();
    let Some(log) = log_that_asked_for_room(directory.path()) else { return };
    let writer = log.writer(0).unwrap();
    let before = room_end(writer);
    writer.namespace.poisoned.store(true, Ordering::Release);
    writer.make_room_ahead();
    assert_eq!(room_end(writer), before);
}

#[test]
#[allow(unsafe_code, reason = "close")]
fn a_handle_whose_descriptors_a_newer_one_has_writes_no_zeros() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let Some(log) = log_that_asked_for_room(&path) else { return };
    let writer = log.writer(0).unwrap();
    for number in std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| Some(entry.ok()?.path())) {
        if std::fs::read_link(&number).is_ok_and(|target| target.starts_with(&path)) {
            let number = number.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // SAFETY: as a host that closes what it does not know.
            assert_eq!(unsafe { libc::close(number) }, 0);
        }
    }
    let newer = Log::open(&path, &Options::new(["a"])).unwrap();
    let count = newer.stats(0).unwrap().count;
    let large = vec![8; 20 << 20];
    newer.append(0, &large).unwrap();
    writer.make_room_ahead();
    // It needs room, but the file need not grow.
    let beyond_room =
        vec![9; usize::try_from(room_end(writer) - writer.groups.lock().state.as_ref().unwrap().end).unwrap()];
    assert_eq!(writer.append(Payloads::One(&[&beyond_room]), None).unwrap_err().kind, ErrorKind::Io);
    let mut stream = newer.stream(0, Start::Number(count)).unwrap();
    let record = stream.next(Some(Duration::ZERO)).unwrap().ready().unwrap();
    assert!(record.data() == large, "zeros went over what the newer handle stored");
}

/// The error of `act` on a writer of a log that was shut down.
fn after_shutdown<T>(log: &Log, act: impl FnOnce(&Writer) -> Result<T>) -> ErrorKind {
    let writer = log.writer(0).unwrap();
    log.shutdown().unwrap();
    act(writer).map(drop).unwrap_err().kind
}

#[test]
fn a_writer_closed_by_another_thread_refuses_everything() {
    let late = |writer: &Writer| writer.append(Payloads::One(&[b"late"]), None);
    let disk = Simulated::new();
    let log = open(&disk, true);
    append(&log).unwrap();
    assert_eq!(after_shutdown(&log, late), ErrorKind::Closed);
    drop(log);
    assert_eq!(after_shutdown(&open(&disk, true), Writer::checkpoint), ErrorKind::Closed);

    // The same where the codecs would have to be recorded first: the records were there before the index file.
    disk.storage().remove("a.idx").unwrap();
    assert_eq!(after_shutdown(&open(&disk, true), late), ErrorKind::Closed);
    assert_eq!(disk.read_file("a.log").unwrap().len(), 8 + 8 + 6, "nothing late is there");
}

/// What happens to a log from outside: its name, the deed, and the words that say so.
type Outside = (&'static str, fn(&Simulated), &'static str);
const OUTSIDE: [Outside; 8] = [
    ("log removed", |disk| disk.move_file("a.log", None), "a.log: it was removed"),
    ("log moved", |disk| disk.move_file("a.log", Some("b.log")), "a.log: it was moved"),
    ("index file removed", |disk| disk.move_file("a.idx", None), "a.idx: it was removed"),
    ("index file moved", |disk| disk.move_file("a.idx", Some("b.idx")), "a.idx: it was moved"),
    ("journal removed", |disk| disk.move_file("a.wal", None), "a.wal: it was removed"),
    ("journal moved", |disk| disk.move_file("a.wal", Some("b.wal")), "a.wal: it was moved"),
    ("directory moved", Simulated::move_directory, "simulated: it was moved"),
    (
        "descriptors taken",
        |disk| disk.take_descriptors(PRECIOUS),
        "a.log: something in this process closed its descriptor",
    ),
];
/// The content of a file of the host.
const PRECIOUS: &[u8] = &[b'!'; 1 << 16];

/// What first notices that something is not as it was.
type Notice = (&'static str, fn(&Log) -> Result<()>);
const NOTICES: [Notice; 4] = [
    ("a sync", |log| log.sync(0)),
    ("a sync of something", |log| {
        // The system-call engine, which the simulation is like, does not look before it puts an append.
        append(log)?;
        log.sync(0)
    }),
    ("an append that needs room", |log| log.append(0, [7; 1 << 20]).map(drop)),
    ("closing", Log::shutdown),
];

fn files_of(disk: &Simulated) -> Vec<Option<Vec<u8>>> {
    ["a.log", "b.log", "a.idx", "b.idx", "a.wal", "b.wal"].map(|name| disk.read_file(name)).to_vec()
}

#[test]
fn what_is_not_what_it_was_is_written_no_more() {
    for (fast_write, (what, act, words), (notice, notices)) in [true, false]
        .into_iter()
        .flat_map(|fast| OUTSIDE.map(|outside| (fast, outside)))
        .flat_map(|(fast, outside)| NOTICES.map(|notice| (fast, outside, notice)))
        .filter(|(fast, (_, _, words), _)| !*fast || !words.starts_with("a.wal"))
        .filter(|(_, (what, ..), (notice, _))| *what != "descriptors taken" || *notice != "a sync of something")
    {
        let context = format!("fast {fast_write}, {what}, noticed by {notice}");
        let disk = Simulated::new();
        let log = open(&disk, fast_write);
        append(&log).unwrap();
        log.sync(0).unwrap();
        append(&log).unwrap();
        act(&disk);
        let error = notices(&log).expect_err(&context);
        assert_eq!(error.kind, ErrorKind::Io, "{context}: {error}");
        assert!(error.message().contains(words), "{context}: {error}");
        let files = files_of(&disk);
        for outcome in [append(&log), log.sync(0)] {
            let error = outcome.expect_err(&context);
            let kind = if notice == "closing" { ErrorKind::Closed } else { ErrorKind::Poisoned };
            assert_eq!(error.kind, kind, "{context}: {error}");
            assert!(error.message().contains(words) || notice == "closing", "{context}: {error}");
        }
        assert!(log.shutdown().is_err(), "{context}: nothing is closed cleanly");
        drop(log);
        assert!(files_of(&disk) == files, "{context}: a file was changed");
        if what == "descriptors taken" {
            assert!(disk.taken_file() == PRECIOUS, "{context}: the file of the host was changed");
        }
    }
}

#[test]
fn a_look_at_the_files_that_fails_refuses_and_is_repeated() {
    let disk = Simulated::new();
    let log = open(&disk, true);
    append(&log).unwrap();
    disk.fail_call(disk.calls(), libc::EIO, false);
    let error = log.sync(0).unwrap_err();
    assert!(error.kind == ErrorKind::Io && error.message().contains("still in place"), "{error}");
    log.sync(0).unwrap();
    append(&log).unwrap();
    log.shutdown().unwrap();
}

#[test]
fn an_append_does_not_wait_for_checkpoints_that_are_refused() {
    let disk = Simulated::new();
    let mut options = Options { mode: Mode::Durable, journal_size_bytes: 64 << 10, ..Options::default() };
    options.add_namespace("a").unwrap();
    let log = Log::open_on(disk.storage(), &options).unwrap();
    let record = || Payloads::One(&[b"record"]);
    let writer = log.writer(0).unwrap();
    let waits_for_checkpoint = || {
        let mut guard = writer.groups.lock();
        let staging = writer.open_staging(&mut guard).unwrap();
        let end = staging.end + 8 + 6;
        writer.find_room_in_journal(staging, end).unwrap() == FrameRoom::AfterCheckpoint
    };
    // The writer appends without the log, so no flusher starts: only this thread makes checkpoints.
    let refused = std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            loop {
                if let Err(error) = writer.append(record(), None) {
                    return error;
                }
            }
        });
        while !waits_for_checkpoint() {
            std::thread::yield_now();
        }
        disk.fail_call(disk.calls(), libc::EIO, true);
        while !appending.is_finished() {
            assert_eq!(writer.checkpoint().unwrap_err().kind, ErrorKind::Io);
        }
        appending.join().unwrap()
    });
    assert!(refused.kind == ErrorKind::Io && refused.message().contains("still in place"), "{refused}");
    disk.clear_faults();
    writer.checkpoint().unwrap();
    writer.append(record(), None).unwrap();
    log.shutdown().unwrap();
}

//! Read-only logs beside a writer: no reader hangs or is forgotten, whichever process comes, goes or replaces the
//! files.
//!
//! Threads that wait are found by the log's own count of them; a test that would hang fails at a limit far beyond what
//! it takes.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use immuta::{Io, Log, Next, Options, Outcome, Start, Stream};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const HANG_LIMIT: Duration = Duration::from_mins(2);
/// Longer than [`HANG_LIMIT`], so that a wait that is never woken can be told from one that ends by itself.
const LONG: Option<Duration> = Some(Duration::from_secs(1000));
/// For waits of the test's own thread.
const LIMIT: Option<Duration> = Some(Duration::from_mins(2));
const TRY: Option<Duration> = Some(Duration::ZERO);
const ENGINES: [Io; 2] = [Io::Mmap, Io::Syscall];

fn open(directory: &Path, io: Io, read_only: bool) -> immuta::Result<Arc<Log>> {
    let mut options = Options { io, read_only, flush_interval: None, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open(directory, &options).map(Arc::new)
}

fn writer(directory: &Path, io: Io) -> Arc<Log> {
    open(directory, io, false).unwrap()
}

fn reader(directory: &Path, io: Io) -> Arc<Log> {
    open(directory, io, true).unwrap()
}

fn append(log: &Log, record: &str) {
    log.append_batch(0, &[record.as_bytes()]).unwrap();
}

/// The next record as text, or what came in its place.
fn next(stream: &mut Stream, timeout: Option<Duration>) -> Result<String, String> {
    match stream.next(timeout) {
        Ok(Next::Ready(record)) => Ok(String::from_utf8(record.data().to_vec()).unwrap()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(format!("{:?}", error.kind)),
    }
}

/// Runs `act` on a thread; [`answer`] waits for its result.
fn spawn<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(act()));
    receiver
}

fn answer<T>(receiver: &mpsc::Receiver<T>, what: &str) -> T {
    receiver.recv_timeout(HANG_LIMIT).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Waits until `is_so` returns true.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < HANG_LIMIT, "never seen: {what}");
        std::thread::yield_now();
    }
}

fn until_waiting(log: &Log, count: u64) {
    until(&format!("{count} waiting"), || log.stats(0).unwrap().waiters == count);
}

#[test]
fn threads_that_poll_and_wait_beside_a_writer_see_every_record() {
    const SESSIONS: u64 = 20;
    const APPENDS: u64 = 200;
    for io in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        drop(writer(directory.path(), io));
        let following = reader(directory.path(), io);
        let timeouts = [
            TRY,
            Some(Duration::from_micros(100)),
            Some(Duration::from_micros(100)),
            Some(Duration::from_millis(3)),
            LONG,
            LONG,
        ];
        let readers = timeouts.map(|timeout| {
            let following = Arc::clone(&following);
            spawn(move || {
                let mut stream = following.stream(0, Start::Beginning).unwrap();
                while stream.position() < SESSIONS * APPENDS {
                    let position = stream.position();
                    if let Next::Ready(record) = stream.next(timeout).unwrap() {
                        assert_eq!(record.data(), position.to_string().as_bytes());
                    }
                }
            })
        });
        // Every new writer makes the readers look at the files while others ask how far they may read.
        for session in 0..SESSIONS {
            let log = writer(directory.path(), io);
            for number in session * APPENDS..(session + 1) * APPENDS {
                append(&log, &number.to_string());
            }
        }
        for (reader, timeout) in readers.iter().zip(timeouts) {
            answer(reader, &format!("{io:?}: a reader that waits {timeout:?}"));
        }
    }
}

#[test]
fn who_waits_long_is_not_forgotten_when_others_leave() {
    const ROUNDS: u64 = 60;
    for io in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        let log = writer(directory.path(), io);
        let following = reader(directory.path(), io);
        let wait = |timeout: Option<Duration>| {
            let mut stream = following.stream(0, Start::Now).unwrap();
            spawn(move || next(&mut stream, timeout))
        };
        for round in 0..ROUNDS {
            let due = Instant::now() + Duration::from_millis(4);
            // The first watches for all, the second is next in line; both leave at once and only the third stays.
            let leaving = [(1, 0), (2, round % 5 * 20)].map(|(place, later_us)| {
                let left = due.saturating_duration_since(Instant::now()) + Duration::from_micros(later_us);
                let leaving = wait(Some(left));
                until("its wait", || following.stats(0).unwrap().waiters >= place || Instant::now() > due);
                leaving
            });
            let staying = wait(LONG);
            for leaving in leaving {
                assert_eq!(answer(&leaving, "a wait of 4 ms"), Err("Timeout".into()), "{io:?}, round {round}");
            }
            until_waiting(&following, 1);
            append(&log, "for who stays");
            let found = answer(&staying, &format!("{io:?}, round {round}: the one that waits long"));
            assert_eq!(found, Ok("for who stays".into()));
        }
    }
}

#[test]
fn a_stream_waits_across_writers() {
    for io in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        drop(writer(directory.path(), io));
        let following = reader(directory.path(), io);
        for session in 0..10 {
            let mut stream = following.stream(0, Start::Now).unwrap();
            let found = spawn(move || next(&mut stream, LONG));
            until_waiting(&following, 1);
            let before = writer(directory.path(), io);
            before.shutdown().unwrap();
            let log = writer(directory.path(), io);
            append(&log, &format!("of writer {session}"));
            assert_eq!(answer(&found, "a stream that outlives a writer"), Ok(format!("of writer {session}")), "{io:?}");
        }
    }
}

#[test]
fn a_log_without_an_index_file_is_served_and_goes_on_when_a_writer_comes() {
    for io in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        let file = [2_u64.to_le_bytes().as_slice(), &5_u64.to_le_bytes(), b"hello", &[0; 8]].concat();
        std::fs::write(directory.path().join("a.log"), file).unwrap();
        let following = reader(directory.path(), io);
        assert_eq!(following.report(0).unwrap().outcome, Outcome::Adopted);
        assert!(!directory.path().join("a.idx").exists(), "a reader indexes in memory");
        let mut stream = following.stream(0, Start::Beginning).unwrap();
        assert_eq!([next(&mut stream, TRY), next(&mut stream, TRY)], [Ok("hello".into()), Ok(String::new())]);
        let found = spawn(move || (next(&mut stream, LONG), stream));
        until_waiting(&following, 1);
        let log = writer(directory.path(), io);
        append(&log, "indexed");
        let (first, mut stream) = answer(&found, "a stream over adopted records");
        append(&log, "and on");
        assert_eq!([first, next(&mut stream, LIMIT)], [Ok("indexed".into()), Ok("and on".into())], "{io:?}");
        stream.seek(0).unwrap();
        assert_eq!(next(&mut stream, TRY), Ok("hello".into()), "{io:?}");
    }
}

/// Moves the files of the log in `from` to `to`, over the files there.
fn replace_files(from: &Path, to: &Path) {
    for name in ["a.log", "a.idx"] {
        std::fs::rename(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_log_replaced_by_another_is_told_to_readers() {
    for io in ENGINES {
        let [directory, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        append(&writer(directory.path(), io), "of this log");
        append(&writer(other.path(), io), "of another");
        let following = reader(directory.path(), io);
        let mut stream = following.stream(0, Start::Beginning).unwrap();
        let found = spawn(move || (next(&mut stream, TRY), next(&mut stream, LONG), stream.position()));
        until_waiting(&following, 1);
        replace_files(other.path(), directory.path());
        let expected = (Ok("of this log".into()), Err("Replaced".into()), 1);
        assert_eq!(answer(&found, "a stream over files that were replaced"), expected, "{io:?}");
        let again = reader(directory.path(), io);
        assert_eq!(
            next(&mut again.stream(0, Start::Beginning).unwrap(), TRY),
            Ok("of another".into()),
            "{io:?}: opened again"
        );
    }
}

#[test]
fn a_rollback_is_told_to_readers_beyond_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // Without mappings: the files are cut under the reader.
    let log = writer(directory.path(), Io::Syscall);
    append(&log, "zero");
    append(&log, "one");
    log.shutdown().unwrap();
    let before = ["a.log", "a.idx"].map(|name| (name, std::fs::read(path(name)).unwrap()));
    let log = writer(directory.path(), Io::Syscall);
    append(&log, "two");
    append(&log, "three");
    log.shutdown().unwrap();
    let following = reader(directory.path(), Io::Syscall);
    let (mut beyond, mut below) =
        (following.stream(0, Start::Number(4)).unwrap(), following.stream(0, Start::Number(1)).unwrap());
    let mut within = following.stream(0, Start::Number(2)).unwrap();
    assert_eq!(next(&mut within, TRY), Ok("two".into()));
    let found = spawn(move || (next(&mut beyond, LONG), beyond));
    until_waiting(&following, 1);
    // As a recovery leaves the log after a file system lost its cache: two records.
    for (name, bytes) in before {
        std::fs::File::options().write(true).truncate(true).open(path(name)).unwrap().write_all(&bytes).unwrap();
    }
    let (told, mut beyond) = answer(&found, "a stream beyond a rollback");
    assert_eq!((told, beyond.position()), (Err("Replaced".into()), 4));
    assert_eq!(next(&mut within, TRY), Err("Replaced".into()), "although it has seen the next record");
    assert_eq!(next(&mut below, TRY), Ok("one".into()), "below it nothing happened");
    append(&writer(directory.path(), Io::Syscall), "another two");
    beyond.seek(2).unwrap();
    assert_eq!(next(&mut beyond, LIMIT), Ok("another two".into()));
    assert_eq!(next(&mut below, LIMIT), Ok("another two".into()));
}

#[test]
fn a_recovery_that_finds_fewer_records_than_were_shown_tells_readers_beyond_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // Without mappings: the files are cut under the reader.
    let log = writer(directory.path(), Io::Syscall);
    append(&log, "zero");
    append(&log, "one");
    log.sync(0).unwrap();
    let mut before = ["a.log", "a.idx"].map(|name| (name, std::fs::read(path(name)).unwrap()));
    append(&log, "two");
    append(&log, "three");
    let following = reader(directory.path(), Io::Syscall);
    let [mut beyond, mut within] = [0, 2].map(|start| following.stream(0, Start::Number(start)).unwrap());
    for record in ["zero", "one", "two", "three"] {
        assert_eq!(next(&mut beyond, TRY), Ok(record.into()));
    }
    log.shutdown().unwrap();
    // As left by a file system that lost its cache without a restart: only the count reached the disk, none of the
    // unsynced records.
    before[0].1[0] = 4;
    for (name, bytes) in before {
        std::fs::File::options().write(true).truncate(true).open(path(name)).unwrap().write_all(&bytes).unwrap();
    }
    let log = writer(directory.path(), Io::Syscall);
    let report = log.report(0).unwrap();
    assert_eq!((report.count, report.header_count), (2, 4));
    for record in ["TWO", "THREE", "four"] {
        append(&log, record);
    }
    assert_eq!(next(&mut beyond, LIMIT), Err("Replaced".into()), "it has seen two that are gone");
    assert_eq!(next(&mut within, LIMIT), Ok("TWO".into()), "those before it are the same");
    beyond.seek(1).unwrap();
    for record in ["one", "TWO", "THREE", "four"] {
        assert_eq!(next(&mut beyond, TRY), Ok(record.into()), "nothing is left of what was read before");
    }
}

/// Offsets of fields in the live page, see docs/format.md.
const READY_EPOCH_AT: u64 = 24;
const SLEEPERS_AT: u64 = 56;

/// Writes words into the live page, as any process can that may write it.
fn scribble(directory: &Path, at: u64, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::File::options().write(true).open(directory.join("a.live")).unwrap().write_all_at(&bytes, at).unwrap();
}

#[test]
fn whatever_stands_in_the_live_page_nothing_was_rolled_back_and_every_record_is_shown() {
    for io in ENGINES {
        let directory = tempfile::tempdir().unwrap();
        let log = writer(directory.path(), io);
        append(&log, "zero");
        append(&log, "one");
        let following = reader(directory.path(), io);
        let [mut reading, mut beyond] = [0, 2].map(|start| following.stream(0, Start::Number(start)).unwrap());
        assert_eq!([next(&mut reading, TRY), next(&mut reading, TRY)], [Ok("zero".into()), Ok("one".into())]);
        // Another epoch makes the next call look; an epoch of 0 says that the writer is not ready. No reader uses the
        // words after it.
        for (round, epoch) in [1, 0, 7].into_iter().enumerate() {
            scribble(directory.path(), READY_EPOCH_AT, &[epoch, 1 + 5 * round as u64, 0]);
            assert_eq!(
                next(&mut reading, TRY),
                Err("Timeout".into()),
                "{io:?}, epoch {epoch}: nothing was rolled back"
            );
            append(&log, "more");
            assert_eq!(next(&mut reading, LIMIT), Ok("more".into()), "{io:?}, epoch {epoch}");
            assert_eq!(next(&mut beyond, LIMIT), Ok("more".into()), "{io:?}, epoch {epoch}");
        }
    }
}

#[test]
fn a_wait_ends_at_its_deadline_whatever_stands_in_the_live_page() {
    let directory = tempfile::tempdir().unwrap();
    let log = writer(directory.path(), Io::Mmap);
    append(&log, "zero");
    let following = reader(directory.path(), Io::Mmap);
    let mut stream = following.stream(0, Start::Number(1)).unwrap();
    let found = spawn(move || next(&mut stream, Some(Duration::from_millis(50))));
    let (mut epoch, mut told) = (1, None);
    until("the end of a wait, with another epoch each time", || {
        epoch += 1;
        scribble(directory.path(), READY_EPOCH_AT, &[epoch]);
        told = found.try_recv().ok();
        told.is_some()
    });
    assert_eq!(told, Some(Err("Timeout".into())));
}

#[test]
fn threads_of_the_writers_process_wait_on_words_that_no_other_process_reaches() {
    let directory = tempfile::tempdir().unwrap();
    let log = writer(directory.path(), Io::Mmap);
    for round in 0..20 {
        let mut stream = log.stream(0, Start::Now).unwrap();
        let found = spawn(move || next(&mut stream, LONG));
        until_waiting(&log, 1);
        scribble(directory.path(), SLEEPERS_AT, &[0]);
        append(&log, "for who waits");
        assert_eq!(answer(&found, &format!("round {round}")), Ok("for who waits".into()));
    }
}

const CHILD: &str = "IMMUTA_TEST_WITHOUT_DESCRIPTORS";

/// Runs this binary's test [`without_descriptors`] again, as a process that may have few.
#[test]
fn a_process_out_of_descriptors_still_reads_new_records() {
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" without_descriptors --exact --nocapture --test-threads=1"])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = [child.stdout, child.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(child.status.success() && output.contains("out of descriptors: 10 of 10"), "{output}");
}

/// Nothing unless it is run by the test above.
#[test]
fn without_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut seen = 0;
    // Each waits longer than its engine's slice: the files are looked at before the record is there.
    for (io, slice_ms, records) in [(Io::Mmap, 1_050, 2), (Io::Syscall, 30, 8)] {
        let log = writer(directory.path(), io);
        let following = reader(directory.path(), io);
        let mut stream = following.stream(0, Start::Now).unwrap();
        append(&log, "starts the flush thread");
        assert!(next(&mut stream, LIMIT).is_ok());
        let held: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(!held.is_empty() && Path::new("/proc/self/fd").read_dir().is_err(), "none is left");
        for number in 0..records {
            assert_eq!(next(&mut stream, Some(Duration::from_millis(slice_ms))), Err("Timeout".into()), "{io:?}");
            append(&log, &number.to_string());
            assert_eq!(next(&mut stream, LIMIT), Ok(number.to_string()), "{io:?}");
            seen += 1;
        }
    }
    println!("out of descriptors: {seen} of 10");
}

//! What only the Rust interface has: typed starts, iterators, times, and errors whose parts can be asked for.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Io, Log, Next, Options, RecordFlags, Start, verify};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ONCE: Option<Duration> = Some(Duration::ZERO);

fn open(disk: &Simulated) -> Log {
    Log::open_on(disk.storage(), &Options::new(["a"])).unwrap()
}

fn texts(log: &Log, start: Start) -> Vec<String> {
    let mut stream = log.stream(0, start).unwrap();
    let records = stream.records(ONCE).map(|record| String::from_utf8(record.unwrap().data().to_vec()).unwrap());
    records.collect()
}

#[test]
fn a_stream_begins_where_its_start_says() {
    let disk = Simulated::new();
    let log = open(&disk);
    log.append_batch(0, &[b"zero", b"one"]).unwrap();
    let mut now = log.stream(0, Start::Now).unwrap();
    log.append_parts(0, &[b"tw", b"o"]).unwrap();
    assert_eq!(texts(&log, Start::Beginning), ["zero", "one", "two"]);
    assert_eq!(texts(&log, Start::default()), ["zero", "one", "two"]);
    assert_eq!(texts(&log, Start::Number(1)), ["one", "two"]);
    assert_eq!(texts(&log, Start::Number(7)), [""; 0]);
    assert_eq!(now.next(ONCE).unwrap().ready().unwrap().as_ref(), b"two");

    let times: Vec<_> =
        log.stream(0, Start::Beginning).unwrap().records(ONCE).map(|record| record.unwrap().info()).collect();
    let time = |number: usize| times[number].time().unwrap();
    assert!(time(0) > UNIX_EPOCH && time(0) <= time(2));
    assert_eq!(log.stream(0, Start::Time(time(2))).unwrap().position(), if time(2) == time(0) { 0 } else { 2 });
    assert_eq!(log.stream(0, Start::Time(UNIX_EPOCH)).unwrap().position(), 0);
    let long_ago = UNIX_EPOCH - Duration::from_hours(24 * 365 * 500);
    let far_away = UNIX_EPOCH + Duration::from_hours(24 * 365 * 500);
    assert_eq!(log.stream(0, Start::Time(long_ago)).unwrap().position(), 0);
    assert_eq!(log.stream(0, Start::Time(far_away)).unwrap().position(), 3);
    assert_eq!(log.stream(0, Start::Time(SystemTime::now() + Duration::from_hours(1))).unwrap().position(), 3);
}

#[test]
fn records_are_read_by_number_in_any_order_while_others_are_appended() {
    const RECORDS: u64 = 3000;
    let directory = tempfile::tempdir().unwrap();
    let simulated = Simulated::new();
    let options = Options::new(["a"]);
    let by_call = Options { io: Io::Syscall, ..options.clone() };
    let logs = [
        Log::open(directory.path().join("mapped"), &options),
        Log::open(directory.path().join("by call"), &by_call),
        Log::open_on(simulated.storage(), &options),
    ];
    for log in logs.map(Result::unwrap) {
        let payload = |number: u64| format!("{number}").repeat(1 + (number % 90) as usize);
        (0..RECORDS).for_each(|number| assert_eq!(log.append(0, payload(number)).unwrap().number, number));
        let (mut stream, mut number, mut count) = (log.stream(0, Start::Beginning).unwrap(), 1, RECORDS);
        for round in 0..1000 {
            number = (number * 48_271 + 11) % count;
            stream.seek(number).unwrap();
            for number in number..count.min(number + round % 4) {
                let record = stream.next(ONCE).unwrap().ready().unwrap();
                assert_eq!((record.info().number, record.as_ref()), (number, payload(number).as_bytes()));
            }
            log.append(0, payload(count)).unwrap();
            count += 1;
        }
    }
}

#[test]
fn an_iterator_follows_until_it_is_interrupted() {
    let disk = Simulated::new();
    let log = Arc::new(open(&disk));
    let mut stream = log.stream(0, Start::Now).unwrap();
    let interrupter = stream.interrupter();
    let following =
        thread::spawn(move || stream.records(None).map(|record| record.unwrap().info().number).collect::<Vec<_>>());
    for _ in 0..20 {
        log.append(0, "x").unwrap();
    }
    while log.stats(0).unwrap().records_read < 20 {
        thread::yield_now();
    }
    interrupter.interrupt();
    assert_eq!(following.join().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn an_iterator_ends_with_the_error_and_stays_before_the_record() {
    let disk = Simulated::new();
    let log = open(&disk);
    log.append_batch(0, &[b"good", b"damaged", b"good again"]).unwrap();
    log.shutdown().unwrap();
    let mut file = disk.read_file("a.log").unwrap();
    file[8 + 8 + 4 + 8] ^= 1;
    disk.write_file("a.log", &file);
    let log = open(&disk);
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    let mut records = stream.records(None);
    assert_eq!(records.next().unwrap().unwrap().data(), b"good");
    let error = records.next().unwrap().unwrap_err();
    assert_eq!((error.kind, error.number), (ErrorKind::Corrupt, 1));
    assert!(records.next().is_none() && records.next().is_none(), "it would give the same error for ever");
    assert_eq!(stream.position(), 1);
    stream.seek(error.number + 1).unwrap();
    assert_eq!(stream.records(ONCE).next().unwrap().unwrap().data(), b"good again");
    assert!(stream.records(ONCE).next().is_none());

    // The parts of its message.
    let (expected, found) = (error.expected().unwrap(), error.found().unwrap());
    assert!(expected.starts_with("0x") && found.starts_with("0x") && expected != found, "{error}");
    let path = error.path().unwrap();
    assert_eq!(path.file_name().unwrap(), "a.log");
    let said = format!(
        "{}: record 1 at offset 20 is damaged: its checksum is wrong: expected {expected}, found {found}; \
         seek to 2 to pass over it",
        path.display()
    );
    assert_eq!(error.to_string(), said);
    assert!(error.source().is_none());
}

#[test]
fn a_sync_makes_all_records_durable_at_once() {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &Options { flush_interval: None, ..Options::new(["a"]) }).unwrap();
    for count in [1, 2, 3] {
        log.append(0, "x").unwrap();
        assert!(log.stats(0).unwrap().durable_count < count, "nothing flushes by itself");
        log.sync(0).unwrap();
        let stats = log.stats(0).unwrap();
        assert_eq!((stats.durable_count, stats.count), (count, count));
    }
}

#[test]
fn flushes_at_once_make_each_record_durable_soon() {
    let rounds = 20;
    for (flush_interval, flush_bytes) in [(Some(Duration::ZERO), None), (None, Some(0)), (None, Some(1))] {
        let disk = Simulated::new();
        let options = Options { flush_interval, flush_bytes, ..Options::new(["a"]) };
        let log = Log::open_on(disk.storage(), &options).unwrap();
        let begin = Instant::now();
        for count in 1..=rounds {
            log.append(0, "x").unwrap();
            while log.stats(0).unwrap().durable_count < count {
                thread::yield_now();
                let waited = begin.elapsed();
                assert!(waited < Duration::from_secs(rounds / 2), "{flush_interval:?}, {flush_bytes:?}: {waited:?}");
            }
        }
    }
}

#[test]
fn a_batch_is_gone_over_in_order() {
    let disk = Simulated::new();
    let log = open(&disk);
    log.append_batch(0, &[b"one", b"", b"three"]).unwrap();
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    let Next::Ready(batch) = stream.next_batch(10, 100, ONCE).unwrap() else { panic!("there are records") };
    let seen: Vec<_> = batch.iter().map(|(data, info)| (data.to_vec(), info.number, info.flags)).collect();
    let none = RecordFlags::empty();
    assert_eq!(
        seen,
        [(b"one".to_vec(), 0, none), (Vec::new(), 1, none), (b"three".to_vec(), 2, RecordFlags::BATCH_END)]
    );
    assert_eq!(batch.iter().len(), 3);
}

#[test]
fn the_failure_of_the_system_is_the_source() {
    let directory = tempfile::tempdir().unwrap();
    let read_only = Options { read_only: true, ..Options::new(["a"]) };
    let error = Log::open(directory.path().join("not there"), &read_only).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!((source.kind(), source.raw_os_error()), (io::ErrorKind::NotFound, Some(error.os_error)));
    let again = error.clone();
    assert_eq!((again.to_string(), again.path()), (error.to_string(), error.path()));
    assert_eq!(again.source().unwrap().to_string(), error.source().unwrap().to_string());
    assert_eq!((error.expected(), error.found()), (None, None));

    let log = Log::open(directory.path(), &Options::new(["a"])).unwrap();
    let mut failing = Failing("of the reader itself".to_owned());
    let error = log.append_from(0, &mut failing).unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!((error.kind, source.to_string().as_str()), (ErrorKind::Callback, "of the reader itself"));
    failing.0 = "x".repeat(1000);
    let error = log.append_from(0, &mut failing).unwrap_err();
    assert!(error.message().len() < 300 && error.message().ends_with("nothing was appended"), "{error}");
    assert_eq!(log.stats(0).unwrap().count, 0);

    let refused = Log::open(directory.path(), &Options { reader_count: 0, ..Options::default() }).unwrap_err();
    assert_eq!((refused.kind, refused.expected(), refused.found()), (ErrorKind::Argument, Some("1..=4096"), Some("0")));
    assert_eq!(refused.to_string(), "the reader count is out of range: expected 1..=4096, found 0");
    assert_eq!(refused.path(), None);
}

struct Failing(String);

impl io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(self.0.clone()))
    }
}

#[test]
fn what_is_used_by_several_threads_can_be() {
    fn shared<T: Send + Sync>() {}
    shared::<Log>();
    shared::<immuta::Interrupter>();
    shared::<immuta::Error>();
    shared::<Options>();
    shared::<immuta::Stream>();
    shared::<immuta::Record>();
    shared::<immuta::Batch>();
    shared::<immuta::Transaction<Arc<Log>>>();
}

#[test]
fn a_transaction_may_borrow_its_log_or_share_it() {
    let disk = Simulated::new();
    let log = Arc::new(open(&disk));
    let mut shared = immuta::Transaction::begin(Arc::clone(&log), 0).unwrap();
    shared.append("of another thread").unwrap();
    thread::spawn(move || shared.commit().unwrap()).join().unwrap();
    let mut borrowing = log.transaction(0).unwrap();
    borrowing.append_parts(&[b"in ", b"parts"]).unwrap();
    drop(borrowing);
    let mut borrowing = log.transaction(0).unwrap();
    borrowing.append_parts(&[b"in ", b"parts"]).unwrap();
    assert_eq!(borrowing.commit().unwrap().number, 1);
    assert_eq!(texts(&log, Start::Beginning), ["of another thread", "in parts"]);
}

#[test]
fn paths_are_whatever_leads_to_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().to_str().unwrap();
    drop(Log::open(text, &Options::new(["a"])).unwrap());
    assert_eq!(verify(text, "a", &Options::default(), &mut |_, _| true).unwrap().count, 0);
    assert_eq!(immuta::scan(directory.path(), &Options::default()).unwrap().len(), 1);
}

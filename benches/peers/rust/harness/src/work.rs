//! The works, and their arguments.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::payloads::{Payloads, Pool, RECORD_BYTES_MAX, usize};
use crate::{EachSecond, Mode, Peer};

/// Timed together in a sustained run, so that the clock costs little.
const BLOCK_RECORDS: u64 = 16;
const WARM_UP_RECORDS: u64 = 100_000;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Work {
    name: String,
    records: u64,
    bytes: u64,
    threads: u64,
    batch: u64,
    seconds: f64,
}

#[derive(Default)]
struct Measurement {
    records: u64,
    total: Duration,
    read: Duration,
    worst_second: f64,
    longest: Duration,
}

/// The program of a peer.
pub fn main<P: Peer>() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("usage: PROGRAM WORK --records N --bytes B --directory D");
    let mut work = Work { name, records: 0, bytes: 0, threads: 1, batch: 1, seconds: 0.0 };
    let mut directory = PathBuf::from(".");
    while let Some(option) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{option} has no value"));
        let number = || value.parse().unwrap_or_else(|_| panic!("{option} {value}: a number is expected"));
        match option.as_str() {
            "--records" => work.records = number(),
            "--bytes" => work.bytes = number(),
            "--threads" => work.threads = number(),
            "--batch" => work.batch = number(),
            "--seconds" => work.seconds = value.parse().expect("--seconds: a number is expected"),
            "--directory" => directory = PathBuf::from(value),
            _ => panic!("unknown option {option}"),
        }
    }
    assert!((1..=RECORD_BYTES_MAX).contains(&work.bytes), "--bytes is 1 to {RECORD_BYTES_MAX}");
    assert!(
        work.records.is_multiple_of(work.threads * work.batch),
        "--records is no multiple of the threads and the batch"
    );

    let pool = Pool::new();
    work.warm_up().run_in::<P>(&directory.join("warm-up"), &pool);
    let result = work.run_in::<P>(&directory.join("measured"), &pool);
    println!(
        "{{\"records\": {}, \"total_ns\": {}, \"read_ns\": {}, \"worst_second\": {:.4}, \"longest_ns\": {}}}",
        result.records,
        result.total.as_nanos(),
        result.read.as_nanos(),
        result.worst_second,
        result.longest.as_nanos()
    );
}

impl Work {
    /// A tenth of the work, or less.
    fn warm_up(&self) -> Work {
        let step = self.threads * self.batch;
        let records = ((self.records / 10).min(WARM_UP_RECORDS) / step + 1) * step;
        Work { records, seconds: self.seconds / 10.0, ..self.clone() }
    }

    fn run_in<P: Peer>(&self, directory: &Path, pool: &Pool) -> Measurement {
        fs::create_dir(directory).unwrap_or_else(|error| panic!("cannot make {}: {error}", directory.display()));
        let result = self.run::<P>(directory, pool);
        fs::remove_dir_all(directory).unwrap_or_else(|error| panic!("cannot remove {}: {error}", directory.display()));
        result
    }

    fn run<P: Peer>(&self, directory: &Path, pool: &Pool) -> Measurement {
        let mut result = Measurement { records: self.records, ..Measurement::default() };
        match self.name.as_str() {
            "append" => result.total = self.append_all::<P>(directory, pool, Mode::Fast),
            "durable" if self.threads > 1 => {
                result.total = self.append_from_threads::<P>(directory, pool);
                self.verify_unordered::<P>(directory, pool);
                return result;
            }
            "durable" => result.total = self.append_all::<P>(directory, pool, Mode::Durable),
            "batch" => result.total = self.append_batches::<P>(directory, pool),
            "read" => {
                self.append_all::<P>(directory, pool, Mode::Fast);
                self.verify::<P>(directory, pool, self.records);
                result.total = self.read_timed::<P>(directory);
                return result;
            }
            "headline" => {
                result.total = self.append_all::<P>(directory, pool, Mode::Fast);
                result.read = self.read_timed::<P>(directory);
            }
            "sustained" => result = self.sustain::<P>(directory, pool),
            name => panic!("unknown work {name}"),
        }
        self.verify::<P>(directory, pool, result.records);
        result
    }

    // ---- Appending ----

    fn append_all<P: Peer>(&self, directory: &Path, pool: &Pool, mode: Mode) -> Duration {
        let mut payloads = pool.from(0, self.bytes);
        let mut log = P::open(directory, mode);
        let start = Instant::now();
        for _ in 0..self.records {
            log.append(payloads.next());
        }
        log.finish();
        let took = start.elapsed();
        log.close();
        took
    }

    fn append_batches<P: Peer>(&self, directory: &Path, pool: &Pool) -> Duration {
        let mut payloads = pool.from(0, self.bytes);
        let mut batch = Vec::with_capacity(usize(self.batch));
        let mut log = P::open(directory, Mode::Fast);
        let start = Instant::now();
        for _ in 0..self.records / self.batch {
            batch.clear();
            batch.extend((0..self.batch).map(|_| payloads.next()));
            log.append_batch(&batch);
        }
        log.finish();
        let took = start.elapsed();
        log.close();
        took
    }

    fn append_from_threads<P: Peer>(&self, directory: &Path, pool: &Pool) -> Duration {
        let log = P::open(directory, Mode::Durable);
        let share = self.records / self.threads;
        let appenders: Vec<_> = (0..self.threads).map(|_| log.appender()).collect();
        let start = Instant::now();
        thread::scope(|scope| {
            for (thread, mut append) in (0..).zip(appenders) {
                scope.spawn(move || {
                    let mut payloads = pool.from(thread * share, self.bytes);
                    for _ in 0..share {
                        append(payloads.next());
                    }
                });
            }
        });
        let took = start.elapsed();
        log.close();
        took
    }

    fn sustain<P: Peer>(&self, directory: &Path, pool: &Pool) -> Measurement {
        let mut log = P::open(directory, Mode::Flushing);
        let is_over = AtomicBool::new(false);
        let result = thread::scope(|scope| {
            let mut inline = None;
            match log.each_second() {
                EachSecond::Nothing => {}
                EachSecond::Inline(sync) => inline = Some(sync),
                EachSecond::Beside(sync) => {
                    let is_over = &is_over;
                    scope.spawn(move || each_second(is_over, &*sync));
                }
            }
            let result = self.append_for_seconds(&mut log, inline, pool.from(0, self.bytes));
            is_over.store(true, Ordering::Relaxed);
            result
        });
        log.close();
        result
    }

    fn append_for_seconds<P: Peer>(
        &self,
        log: &mut P,
        sync_inline: Option<fn(&mut P)>,
        mut payloads: Payloads<'_>,
    ) -> Measurement {
        let mut result = Measurement::default();
        let length = Duration::from_secs_f64(self.seconds);
        let start = Instant::now();
        let (mut block_start, mut second_start, mut second_records) = (start, start, 0);
        let mut worst_second_ns = 0.0f64;
        let mut is_over = false;
        while !is_over {
            for _ in 0..BLOCK_RECORDS {
                log.append(payloads.next());
            }
            result.records += BLOCK_RECORDS;
            is_over = start.elapsed() >= length;
            if is_over {
                log.finish();
            }
            let now = Instant::now();
            result.longest = result.longest.max(now - block_start);
            block_start = now;
            let second = now - second_start;
            if second < SECOND && !is_over {
                continue;
            }
            // What is left of the last second counts as one if it is half a second or more, or all there is.
            if second >= SECOND / 2 || second_start == start {
                worst_second_ns = worst_second_ns.max(each_ns(second, result.records - second_records));
            }
            (second_start, second_records) = (now, result.records);
            if let Some(sync) = sync_inline {
                sync(log);
            }
        }
        result.total = block_start - start;
        result.worst_second = each_ns(result.total, result.records) / worst_second_ns;
        result
    }

    // ---- Reading ----

    fn read_all<P: Peer>(directory: &Path, visit: &mut dyn FnMut(&[u8])) -> Duration {
        let mut reader = P::open_reader(directory);
        let start = Instant::now();
        P::read(&mut reader, visit);
        start.elapsed()
    }

    fn read_timed<P: Peer>(&self, directory: &Path) -> Duration {
        let (mut records, mut bytes, mut mixed) = (0, 0, 0);
        let took = Self::read_all::<P>(directory, &mut |record| {
            records += 1;
            bytes += record.len();
            mixed ^= record[0] ^ record[record.len() - 1];
        });
        std::hint::black_box(mixed);
        let expected = (self.records, usize(self.records * self.bytes));
        assert_eq!((records, bytes), expected, "records and bytes read, and expected");
        took
    }

    /// Compares every byte of every record, in the order of the appends.
    fn verify<P: Peer>(&self, directory: &Path, pool: &Pool, records: u64) {
        let mut payloads = pool.from(0, self.bytes);
        let mut number = 0;
        Self::read_all::<P>(directory, &mut |record| {
            assert!(record == payloads.next(), "record {number} differs from what was appended");
            number += 1;
        });
        assert_eq!(number, records, "records read, and appended");
    }

    /// The same where threads appended in no certain order.
    fn verify_unordered<P: Peer>(&self, directory: &Path, pool: &Pool) {
        let mut found: Vec<Vec<u8>> = Vec::new();
        Self::read_all::<P>(directory, &mut |record| found.push(record.to_vec()));
        let mut payloads = pool.from(0, self.bytes);
        let mut expected: Vec<&[u8]> = (0..self.records).map(|_| payloads.next()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected, "the records differ from what was appended");
    }
}

fn each_second(is_over: &AtomicBool, sync: &dyn Fn()) {
    let mut due = Instant::now() + SECOND;
    while !is_over.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            sync();
            due = Instant::now() + SECOND;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[allow(clippy::cast_precision_loss)]
fn each_ns(took: Duration, records: u64) -> f64 {
    took.as_nanos() as f64 / records as f64
}

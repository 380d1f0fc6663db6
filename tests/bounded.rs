//! The cost of opening a log follows the records appended since its last checkpoint, not all that it holds. Calls made
//! and bytes moved are counted on the simulated engine, for a log and for one of a thousand times as many records with
//! the same tail.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use immuta::storage::simulated::Simulated;
use immuta::{Log, Mode, Options, Outcome};

/// The first record takes almost two reads of 256 KiB. So the records after it take further reads in the short log,
/// too, and the number of reads is the same for both lengths.
const FIRST_RECORD_BYTES: usize = 500 << 10;
const RECORD_BYTES: usize = 500;
const RECORDS: usize = 100;
const TIMES_AS_MANY: usize = 1000;
const TAIL_RECORDS: usize = 50;
/// How much more may be read of a longer log: a read fills the buffer, and the file of a longer log has more room after
/// its records.
const READ_AHEAD_BYTES: u64 = 256 << 10;

fn open(disk: &Simulated, fast_write: bool) -> Log {
    let mut options = Options {
        mode: if fast_write { Mode::Fast } else { Mode::Durable },
        flush_interval: None,
        journal_size_bytes: 1 << 20,
        reader_count: 1,
        ..Options::default()
    };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options).unwrap()
}

fn append(log: &Log, size_bytes: usize, count: usize) {
    let record = vec![7; size_bytes];
    for begun in (0..count).step_by(RECORDS) {
        let records = vec![record.as_slice(); RECORDS.min(count - begun)];
        log.append_batch(0, &records).unwrap();
    }
}

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Closed,
    ByFastCrash,
    ByDurableCrash,
}

/// A log of `count` records that a checkpoint covers and a tail after them, left as `left` says.
fn leave(count: usize, left: Left) -> Simulated {
    let disk = Simulated::new();
    let log = open(&disk, true);
    append(&log, FIRST_RECORD_BYTES, 1);
    append(&log, RECORD_BYTES, count - 1);
    log.shutdown().unwrap();
    let log = open(&disk, left != Left::ByDurableCrash);
    append(&log, RECORD_BYTES, TAIL_RECORDS);
    if left == Left::Closed {
        log.shutdown().unwrap();
    }
    disk.kill();
    disk
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    calls: u64,
    read_bytes: u64,
    written_bytes: u64,
}

/// What it costs to open such a log.
fn cost(count: usize, left: Left, fast_write: bool) -> Cost {
    let disk = leave(count, left);
    let spent = || Cost { calls: disk.calls(), read_bytes: disk.read_bytes(), written_bytes: disk.written_bytes() };
    let before = spent();
    let log = open(&disk, fast_write);
    let after = spent();
    let report = log.report(0).unwrap();
    let (outcome, recovered) =
        if left == Left::Closed { (Outcome::Clean, 0) } else { (Outcome::Recovered, TAIL_RECORDS as u64) };
    assert_eq!((report.outcome, report.recovered), (outcome, recovered), "{left:?}");
    assert_eq!(report.count, (count + TAIL_RECORDS) as u64, "{left:?}");
    Cost {
        calls: after.calls - before.calls,
        read_bytes: after.read_bytes - before.read_bytes,
        written_bytes: after.written_bytes - before.written_bytes,
    }
}

#[test]
fn opening_a_log_of_a_thousand_times_as_many_records_costs_the_same() {
    for left in [Left::Closed, Left::ByFastCrash, Left::ByDurableCrash] {
        for fast_write in [true, false] {
            let short = cost(RECORDS, left, fast_write);
            let long = cost(RECORDS * TIMES_AS_MANY, left, fast_write);
            println!("{left:?}, opened for fast writes {fast_write}: {short:?}, a thousand times as long {long:?}");
            assert_eq!((short.calls, short.written_bytes), (long.calls, long.written_bytes), "{left:?}");
            assert!(long.read_bytes.abs_diff(short.read_bytes) <= READ_AHEAD_BYTES, "{left:?}: {short:?}, {long:?}");
        }
    }
}

//! logdb: `append` puts a record into a ring in memory, a thread of the peer writes it later. Fast: no syncs (mode
//! `Async`), and the measured time ends when all records are written; a kill loses what is in the ring. Sustained: a
//! `flush` each second beside the appends. Durable: mode `Sync` and a `flush` for each record. Checksums are verified
//! when reading.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harness::{Appender, EachSecond, Mode, Peer};
use logdb::{Config, DurabilityMode, LogDb};

const LIMIT: Duration = Duration::from_secs(120);
/// One segment: logdb 0.6.0 finds no record in a log of two or more segments that it opens again.
const SEGMENT_BYTES: u64 = 64 << 30;

struct Log {
    db: Arc<LogDb>,
    mode: Mode,
}

fn open(directory: &Path, durability_mode: DurabilityMode) -> LogDb {
    let config = Config {
        data_dir: directory.to_owned(),
        durability_mode,
        segment_size: SEGMENT_BYTES,
        flush_timeout: LIMIT,
        ..Config::default()
    };
    LogDb::open(config).expect("cannot open")
}

impl Peer for Log {
    fn open(directory: &Path, mode: Mode) -> Self {
        let durability = if mode == Mode::Durable { DurabilityMode::Sync } else { DurabilityMode::Async };
        Log { db: Arc::new(open(directory, durability)), mode }
    }

    fn append(&mut self, payload: &[u8]) {
        self.db.append(payload).expect("cannot append");
        if self.mode == Mode::Durable {
            self.db.flush().expect("cannot flush");
        }
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        self.db.append_batch(payloads).expect("cannot append");
    }

    fn finish(&mut self) {
        while self.db.committed_cursor() < self.db.producer_cursor() {
            std::thread::yield_now();
        }
    }

    fn each_second(&self) -> EachSecond<Self> {
        let db = Arc::clone(&self.db);
        EachSecond::Beside(Box::new(move || db.flush().expect("cannot flush")))
    }

    fn appender(&self) -> Appender {
        let db = Arc::clone(&self.db);
        Box::new(move |payload| {
            db.append(payload).expect("cannot append");
            db.flush().expect("cannot flush");
        })
    }

    fn close(self) {
        let db = Arc::into_inner(self.db).expect("the log is still in use");
        db.shutdown(LIMIT).expect("cannot shut down");
    }

    /// Never dropped: dropping a log that was only read waits for five seconds.
    type Reader = ManuallyDrop<LogDb>;

    fn open_reader(directory: &Path) -> Self::Reader {
        ManuallyDrop::new(open(directory, DurabilityMode::Async))
    }

    fn read(db: &mut Self::Reader, visit: &mut dyn FnMut(&[u8])) {
        for record in db.scan(0, db.durable_cursor()).expect("cannot read") {
            visit(&record.expect("cannot read").content);
        }
    }
}

fn main() {
    harness::main::<Log>();
}

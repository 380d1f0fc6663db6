//! Walrus: one topic. Fast: no syncs; sustained: its own thread syncs each second. Durable: `SyncEach`. A batch is
//! always synced. Reads are its batched ones. Checksums are verified when reading.

use std::path::Path;
use std::sync::Arc;

use harness::{Appender, Mode, Peer};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

const TOPIC: &str = "log";
const READ_BYTES: usize = 1 << 20;
/// Reading moves a position that is stored after this many records, so that the log can be read again from the start.
const NEVER: ReadConsistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };

struct Log(Arc<Walrus>);

fn open(directory: &Path, schedule: FsyncSchedule) -> Walrus {
    // SAFETY: no other thread of this program reads the environment at this time.
    unsafe {
        std::env::set_var("WALRUS_QUIET", "1");
        std::env::set_var("WALRUS_DATA_DIR", directory);
    }
    Walrus::with_consistency_and_schedule_for_key("log", NEVER, schedule).expect("cannot open")
}

impl Peer for Log {
    fn open(directory: &Path, mode: Mode) -> Self {
        let schedule = match mode {
            Mode::Fast => FsyncSchedule::NoFsync,
            Mode::Flushing => FsyncSchedule::Milliseconds(1000),
            Mode::Durable => FsyncSchedule::SyncEach,
        };
        Log(Arc::new(open(directory, schedule)))
    }

    fn append(&mut self, payload: &[u8]) {
        self.0.append_for_topic(TOPIC, payload).expect("cannot append");
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        self.0.batch_append_for_topic(TOPIC, payloads).expect("cannot append");
    }

    fn appender(&self) -> Appender {
        let wal = Arc::clone(&self.0);
        Box::new(move |payload| wal.append_for_topic(TOPIC, payload).expect("cannot append"))
    }

    type Reader = Walrus;

    fn open_reader(directory: &Path) -> Walrus {
        open(directory, FsyncSchedule::NoFsync)
    }

    fn read(wal: &mut Walrus, visit: &mut dyn FnMut(&[u8])) {
        loop {
            let entries = wal.batch_read_for_topic(TOPIC, READ_BYTES, true).expect("cannot read");
            if entries.is_empty() {
                break;
            }
            entries.iter().for_each(|entry| visit(&entry.data));
        }
    }
}

fn main() {
    harness::main::<Log>();
}

//! Raft Engine: each record is an entry of one Raft group. Fast: no syncs; sustained: one each second, beside the
//! appends. Durable: synced writes, which are grouped over threads. Compression is off, as in its example. Checksums
//! are verified when reading.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::{Appender, EachSecond, Mode, Peer};
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};
use raft_proto::eraftpb::Entry;

const GROUP: u64 = 1;
const READ_ENTRIES: u64 = 256;

struct Entries;

impl MessageExt for Entries {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

struct Raft {
    engine: Arc<Engine>,
    mode: Mode,
    batch: LogBatch,
    next: u64,
}

fn open(directory: &Path) -> Engine {
    let config = Config {
        dir: directory.to_str().expect("a path in UTF-8").to_owned(),
        batch_compression_threshold: ReadableSize::kb(0),
        ..Config::default()
    };
    Engine::open(config).expect("cannot open")
}

fn entry(index: u64, payload: &[u8]) -> Entry {
    Entry { index, data: payload.to_vec().into(), ..Entry::default() }
}

impl Peer for Raft {
    fn open(directory: &Path, mode: Mode) -> Self {
        Raft { engine: Arc::new(open(directory)), mode, batch: LogBatch::default(), next: 1 }
    }

    fn append(&mut self, payload: &[u8]) {
        self.append_batch(&[payload]);
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        let entries: Vec<Entry> = (self.next..).zip(payloads).map(|(index, payload)| entry(index, payload)).collect();
        self.batch.add_entries::<Entries>(GROUP, &entries).expect("cannot add");
        self.engine.write(&mut self.batch, self.mode == Mode::Durable).expect("cannot write");
        self.next += entries.len() as u64;
    }

    fn each_second(&self) -> EachSecond<Self> {
        let engine = Arc::clone(&self.engine);
        EachSecond::Beside(Box::new(move || engine.sync().expect("cannot sync")))
    }

    /// Each thread has a Raft group of its own: the entries of one group must come in order.
    fn appender(&self) -> Appender {
        static GROUPS: AtomicU64 = AtomicU64::new(GROUP);
        let group = GROUPS.fetch_add(1, Ordering::Relaxed);
        let engine = Arc::clone(&self.engine);
        let mut batch = LogBatch::default();
        let mut next = 1;
        Box::new(move |payload| {
            batch.add_entries::<Entries>(group, &[entry(next, payload)]).expect("cannot add");
            engine.write(&mut batch, true).expect("cannot write");
            next += 1;
        })
    }

    type Reader = Engine;

    fn open_reader(directory: &Path) -> Engine {
        open(directory)
    }

    fn read(engine: &mut Engine, visit: &mut dyn FnMut(&[u8])) {
        let mut entries = Vec::new();
        for group in engine.raft_groups() {
            let last = engine.last_index(group).unwrap_or(0);
            for first in (1..=last).step_by(usize::try_from(READ_ENTRIES).expect("a small number")) {
                let end = (first + READ_ENTRIES).min(last + 1);
                entries.clear();
                engine.fetch_entries_to::<Entries>(group, first, end, None, &mut entries).expect("cannot read");
                entries.iter().for_each(|entry: &Entry| visit(&entry.data));
            }
        }
    }
}

fn main() {
    harness::main::<Raft>();
}

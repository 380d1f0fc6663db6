//! fjall: the keys are the record numbers. Fast: no syncs, each insert reaches the operating system; sustained: one
//! sync each second, beside the inserts. Durable: a sync after each insert. Checksums are verified when reading from
//! its files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use harness::{Appender, EachSecond, Mode, Peer};

struct Fjall {
    database: Database,
    log: Keyspace,
    mode: Mode,
    next: Arc<AtomicU64>,
}

fn open(directory: &Path) -> (Database, Keyspace) {
    let database = Database::builder(directory).open().expect("cannot open");
    let log = database.keyspace("log", KeyspaceCreateOptions::default).expect("cannot open");
    (database, log)
}

fn next_key(next: &AtomicU64) -> [u8; 8] {
    next.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

impl Peer for Fjall {
    fn open(directory: &Path, mode: Mode) -> Self {
        let (database, log) = open(directory);
        Fjall { database, log, mode, next: Arc::default() }
    }

    fn append(&mut self, payload: &[u8]) {
        self.log.insert(next_key(&self.next), payload).expect("cannot insert");
        if self.mode == Mode::Durable {
            self.database.persist(PersistMode::SyncData).expect("cannot sync");
        }
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        let mut batch = self.database.batch();
        for payload in payloads {
            batch.insert(&self.log, next_key(&self.next), *payload);
        }
        batch.commit().expect("cannot commit");
    }

    fn each_second(&self) -> EachSecond<Self> {
        let database = self.database.clone();
        EachSecond::Beside(Box::new(move || database.persist(PersistMode::SyncData).expect("cannot sync")))
    }

    fn appender(&self) -> Appender {
        let (database, log, next) = (self.database.clone(), self.log.clone(), Arc::clone(&self.next));
        Box::new(move |payload| {
            log.insert(next_key(&next), payload).expect("cannot insert");
            database.persist(PersistMode::SyncData).expect("cannot sync");
        })
    }

    type Reader = (Database, Keyspace);

    fn open_reader(directory: &Path) -> Self::Reader {
        open(directory)
    }

    fn read((_, log): &mut Self::Reader, visit: &mut dyn FnMut(&[u8])) {
        for guard in log.iter() {
            visit(&guard.value().expect("cannot read"));
        }
    }
}

fn main() {
    harness::main::<Fjall>();
}

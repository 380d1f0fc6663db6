//! wal-db: `append` writes each record, `sync` is a call of its own. Fast: no sync; sustained: one each second, beside
//! the appends. Durable: `append_and_sync`, which groups commits of several threads. Checksums are verified when
//! reading.

use std::path::Path;
use std::sync::Arc;

use harness::{Appender, EachSecond, Mode, Peer};
use wal_db::Wal;

struct WalDb {
    wal: Arc<Wal>,
    mode: Mode,
}

fn open(directory: &Path) -> Wal {
    Wal::open(directory.join("log.wal")).expect("cannot open")
}

impl Peer for WalDb {
    fn open(directory: &Path, mode: Mode) -> Self {
        WalDb { wal: Arc::new(open(directory)), mode }
    }

    fn append(&mut self, payload: &[u8]) {
        let append = if self.mode == Mode::Durable { Wal::append_and_sync } else { Wal::append };
        _ = append(&self.wal, payload).expect("cannot append");
    }

    fn each_second(&self) -> EachSecond<Self> {
        let wal = Arc::clone(&self.wal);
        EachSecond::Beside(Box::new(move || wal.sync().expect("cannot sync")))
    }

    fn appender(&self) -> Appender {
        let wal = Arc::clone(&self.wal);
        Box::new(move |payload| _ = wal.append_and_sync(payload).expect("cannot append"))
    }

    type Reader = Wal;

    fn open_reader(directory: &Path) -> Wal {
        open(directory)
    }

    fn read(wal: &mut Wal, visit: &mut dyn FnMut(&[u8])) {
        for record in wal.iter().expect("cannot read") {
            visit(record.expect("cannot read").data());
        }
    }
}

fn main() {
    harness::main::<WalDb>();
}

//! open-wal: `append` fills a buffer, `commit` writes and syncs it. Fast: a commit for each 1000 records, so a kill
//! loses what came after the last one. Durable: a commit for each record. Checksums are verified when reading.

use std::path::Path;

use harness::{Mode, Peer};
use open_wal::{Lsn, NullObserver, Wal, WalConfig};

const FAST_COMMIT_RECORDS: u64 = 1000;

struct OpenWal {
    wal: Wal<NullObserver>,
    commit_records: u64,
    pending: u64,
}

fn open(directory: &Path) -> Wal<NullObserver> {
    Wal::open(directory, WalConfig::default()).expect("cannot open").0
}

impl Peer for OpenWal {
    fn open(directory: &Path, mode: Mode) -> Self {
        let commit_records = if mode == Mode::Durable { 1 } else { FAST_COMMIT_RECORDS };
        OpenWal { wal: open(directory), commit_records, pending: 0 }
    }

    fn append(&mut self, payload: &[u8]) {
        self.wal.append(payload).expect("cannot append");
        self.pending += 1;
        if self.pending == self.commit_records {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.wal.commit().expect("cannot commit");
        self.pending = 0;
    }

    type Reader = Wal<NullObserver>;

    fn open_reader(directory: &Path) -> Self::Reader {
        open(directory)
    }

    fn read(wal: &mut Self::Reader, visit: &mut dyn FnMut(&[u8])) {
        let mut records = wal.reader_from(Lsn(0)).expect("cannot read");
        while let Some(record) = records.next() {
            visit(record.expect("cannot read").1);
        }
    }
}

fn main() {
    harness::main::<OpenWal>();
}

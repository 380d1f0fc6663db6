//! LMDB: the keys are the record numbers, put with `APPEND`, a transaction for each append. Fast: `WRITE_MAP` and
//! `MAP_ASYNC`, without syncs; sustained: a sync each second, beside the appends. Durable: its default flags. There are
//! no checksums.

use std::path::Path;

use harness::{EachSecond, Mode, Peer};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

/// The file is sparse.
const MAP_BYTES: usize = 64 << 30;

type Log = Database<U64<BigEndian>, Bytes>;

struct Lmdb {
    env: Env,
    log: Log,
    next: u64,
}

fn open(directory: &Path, flags: EnvFlags) -> (Env, Log) {
    // SAFETY: no other process uses the directory, and this one opens it once at a time.
    let env = unsafe { EnvOpenOptions::new().map_size(MAP_BYTES).flags(flags).open(directory).expect("cannot open") };
    let mut transaction = env.write_txn().expect("cannot begin");
    let log = env.create_database(&mut transaction, None).expect("cannot open");
    transaction.commit().expect("cannot commit");
    (env, log)
}

impl Peer for Lmdb {
    fn open(directory: &Path, mode: Mode) -> Self {
        let fast = EnvFlags::WRITE_MAP | EnvFlags::MAP_ASYNC;
        let (env, log) = open(directory, if mode == Mode::Durable { EnvFlags::empty() } else { fast });
        Lmdb { env, log, next: 0 }
    }

    fn append(&mut self, payload: &[u8]) {
        self.append_batch(&[payload]);
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        let mut transaction = self.env.write_txn().expect("cannot begin");
        for payload in payloads {
            self.log.put_with_flags(&mut transaction, PutFlags::APPEND, &self.next, payload).expect("cannot put");
            self.next += 1;
        }
        transaction.commit().expect("cannot commit");
    }

    fn each_second(&self) -> EachSecond<Self> {
        let env = self.env.clone();
        EachSecond::Beside(Box::new(move || env.force_sync().expect("cannot sync")))
    }

    type Reader = (Env, Log);

    fn open_reader(directory: &Path) -> Self::Reader {
        open(directory, EnvFlags::empty())
    }

    fn read((env, log): &mut Self::Reader, visit: &mut dyn FnMut(&[u8])) {
        let transaction = env.read_txn().expect("cannot begin");
        for record in log.iter(&transaction).expect("cannot read") {
            visit(record.expect("cannot read").1);
        }
    }
}

fn main() {
    harness::main::<Lmdb>();
}

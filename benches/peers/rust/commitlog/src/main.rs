//! commitlog: it syncs nothing, its `flush` no more than the index. So there is no durable mode, and nothing is on the
//! device after a sustained run. Hashes are verified when reading.

use std::path::Path;

use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};
use harness::{Mode, Peer};

const READ_BYTES: usize = 1 << 20;

struct Log {
    log: CommitLog,
    batch: MessageBuf,
}

fn open(directory: &Path) -> CommitLog {
    CommitLog::new(LogOptions::new(directory)).expect("cannot open")
}

impl Peer for Log {
    fn open(directory: &Path, mode: Mode) -> Self {
        assert!(mode != Mode::Durable, "no durable mode");
        Log { log: open(directory), batch: MessageBuf::default() }
    }

    fn append(&mut self, payload: &[u8]) {
        self.append_batch(&[payload]);
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        self.batch.clear();
        for payload in payloads {
            self.batch.push(payload).expect("cannot add");
        }
        self.log.append(&mut self.batch).expect("cannot append");
    }

    type Reader = CommitLog;

    fn open_reader(directory: &Path) -> CommitLog {
        open(directory)
    }

    fn read(log: &mut CommitLog, visit: &mut dyn FnMut(&[u8])) {
        let mut next = 0;
        while next < log.next_offset() {
            let messages = log.read(next, ReadLimit::max_bytes(READ_BYTES)).expect("cannot read");
            for message in messages.iter() {
                visit(message.payload());
                next = message.offset() + 1;
            }
        }
    }
}

fn main() {
    harness::main::<Log>();
}

//! OkayWAL: every commit is synced, so there is no fast mode. Its checkpoints, which would drop records, are put off
//! until after the run, and the segment is allocated before, as its documentation says. All records of a read row are
//! one entry; opening the log is what reads it. Checksums are verified when reading.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use harness::{Appender, Mode, Peer};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

const SEGMENT_BYTES: u32 = 16 << 20;

struct OkayWal {
    wal: Arc<WriteAheadLog>,
    mode: Mode,
    /// Of a fill for reading: written as one entry.
    unwritten: Vec<Vec<u8>>,
}

fn configuration(directory: &Path) -> Configuration {
    Configuration::default_for(directory).preallocate_bytes(SEGMENT_BYTES).checkpoint_after_bytes(u64::MAX)
}

fn append(wal: &WriteAheadLog, payload: &[u8]) {
    let mut entry = wal.begin_entry().expect("cannot begin");
    entry.write_chunk(payload).expect("cannot write");
    entry.commit().expect("cannot commit");
}

impl Peer for OkayWal {
    fn open(directory: &Path, mode: Mode) -> Self {
        assert!(mode != Mode::Flushing, "no mode without a sync for each commit");
        let wal = configuration(directory).open(Recovered::default()).expect("cannot open");
        OkayWal { wal: Arc::new(wal), mode, unwritten: Vec::new() }
    }

    fn append(&mut self, payload: &[u8]) {
        if self.mode == Mode::Durable {
            append(&self.wal, payload);
        } else {
            self.unwritten.push(payload.to_vec());
        }
    }

    fn finish(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let mut entry = self.wal.begin_entry().expect("cannot begin");
        for payload in self.unwritten.drain(..) {
            entry.write_chunk(&payload).expect("cannot write");
        }
        entry.commit().expect("cannot commit");
    }

    fn appender(&self) -> Appender {
        let wal = Arc::clone(&self.wal);
        Box::new(move |payload| append(&wal, payload))
    }

    fn close(self) {
        Arc::into_inner(self.wal).expect("the log is still in use").shutdown().expect("cannot shut down");
    }

    type Reader = PathBuf;

    fn open_reader(directory: &Path) -> PathBuf {
        directory.to_owned()
    }

    fn read(directory: &mut PathBuf, visit: &mut dyn FnMut(&[u8])) {
        let recovered = Recovered::default();
        let wal = configuration(directory).open(recovered.clone()).expect("cannot read");
        for record in recovered.0.lock().expect("no panic before").iter() {
            visit(record);
        }
        wal.shutdown().expect("cannot shut down");
    }
}

/// Keeps what an opening finds. The interface asks for something that lives as long as the log.
#[derive(Clone, Debug, Default)]
struct Recovered(Arc<Mutex<Vec<Vec<u8>>>>);

impl LogManager for Recovered {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let chunks = entry.read_all_chunks()?.ok_or_else(|| io::Error::other("an entry is incomplete"))?;
        self.0.lock().expect("no panic before").extend(chunks);
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Err(io::Error::other("a checkpoint would drop records"))
    }
}

fn main() {
    harness::main::<OkayWal>();
}

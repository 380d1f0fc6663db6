//! Records staged in memory, to become one commit or nothing.

use crate::error::{Result, no_memory};
use crate::format::in_memory;
use crate::log::Log;
use crate::writer::payloads::{Appended, Payloads};
use std::ops::Deref;

/// Records that become one commit or nothing. Dropping a transaction rolls it back.
///
/// `L` is how the transaction holds its log: `&Log`, or an `Arc<Log>`.
// Invariants:
// 1. `ends` does not decrease, and its last element is the length of `bytes`, also after a refused record.
#[derive(Debug)]
pub struct Transaction<L: Deref<Target = Log>> {
    log: L,
    ns: u32,
    max_record_size_bytes: u64,
    /// The payloads staged, one after the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl<L: Deref<Target = Log>> Transaction<L> {
    /// A transaction over `ns`. It keeps `log` in memory, but not open.
    ///
    /// # Errors
    /// [`Namespace`](crate::ErrorKind::Namespace), [`ReadOnly`](crate::ErrorKind::ReadOnly),
    /// [`Closed`](crate::ErrorKind::Closed).
    pub fn begin(log: L, ns: u32) -> Result<Transaction<L>> {
        let max_record_size_bytes = log.writer(ns)?.max_record_size_bytes();
        Ok(Transaction { log, ns, max_record_size_bytes, bytes: Vec::new(), ends: Vec::new() })
    }

    /// Stages `data` as one record.
    ///
    /// # Errors
    /// [`TooLarge`](crate::ErrorKind::TooLarge), [`NoMemory`](crate::ErrorKind::NoMemory): this record is not staged,
    /// those before it stay.
    pub fn append(&mut self, data: impl AsRef<[u8]>) -> Result<()> {
        self.append_parts(&[data.as_ref()])
    }

    /// Stages one record whose payload is in `parts`, which are joined.
    ///
    /// # Errors
    /// As [`Transaction::append`].
    pub fn append_parts(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.stage(parts).map_err(|error| error.in_namespace(self.ns))
    }

    fn stage(&mut self, parts: &[&[u8]]) -> Result<()> {
        let size_bytes = Payloads::One(parts).check_sizes(self.max_record_size_bytes)?;
        let staged = (self.bytes.len() as u64).saturating_add(size_bytes);
        self.bytes.try_reserve(in_memory(size_bytes)).map_err(|_| no_memory("a transaction", staged))?;
        self.ends.try_reserve(1).map_err(|_| no_memory("a transaction", staged))?;
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Appends what was staged as one batch.
    ///
    /// # Errors
    /// As [`Log::append`]; whatever the error, the transaction is gone.
    pub fn commit(self) -> Result<Appended> {
        self.append_staged()
    }

    /// [`Transaction::commit`] for a caller that drops the transaction later and must not use it again.
    pub(crate) fn append_staged(&self) -> Result<Appended> {
        let mut records: Vec<&[u8]> = Vec::new();
        records
            .try_reserve_exact(self.ends.len())
            .map_err(|_| no_memory("a commit", self.ends.len() as u64 * 16).in_namespace(self.ns))?;
        let mut begin = 0;
        for end in &self.ends {
            records.push(&self.bytes[begin..*end]);
            begin = *end;
        }
        self.log.append_batch(self.ns, &records)
    }
}

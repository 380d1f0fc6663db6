//! Appending to a log: one record, whole, in parts or from a reader; and many at once, all or none.

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::log::{Log, Member};
use crate::util::memory;
use crate::writer::Writer;
use crate::writer::payloads::{Appended, Payloads};
use std::io::{self, Read};
use std::sync::atomic::Ordering;

/// How many bytes `append_from` asks its reader for at once.
const READ_CHUNK_BYTES: usize = 64 << 10;

impl Log {
    /// Appends `data` to `ns` as one record, which may be empty. When this call succeeds, readers see the record, and
    /// it survives the death of the process. In durable mode it survives a loss of power as well. In fast mode it does
    /// so after the next flush, or after [`Log::sync`].
    ///
    /// # Errors
    /// - [`ErrorKind::TooLarge`], [`ErrorKind::NoSpace`], [`ErrorKind::NoMemory`], [`ErrorKind::Limit`],
    ///   [`ErrorKind::Permission`], [`ErrorKind::CodecFailed`]: nothing changed.
    /// - [`ErrorKind::Namespace`], [`ErrorKind::ReadOnly`], [`ErrorKind::Closed`]: `ns` cannot be appended to.
    /// - [`ErrorKind::Io`]: the system failed. Either nothing changed; or the message says that the namespace is
    ///   poisoned. Then the record may or may not be there when the log is opened again.
    /// - [`ErrorKind::Poisoned`]: the namespace was poisoned, before this append or while it was in flight, which the
    ///   message says. An append in flight may or may not be there when the log is opened again.
    /// - [`ErrorKind::Corrupt`]: the codecs of the log are damaged in the index file.
    ///
    /// ```
    /// # use immuta::{Log, Options};
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// let appended = log.append(0, "hello")?;
    /// assert_eq!((appended.number, appended.stored_size), (0, 5));
    /// log.sync(0)?; // from here on it survives a loss of power
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(
        clippy::inline_always,
        reason = "a call returns the result through memory, and its loads wait for the stores"
    )]
    #[inline(always)]
    pub fn append(&self, ns: u32, data: impl AsRef<[u8]>) -> Result<Appended> {
        let data = data.as_ref();
        let mut appended = Appended { number: 0, offset: 0, stored_size: 0, count: 0 };
        match self.append_by_stores(ns, data, &mut appended) {
            Ok(true) => Ok(appended),
            Ok(false) => self.commit(ns, Payloads::One(&[data]), None),
            Err(error) => Err(error.in_namespace(ns)),
        }
    }

    /// As [`Writer::append_by_stores`].
    #[inline]
    fn append_by_stores(&self, ns: u32, data: &[u8], appended_out: &mut Appended) -> Result<bool> {
        if self.closed.load(Ordering::Acquire) || !self.flushing.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let Some(writer) = self.members.get(ns as usize).and_then(Member::writer) else { return Ok(false) };
        let is_appended = writer.append_by_stores(data, appended_out)?;
        if is_appended {
            self.flusher.appended(writer);
        }
        Ok(is_appended)
    }

    /// Appends one record whose payload is in `parts`, which are joined. No parts are one empty record.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_parts(&self, ns: u32, parts: &[&[u8]]) -> Result<Appended> {
        self.commit(ns, Payloads::One(parts), None)
    }

    /// Appends `records` as one batch: all or none, whatever happens, and readers see all at once. No records change
    /// nothing; the result then has the number and the offset of the next record.
    ///
    /// # Errors
    /// As [`Log::append`].
    ///
    /// ```
    /// # use immuta::{Log, Options};
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// let appended = log.append_batch(0, &[b"debit", b"credit"])?;
    /// assert_eq!((appended.number, appended.count), (0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_batch(&self, ns: u32, records: &[&[u8]]) -> Result<Appended> {
        self.commit(ns, Payloads::Each(records), None)
    }

    /// Appends `records` as one batch if the first one gets the number `number`. A producer that does not know whether
    /// its last append succeeded repeats it so: the records are appended once. No records check the number only.
    ///
    /// # Errors
    /// As [`Log::append`]; [`ErrorKind::Conflict`] if the next record has another number, which is in `error.number`.
    ///
    /// ```
    /// # use immuta::{ErrorKind, Log, Options};
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// log.append_batch_at(0, 0, &[b"once"])?;
    /// let error = log.append_batch_at(0, 0, &[b"once"]).unwrap_err();
    /// assert_eq!((error.kind, error.number), (ErrorKind::Conflict, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_batch_at(&self, ns: u32, number: u64, records: &[&[u8]]) -> Result<Appended> {
        self.commit(ns, Payloads::Each(records), Some(number))
    }

    /// Appends `payloads` to `ns` as one commit; with `expected_number` only if the first one gets that number.
    fn commit(&self, ns: u32, payloads: Payloads<'_>, expected_number: Option<u64>) -> Result<Appended> {
        let appended = self.append_by(self.writer(ns)?, payloads, expected_number);
        appended.map_err(|error| error.in_namespace(ns))
    }

    fn append_by(&self, writer: &Writer, payloads: Payloads<'_>, expected_number: Option<u64>) -> Result<Appended> {
        self.start_flusher()?;
        // On this thread, before any lock: encoding is the longest part of such an append.
        let (encoded, slices);
        let stored = if writer.chain().is_plain() {
            payloads
        } else {
            encoded = payloads.encode(writer.chain(), self.options.max_record_size_bytes)?;
            slices = memory::list(encoded.iter().map(Vec::as_slice))?;
            payloads.stored_as(&slices)
        };
        let appended = writer.append(stored, expected_number)?;
        self.flusher.appended(writer);
        Ok(appended)
    }

    /// Appends one record that `reader` delivers piece by piece, up to its end. The pieces are collected in memory
    /// first, so other appends do not wait for the reader.
    ///
    /// # Errors
    /// As [`Log::append`]; [`ErrorKind::Callback`] if the reader fails, with its error as the source. Nothing was
    /// appended then.
    ///
    /// ```
    /// # use immuta::{Log, Options};
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// # let path = directory.path().join("file");
    /// # std::fs::write(&path, "of a file")?;
    /// let appended = log.append_from(0, &mut std::fs::File::open(&path)?)?;
    /// assert_eq!(appended.stored_size, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_from(&self, ns: u32, reader: &mut dyn Read) -> Result<Appended> {
        let limit = self.writer(ns)?.max_record_size_bytes();
        let mut payload: Vec<u8> = Vec::new();
        let mut filled = 0;
        loop {
            payload.try_reserve(READ_CHUNK_BYTES).map_err(|_| no_memory("a record", filled as u64))?;
            payload.resize(filled + READ_CHUNK_BYTES, 0);
            let room = payload.len() - filled;
            let got = match reader.read(&mut payload[filled..]) {
                Err(failure) if failure.kind() == io::ErrorKind::Interrupted => continue,
                Err(failure) => {
                    let refusal = Error::os_as(ErrorKind::Callback, "reading the record to append", &failure);
                    return Err(refusal.advising("nothing was appended").caused_by(failure).in_namespace(ns));
                }
                Ok(got) => got,
            };
            if got > room {
                let refusal = Error::new(ErrorKind::Callback, "the reader says more bytes than its buffer has")
                    .comparing(format_args!("at most {room}"), got);
                return Err(refusal.advising("nothing was appended").in_namespace(ns));
            }
            filled += got;
            if got == 0 || filled as u64 > limit {
                // If the payload is over the limit, this append refuses it, with the same words as for any record.
                return self.commit(ns, Payloads::One(&[&payload[..filled]]), None);
            }
        }
    }

    fn start_flusher(&self) -> Result<()> {
        if self.flushing.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.flusher.start()?;
        self.flushing.store(true, Ordering::Relaxed);
        Ok(())
    }
}

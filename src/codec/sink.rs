//! Where a codec puts what it makes: a buffer that never grows past its limit, however the codec behaves.

use crate::error::{Error, Result, no_memory};
use crate::format::in_memory;
use crate::util::memory;
use std::io;

/// The output of one codec for one payload.
#[derive(Debug)]
pub struct Sink {
    bytes: Vec<u8>,
    limit_bytes: u64,
    /// The first refusal. It fails the call even when the codec says that all is well.
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug)]
enum Refusal {
    TooLarge,
    NoMemory { bytes: u64 },
}

impl Sink {
    pub(crate) fn new(limit_bytes: u64) -> Sink {
        Sink { bytes: Vec::new(), limit_bytes, refusal: None }
    }

    /// Appends `bytes` to the output.
    ///
    /// # Errors
    /// [`TooLarge`](crate::ErrorKind::TooLarge) over the limit, [`NoMemory`](crate::ErrorKind::NoMemory). After
    /// that every call fails and writes nothing.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.make_room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// How many more bytes may be written.
    pub fn room_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.bytes.len() as u64)
    }

    /// Refuses an output that a codec knows to be over the limit before it is made.
    pub fn overflow(&mut self) -> Error {
        self.refuse(Refusal::TooLarge)
    }

    /// Appends `bytes`, without a copy if they are the first.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) -> Result<()> {
        if !self.bytes.is_empty() || bytes.len() as u64 > self.limit_bytes {
            return self.write(&bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The output of a codec that returned `outcome`.
    pub(crate) fn finish(self, outcome: Result<()>) -> Result<Vec<u8>> {
        match self.refusal {
            Some(refusal) => Err(self.error(refusal)),
            None => outcome.map(|()| self.bytes),
        }
    }

    /// Room for `count` more bytes: at least double what there is, so that many small writes are few allocations.
    fn make_room(&mut self, count: usize) -> Result<()> {
        if let Some(refusal) = self.refusal {
            return Err(self.error(refusal));
        }
        if count as u64 > self.room_bytes() {
            return Err(self.overflow());
        }
        let needed = self.bytes.len() + count;
        if needed > self.bytes.capacity() {
            let limit = usize::try_from(self.limit_bytes).unwrap_or(usize::MAX);
            let capacity = needed.max(self.bytes.capacity().saturating_mul(2)).min(limit);
            if self.bytes.try_reserve_exact(capacity - self.bytes.len()).is_err() {
                return Err(self.refuse(Refusal::NoMemory { bytes: capacity as u64 }));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) -> Error {
        let first = *self.refusal.get_or_insert(refusal);
        self.error(first)
    }

    fn error(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::TooLarge => Error::too_large("the result", self.limit_bytes, "more"),
            Refusal::NoMemory { bytes } => no_memory("a payload", bytes),
        }
    }
}

/// For codecs that write to streams; the sink itself remembers why it refused.
impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Sink::write(self, bytes).map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An empty buffer with room for `capacity` bytes. A file may say how many, so the allocation may be refused.
pub(super) fn buffer(capacity: u64) -> Result<Vec<u8>> {
    memory::with_room(in_memory(capacity), "a payload")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_limit_is_kept_and_a_refusal_outlasts_what_the_codec_says() {
        let mut sink = Sink::new(5);
        sink.write(b"abc").unwrap();
        sink.write(b"de").unwrap();
        assert_eq!((sink.written(), sink.room_bytes()), (b"abcde".as_slice(), 0));
        sink.write(b"").unwrap();
        assert_eq!(sink.write(b"f").unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(sink.write(b"").unwrap_err().kind, ErrorKind::TooLarge, "once refused, always refused");
        assert_eq!(sink.finish(Ok(())).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn a_buffer_counts_like_what_is_written() {
        let mut sink = Sink::new(3);
        sink.put(b"abc".to_vec()).unwrap();
        assert_eq!(sink.put(b"d".to_vec()).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(Sink::new(3).put(b"abcd".to_vec()).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn growing_never_asks_for_more_than_the_limit() {
        let mut sink = Sink::new(1000);
        for _ in 0..1000 {
            sink.write(b"x").unwrap();
            assert!(sink.bytes.capacity() <= 1000);
        }
        let mut endless = Sink::new(u64::MAX);
        endless.write(b"x").unwrap();
        assert!(endless.bytes.capacity() < 100, "a high limit costs nothing");
    }
}

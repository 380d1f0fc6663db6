//! What an append is given, what is stored of it, and what it answers.

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::util::memory;

/// The payloads of one commit.
#[derive(Clone, Copy, Debug)]
pub enum Payloads<'a> {
    /// One record, its parts one after the other.
    One(&'a [&'a [u8]]),
    /// Each slice a record.
    Each(&'a [&'a [u8]]),
}

impl Payloads<'_> {
    pub(crate) fn count(&self) -> u64 {
        match self {
            Payloads::One(_) => 1,
            Payloads::Each(records) => records.len() as u64,
        }
    }

    /// The largest payload and the sum of all; `None` when the sum overflows.
    pub(crate) fn sizes(&self) -> Option<(u64, u64)> {
        let (Payloads::One(slices) | Payloads::Each(slices)) = self;
        let (mut largest, mut sum) = (0, 0_u64);
        for slice in *slices {
            largest = largest.max(slice.len() as u64);
            sum = sum.checked_add(slice.len() as u64)?;
        }
        Some((if matches!(self, Payloads::One(_)) { sum } else { largest }, sum))
    }

    /// The sum of the sizes, no payload being over the limit.
    pub(crate) fn check_sizes(&self, limit_bytes: u64) -> Result<u64> {
        let too_large = |message: std::fmt::Arguments<'_>| Error::new(ErrorKind::TooLarge, message);
        let (largest, sum) = self.sizes().ok_or_else(|| too_large(format_args!("the sizes overflow")))?;
        if largest > limit_bytes {
            return Err(too_large(format_args!(
                "a record of {largest} bytes; the largest allowed is {limit_bytes} (max_record_size)"
            )));
        }
        Ok(sum)
    }

    /// Calls `then` with the payloads as `chain` stores them; before and after it none is over the limit.
    pub(crate) fn stored<T>(
        self,
        chain: &Chain,
        limit_bytes: u64,
        then: impl FnOnce(Payloads<'_>) -> Result<T>,
    ) -> Result<T> {
        if chain.is_plain() {
            return then(self);
        }
        self.check_sizes(limit_bytes)?;
        match self {
            Payloads::One([whole]) => then(Payloads::One(&[&chain.encode(whole, limit_bytes)?])),
            Payloads::One(parts) => then(Payloads::One(&[&chain.encode(&join(parts)?, limit_bytes)?])),
            Payloads::Each(records) => {
                let refused = |_| no_memory("a batch", records.len() as u64 * 40);
                let (mut stored, mut slices) = (Vec::new(), Vec::new());
                stored.try_reserve_exact(records.len()).map_err(refused)?;
                slices.try_reserve_exact(records.len()).map_err(refused)?;
                for record in records {
                    stored.push(chain.encode(record, limit_bytes)?);
                }
                slices.extend(stored.iter().map(Vec::as_slice));
                then(Payloads::Each(&slices))
            }
        }
    }
}

/// The parts of a record in one piece.
fn join(parts: &[&[u8]]) -> Result<Vec<u8>> {
    let size = parts.iter().map(|part| part.len()).sum();
    let mut whole = memory::with_room(size, "a record")?;
    for part in parts {
        whole.extend_from_slice(part);
    }
    Ok(whole)
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of the first record.
    pub number: u64,
    /// Of the first record's size word, in bytes.
    pub offset: u64,
    /// Payload bytes of all records as stored.
    pub stored_size: u64,
    /// Records appended.
    pub count: u64,
}

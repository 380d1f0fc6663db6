//! What an append is given, what is stored of it, and what it returns.

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
    pub fn count(&self) -> u64 {
        match self {
            Payloads::One(_) => 1,
            Payloads::Each(records) => records.len() as u64,
        }
    }

    /// The largest payload and the sum of all; `None` when the sum overflows.
    pub fn sizes(&self) -> Option<(u64, u64)> {
        let (Payloads::One(slices) | Payloads::Each(slices)) = self;
        let (mut largest, mut sum) = (0, 0_u64);
        for slice in *slices {
            largest = largest.max(slice.len() as u64);
            sum = sum.checked_add(slice.len() as u64)?;
        }
        Some((if matches!(self, Payloads::One(_)) { sum } else { largest }, sum))
    }

    /// The sum of the sizes. Refuses a payload over the limit.
    #[inline]
    pub fn check_sizes(&self, limit_bytes: u64) -> Result<u64> {
        let (largest, sum) = self.sizes().ok_or_else(|| Error::new(ErrorKind::TooLarge, "the sizes overflow"))?;
        if largest > limit_bytes { Err(Error::too_large("a record", limit_bytes, largest)) } else { Ok(sum) }
    }

    /// The payloads as `chain` encodes them. Refuses a payload that is over the limit, before or after.
    pub fn encode(&self, chain: &Chain, limit_bytes: u64) -> Result<Vec<Vec<u8>>> {
        self.check_sizes(limit_bytes)?;
        let mut encoded = Vec::new();
        match self {
            Payloads::One([whole]) => memory::push(&mut encoded, chain.encode(whole, limit_bytes)?)?,
            Payloads::One(parts) => memory::push(&mut encoded, chain.encode(&join(parts)?, limit_bytes)?)?,
            Payloads::Each(records) => {
                let refused = |_| no_memory("a batch", records.len() as u64 * size_of::<Vec<u8>>() as u64);
                encoded.try_reserve_exact(records.len()).map_err(refused)?;
                for record in *records {
                    encoded.push(chain.encode(record, limit_bytes)?);
                }
            }
        }
        Ok(encoded)
    }

    /// As many records as these, with `encoded` as their stored payloads.
    pub fn stored_as<'e>(&self, encoded: &'e [&'e [u8]]) -> Payloads<'e> {
        match self {
            Payloads::One(_) => Payloads::One(encoded),
            Payloads::Each(_) => Payloads::Each(encoded),
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
    /// Number of the first record.
    pub number: u64,
    /// Offset of the first record's size word, in bytes.
    pub offset: u64,
    /// Payload bytes of all records as stored.
    pub stored_size: u64,
    /// Records appended.
    pub count: u64,
}

//! What an append is given, and what it answers.

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

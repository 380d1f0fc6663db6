//! Decodes the payloads that were read. Decoded payloads have memory of their own; their records still hold the reader.

use super::{Batch, Record, RecordInfo};
use crate::codec::Chain;
use crate::error::{Error, Result, no_memory};
use crate::util::memory;

impl Record {
    /// The record with its payload as it was appended.
    pub fn decode(mut self, chain: &Chain, limit_bytes: u64) -> Result<Record> {
        if chain.is_plain() {
            return Ok(self);
        }
        self.0.decoded = Some(decode(chain, self.data(), &self.info(), limit_bytes)?);
        Ok(self)
    }
}

impl Batch {
    /// The batch with its payloads as they were appended. It ends before the first payload that cannot be decoded or
    /// that makes the sum larger than `max_bytes`, but has at least one.
    pub fn decode(mut self, chain: &Chain, limit_bytes: u64, max_bytes: u64) -> Result<Batch> {
        if chain.is_plain() {
            return Ok(self);
        }
        let (mut decoded, mut sum_bytes) = (Vec::new(), 0_u64);
        let refused = |_| no_memory("a batch", (self.len() * size_of::<Vec<u8>>()) as u64);
        decoded.try_reserve_exact(self.len()).map_err(refused)?;
        for index in 0..self.len() {
            let (data, info) = self.get(index);
            match decode(chain, data, &info, limit_bytes) {
                Ok(payload) => {
                    sum_bytes = sum_bytes.saturating_add(payload.len() as u64);
                    if sum_bytes > max_bytes && index > 0 {
                        break;
                    }
                    decoded.push(payload);
                }
                Err(error) if index == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.places.truncate(decoded.len());
        self.decoded = decoded;
        Ok(self)
    }
}

fn decode(chain: &Chain, data: &[u8], info: &RecordInfo, limit_bytes: u64) -> Result<Vec<u8>> {
    let RecordInfo { number, offset, .. } = *info;
    chain.decode(data, limit_bytes).map(memory::fitted).map_err(|error: Error| {
        let error = error.about(format_args!("record {number} at offset {offset}"));
        error.advising(format_args!("seek to {} to pass over it", number + 1)).at(number, offset)
    })
}

//! The codec chain in the index file: a count and ids, in page 0 or, for a log that was adopted, in page 3.
//!
//! Page 0 is written once, before the codecs of an adopted log's records are known. So it says "unknown", and page 3
//! gets the chain before the first append. If page 3 is torn or was never written, it does not verify, and the chain is
//! still unknown.
//!
//! ```text
//!   chain       0 magic 89 49 4D 43 0D 0A 1A 0A     8 u32 codec count     12 u32 codec ids [16]     76 zero
//!            4092 u32 crc32c(log id, bytes 0..4092)
//! ```

use super::field::Field;
use super::{LogId, PAGE_CRC, PAGE_SIZE_BYTES, Page, is_sealed, seal};
use crate::limits::CODECS_MAX;
use std::ops::Deref;

/// The offset of page 3 in the index file.
pub const CHAIN_PAGE_OFFSET: u64 = 3 * PAGE_SIZE_BYTES as u64;

const MAGIC: [u8; 8] = *b"\x89IMC\r\n\x1a\n";
/// The count of a chain that is not known.
const UNKNOWN: u32 = u32::MAX;

// Page 3.
const MAGIC_FIELD: Field<[u8; 8]> = Field::at(0);
const CHAIN: Field<ChainField> = Field::after(MAGIC_FIELD);
const _: () = assert!(CHAIN.end() < PAGE_CRC.offset());

/// A chain as it is recorded: the count, then the ids.
pub type ChainField = [u8; 4 + 4 * CODECS_MAX];
const COUNT: Field<u32> = Field::at(0);

/// The field of id `index` of a chain.
const fn id(index: usize) -> Field<u32> {
    Field::at(COUNT.end() + 4 * index)
}

/// The ids of a chain, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainIds {
    ids: [u32; CODECS_MAX],
    count: usize,
}

impl Deref for ChainIds {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.ids[..self.count]
    }
}

impl FromIterator<u32> for ChainIds {
    /// Takes at most as many ids as a chain can have.
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> ChainIds {
        let mut chain = ChainIds::default();
        for (place, id) in chain.ids.iter_mut().zip(ids) {
            *place = id;
            chain.count += 1;
        }
        chain
    }
}

/// Page 3 with this chain.
pub fn encode_page(ids: &[u32], log_id: &LogId) -> Page {
    let mut page = [0; PAGE_SIZE_BYTES];
    MAGIC_FIELD.set(&mut page, MAGIC);
    CHAIN.set(&mut page, encode(Some(ids)));
    seal(&mut page, log_id);
    page
}

/// The chain in page 3; `None` when the page has none for the log `log_id`.
pub fn decode_page(page: &Page, log_id: &LogId) -> Option<ChainIds> {
    if MAGIC_FIELD.get(page) != MAGIC || !is_sealed(page, log_id) {
        return None;
    }
    decode(&CHAIN.get(page)).ok()?
}

/// A chain as it is recorded; `None`: unknown.
pub fn encode(ids: Option<&[u32]>) -> ChainField {
    let mut chain = [0; size_of::<ChainField>()];
    let count = ids.map_or(UNKNOWN, |ids| u32::try_from(ids.len().min(CODECS_MAX)).unwrap_or(UNKNOWN));
    COUNT.set(&mut chain, count);
    for (index, value) in ids.unwrap_or_default().iter().take(CODECS_MAX).enumerate() {
        id(index).set(&mut chain, *value);
    }
    chain
}

/// The chain that `chain` records; `None`: unknown.
///
/// # Errors
/// The count, if it is more than a chain can have.
pub fn decode(chain: &ChainField) -> Result<Option<ChainIds>, u32> {
    match COUNT.get(chain) {
        UNKNOWN => Ok(None),
        count if count as usize <= CODECS_MAX => {
            Ok(Some((0..count as usize).map(|index| id(index).get(chain)).collect()))
        }
        count => Err(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::index::{Checkpoint, Mode, State};
    use crate::format::number::Outer;

    const ID: LogId = *b"0123456789abcdef";

    #[test]
    fn a_chain_page_reads_back_and_a_damaged_or_foreign_one_does_not() {
        for ids in [vec![], vec![1], vec![4, 0x10000, u32::MAX], (1..=16).collect()] {
            let page = encode_page(&ids, &ID);
            assert_eq!(decode_page(&page, &ID).as_deref(), Some(ids.as_slice()));
            assert_eq!(decode_page(&page, b"fedcba9876543210"), None, "another log");
            for byte in [0, 8, 12, 76, 2000, 4092] {
                let mut damaged = page;
                damaged[byte] ^= 1;
                assert_eq!(decode_page(&damaged, &ID), None, "byte {byte}");
            }
        }
        assert_eq!(decode_page(&[0; PAGE_SIZE_BYTES], &ID), None, "a page never written");
    }

    #[test]
    fn a_checksum_alone_makes_no_chain() {
        let mut page = encode_page(&[1], &ID);
        for (count, expected) in [(1, Some([1].as_slice())), (17, None), (UNKNOWN, None)] {
            page[8..12].copy_from_slice(&u32::to_le_bytes(count));
            seal(&mut page, &ID);
            assert_eq!(decode_page(&page, &ID).as_deref(), expected, "count {count}");
        }
        let checkpoint = Checkpoint {
            seq: 1,
            count: 1,
            end: 16,
            state: State::Open,
            mode: Mode::Fast,
            epoch: 1,
            first: Outer::START,
            ends_early: false,
        };
        assert_eq!(
            decode_page(&checkpoint.encode(&ID), &ID),
            None,
            "the checksum of a checkpoint is made in the same way"
        );
    }
}

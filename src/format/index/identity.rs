//! Page 0 of the index file: which log this is, and which of its segments.

use super::{ENTRY_SIZE_BYTES, HEADER_SIZE_BYTES};
use crate::format::codecs::{self, ChainField};
use crate::format::field::Field;
use crate::format::log;
use crate::format::number::Base;
use crate::format::{LogId, PAGE_CRC, PAGE_SIZE_BYTES, Page, is_sealed, seal};
use crate::limits::OFFSET_LIMIT_BYTES;

pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\x89IMX\r\n\x1a\n";
/// The incompatible flag of a later segment of a namespace. This version knows no other flag.
pub const LATER_SEGMENT: u64 = 1;

/// The two sizes as the page records them.
const HEADER_SIZE_FIELD: u32 = 16384;
const ENTRY_SIZE_FIELD: u32 = 24;
const _: () = assert!(HEADER_SIZE_FIELD as u64 == HEADER_SIZE_BYTES && ENTRY_SIZE_FIELD as u64 == ENTRY_SIZE_BYTES);

const _: () = assert!(Identity::CODECS.offset() == 64 && Identity::CODECS.end() <= Identity::BASE.offset());
const _: () = assert!(Identity::BEFORE_TIME.end() == 184 && Identity::BEFORE_TIME.end() < PAGE_CRC.offset());

/// Page 0: which log this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub log_id: LogId,
    pub created_ns: i64,
    /// The ids of the codec chain in the order applied; `None`: unknown here, the log was adopted.
    pub codecs: Option<codecs::ChainIds>,
    /// `None` for the first segment of a namespace.
    pub place: Option<Place>,
}

/// Where a later segment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Never [`Base::FIRST`].
    pub base: Base,
    /// `None`: the namespace began with this segment.
    pub before: Option<Before>,
}

/// The segment before a later one, as it was when the later one was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Less than that of the later segment.
    pub base: Base,
    pub log_id: LogId,
    /// The offset just after its last record.
    pub end: u64,
    /// The time of its last record; 0: unknown.
    pub time_ns: i64,
}

/// Why page 0 is not an identity this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// No magic, or the checksum does not match: not an identity at all.
    Damaged,
    /// A well-formed identity with something this version does not know.
    Newer { version: u32, incompatible: u64 },
}

impl Identity {
    const MAGIC: Field<[u8; 8]> = Field::at(0);
    const VERSION: Field<u32> = Field::after(Self::MAGIC);
    const HEADER_SIZE: Field<u32> = Field::after(Self::VERSION);
    const ENTRY_SIZE: Field<u32> = Field::after(Self::HEADER_SIZE);
    const ZERO: Field<u32> = Field::after(Self::ENTRY_SIZE);
    const COMPATIBLE: Field<u64> = Field::after(Self::ZERO);
    const INCOMPATIBLE: Field<u64> = Field::after(Self::COMPATIBLE);
    const LOG_ID: Field<LogId> = Field::after(Self::INCOMPATIBLE);
    const CREATED: Field<i64> = Field::after(Self::LOG_ID);
    const CODECS: Field<ChainField> = Field::after(Self::CREATED);
    const BASE: Field<u64> = Field::at(136);
    const BEFORE_BASE: Field<u64> = Field::after(Self::BASE);
    const BEFORE_LOG_ID: Field<LogId> = Field::after(Self::BEFORE_BASE);
    const BEFORE_END: Field<u64> = Field::after(Self::BEFORE_LOG_ID);
    const BEFORE_TIME: Field<i64> = Field::after(Self::BEFORE_END);

    /// The base of the segment.
    pub fn base(&self) -> Base {
        self.place.map_or(Base::FIRST, |place| place.base)
    }

    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE_SIZE_BYTES];
        Self::MAGIC.set(&mut page, MAGIC);
        Self::VERSION.set(&mut page, VERSION);
        Self::HEADER_SIZE.set(&mut page, HEADER_SIZE_FIELD);
        Self::ENTRY_SIZE.set(&mut page, ENTRY_SIZE_FIELD);
        Self::LOG_ID.set(&mut page, self.log_id);
        Self::CREATED.set(&mut page, self.created_ns);
        Self::CODECS.set(&mut page, codecs::encode(self.codecs.as_deref()));
        if let Some(Place { base, before }) = self.place {
            Self::INCOMPATIBLE.set(&mut page, LATER_SEGMENT);
            Self::BASE.set(&mut page, base.field());
            if let Some(Before { base, log_id, end, time_ns }) = before {
                Self::BEFORE_BASE.set(&mut page, base.field());
                Self::BEFORE_LOG_ID.set(&mut page, log_id);
                Self::BEFORE_END.set(&mut page, end);
                Self::BEFORE_TIME.set(&mut page, time_ns);
            }
        }
        seal(&mut page, &[]);
        page
    }

    pub fn decode(page: &Page) -> Result<Identity, IdentityError> {
        if Self::MAGIC.get(page) != MAGIC || !is_sealed(page, &[]) {
            return Err(IdentityError::Damaged);
        }
        let (version, incompatible) = (Self::VERSION.get(page), Self::INCOMPATIBLE.get(page));
        let sizes = (Self::HEADER_SIZE.get(page), Self::ENTRY_SIZE.get(page));
        let newer = IdentityError::Newer { version, incompatible };
        let is_known = incompatible & !LATER_SEGMENT == 0;
        if version != VERSION || !is_known || sizes != (HEADER_SIZE_FIELD, ENTRY_SIZE_FIELD) {
            return Err(newer);
        }
        let codecs = codecs::decode(&Self::CODECS.get(page)).map_err(|_| newer)?;
        let place = if incompatible == 0 { None } else { Some(Self::decode_place(page).ok_or(newer)?) };
        Ok(Identity { log_id: Self::LOG_ID.get(page), created_ns: Self::CREATED.get(page), codecs, place })
    }

    /// The place in the page of a later segment; `None` if no segment can have it.
    fn decode_place(page: &Page) -> Option<Place> {
        let base = Base::new(Self::BASE.get(page)).filter(|base| *base > Base::FIRST)?;
        let log_id = Self::BEFORE_LOG_ID.get(page);
        if log_id == LogId::default() {
            return Some(Place { base, before: None });
        }
        let before = Before {
            base: Base::new(Self::BEFORE_BASE.get(page))?,
            log_id,
            end: Self::BEFORE_END.get(page),
            time_ns: Self::BEFORE_TIME.get(page),
        };
        // Each record takes its size word at least.
        let end_min = log::HEADER_SIZE_BYTES + log::SIZE_WORD_BYTES * before.base.length_to(base)?;
        (end_min..=OFFSET_LIMIT_BYTES).contains(&before.end).then_some(Place { base, before: Some(before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LogId = *b"0123456789abcdef";

    #[test]
    fn an_identity_reads_back_and_a_newer_one_is_told_from_a_damaged_one() {
        for codecs in [None, Some(vec![]), Some(vec![1, 0x10000])].map(|ids| ids.map(codecs::ChainIds::from_iter)) {
            let identity = Identity { log_id: ID, created_ns: 1, codecs, place: None };
            assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
        }
        let mut page = Identity { log_id: ID, created_ns: 1, codecs: None, place: None }.encode();
        assert_eq!(page[132..PAGE_CRC.offset()], [0; PAGE_CRC.offset() - 132], "the bytes of a first segment");
        page[8] = 2;
        assert_eq!(Identity::decode(&page), Err(IdentityError::Damaged));
        seal(&mut page, &[]);
        assert_eq!(Identity::decode(&page), Err(IdentityError::Newer { version: 2, incompatible: 0 }));
    }

    #[test]
    fn a_later_segment_names_its_place_and_no_impossible_one_is_taken() {
        let base = |first| Base::new(first).unwrap();
        let before = Before { base: base(3), log_id: *b"fedcba9876543210", end: 80, time_ns: -7 };
        let identity = |place: Place| Identity { log_id: ID, created_ns: 1, codecs: None, place: Some(place) };
        for before in [None, Some(before), Some(Before { base: Base::FIRST, ..before })] {
            let identity = identity(Place { base: base(9), before });
            assert_eq!(Identity::decode(&identity.encode()).as_ref(), Ok(&identity));
            assert_eq!(identity.base(), base(9));
        }
        let impossible = Err(IdentityError::Newer { version: VERSION, incompatible: 1 });
        for (field, value, wrong) in [
            (Identity::BASE, 0, "the base of a first segment"),
            (Identity::BASE, 1 << 63, "no segment begins there"),
            (Identity::BASE, 3, "the segment before begins there, too"),
            (Identity::BEFORE_BASE, 9, "the segment before is this one"),
            (Identity::BASE, 4 + OFFSET_LIMIT_BYTES / 8, "the segment before has more records than a segment can have"),
            (Identity::BEFORE_END, 8 + 6 * 8 - 1, "the segment before has no room for its records"),
            (Identity::BEFORE_END, OFFSET_LIMIT_BYTES + 1, "the segment before ends where no record can"),
        ] {
            let mut page = identity(Place { base: base(9), before: Some(before) }).encode();
            field.set(&mut page, value);
            seal(&mut page, &[]);
            assert_eq!(Identity::decode(&page), impossible, "{wrong}");
        }
        let mut page = identity(Place { base: base(9), before: None }).encode();
        Identity::INCOMPATIBLE.set(&mut page, 0);
        seal(&mut page, &[]);
        assert_eq!(Identity::decode(&page).unwrap().place, None, "without the flag the place is not looked at");
        Identity::INCOMPATIBLE.set(&mut page, 2);
        seal(&mut page, &[]);
        assert_eq!(Identity::decode(&page), Err(IdentityError::Newer { version: VERSION, incompatible: 2 }));
    }
}

//! The two numbers of a record.
//!
//! A namespace is a chain of segments. The *inner* number of a record counts from 0 in its segment: it is a `u64`, and
//! what the files, their recovery and the writer go by. The *outer* number is what users see. It is the inner number
//! plus the *base* of the segment, which is the outer number of the segment's first record. `tests/numbers.rs` says
//! where numbers may become bases and outer numbers, or stop being them.

use crate::limits::OFFSET_LIMIT_BYTES;
use std::fmt;

/// Outer numbers of records are below this.
const OUTER_LIMIT: u64 = 1 << 63;
/// No segment has more records: each takes a size word of 8 bytes, and offsets are limited.
const RECORDS_MAX: u64 = OFFSET_LIMIT_BYTES / 8;

/// The number of a record as users see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outer(u64);

impl Outer {
    /// That of the first record of a namespace of which nothing was trimmed.
    pub const START: Outer = Outer(0);

    /// The number that a page has; `None` if no record can have it.
    pub fn of_field(number: u64) -> Option<Outer> {
        (number < OUTER_LIMIT).then_some(Outer(number))
    }

    /// The number as a page has it.
    pub fn field(self) -> u64 {
        self.0
    }
}

/// The outer number of a segment's first record. Below the limit it leaves room for all records a segment can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base(u64);

impl Base {
    /// That of the first segment of a namespace, which has the files `NAME.log` and `NAME.idx`.
    pub const FIRST: Base = Base(0);

    /// The base `first`; `None` if a segment that begins there could have numbers beyond the limit.
    pub fn new(first: u64) -> Option<Base> {
        (first <= OUTER_LIMIT - RECORDS_MAX).then_some(Base(first))
    }

    /// The base as a page and a file name have it.
    pub fn field(self) -> u64 {
        self.0
    }

    /// How many records a segment has that begins here and ends where `next` begins; `None` if no segment can.
    pub fn length_to(self, next: Base) -> Option<u64> {
        next.0.checked_sub(self.0).filter(|length| (1..=RECORDS_MAX).contains(length))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_beyond_the_limit_is_taken_from_a_file() {
        assert_eq!(Base::new(OUTER_LIMIT - RECORDS_MAX + 1), None);
        assert_eq!(Base::new(u64::MAX), None);
        assert_eq!(Outer::of_field(OUTER_LIMIT), None);
        assert_eq!(Outer::of_field(OUTER_LIMIT - 1).map(Outer::field), Some(OUTER_LIMIT - 1));
        assert_eq!(Base::default(), Base::FIRST);
        let base = |first| Base::new(first).unwrap();
        assert_eq!(base(5).length_to(base(5 + RECORDS_MAX)), Some(RECORDS_MAX));
        assert_eq!(base(5).length_to(base(6 + RECORDS_MAX)), None, "more than a segment can have");
        assert_eq!(base(5).length_to(base(5)), None, "no later segment begins there");
        assert_eq!(base(5).length_to(base(4)), None);
    }
}

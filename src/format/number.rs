//! The two numbers of a record, and the only place where one becomes the other.
//!
//! A namespace is a chain of segments. The *inner* number of a record counts from 0 in its segment: it is a `u64`, and
//! what the files, their recovery and the writer go by. The *outer* number is what users see. It is the inner number
//! plus the *base* of the segment, which is the outer number of the segment's first record. `tests/numbers.rs` says
//! where outer numbers may be taken from users and given to them.

use crate::limits::OFFSET_LIMIT_BYTES;
use std::fmt;

/// Outer numbers of records are below this.
const OUTER_LIMIT: u64 = 1 << 63;
/// No segment has more records: each takes a size word of 8 bytes, and offsets are limited.
const RECORDS_MAX: u64 = OFFSET_LIMIT_BYTES / 8;

/// The number of a record as users see it. As the position of a stream it may be beyond any record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outer(u64);

impl Outer {
    /// That of the first record of a namespace of which nothing was trimmed.
    pub const START: Outer = Outer(0);

    /// The number that a caller passed.
    #[cfg_attr(not(test), expect(dead_code, reason = "streams have inner positions only, so far"))]
    #[inline]
    pub fn of_caller(number: u64) -> Outer {
        Outer(number)
    }

    /// The number that a caller is given.
    #[cfg_attr(not(test), expect(dead_code, reason = "streams have inner positions only, so far"))]
    #[inline]
    pub fn for_caller(self) -> u64 {
        self.0
    }

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

    /// The outer number of the record `inner` of this segment. It stays at the largest integer if `inner` is a number
    /// that no record can have, which a damaged file may name.
    #[cfg_attr(not(test), expect(dead_code, reason = "streams have inner positions only, so far"))]
    #[inline]
    pub fn outer(self, inner: u64) -> Outer {
        Outer(self.0.saturating_add(inner))
    }

    /// The inner number in this segment of the record `outer`; `None` if the segment begins behind it.
    #[cfg_attr(not(test), expect(dead_code, reason = "streams have inner positions only, so far"))]
    #[inline]
    pub fn inner(self, outer: Outer) -> Option<u64> {
        outer.0.checked_sub(self.0)
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
    fn an_inner_number_comes_back_from_its_outer_one() {
        let last = OUTER_LIMIT - RECORDS_MAX;
        for base in [0, 1, 1 << 47, last].map(|first| Base::new(first).unwrap()) {
            for inner in [0, 1, RECORDS_MAX - 1] {
                let outer = base.outer(inner);
                assert_eq!(outer.for_caller(), base.field() + inner);
                assert_eq!(base.inner(outer), Some(inner));
                assert_eq!(Outer::of_field(outer.field()), Some(outer), "below the limit");
            }
        }
        let base = Base::new(100).unwrap();
        assert_eq!(base.inner(Outer::of_caller(99)), None, "below the segment");
        assert_eq!(base.inner(Outer::of_caller(100)), Some(0));
        assert_eq!(base.inner(Outer::of_caller(u64::MAX)), Some(u64::MAX - 100), "a position beyond any record");
    }

    #[test]
    fn no_number_overflows_and_none_beyond_the_limit_is_taken_from_a_file() {
        assert_eq!(Base::new(OUTER_LIMIT - RECORDS_MAX + 1), None);
        assert_eq!(Base::new(u64::MAX), None);
        assert_eq!(Outer::of_field(OUTER_LIMIT), None);
        assert_eq!(Base::new(1).unwrap().outer(u64::MAX).for_caller(), u64::MAX, "a number that no record has");
        assert_eq!(Base::FIRST.outer(7).for_caller(), 7);
        assert_eq!(Base::default(), Base::FIRST);
        let base = |first| Base::new(first).unwrap();
        assert_eq!(base(5).length_to(base(5 + RECORDS_MAX)), Some(RECORDS_MAX));
        assert_eq!(base(5).length_to(base(6 + RECORDS_MAX)), None, "more than a segment can have");
        assert_eq!(base(5).length_to(base(5)), None, "no later segment begins there");
        assert_eq!(base(5).length_to(base(4)), None);
    }
}

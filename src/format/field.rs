//! The fields of the drawings: numbers and arrays of bytes at fixed places of a page, a frame or an entry.

use std::marker::PhantomData;

/// What a field can hold: integers, which are little-endian, and bytes.
pub trait Value: Copy {
    const BYTES: usize;
    /// Writes this value to `place`, which has `BYTES` bytes.
    fn put(self, place: &mut [u8]);
    /// The value at `place`, which has `BYTES` bytes.
    fn get(place: &[u8]) -> Self;
}

macro_rules! integer {
    ($type:ty) => {
        impl Value for $type {
            const BYTES: usize = size_of::<$type>();

            #[inline]
            fn put(self, place: &mut [u8]) {
                place.copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn get(place: &[u8]) -> $type {
                <$type>::from_le_bytes(<[u8; size_of::<$type>()]>::get(place))
            }
        }
    };
}

integer!(u32);
integer!(u64);
integer!(i64);

impl<const N: usize> Value for [u8; N] {
    const BYTES: usize = N;

    #[inline]
    fn put(self, place: &mut [u8]) {
        place.copy_from_slice(&self);
    }

    #[inline]
    fn get(place: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(place);
        bytes
    }
}

/// A field: its offset in bytes, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Field<V> {
    offset: usize,
    value: PhantomData<V>,
}

impl<V: Value> Field<V> {
    /// The field at `offset`.
    pub const fn at(offset: usize) -> Field<V> {
        Field { offset, value: PhantomData }
    }

    /// The field that follows `before` without a gap.
    pub const fn after<W: Value>(before: Field<W>) -> Field<V> {
        Field::at(before.end())
    }

    /// Where the field begins.
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// Where the field ends.
    pub const fn end(self) -> usize {
        self.offset + V::BYTES
    }

    /// Writes `value` into `bytes`, which reach to the end of the field.
    #[inline]
    pub fn set(self, bytes: &mut [u8], value: V) {
        value.put(&mut bytes[self.offset..self.end()]);
    }

    /// The value in `bytes`, which reach to the end of the field.
    #[inline]
    pub fn get(self, bytes: &[u8]) -> V {
        V::get(&bytes[self.offset..self.end()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_one_after_the_other_and_are_little_endian() {
        const NUMBER: Field<u32> = Field::at(1);
        const TIME: Field<i64> = Field::after(NUMBER);
        const ID: Field<[u8; 2]> = Field::after(TIME);
        let mut bytes = [0; 15];
        NUMBER.set(&mut bytes, 0x0403_0201);
        TIME.set(&mut bytes, -2);
        ID.set(&mut bytes, *b"ab");
        assert_eq!(bytes, *b"\0\x01\x02\x03\x04\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFFab");
        assert_eq!((NUMBER.get(&bytes), TIME.get(&bytes), ID.get(&bytes)), (0x0403_0201, -2, *b"ab"));
        assert_eq!((ID.offset(), ID.end()), (13, 15));
        assert_eq!(Field::<u64>::after(NUMBER).offset(), TIME.offset());
    }

    #[test]
    #[should_panic(expected = "range end index")]
    fn a_field_beyond_the_bytes_is_no_zero() {
        Field::<u64>::at(8).get(&[0; 15]);
    }
}

//! The names of a namespace's files, which take no memory from the heap.
//!
//! The files of the first segment of `NAME` begin with `NAME.`, and those of a later one with `NAME.BASE.`, where BASE
//! is the segment's base in 20 digits. That beginning, without the last dot, is the segment's *stem*. Files that all
//! segments share are called after the namespace. The stem is a type of its own, so that no function takes one for the
//! other.

use super::number::Base;
use std::fmt::{self, Write};
use std::ops::Deref;
use std::path::Path;

/// More than the longest name of a namespace with any suffix. No file system has names of this length.
const BYTES_MAX: usize = 320;
/// How many digits of its base a stem has: enough for any integer of 64 bits.
const BASE_DIGITS: usize = 20;

/// The name of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FileName {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl FileName {
    /// `stem.suffix`
    pub fn new(stem: &str, suffix: &str) -> FileName {
        FileName::of(format_args!("{stem}.{suffix}"))
    }

    pub fn of(text: fmt::Arguments<'_>) -> FileName {
        let mut name = FileName { bytes: [0; BYTES_MAX], length: 0 };
        // A name that does not fit is too long for any file system, and still is after it was cut.
        let _ = name.write_fmt(text);
        name
    }
}

/// What the names of one segment's own files begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stem(FileName);

impl Stem {
    /// The stem of the segment of `namespace` that begins at `base`.
    pub fn of(namespace: &str, base: Base) -> Stem {
        Stem(if base == Base::FIRST {
            FileName::of(format_args!("{namespace}"))
        } else {
            FileName::of(format_args!("{namespace}.{:0BASE_DIGITS$}", base.field()))
        })
    }

    /// The name of this segment's file with `suffix`.
    pub fn file_name(&self, suffix: &str) -> FileName {
        FileName::new(&self.0, suffix)
    }
}

/// Whether `namespace` ends as the stem of a later segment does, so that its files would look like those of a segment.
pub fn is_reserved(namespace: &str) -> bool {
    let end = namespace.rsplit_once('.').map(|(_, end)| end.as_bytes());
    end.is_some_and(|end| end.len() == BASE_DIGITS && end.iter().all(u8::is_ascii_digit))
}

impl Write for FileName {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let fitting = &part[..part.floor_char_boundary(room.len())];
        for (place, byte) in room.iter_mut().zip(fitting.bytes()) {
            *place = byte;
        }
        self.length += fitting.len();
        if fitting.len() == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl Deref for FileName {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("invariant: only whole characters are added")
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&**self)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NAME_BYTES_MAX;

    #[test]
    fn a_name_is_stem_and_suffix_and_never_cut_to_one_that_could_be() {
        assert_eq!(&*FileName::new("a", "log"), "a.log");
        assert_eq!(format!("{:?}", FileName::new("a", "log")), "\"a.log\"");
        assert_eq!(&*FileName::new(&FileName::new("ü", "log"), "tmp"), "ü.log.tmp");
        assert!(FileName::new(&"ü".repeat(200), "log").len() > 255);
    }

    #[test]
    fn the_files_of_a_later_segment_have_its_base_in_their_names() {
        let base = |first| Base::new(first).unwrap();
        assert_eq!(&*Stem::of("a", Base::FIRST).file_name("log"), "a.log");
        assert_eq!(&*Stem::of("a", base(7)).file_name("idx"), "a.00000000000000000007.idx");
        assert_eq!(&*Stem::of("a.b", base(1 << 62)).file_name("log"), "a.b.04611686018427387904.log");
        let longest = Stem::of(&"n".repeat(NAME_BYTES_MAX), base(1)).file_name("idx.bad-9999");
        assert!(longest.len() <= 255, "a file system would refuse {} bytes", longest.len());
    }

    #[test]
    fn a_namespace_that_ends_like_a_later_segment_is_told_from_the_others() {
        for reserved in ["a.00000000000000000007", "a.99999999999999999999", "a.b.00000000000000000000"] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in [
            "a",
            "a.",
            "00000000000000000007",
            "a.0000000000000000007",
            "a.000000000000000000007",
            "a.+0000000000000000007",
            "a.0000000000000000000x",
            "a.00000000000000000007.b",
            "a.٠٠٠٠٠٠٠٠٠٠",
        ] {
            assert!(!is_reserved(free), "{free}");
        }
    }
}

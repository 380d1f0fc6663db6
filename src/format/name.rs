//! The names of a namespace's files, which take no memory from the heap.

use std::fmt::{self, Write};
use std::ops::Deref;
use std::path::Path;

/// More than the longest name of a namespace with any suffix. No file system has names of this length.
const BYTES_MAX: usize = 320;

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

    #[test]
    fn a_name_is_stem_and_suffix_and_never_cut_to_one_that_could_be() {
        assert_eq!(&*FileName::new("a", "log"), "a.log");
        assert_eq!(format!("{:?}", FileName::new("a", "log")), "\"a.log\"");
        assert_eq!(&*FileName::new(&FileName::new("ü", "log"), "tmp"), "ü.log.tmp");
        assert!(FileName::new(&"ü".repeat(200), "log").len() > 255);
    }
}

//! The error struct of the C interface.

use super::status;
use crate::Error;
use std::ffi::c_char;

/// What failed, for the program and for a person. The struct belongs to the caller, and is written on failure only.
///
/// Frozen: 512 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_error {
    /// The status returned: IMMUTA_E_*.
    pub code: i32,
    /// errno of the system call that failed, or the value of the callback that failed; 0 if neither.
    pub os_error: i32,
    /// The number of the namespace concerned; 0 where there is none.
    pub ns: u32,
    /// 0.
    pub reserved: u32,
    /// The number of the record concerned; 0 where there is none. With IMMUTA_E_CONFLICT: the number of the next
    /// record.
    pub number: u64,
    /// The byte offset concerned, in the file that the message names; 0 where there is none.
    pub offset: u64,
    /// One line of UTF-8, NUL-terminated: the file, what was found, and what to do next. It is for people; the wording
    /// may change. What was found and what to do next are always whole. If a path does not fit, its end is kept, after
    /// an ellipsis. Control characters and bytes that are not UTF-8 are escaped: \n, \u{1b}, \xff.
    pub message: [c_char; 480],
}

const MESSAGE_BYTES: usize = 480;

const _: () = assert!(size_of::<immuta_error>() == 512);

impl From<&Error> for immuta_error {
    fn from(error: &Error) -> Self {
        immuta_error {
            code: status::of(error.kind),
            os_error: error.os_error,
            ns: error.ns,
            reserved: 0,
            number: error.number,
            offset: error.offset,
            message: fixed_text(&error.parts_within(MESSAGE_BYTES - 1).map(str::as_bytes)),
        }
    }
}

/// What `parts` make together as a C string in a fixed array: zeros after it, the last one among them.
pub fn fixed_text<const N: usize>(parts: &[&[u8]]) -> [c_char; N] {
    let mut fixed = [0; N];
    let (text, _end) = fixed.split_at_mut(N.saturating_sub(1));
    for (place, byte) in text.iter_mut().zip(parts.iter().copied().flatten()) {
        // `c_char` is signed on some processors, and not on others.
        *place = c_char::from_le_bytes([*byte]);
    }
    fixed
}

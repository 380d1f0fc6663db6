//! A second opinion about record files: the walk of `check/walk.h`, written in C without a line of the library.
#![allow(unsafe_code, reason = "calls C")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed"))]

use std::ffi::{CStr, c_char, c_int};

/// What the walk found, as C has it.
#[repr(C)]
struct WalkResult {
    wrong: *const c_char,
    count: u64,
    end: u64,
}

unsafe extern "C" {
    fn walker_walk(file: *const u8, size: usize, closed: c_int) -> WalkResult;
}

/// The records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    pub count: u64,
    /// Where the last one ends.
    pub end: u64,
}

/// Walks over a file that was closed cleanly: it must end with its last record.
///
/// # Errors
/// What is wrong with it.
pub fn walk_closed(file: &[u8]) -> Result<Walked, String> {
    walk(file, true)
}

/// Walks over the number of records that the count of a file says; the file may continue after them.
///
/// # Errors
/// What is wrong with it.
pub fn walk_open(file: &[u8]) -> Result<Walked, String> {
    walk(file, false)
}

fn walk(file: &[u8], closed: bool) -> Result<Walked, String> {
    // SAFETY: the C function reads the `size` bytes from `file` on, which the slice borrows to the end of the call, and
    // keeps nothing.
    let WalkResult { wrong, count, end } = unsafe { walker_walk(file.as_ptr(), file.len(), closed.into()) };
    if wrong.is_null() {
        return Ok(Walked { count, end });
    }
    // SAFETY: not null, it is a string literal of the C file.
    let wrong = unsafe { CStr::from_ptr(wrong) }.to_string_lossy();
    Err(format!("{wrong} at offset {end}, after {count} records"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: [u8; 27] = *b"\x01\0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0hello world";

    #[test]
    fn counts_records_and_sees_what_is_cut_off_or_too_much() {
        assert_eq!(walk_closed(&HELLO), Ok(Walked { count: 1, end: 27 }));
        assert_eq!(walk_closed(&[0; 8]), Ok(Walked { count: 0, end: 8 }));
        for cut in 0..HELLO.len() {
            assert!(walk_open(&HELLO[..cut]).is_err() && walk_closed(&HELLO[..cut]).is_err(), "cut to {cut}");
        }
        let longer = [&HELLO[..], b"\0"].concat();
        assert_eq!(walk_open(&longer), Ok(Walked { count: 1, end: 27 }));
        assert_eq!(walk_closed(&longer).unwrap_err(), "bytes follow the last record at offset 27, after 1 records");
        let mut huge = HELLO;
        huge[8..16].fill(0xff);
        assert_eq!(walk_open(&huge).unwrap_err(), "a payload is cut off at offset 8, after 0 records");
        huge[..8].fill(0xff);
        huge[8..16].fill(0);
        assert!(walk_open(&huge).is_err());
    }
}

//! Memory that the system may refuse: the refusal is an error, and does not end the process. All code that a running
//! program calls takes its memory through these functions and `sync::Arc`. `tests/refusable.rs` fails if the sources
//! use something that would end the process instead.

#![allow(unsafe_code, reason = "the standard library has no box that can be refused")]

use crate::error::{Error, ErrorKind, Result, no_memory};
use std::alloc::{Layout, alloc};
use std::collections::TryReserveError;
use std::ffi::{CString, OsString};
use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// An allocation that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl From<Refused> for Error {
    fn from(_: Refused) -> Error {
        Error::new(ErrorKind::NoMemory, "the system refused memory; nothing changed")
    }
}

impl From<Refused> for io::Error {
    fn from(_: Refused) -> io::Error {
        io::Error::from_raw_os_error(libc::ENOMEM)
    }
}

impl From<TryReserveError> for Refused {
    fn from(_: TryReserveError) -> Refused {
        Refused
    }
}

/// `value` in an allocation of its own.
pub fn boxed<T>(value: T) -> Result<Box<T>, Refused> {
    let place = place_for(value)?;
    // SAFETY: the place was allocated as a box allocates a T, it holds a T, and no other pointer leads to it.
    Ok(unsafe { Box::from_raw(place.as_ptr()) })
}

/// An allocation that holds `value`, made by the global allocator with the layout of a T.
pub fn place_for<T>(value: T) -> Result<NonNull<T>, Refused> {
    let layout = Layout::new::<T>();
    let place = if layout.size() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the layout is not of size 0.
        NonNull::new(unsafe { alloc(layout) }.cast::<T>()).ok_or(Refused)?
    };
    // SAFETY: allocated just now for a T, or of size 0, for which any aligned address will do.
    unsafe { place.write(value) };
    Ok(place)
}

/// Adds `value` to the end of `list`.
pub fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), Refused> {
    list.try_reserve(1)?;
    list.push(value);
    Ok(())
}

/// The elements of `items` in a list of exactly their size.
pub fn list<T>(items: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, Refused> {
    let mut list = Vec::new();
    list.try_reserve_exact(items.len())?;
    for item in items.take(list.capacity()) {
        list.push(item);
    }
    Ok(list)
}

/// The same bytes in memory of their size, if such memory is available and much would be wasted otherwise.
pub fn fitted(bytes: Vec<u8>) -> Vec<u8> {
    let mut fitted = Vec::new();
    if bytes.capacity() - bytes.len() <= bytes.len() / 8 || fitted.try_reserve_exact(bytes.len()).is_err() {
        return bytes;
    }
    fitted.extend_from_slice(&bytes);
    fitted
}

/// A copy of `text`.
pub fn text(text: &str) -> Result<String, Refused> {
    worded(text)
}

/// The text that `words` displays.
pub fn worded(words: impl fmt::Display) -> Result<String, Refused> {
    struct WordsInMemory(String);
    impl fmt::Write for WordsInMemory {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
            self.0.push_str(part);
            Ok(())
        }
    }
    let mut text = WordsInMemory(String::new());
    write!(text, "{words}").map_err(|_| Refused)?;
    Ok(text.0)
}

/// `bytes`, none of which is 0, as a C string.
pub fn c_string(bytes: &[u8]) -> Result<CString, Refused> {
    let mut string = Vec::new();
    string.try_reserve_exact(bytes.len() + 1)?;
    string.extend(bytes.iter().take_while(|byte| **byte != 0));
    string.push(0);
    CString::from_vec_with_nul(string).map_err(|_| Refused)
}

/// The path of `name` in `directory`; without a name, the directory's own.
pub fn path(directory: &Path, name: &str) -> Result<PathBuf, Refused> {
    let mut path = OsString::new();
    path.try_reserve_exact(directory.as_os_str().len() + 1 + name.len())?;
    path.push(directory);
    let mut path = PathBuf::from(path);
    if !name.is_empty() {
        path.push(name);
    }
    Ok(path)
}

/// `size_bytes` zeros, for `what`.
pub fn zeroed(size_bytes: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = with_room(size_bytes, what)?;
    bytes.resize(size_bytes, 0);
    Ok(bytes)
}

/// No bytes yet, and room for `size_bytes` of `what`.
pub fn with_room(size_bytes: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size_bytes).map_err(|_| no_memory(what, size_bytes as u64))?;
    Ok(bytes)
}

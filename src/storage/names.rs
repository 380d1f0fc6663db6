//! Names and paths as the kernel takes them and gives them.

#![allow(unsafe_code, reason = "these are the calls std does not wrap, or takes memory for")]

use super::sys::{error, open_at};
use crate::util::memory;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::ops::{ControlFlow, Deref};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest name in a directory, with `../` before it.
const NAME_BYTES_MAX: usize = 3 + 255;
/// The size that the C library requires of the buffer for a path without links.
pub(super) const PATH_BYTES_MAX: usize = libc::PATH_MAX as usize;

/// `path` without links, in `buffer`; `None` where it leads nowhere.
pub(super) fn real_path<'a>(path: &CStr, buffer: &'a mut [u8; PATH_BYTES_MAX]) -> Option<&'a Path> {
    // SAFETY: the path is a C string, and the buffer as large as the call wants it.
    let real = unsafe { libc::realpath(path.as_ptr(), buffer.as_mut_ptr().cast()) };
    let real = if real.is_null() { None } else { CStr::from_bytes_until_nul(buffer).ok() };
    real.map(|real| Path::new(OsStr::from_bytes(real.to_bytes())))
}

/// `path` as the kernel takes it.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) { Err(error(libc::EINVAL)) } else { Ok(memory::c_string(bytes)?) }
}

/// A name as the kernel takes it, without memory from the heap: an open log may be refused memory, and so may the
/// cleanup after a refusal.
#[derive(Clone, Debug)]
pub(super) struct CName([u8; NAME_BYTES_MAX + 1]);

impl CName {
    pub(super) fn new(name: &str) -> io::Result<CName> {
        if name.as_bytes().contains(&0) {
            return Err(error(libc::EINVAL));
        }
        let mut bytes = [0; NAME_BYTES_MAX + 1];
        let Some(place) = bytes.get_mut(..name.len().saturating_add(1)) else { return Err(error(libc::ENAMETOOLONG)) };
        place[..name.len()].copy_from_slice(name.as_bytes());
        Ok(CName(bytes))
    }
}

impl Deref for CName {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).expect("invariant: there is room for a NUL after the name")
    }
}

/// The names in `directory` that are UTF-8 (no other can be ours), without `.` and `..`.
pub(super) fn list(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    visit_names(directory, |name| Ok(memory::push(&mut names, memory::text(name)?).map(ControlFlow::Continue)?))?;
    Ok(names)
}

/// Calls `visit` with each of the names that [`list`] returns, until `visit` answers with a break.
pub(super) fn visit_names(
    directory: BorrowedFd<'_>,
    mut visit: impl FnMut(&str) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    /// Closes the stream, and the descriptor with it, on every way out.
    struct DirectoryStream(*mut libc::DIR);
    impl Drop for DirectoryStream {
        fn drop(&mut self) {
            // SAFETY: `fdopendir` made the pointer and nothing else closes it.
            unsafe { libc::closedir(self.0) };
        }
    }

    let own = open_at(directory, c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
    // SAFETY: `own` is an open directory; on success the stream owns the descriptor, which is therefore released below.
    let stream = unsafe { libc::fdopendir(own.as_raw_fd()) };
    if stream.is_null() {
        return Err(io::Error::last_os_error());
    }
    let stream = DirectoryStream(stream);
    let _owned_by_the_stream = own.into_raw_fd();
    loop {
        // SAFETY: errno is this thread's own; it must be zero to distinguish the end from a failure.
        unsafe { *libc::__errno_location() = 0 };
        // SAFETY: the stream is open and only this thread uses it.
        let entry = unsafe { libc::readdir64(stream.0) };
        if entry.is_null() {
            let failure = io::Error::last_os_error();
            return if failure.raw_os_error() == Some(0) { Ok(()) } else { Err(failure) };
        }
        // SAFETY: a non-null entry is valid until the next `readdir64`, and its name is NUL-terminated.
        let name = unsafe { CStr::from_ptr((&raw const (*entry).d_name).cast()) };
        match name.to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) if visit(name)?.is_break() => return Ok(()),
            Ok(_) => {}
        }
    }
}

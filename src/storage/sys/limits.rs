//! What limits a file: the limits of the process, and the file system that the file is on.
#![allow(unsafe_code, reason = "system calls that std does not wrap")]

use super::retried;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The largest size this process may give a file; going beyond raises SIGXFSZ in the host, so everything that grows a
/// file asks first. Where a sandbox does not let it ask, no limit is known.
pub(in crate::storage) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and of the right type.
    retried(|| unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) }).map_or(u64::MAX, |_| limit.rlim_cur)
}

/// Whether the address space of this process has a limit, which large mappings would use up.
pub(in crate::storage) fn is_address_space_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and of the right type.
    let asked = retried(|| unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) });
    asked.is_ok() && limit.rlim_cur != libc::RLIM_INFINITY
}

/// The answer of a query; `None` where a sandbox forbids the query.
fn unless_forbidden<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Err(refusal) if matches!(refusal.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => Ok(None),
        answer => answer.map(Some),
    }
}

/// The kernel's magic number for the file system that `file` is on; 0 where it cannot be learnt.
pub(in crate::storage) fn file_system_magic(file: BorrowedFd<'_>) -> io::Result<u32> {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `found` is writable and large enough for a `statfs`.
    let asked = retried(|| unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) });
    if unless_forbidden(asked)?.is_none() {
        return Ok(0);
    }
    // SAFETY: the call succeeded, so the kernel filled it.
    let found = unsafe { found.assume_init() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "magic numbers have 32 bits")]
    Ok(found.f_type as u32)
}

/// Whether the file system that `file` is on is mounted read-only.
pub(in crate::storage) fn is_mounted_read_only(file: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(file_system(file)?.is_some_and(|found| found.f_flag & libc::ST_RDONLY != 0))
}

/// How many bytes the file system that `file` is on has free for this process; `None` where that is not known.
pub(in crate::storage) fn free_bytes(file: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    Ok(file_system(file)?.and_then(|found| free_of(found.f_blocks, found.f_bavail, found.f_frsize)))
}

/// `None` for a file system that counts no blocks at all, which does not mean that it is full.
fn free_of(blocks: u64, available_blocks: u64, block_bytes: u64) -> Option<u64> {
    (blocks > 0 && block_bytes > 0).then(|| available_blocks.saturating_mul(block_bytes))
}

fn file_system(file: BorrowedFd<'_>) -> io::Result<Option<libc::statvfs>> {
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `found` is writable and large enough for a `statvfs`.
    let asked = unless_forbidden(retried(|| unsafe { libc::fstatvfs(file.as_raw_fd(), found.as_mut_ptr()) }))?;
    // SAFETY: the call succeeded, so the kernel filled it.
    Ok(asked.map(|_| unsafe { found.assume_init() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sys::error;

    #[test]
    fn a_file_system_without_blocks_is_not_full() {
        assert_eq!(free_of(0, 0, 4096), None, "as FUSE file systems answer that do not count");
        assert_eq!(free_of(100, 7, 0), None);
        assert_eq!(free_of(100, 0, 4096), Some(0), "this one is full");
        assert_eq!(free_of(100, 7, 4096), Some(7 * 4096));
        assert_eq!(free_of(u64::MAX, u64::MAX, 4096), Some(u64::MAX));
    }

    #[test]
    fn who_may_not_ask_does_not_know() {
        for number in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
            assert_eq!(unless_forbidden::<()>(Err(error(number))).ok(), Some(None));
        }
        assert!(
            unless_forbidden::<()>(Err(error(libc::EIO))).is_err() && unless_forbidden(Ok(7)).ok() == Some(Some(7))
        );
    }
}

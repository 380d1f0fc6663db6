//! The open-file-description locks of a record file.
#![allow(unsafe_code, reason = "system calls that std does not wrap")]

use super::retried;
use crate::storage::Lock;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The byte that the lock of a ready writer leaves out. No file of the format reaches it.
const READY_AT: i64 = 1 << 62;

/// A lock request of `kind` over the whole file.
fn whole_file(kind: i32) -> libc::flock {
    #[expect(clippy::cast_possible_truncation, reason = "lock kinds and SEEK_SET are 0, 1 and 2")]
    let (kind, whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
    libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Takes the open-file-description write lock without waiting; `false` when another holds one.
pub(in crate::storage) fn lock(file: BorrowedFd<'_>) -> io::Result<bool> {
    let request = whole_file(libc::F_WRLCK);
    // SAFETY: `request` is a valid `flock` that outlives the call.
    match retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) }) {
        Ok(_) => Ok(true),
        Err(failure) if matches!(failure.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Whether [`lock`] was refused because the file system, or a sandbox, has no such locks.
pub(in crate::storage) fn has_no_locks(refusal: &io::Error) -> bool {
    matches!(refusal.raw_os_error(), Some(libc::EINVAL | libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS))
}

/// Releases the lock taken by [`lock`] through the same open file.
pub(in crate::storage) fn unlock(file: BorrowedFd<'_>) -> io::Result<()> {
    let request = whole_file(libc::F_UNLCK);
    // SAFETY: `request` is a valid `flock` that outlives the call.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) }).map(drop)
}

/// The lock of another open file that would refuse one of `kind` here, if there is any.
fn conflicting_lock(file: BorrowedFd<'_>, kind: i32) -> io::Result<Option<libc::flock>> {
    let mut request = whole_file(kind);
    // SAFETY: `request` is a valid, writable `flock` that outlives the call.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) })?;
    Ok((i32::from(request.l_type) != libc::F_UNLCK).then_some(request))
}

/// The state of another open file's write lock. (The query is for a read lock, which no other read lock refuses.)
pub(in crate::storage) fn lock_seen(file: BorrowedFd<'_>) -> io::Result<Lock> {
    Ok(match conflicting_lock(file, libc::F_RDLCK)? {
        None => Lock::Free,
        // Of a lock in two parts, the lower part is found first.
        Some(found) if found.l_start == 0 && found.l_len == READY_AT => Lock::Ready,
        Some(_) => Lock::Held,
    })
}

/// Releases the byte that a ready writer does not hold from the lock that [`lock`] took through the same open file.
pub(in crate::storage) fn leave_ready_byte(file: BorrowedFd<'_>) -> io::Result<()> {
    let request = libc::flock { l_start: READY_AT, l_len: 1, ..whole_file(libc::F_UNLCK) };
    // SAFETY: `request` is a valid `flock` that outlives the call.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) }).map(drop)
}

/// The lock that would refuse a write lock: whether it is a read lock, and its process, which the kernel names only for
/// the older (POSIX) kind of lock.
pub(in crate::storage) fn lock_in_the_way(file: BorrowedFd<'_>) -> io::Result<Option<(bool, Option<u32>)>> {
    let found = conflicting_lock(file, libc::F_WRLCK)?;
    // -1: an open file description has the lock; 0: a process that this one cannot see has it.
    let pid = |pid| u32::try_from(pid).ok().filter(|pid| *pid > 0);
    Ok(found.map(|found| (i32::from(found.l_type) == libc::F_RDLCK, pid(found.l_pid))))
}

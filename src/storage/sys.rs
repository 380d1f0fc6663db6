//! The system calls the real engines make beyond what std offers: each a safe function that retries EINTR and fails
//! with an `io::Error`.
#![allow(unsafe_code, reason = "these are the calls std does not wrap")]

mod limits;
mod locks;

pub(super) use limits::{
    file_size_limit, file_system_magic, free_bytes, is_address_space_limited, is_mounted_read_only,
};
pub(super) use locks::{has_no_locks, leave_ready_byte, lock, lock_in_the_way, lock_seen, unlock};

use super::names::CName;
use super::{FileId, Meta};
use crate::util::cancel;
use std::ffi::CStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Descriptors below this one belong to the host: standard input, output and error, open or not.
const FIRST_DESCRIPTOR: RawFd = 3;
/// The attribute that has a file's POSIX access list.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";
/// The most parts handed to one `pwritev`; below the kernel's 1024, so that the array fits on a small stack.
const PARTS_PER_CALL: usize = 256;
/// Few enough parts that their array costs nothing beside the call: those of one record.
const FEW_PARTS: usize = 4;

pub(super) fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// A file may not become so large, or no file can.
pub(super) fn file_too_large() -> io::Error {
    error(libc::EFBIG)
}

/// The result of `call`, which returns less than zero and sets errno on failure. It is called again after EINTR.
pub(super) fn retried<T: Copy + PartialOrd + From<i8>>(mut call: impl FnMut() -> T) -> io::Result<T> {
    loop {
        let result = call();
        if result >= T::from(0) {
            return Ok(result);
        }
        let failure = io::Error::last_os_error();
        if failure.kind() != io::ErrorKind::Interrupted {
            return Err(failure);
        }
    }
}

/// An offset or size as the kernel takes it; what does not fit is too large for any file.
fn signed(bytes: u64) -> io::Result<i64> {
    i64::try_from(bytes).map_err(|_| file_too_large())
}

/// Opens the directory at `path`, following symbolic links.
pub(super) fn open_directory(path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: `path` is NUL-terminated and outlives the call.
    let opened = retried(|| unsafe { libc::open(path.as_ptr(), flags) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    above_standard(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// Opens `name` in `directory`: close-on-exec, no controlling terminal, no waiting for FIFOs, no symbolic link
/// followed.
pub(super) fn open_at(directory: BorrowedFd<'_>, name: &CStr, flags: i32) -> io::Result<OwnedFd> {
    open_or_create_at(directory, name, flags, 0o666)
}

/// Makes `name` in `directory`, with at most `mode`, to be read and written.
pub(super) fn create_at(directory: BorrowedFd<'_>, name: &CStr, mode: u32) -> io::Result<OwnedFd> {
    open_or_create_at(directory, name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode)
}

fn open_or_create_at(directory: BorrowedFd<'_>, name: &CStr, flags: i32, mode: libc::c_uint) -> io::Result<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let _deferred = cancel::defer();
    // SAFETY: `name` is NUL-terminated and outlives the call; the mode is only read when a file is created.
    let opened = retried(|| unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    above_standard(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// The POSIX access list of `file`, in the kernel's form; `None` when the file has no rights beyond its mode.
pub(super) fn access_list(file: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    let mut list: Vec<u8> = Vec::new();
    loop {
        // SAFETY: the name is a constant C string; the buffer is writable for as many bytes as the call is given.
        let asked = retried(|| unsafe {
            libc::fgetxattr(file.as_raw_fd(), ACCESS_LIST.as_ptr(), list.as_mut_ptr().cast(), list.len())
        });
        let size_bytes = match asked {
            Err(failure) if matches!(failure.raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP)) => {
                return Ok(None);
            }
            Err(failure) if failure.raw_os_error() == Some(libc::ERANGE) => 0, // it grew: asked for its size again
            // A file system that has no lists may answer so.
            Ok(0) => return Ok(None),
            asked => asked?.unsigned_abs(),
        };
        if size_bytes > 0 && size_bytes <= list.len() {
            list.truncate(size_bytes);
            return Ok(Some(list));
        }
        list.clear();
        list.try_reserve_exact(size_bytes).map_err(|_| error(libc::ENOMEM))?;
        list.resize(size_bytes, 0);
    }
}

/// Gives `file` a list that [`access_list`] answered.
pub(super) fn set_access_list(file: BorrowedFd<'_>, list: &[u8]) -> io::Result<()> {
    let (descriptor, name) = (file.as_raw_fd(), ACCESS_LIST.as_ptr());
    // SAFETY: the name is a constant C string, the list is readable for its length.
    retried(|| unsafe { libc::fsetxattr(descriptor, name, list.as_ptr().cast(), list.len(), 0) }).map(drop)
}

/// Takes the list of `file` away, if it has one.
pub(super) fn remove_access_list(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the name is a constant C string.
    match retried(|| unsafe { libc::fremovexattr(file.as_raw_fd(), ACCESS_LIST.as_ptr()) }) {
        Err(failure) if matches!(failure.raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP)) => Ok(()),
        removed => removed.map(drop),
    }
}

/// The size of a page of this machine.
pub(super) fn page_bytes() -> u64 {
    // SAFETY: touches no memory of this process, and cannot fail for this name.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.unsigned_abs()
}

/// The user whose rights the process has.
pub(super) fn user() -> u32 {
    // SAFETY: touches no memory, and cannot fail.
    unsafe { libc::geteuid() }
}

/// The same open file with a descriptor that cannot be taken for a standard stream.
fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST_DESCRIPTOR {
        return Ok(descriptor);
    }
    // SAFETY: the descriptor is open; F_DUPFD_CLOEXEC takes an integer and touches no memory.
    let moved = retried(|| unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Opens the directory that `directory` lies in.
pub(super) fn open_parent(directory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    open_at(directory, c"..", libc::O_RDONLY | libc::O_DIRECTORY)
}

/// An empty file in memory.
pub(super) fn memory_file() -> io::Result<OwnedFd> {
    // SAFETY: the name is a constant C string, and the kernel keeps no pointer to it.
    let made = retried(|| unsafe { libc::memfd_create(c"immuta".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    above_standard(unsafe { OwnedFd::from_raw_fd(made) })
}

/// A counter that wakes the threads that poll it: reading takes it to zero, and neither reading nor writing waits.
pub(super) fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    let made = retried(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: the kernel just made this descriptor; nothing else owns it.
    above_standard(unsafe { OwnedFd::from_raw_fd(made) })
}

/// As [`metadata_at`], for a name that is not a C string yet.
pub(super) fn metadata_named(directory: BorrowedFd<'_>, name: &str) -> io::Result<Option<Meta>> {
    metadata_at(directory, &CName::new(name)?)
}

/// What is under `name` in `directory`. A symbolic link is not followed.
pub(super) fn metadata_at(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<Meta>> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    let (parent, flags) = (directory.as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: `name` is NUL-terminated, `found` is writable and large enough for a `stat`.
    match retried(|| unsafe { libc::fstatat(parent, name.as_ptr(), found.as_mut_ptr(), flags) }) {
        Err(failure) if failure.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(failure) => return Err(failure),
        Ok(_) => {}
    }
    // SAFETY: the call succeeded, so the kernel filled it.
    let found = unsafe { found.assume_init() };
    let id = FileId { device: found.st_dev, inode: found.st_ino };
    let is_regular = found.st_mode & libc::S_IFMT == libc::S_IFREG;
    let size_bytes = u64::try_from(found.st_size).map_err(|_| error(libc::EOVERFLOW))?;
    Ok(Some(Meta { id, size_bytes, is_regular }))
}

/// Whether what `path` leads to is a directory; `None` where it leads nowhere.
pub(super) fn leads_to_directory(path: &CStr) -> io::Result<Option<bool>> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `path` is NUL-terminated, `found` is writable and large enough for a `stat`.
    match retried(|| unsafe { libc::stat(path.as_ptr(), found.as_mut_ptr()) }) {
        Err(failure) if failure.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(failure) => Err(failure),
        // SAFETY: the call succeeded, so the kernel filled it.
        Ok(_) => Ok(Some(unsafe { found.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFDIR)),
    }
}

/// Makes the directory `path`, with mode 0777 before the umask.
pub(super) fn make_directory(path: &CStr) -> io::Result<()> {
    // SAFETY: `path` is NUL-terminated and outlives the call.
    retried(|| unsafe { libc::mkdir(path.as_ptr(), 0o777) }).map(drop)
}

pub(super) fn rename_at(directory: BorrowedFd<'_>, from: &CStr, to: &CStr) -> io::Result<()> {
    let parent = directory.as_raw_fd();
    // SAFETY: both names are NUL-terminated and outlive the call.
    retried(|| unsafe { libc::renameat(parent, from.as_ptr(), parent, to.as_ptr()) }).map(drop)
}

pub(super) fn remove_at(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // SAFETY: `name` is NUL-terminated and outlives the call.
    retried(|| unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), 0) }).map(drop)
}

/// Allocates blocks for `from..to` of the file, and extends the file to `to` if it is shorter.
pub(super) fn allocate(file: BorrowedFd<'_>, from: u64, to: u64) -> io::Result<()> {
    let _deferred = cancel::defer();
    let (offset, length) = (signed(from)?, signed(to.saturating_sub(from))?);
    // SAFETY: takes integers only.
    retried(|| unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, length) }).map(drop)
}

/// Makes the file or directory durable, metadata and all.
pub(super) fn sync(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes an integer only.
    retried(|| unsafe { libc::fsync(file.as_raw_fd()) }).map(drop)
}

/// Makes everything on the file system of `file` durable.
pub(super) fn sync_file_system(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes an integer only.
    retried(|| unsafe { libc::syncfs(file.as_raw_fd()) }).map(drop)
}

/// The offset of the next data at or after `offset` (`SEEK_DATA`); `None` when only zeros follow.
pub(super) fn next_data(file: BorrowedFd<'_>, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_DATA)
}

/// The offset of the next hole at or after `offset` (`SEEK_HOLE`). The end of the file counts as one; `None` beyond it.
pub(super) fn next_hole(file: BorrowedFd<'_>, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_HOLE)
}

fn seek(file: BorrowedFd<'_>, offset: u64, whence: i32) -> io::Result<Option<u64>> {
    let start = signed(offset)?;
    // SAFETY: takes integers only; nothing here uses the file's position, which it moves.
    match retried(|| unsafe { libc::lseek(file.as_raw_fd(), start, whence) }) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(failure) if failure.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Writes all of `parts`, one after the other, at `offset`. The caller has asked for the process's limit. The error is
/// `EFBIG` only if nothing was written.
pub(super) fn write_parts(file: BorrowedFd<'_>, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
    let _deferred = cancel::defer();
    if parts.len() <= FEW_PARTS {
        return write_group::<FEW_PARTS>(file, offset, offset, parts).map(drop);
    }
    let mut at = offset;
    for group in parts.chunks(PARTS_PER_CALL) {
        at = write_group::<PARTS_PER_CALL>(file, offset, at, group)?;
    }
    Ok(())
}

/// Writes `group`, at most `PARTS` of the parts that begin at `offset`, to `at`. Returns where the group ends.
fn write_group<const PARTS: usize>(file: BorrowedFd<'_>, offset: u64, mut at: u64, group: &[&[u8]]) -> io::Result<u64> {
    let mut slices = [IoSlice::new(&[]); PARTS];
    for (slice, part) in slices.iter_mut().zip(group) {
        *slice = IoSlice::new(part);
    }
    let mut left = &mut slices[..group.len()];
    IoSlice::advance_slices(&mut left, 0); // drops leading empty parts
    while !left.is_empty() {
        let written = write_once(file, at, left).map_err(|refusal| {
            // EFBIG would say that nothing was written, but a part was: the limit was lowered meanwhile.
            if at > offset && refusal.raw_os_error() == Some(libc::EFBIG) { error(libc::EIO) } else { refusal }
        })?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at = at.checked_add(written as u64).ok_or_else(file_too_large)?;
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(at)
}

fn write_once(file: BorrowedFd<'_>, offset: u64, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let (file, offset) = (file.as_raw_fd(), signed(offset)?);
    if let [only] = slices {
        // SAFETY: the slice outlives the call.
        let written = retried(|| unsafe { libc::pwrite64(file, only.as_ptr().cast(), only.len(), offset) })?;
        return Ok(written.unsigned_abs());
    }
    let count = i32::try_from(slices.len()).map_err(|_| error(libc::EINVAL))?;
    // SAFETY: `IoSlice` is documented to have the layout of `iovec`; the slices and what they point to outlive the
    // call.
    let written = retried(|| unsafe { libc::pwritev(file, slices.as_ptr().cast(), count, offset) })?;
    Ok(written.unsigned_abs())
}

/// Makes 0 the next free descriptor, as in hosts that run without standard streams.
#[cfg(test)]
pub(super) fn close_standard_input() {
    // SAFETY: nothing in the process that calls this reads its standard input afterwards.
    drop(unsafe { OwnedFd::from_raw_fd(0) });
}

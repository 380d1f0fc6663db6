//! A descriptor that knows which file it was opened for. A host may close descriptors that it does not know, and open
//! others: then the number leads to another file.
#![allow(unsafe_code, reason = "statx; and a number that is another's by now must not be closed")]

use super::{FileId, Standing, sys};
use crate::util::cancel;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a descriptor leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenInode {
    pub(super) id: FileId,
    /// How many names lead to it.
    pub(super) links: u64,
    pub(super) size_bytes: u64,
    /// Its type, as in a mode.
    pub(super) kind: libc::mode_t,
}

/// What `file` leads to now.
pub(super) fn found(file: BorrowedFd<'_>) -> io::Result<OpenInode> {
    // No times: after a call that asks for them, the next write to the file costs half as much again, because it must
    // then change the file's time.
    let wanted = libc::STATX_TYPE | libc::STATX_NLINK | libc::STATX_INO | libc::STATX_SIZE;
    let mut found = MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the path is a constant C string, `found` is writable and large enough for a `statx`.
    let asked = sys::retried(|| unsafe {
        libc::statx(file.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, wanted, found.as_mut_ptr())
    });
    match asked {
        // A sandbox that does not allow the call.
        Err(refusal) if matches!(refusal.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            return found_by_fstat(file.as_raw_fd());
        }
        Err(refusal) => return Err(refusal),
        Ok(_) => {}
    }
    // SAFETY: the call succeeded, so the kernel filled it.
    let found = unsafe { found.assume_init() };
    Ok(OpenInode {
        id: FileId { device: libc::makedev(found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino },
        links: found.stx_nlink.into(),
        size_bytes: found.stx_size,
        kind: libc::mode_t::from(found.stx_mode) & libc::S_IFMT,
    })
}

/// Which file the number `descriptor` leads to. Async-signal-safe.
pub(super) fn id_of(descriptor: RawFd) -> io::Result<FileId> {
    Ok(found_by_fstat(descriptor)?.id)
}

/// As [`found`], by the older call.
fn found_by_fstat(descriptor: RawFd) -> io::Result<OpenInode> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `found` is writable and large enough for a `stat`.
    sys::retried(|| unsafe { libc::fstat(descriptor, found.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    let found = unsafe { found.assume_init() };
    Ok(OpenInode {
        id: FileId { device: found.st_dev, inode: found.st_ino },
        #[allow(clippy::useless_conversion, reason = "it has 32 bits on aarch64, 64 on x86-64")]
        links: found.st_nlink.into(),
        size_bytes: found.st_size.unsigned_abs(),
        kind: found.st_mode & libc::S_IFMT,
    })
}

/// An open file or directory that knows which one it is.
///
/// Invariants:
/// 1. `id` never changes, while the number may come to lead to another file: `check` notices it, and the drop closes no
///    such file.
/// 2. Once `is_disowned` is set, the number stays open.
#[derive(Debug)]
pub(super) struct Descriptor {
    file: ManuallyDrop<std::fs::File>,
    id: FileId,
    /// Whether a name led to the file when it was opened. A file in memory never has a name.
    has_name: bool,
    /// Whether the drop leaves the number open: another handle may have it.
    is_disowned: AtomicBool,
}

impl Descriptor {
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Descriptor> {
        let found = found(descriptor.as_fd())?;
        let (file, has_name) = (ManuallyDrop::new(descriptor.into()), found.links > 0);
        Ok(Descriptor { file, id: found.id, has_name, is_disowned: AtomicBool::new(false) })
    }

    /// Makes the drop leave the number open. The host has closed this descriptor, and the number may be that of a newer
    /// handle, with the same file.
    pub(super) fn disown(&self) {
        self.is_disowned.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_disowned(&self) -> bool {
        self.is_disowned.load(Ordering::Relaxed)
    }

    pub(super) fn std(&self) -> &std::fs::File {
        &self.file
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// What became of the file, wherever its name leads.
    pub(super) fn standing(&self) -> io::Result<Standing> {
        match found(self.fd()) {
            Err(refusal) if refusal.raw_os_error() == Some(libc::EBADF) => Ok(Standing::Closed),
            Err(refusal) => Err(refusal),
            Ok(found) if found.id != self.id => Ok(Standing::Closed),
            Ok(found) if self.has_name && found.links == 0 => Ok(Standing::Removed),
            Ok(_) => Ok(Standing::Kept),
        }
    }

    /// As [`Descriptor::standing`], and checks that `name` in `directory` still leads to the file. What may not be
    /// looked at any more, after the host gave up rights or entered a sandbox, counts as kept.
    pub(super) fn standing_under(&self, directory: BorrowedFd<'_>, name: &str) -> io::Result<Standing> {
        let standing = self.standing()?;
        if standing != Standing::Kept {
            return Ok(standing);
        }
        match sys::metadata_named(directory, name) {
            Err(refusal) if matches!(refusal.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::ENOSYS)) => {
                Ok(Standing::Kept)
            }
            Err(refusal) => Err(refusal),
            Ok(Some(meta)) if meta.id == self.id => Ok(Standing::Kept),
            Ok(_) => Ok(Standing::Moved),
        }
    }

    /// Fails with `ESTALE` unless the descriptor leads to the file that was opened, and the file still has a name.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.standing()? {
            Standing::Kept => Ok(()),
            _ => Err(sys::error(libc::ESTALE)),
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let _deferred = cancel::defer();
        if !self.is_disowned() && !matches!(self.standing(), Ok(Standing::Closed)) {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

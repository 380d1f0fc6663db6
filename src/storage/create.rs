//! Makes the directory of a log and the ones above it, and makes the names of directories durable.

use super::{FileId, names, sys};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Creates `directory` and what is missing above it (mode 0777 before umask). Their names become durable with
/// [`super::Storage::sync_own_name`], whichever process made them.
pub fn create_directory(directory: &Path) -> io::Result<()> {
    let path = names::c_path(directory)?;
    match sys::leads_to_directory(&path)? {
        Some(true) => return Ok(()),
        Some(false) => return Err(sys::error(libc::ENOTDIR)),
        None => {}
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
    }
    match sys::make_directory(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in `directory` durable.
pub(super) fn sync_names_in(directory: BorrowedFd<'_>) -> io::Result<()> {
    match sys::sync(directory) {
        // Some network and user-space file systems cannot sync a directory.
        Err(refusal) if refusal.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        other => other,
    }
}

/// Makes the name of `directory` durable with `sync_names`, and the names of the directories above it, up to the root
/// of their file system. Any process may have made any of them just before. A mount point was made long before, by the
/// administrator who mounted the file system there.
///
/// Where one of them may not be read, `sync_file_system` makes all names durable at once.
pub(super) fn sync_names_above(
    directory: BorrowedFd<'_>,
    sync_names: impl Fn(BorrowedFd<'_>) -> io::Result<()>,
    sync_file_system: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut reached: Option<OwnedFd> = None;
    loop {
        let below = reached.as_ref().map_or(directory, AsFd::as_fd);
        match parent_on_same_file_system(below) {
            Ok(None) => return Ok(()),
            Ok(Some(parent)) => {
                sync_names(parent.as_fd())?;
                reached = Some(parent);
            }
            Err(_) => {
                return match sync_file_system(directory) {
                    // A sandbox forbids the call: there is nothing else to try.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => Ok(()),
                    synced => synced,
                };
            }
        }
    }
}

/// The directory above `directory`; `None` where its file system or the tree ends.
fn parent_on_same_file_system(directory: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let (here, above) = (identity(directory, c".")?, identity(directory, c"..")?);
    if above.device != here.device || above == here {
        return Ok(None);
    }
    sys::open_parent(directory).map(Some)
}

fn identity(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<FileId> {
    let found = sys::metadata_at(directory, name)?;
    found.map(|meta| meta.id).ok_or_else(|| sys::error(libc::ENOENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    /// The directories above `directory` on the same file system, found by their paths.
    fn above(directory: &Path) -> io::Result<Vec<FileId>> {
        let device = fs::metadata(directory)?.dev();
        let mut ids = Vec::new();
        for parent in directory.canonicalize()?.ancestors().skip(1) {
            let meta = fs::metadata(parent)?;
            if meta.dev() != device {
                break;
            }
            ids.push(FileId { device, inode: meta.ino() });
        }
        Ok(ids)
    }

    #[test]
    fn every_name_up_to_the_root_of_the_file_system_is_synced_whoever_made_it() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        let nested = top.path().join("a/b/c");
        create_directory(&nested)?;
        let link = top.path().join("link");
        std::os::unix::fs::symlink(&nested, &link)?;
        for path in [&nested, &link] {
            let directory = fs::File::open(path)?;
            let synced = RefCell::new(Vec::new());
            let note = |parent: BorrowedFd<'_>| identity(parent, c".").map(|id| synced.borrow_mut().push(id));
            sync_names_above(directory.as_fd(), note, |_| Err(io::Error::other("not needed")))?;
            let expected = above(&nested)?;
            assert!(expected.len() >= 3, "a, b, and where they lie");
            assert_eq!(*synced.borrow(), expected);
        }
        Ok(())
    }

    #[test]
    fn a_sync_that_fails_is_told() -> io::Result<()> {
        let top = tempfile::tempdir()?;
        let directory = fs::File::open(top.path())?;
        let told = sync_names_above(directory.as_fd(), |_| Err(sys::error(libc::EIO)), |_| Ok(()));
        // Where the temporary directory is a file system of its own, there is nothing above.
        if !above(top.path())?.is_empty() {
            assert_eq!(told.err().and_then(|error| error.raw_os_error()), Some(libc::EIO));
        }
        Ok(())
    }

    #[test]
    fn names_that_cannot_be_reached_are_synced_with_their_file_system() -> io::Result<()> {
        // For a file, the directory it lies in cannot be found, as for a directory above which nothing may be read.
        let unreachable = tempfile::tempfile()?;
        for (answer, expected) in
            [(None, None), (Some(libc::EIO), Some(libc::EIO)), (Some(libc::EPERM), None), (Some(libc::ENOSYS), None)]
        {
            let asked = RefCell::new(false);
            let sync_file_system = |_: BorrowedFd<'_>| {
                *asked.borrow_mut() = true;
                answer.map_or(Ok(()), |number| Err(sys::error(number)))
            };
            let told = sync_names_above(unreachable.as_fd(), |_| Ok(()), sync_file_system);
            assert_eq!(told.err().and_then(|error| error.raw_os_error()), expected);
            assert!(*asked.borrow());
        }
        sys::sync_file_system(sys::memory_file()?.as_fd())
    }
}

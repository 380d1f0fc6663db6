//! Makes the directory of a log, and the ones above it, durably.

use std::fs;
use std::io;
use std::path::Path;

/// Creates `directory` and what is missing above it (mode 0777 before umask); every entry made is synced.
pub fn create_directory(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match fs::File::open(parent).and_then(|parent| parent.sync_all()) {
        // A directory that may be searched but not read, or whose file system has no such sync: nothing better can be done.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) => Ok(()),
        synced => synced,
    }
}

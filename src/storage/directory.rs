//! A real directory: how it is opened, and the names in it. Every name is looked up in the directory that was opened, whatever happens
//! to its path or to the host's working directory afterwards.

use super::cancel::Closing;
use super::engine::{self, Engine};
use super::file::RealFile;
use super::{File, Meta, OpenMode, Storage, create, fork, sys};
use crate::error::{Error, ErrorKind};
use crate::memory;
use crate::options::Io;
use crate::sync::Arc;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens the directory `path` with the engine asked for, or the one its file system allows.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when mappings were asked for and are not safe there, [`ErrorKind::ReadOnly`] when `writable` on a
/// file system mounted read-only, [`ErrorKind::NotFound`], [`ErrorKind::NotRegular`] and so on as the system answers.
pub fn open_directory(path: &Path, io: Io, writable: bool) -> Result<Arc<dyn Storage>, Error> {
    let failed = |failure: io::Error| Error::os(format_args!("open directory {}", path.display()), &failure);
    fork::install().map_err(failed)?;
    let c_path = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Argument, "the directory's path contains a NUL byte"))?;
    let descriptor = sys::open_directory(&c_path).map_err(failed)?;
    if writable && sys::is_mounted_read_only(descriptor.as_fd()).map_err(failed)? {
        return Err(failed(sys::error(libc::EROFS)));
    }
    let magic = sys::file_system_magic(descriptor.as_fd()).map_err(failed)?;
    let engine = engine::choose(magic, path, io)?;
    let has_costly_holes = engine::has_costly_holes(magic);
    let own_name_is_durable = AtomicBool::new(false);
    let descriptor = Closing::new(descriptor);
    let directory =
        RealDirectory { descriptor, path: memory::path(path, "")?, engine, has_costly_holes, own_name_is_durable };
    Ok(Arc::new(RealStorage(Arc::new(directory)?))?.into())
}

/// An open directory.
#[derive(Debug)]
pub(super) struct RealDirectory {
    descriptor: Closing<OwnedFd>,
    path: PathBuf,
    engine: Engine,
    has_costly_holes: bool,
    /// Whether this process has made it so: once is enough.
    own_name_is_durable: AtomicBool,
}

impl RealDirectory {
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    pub(super) fn engine(&self) -> Engine {
        self.engine
    }

    pub(super) fn has_costly_holes(&self) -> bool {
        self.has_costly_holes
    }
}

/// The directory as the log sees it; its files share it.
#[derive(Debug)]
struct RealStorage(Arc<RealDirectory>);

impl Storage for RealStorage {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile::open(Arc::clone(&self.0), name, mode)?)?.into())
    }

    fn create_beside(&self, record: &dyn File, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile::create(&self.0, name, &record.access()?)?)?.into())
    }

    fn scratch(&self) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile::scratch(Arc::clone(&self.0))?)?.into())
    }

    fn metadata(&self, name: &str) -> io::Result<Option<Meta>> {
        sys::metadata_at(self.0.descriptor(), &sys::c_name(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        sys::rename_at(self.0.descriptor(), &sys::c_name(from)?, &sys::c_name(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        sys::remove_at(self.0.descriptor(), &sys::c_name(name)?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        sys::list(self.0.descriptor())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        sys::free_bytes(self.0.descriptor())
    }

    fn sync_directory(&self) -> io::Result<()> {
        create::sync_names_in(self.0.descriptor())
    }

    fn sync_own_name(&self) -> io::Result<()> {
        if !self.0.own_name_is_durable.load(Ordering::Acquire) {
            create::sync_names_above(self.0.descriptor(), create::sync_names_in, sys::sync_file_system)?;
            self.0.own_name_is_durable.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.0.path
    }

    fn maps_files(&self) -> bool {
        self.0.engine == Engine::Mapping
    }
}

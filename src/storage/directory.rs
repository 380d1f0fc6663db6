//! A real directory: how it is opened, and the names in it. Every name is looked up in the directory that was opened,
//! whatever happens to its path or to the host's working directory afterwards.

use super::descriptor::Descriptor;
use super::engine::{self, Engine};
use super::file::RealFile;
use super::names::{self, CName};
use super::{File, Meta, OpenMode, Standing, Storage, create, fork, sys};
use crate::error::{Error, ErrorKind};
use crate::format::name::FileName;
use crate::storage::Io;
use crate::util::memory;
use crate::util::sync::Arc;
use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens the directory `path` with the engine asked for, or the one its file system allows.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when mappings were asked for and are not safe there, [`ErrorKind::ReadOnly`] when
/// `writable` on a file system mounted read-only, [`ErrorKind::NotFound`], [`ErrorKind::NotRegular`] and so on as the
/// system answers.
pub fn open_directory(path: &Path, io: Io, writable: bool) -> Result<Arc<dyn Storage>, Error> {
    let failed = |failure: io::Error| Error::os("opening the directory", &failure).of(path);
    fork::install().map_err(failed)?;
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(Error::new(ErrorKind::Argument, "the directory's path contains a NUL byte"));
    }
    let c_path = names::c_path(path).map_err(failed)?;
    let descriptor = sys::open_directory(&c_path).and_then(Descriptor::new).map_err(failed)?;
    // If the system does not answer, that is no reason to refuse: the first call that writes would report a read-only
    // file system, and system calls work everywhere.
    if writable && sys::is_mounted_read_only(descriptor.fd()).unwrap_or(false) {
        return Err(failed(sys::error(libc::EROFS)));
    }
    let magic = sys::file_system_magic(descriptor.fd()).unwrap_or(0);
    let engine = engine::choose(magic, path, io)?;
    let has_costly_holes = engine::has_costly_holes(magic);
    let own_name_is_durable = AtomicBool::new(false);
    let name_above = name_above(&c_path, &descriptor);
    let path = memory::path(path, "")?;
    let directory = RealDirectory { descriptor, path, name_above, engine, has_costly_holes, own_name_is_durable };
    Ok(Arc::new(RealStorage(Arc::new(directory)?))?.into())
}

/// The name that leads from `directory`, opened by `path`, to the directory above and back; `None` where no name does,
/// as for a root.
fn name_above(path: &CStr, directory: &Descriptor) -> Option<FileName> {
    let mut buffer = [0; names::PATH_BYTES_MAX];
    let name = names::real_path(path, &mut buffer)?.file_name()?.to_str()?;
    let name = FileName::of(format_args!("../{name}"));
    let leads_back = directory.standing_under(directory.fd(), &name).ok()? == Standing::Kept;
    leads_back.then_some(name)
}

/// An open directory.
#[derive(Debug)]
pub(super) struct RealDirectory {
    descriptor: Descriptor,
    path: PathBuf,
    /// Leads back here through the directory above: the path itself means nothing after a change of the working or root
    /// directory.
    name_above: Option<FileName>,
    engine: Engine,
    has_costly_holes: bool,
    /// Whether this process has made the directory's own name durable: once is enough.
    own_name_is_durable: AtomicBool,
}

impl RealDirectory {
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.fd()
    }

    /// Fails with `ESTALE` unless the descriptor leads to the directory that was opened.
    pub(super) fn check(&self) -> io::Result<()> {
        self.descriptor.check()
    }

    /// Makes the drops of the directory and of its files leave their numbers open: the numbers may be those of a newer
    /// handle.
    pub(super) fn disown(&self) {
        self.descriptor.disown();
    }

    pub(super) fn is_disowned(&self) -> bool {
        self.descriptor.is_disowned()
    }

    fn standing(&self) -> io::Result<Standing> {
        let descriptor = self.descriptor();
        let Some(name) = &self.name_above else { return self.descriptor.standing() };
        let standing = self.descriptor.standing_under(descriptor, name)?;
        // The host may have made this directory its root, and nothing is above a root.
        let is_root = || {
            Ok::<_, io::Error>(
                sys::metadata_named(descriptor, "..")?.is_some_and(|above| above.id == self.descriptor.id()),
            )
        };
        if standing == Standing::Moved && is_root()? { Ok(Standing::Kept) } else { Ok(standing) }
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
        sys::metadata_named(self.0.descriptor(), name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.check()?;
        sys::rename_at(self.0.descriptor(), &CName::new(from)?, &CName::new(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.check()?;
        sys::remove_at(self.0.descriptor(), &CName::new(name)?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        names::list(self.0.descriptor())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        // Only a forecast: where there is none, bytes that do not fit are refused as they are written.
        Ok(sys::free_bytes(self.0.descriptor()).ok().flatten().unwrap_or(u64::MAX))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.check()?;
        create::sync_names_in(self.0.descriptor())
    }

    fn sync_own_name(&self) -> io::Result<()> {
        if !self.0.own_name_is_durable.load(Ordering::Acquire) {
            create::sync_names_above(self.0.descriptor(), create::sync_names_in, sys::sync_file_system)?;
            self.0.own_name_is_durable.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn standing(&self) -> io::Result<Standing> {
        self.0.standing()
    }

    fn path(&self) -> &Path {
        &self.0.path
    }

    fn maps_files(&self) -> bool {
        self.0.engine == Engine::Mmap
    }
}

//! Which engine a directory gets: mapped stores only where a full disk is noticed in advance and no file system
//! rewrites its blocks.

use super::sys;
use crate::error::{Error, ErrorKind};
use memmap2::{Advice, MmapMut};
use std::path::Path;
use std::sync::OnceLock;

/// Which engine does the input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Io {
    /// The mapping engine where the file system allows it, else the system-call engine.
    #[default]
    Auto,
    /// Stores into shared mappings; refused where they are not safe.
    Mmap,
    /// System calls only; no memory of a file is ever touched.
    Syscall,
}

/// How the files of a directory are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Through shared mappings.
    Mmap,
    /// By system calls.
    Syscall,
}

/// File systems that overwrite allocated blocks in place and keep mappings, reads and writes of one host coherent. Not
/// here, on purpose: btrfs, bcachefs and ZFS (a store may need new blocks); NFS, SMB, FUSE and 9p (another host or
/// process serves them). Also not here: overlay (the file system below is not known), and any unknown file system.
const SAFE_FOR_MAPPING: [(u32, &str); 4] =
    [(0xEF53, "ext2/3/4"), (0x5846_5342, "xfs"), (TMPFS, "tmpfs"), (0xF2F5_2010, "f2fs")];

const TMPFS: u32 = 0x0102_1994;

/// The largest pages that mappings are laid out for. Every size, offset and step that has to be one of whole pages is a
/// multiple of this.
pub(super) const PAGE_BYTES_MAX: u64 = 64 << 10;

/// Whether reading a hole through a mapping takes a page of the file system. If the file system is full, that is a
/// SIGBUS. Other file systems show zeros from the cache.
pub(super) fn has_costly_holes(magic: u32) -> bool {
    magic == TMPFS
}

/// The engine for the directory `path`, on a file system with this magic number.
pub(super) fn choose(magic: u32, path: &Path, io: Io) -> Result<Engine, Error> {
    let obstacle = obstacle_to_mapping(magic, populate_works(), sys::page_bytes());
    match (io, obstacle) {
        (Io::Syscall, _) | (Io::Auto, Some(_)) => Ok(Engine::Syscall),
        (Io::Auto | Io::Mmap, None) => Ok(Engine::Mmap),
        (Io::Mmap, Some(obstacle)) => {
            Err(Error::new(ErrorKind::Unsupported, format_args!("mapped files are not safe here: {obstacle}"))
                .advising("use automatic or system-call io")
                .of(path))
        }
    }
}

/// Why files on a file system with this magic number must not be written through mappings.
fn obstacle_to_mapping(magic: u32, populate_works: bool, page_bytes: u64) -> Option<&'static str> {
    if !SAFE_FOR_MAPPING.iter().any(|(safe, _)| *safe == magic) {
        return Some("its file system is not known to be safe");
    }
    if !PAGE_BYTES_MAX.is_multiple_of(page_bytes) {
        return Some("this machine has pages of more than 64 KiB");
    }
    (!populate_works).then_some("the kernel refuses MADV_POPULATE_WRITE (it needs 5.14 or later)")
}

/// Whether the kernel can allocate the pages of a mapping ahead of the stores. Asked once, on anonymous memory.
fn populate_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| MmapMut::map_anon(1).and_then(|page| page.advise(Advice::PopulateWrite)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: u64 = 4 << 10;

    #[test]
    fn only_known_file_systems_are_mapped() {
        for (magic, name) in SAFE_FOR_MAPPING {
            assert_eq!(obstacle_to_mapping(magic, true, PAGE_BYTES), None, "{name}");
            assert!(obstacle_to_mapping(magic, false, PAGE_BYTES).is_some(), "{name} on an old kernel");
        }
        for (magic, name) in
            [(0x9123_683E, "btrfs"), (0x2FC1_2FC1, "zfs"), (0x6969, "nfs"), (0x6573_5546, "fuse"), (0, "unknown")]
        {
            assert!(obstacle_to_mapping(magic, true, PAGE_BYTES).is_some(), "{name}");
        }
    }

    #[test]
    fn pages_of_up_to_64_kib_are_mapped() {
        for (page_bytes, is_mapped) in [(4 << 10, true), (16 << 10, true), (64 << 10, true), (256 << 10, false)] {
            let obstacle = obstacle_to_mapping(TMPFS, true, page_bytes);
            assert_eq!(obstacle.is_none(), is_mapped, "pages of {page_bytes} bytes: {obstacle:?}");
        }
    }
}

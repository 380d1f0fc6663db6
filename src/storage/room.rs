//! How far files are extended ahead of what is written to them, and how that is done so that a refusal leaves no trace.

use super::engine::PAGE_BYTES_MAX;
use super::file::RealFile;
use super::sys;
use std::io;
use std::ops::Range;

/// Sizes of files open for writing are multiples of this, and so of pages. If a file ended within a page that is mapped
/// writable, the page would have no blocks after that end. An extension gives the file these blocks, but not every
/// kernel makes the next store to the page fault, which gives them to the page (`pagecache_isize_extended` in the
/// kernel's `mm/truncate.c`). Such a store would never reach the disk.
const UNIT_BYTES: u64 = 64 << 10;
const _: () = assert!(UNIT_BYTES.is_multiple_of(PAGE_BYTES_MAX));
/// A file that grows by at least this much grows to a multiple of it. With pages of 4 KiB that is whole huge pages,
/// which are made writable several times faster.
const LARGE_UNIT_BYTES: u64 = 2 << 20;
/// The most a file is extended beyond what was asked for.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// The sizes a file may be given, both multiples of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewSize {
    /// The size that the file should get, so that not every append extends it.
    pub(super) wanted_bytes: u64,
    /// The size that the file must get.
    pub(super) least_bytes: u64,
}

impl NewSize {
    /// The sizes for a file of `size_bytes` that is to be written up to `to`, where no file may exceed `limit_bytes`.
    pub(super) fn new(size_bytes: u64, to: u64, limit_bytes: u64) -> io::Result<NewSize> {
        let least_bytes = to.max(size_bytes).checked_next_multiple_of(UNIT_BYTES).ok_or_else(sys::file_too_large)?;
        if least_bytes > limit_bytes {
            return Err(sys::file_too_large());
        }
        // A new log gets one unit; from then on a quarter more each time.
        let ahead = if size_bytes < UNIT_BYTES { 0 } else { (size_bytes / 4).clamp(UNIT_BYTES, AHEAD_BYTES_MAX) };
        let unit_bytes = if ahead < LARGE_UNIT_BYTES { UNIT_BYTES } else { LARGE_UNIT_BYTES };
        let wanted = to.saturating_add(ahead).checked_next_multiple_of(unit_bytes).unwrap_or(least_bytes);
        let allowed = limit_bytes - limit_bytes % UNIT_BYTES;
        Ok(NewSize { wanted_bytes: wanted.min(allowed).max(least_bytes), least_bytes })
    }
}

/// What [`extend`] did to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) old_bytes: u64,
    pub(super) new_bytes: u64,
}

/// Allocates blocks for the bytes from `from` to a new end at or beyond `to`, where the file system can. On failure the
/// file has its old size.
pub(super) fn extend(file: &RealFile, from: u64, to: u64) -> io::Result<Extension> {
    file.check()?;
    let old_bytes = file.size()?;
    let plan = NewSize::new(old_bytes, to, sys::file_size_limit())?;
    let new_bytes = match extend_to(file, old_bytes, from, plan.wanted_bytes) {
        Err(refusal) if plan.least_bytes < plan.wanted_bytes && is_full(&refusal) => {
            extend_to(file, old_bytes, from, plan.least_bytes)?
        }
        other => other?,
    };
    file.reaches(new_bytes);
    Ok(Extension { old_bytes, new_bytes })
}

/// Extends the file to `end`, or not at all.
fn extend_to(file: &RealFile, old_bytes: u64, from: u64, end: u64) -> io::Result<u64> {
    let outcome = match sys::allocate(file.descriptor(), from, end) {
        // Without preallocation (EPERM: in a sandbox) the file gets only the size. A write into it may then still find
        // the disk full.
        Err(refusal) if matches!(refusal.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)) => {
            file.resize(end.max(old_bytes))
        }
        other => other,
    };
    outcome.map_err(|refusal| cut_back(file, old_bytes, refusal))?;
    Ok(end)
}

/// Gives the file its old size again, and returns `refusal` for the caller. If the cut fails too, the error is `EIO`,
/// because the file has changed.
pub(super) fn cut_back(file: &RealFile, old_bytes: u64, refusal: io::Error) -> io::Error {
    match file.cut(old_bytes) {
        Ok(()) => refusal,
        Err(_) => sys::error(libc::EIO),
    }
}

/// Checks that `from..to` is a range.
pub(super) fn check_range(from: u64, to: u64) -> io::Result<()> {
    if from <= to { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Checks that `parts`, put at `offset`, lie within `room`.
pub(super) fn check_put(room: &Range<u64>, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
    let end = parts.iter().try_fold(offset, |at, part| at.checked_add(part.len() as u64));
    match end {
        Some(end) if room.start <= offset && end <= room.end => Ok(()),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn is_full(refusal: &io::Error) -> bool {
    matches!(refusal.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_by_a_quarter_in_units() {
        let plan = |size, to| NewSize::new(size, to, u64::MAX).map(|plan| (plan.wanted_bytes, plan.least_bytes));
        let mib = 1 << 20;
        assert_eq!(plan(8, 27).ok(), Some((UNIT_BYTES, UNIT_BYTES)), "a new log is one unit");
        assert_eq!(
            plan(UNIT_BYTES, UNIT_BYTES + 1).ok(),
            Some((3 * UNIT_BYTES, 2 * UNIT_BYTES)),
            "then one unit ahead"
        );
        assert_eq!(
            plan(8 * mib, 8 * mib + 1).ok(),
            Some((12 * mib, 8 * mib + UNIT_BYTES)),
            "a quarter, to whole huge pages"
        );
        assert_eq!(plan(mib << 10, (mib << 10) + 1).map(|sizes| sizes.0).ok(), Some((mib << 10) + 66 * mib));
        assert_eq!(
            plan(3 * UNIT_BYTES + 5, 100).map(|sizes| sizes.1).ok(),
            Some(4 * UNIT_BYTES),
            "never smaller than it is"
        );
    }

    #[test]
    fn limits_shrink_the_plan_and_then_refuse_it() {
        let plan = NewSize::new(2 * UNIT_BYTES, 2 * UNIT_BYTES + 1, 3 * UNIT_BYTES + 7);
        assert_eq!(plan.ok(), Some(NewSize { wanted_bytes: 3 * UNIT_BYTES, least_bytes: 3 * UNIT_BYTES }));
        for (to, limit) in [(2 * UNIT_BYTES + 1, 3 * UNIT_BYTES - 1), (u64::MAX, u64::MAX), (u64::MAX - UNIT_BYTES, 1)]
        {
            let refusal = NewSize::new(0, to, limit).err().and_then(|refusal| refusal.raw_os_error());
            assert_eq!(refusal, Some(libc::EFBIG), "to {to} within {limit}");
        }
    }
}

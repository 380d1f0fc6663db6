//! Pages made by a write of zeros.
//!
//! The fault of a store makes a page, too, and the kernel fills it with zeros then. In a file that is mapped in huge
//! pages it makes pages of 2 MiB. Their memory is slow in a guest whose balloon device reports free memory to the host
//! (`mm/page_reporting.c` of the kernel): the host takes back free pieces of that size, and has to supply each page
//! again at its first touch. A write makes smaller pages, mostly from memory that was in use lately. It costs less in
//! any case, because it makes all of them at once (docs/performance.md).

use crate::storage::file::RealFile;
use crate::storage::sys;
use std::io;
use std::ops::Range;

/// The most that is written at once, and so the largest page.
pub(super) const ZEROS_BYTES_MAX: usize = 1 << 20;

/// What is written, many times in a call: a piece that stays in the cache.
static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
const PARTS_MAX: usize = ZEROS_BYTES_MAX / ZEROS.len();

/// Writes zeros to `range` of `file`, at most [`ZEROS_BYTES_MAX`], if nothing stands in the way.
pub(super) fn write(file: &RealFile, range: &Range<u64>) -> io::Result<()> {
    // A file in memory gets the same pages from a write as from faults.
    if file.has_costly_holes() || !file.holds(range.end)? {
        return Ok(());
    }
    let size_bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(ZEROS_BYTES_MAX);
    let mut parts = [ZEROS.as_slice(); PARTS_MAX];
    let (whole, rest) = (size_bytes / ZEROS.len(), size_bytes % ZEROS.len());
    if let Some(last) = parts.get_mut(whole) {
        *last = &ZEROS[..rest];
    }
    sys::write_parts(file.descriptor(), range.start, &parts[..PARTS_MAX.min(whole + 1)])
}

//! The bytes of a simulated file, in pages that its copies share until they change one.
//!
//! Tests copy a disk for each state that they look at, and change little of it: without pages they spent most of their time on copying.

use std::ops::Range;
use std::sync::Arc;

/// The unit in which caches write and file systems give out blocks.
pub(super) const PAGE_BYTES: usize = ZEROS.len();
const ZEROS: [u8; 4096] = [0; 4096];

type Page = [u8; PAGE_BYTES];

#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    size: usize,
    /// As many as `size` needs. `None` is a page of zeros; what the last page has beyond `size` is zeros, too.
    pages: Vec<Option<Arc<Page>>>,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.size
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Cuts the file or extends it with zeros.
    pub(super) fn resize(&mut self, size: usize) {
        self.pages.resize(size.div_ceil(PAGE_BYTES), None);
        if size < self.size
            && let Some(Some(last)) = self.pages.get_mut(size / PAGE_BYTES)
        {
            Arc::make_mut(last)[size % PAGE_BYTES..].fill(0);
        }
        self.size = size;
    }

    /// Copies `bytes` over the file at `offset`, as far as the file reaches.
    pub(super) fn overlay(&mut self, offset: usize, bytes: &[u8]) {
        let mut left = &bytes[..bytes.len().min(self.size.saturating_sub(offset))];
        let mut at = offset;
        while !left.is_empty() {
            let begin = at % PAGE_BYTES;
            let (now, later) = left.split_at(left.len().min(PAGE_BYTES - begin));
            let page = self.pages[at / PAGE_BYTES].get_or_insert_with(|| Arc::new(ZEROS));
            Arc::make_mut(page)[begin..begin + now.len()].copy_from_slice(now);
            (left, at) = (later, at + now.len());
        }
    }

    /// Fills `buffer` with what lies at `offset`, as far as the file reaches. How many bytes that are.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.size.saturating_sub(offset));
        let (mut left, mut at) = (&mut buffer[..count], offset);
        while !left.is_empty() {
            let begin = at % PAGE_BYTES;
            let (now, later) = left.split_at_mut(left.len().min(PAGE_BYTES - begin));
            match &self.pages[at / PAGE_BYTES] {
                Some(page) => now.copy_from_slice(&page[begin..begin + now.len()]),
                None => now.fill(0),
            }
            (left, at) = (later, at + now.len());
        }
        count
    }

    /// What lies in `range`; `None` where the file ends before it does.
    pub(super) fn get(&self, range: Range<usize>) -> Option<Vec<u8>> {
        if range.end > self.size {
            return None;
        }
        let mut bytes = vec![0; range.len()];
        self.read(range.start, &mut bytes);
        Some(bytes)
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.get(0..self.size).unwrap_or_default()
    }

    /// Where the first byte lies at or after `offset` that is not zero.
    pub(super) fn next_data(&self, offset: usize) -> Option<usize> {
        let first = offset / PAGE_BYTES;
        (first..self.pages.len()).filter(|number| !self.is_zero(*number)).find_map(|number| {
            let page = self.pages[number].as_deref()?;
            let begin = if number == first { offset % PAGE_BYTES } else { 0 };
            Some(number * PAGE_BYTES + begin + first_nonzero(&page[begin..])?)
        })
    }

    /// Whether the page with this number holds nothing but zeros; so does one after the end.
    pub(super) fn is_zero(&self, number: usize) -> bool {
        self.pages.get(number).is_none_or(|page| page.as_deref().is_none_or(|page| *page == ZEROS))
    }
}

/// The place of the first byte that is not zero. It compares pieces: byte by byte, the crash tests spent most of their time here.
fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    const PIECE_BYTES: usize = 64;
    let (number, piece) = bytes.chunks(PIECE_BYTES).enumerate().find(|(_, piece)| **piece != ZEROS[..piece.len()])?;
    let place = piece.iter().position(|byte| *byte != 0)?;
    Some(number * PIECE_BYTES + place)
}

impl From<&[u8]> for Pages {
    fn from(bytes: &[u8]) -> Self {
        let mut pages = Pages::default();
        pages.resize(bytes.len());
        for (number, chunk) in bytes.chunks(PAGE_BYTES).enumerate() {
            if *chunk != ZEROS[..chunk.len()] {
                pages.overlay(number * PAGE_BYTES, chunk);
            }
        }
        pages
    }
}

//! A list that only grows: its readers take no lock, and its elements stay where they are.

use crate::util::memory::{self, Refused};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places of the first chunk; each further one doubles the list.
const FIRST_CHUNK_PLACES: usize = 8;
/// Enough for 2^32 places.
const CHUNK_COUNT: usize = 30;

type Chunk<T> = Vec<OnceLock<T>>;

/// A list that only grows.
///
/// Invariants:
/// 1. The places below `count` are filled. Neither they nor their chunks are moved or replaced.
/// 2. A chunk is there as a whole before any of its places is filled.
/// 3. One thread at a time reserves and pushes: the caller has a lock for that.
#[derive(Debug)]
pub struct AppendList<T> {
    chunks: [OnceLock<Chunk<T>>; CHUNK_COUNT],
    count: AtomicUsize,
}

impl<T> AppendList<T> {
    pub fn new() -> AppendList<T> {
        AppendList { chunks: [const { OnceLock::new() }; CHUNK_COUNT], count: AtomicUsize::new(0) }
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (chunk, place) = place_of(index);
        self.chunks.get(chunk)?.get()?.get(place)?.get()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.count()).map_while(|index| self.get(index))
    }

    /// Takes the memory that the next [`AppendList::push`] needs. One thread at a time.
    pub fn reserve(&self) -> Result<(), Refused> {
        let (chunk, _) = place_of(self.count());
        let chunk_place = self.chunks.get(chunk).ok_or(Refused)?;
        if chunk_place.get().is_none() {
            let places = FIRST_CHUNK_PLACES << chunk.saturating_sub(1);
            let _ = chunk_place.set(memory::list((0..places).map(|_| OnceLock::new()))?);
        }
        Ok(())
    }

    /// Adds `value` to the end. One thread at a time.
    pub fn push(&self, value: T) -> Result<(), Refused> {
        self.reserve()?;
        let index = self.count();
        let (chunk, place) = place_of(index);
        let place = self.chunks.get(chunk).and_then(OnceLock::get).and_then(|chunk| chunk.get(place));
        place.ok_or(Refused)?.set(value).map_err(|_| Refused)?;
        self.count.store(index + 1, Ordering::Release);
        Ok(())
    }
}

/// The chunk that `index` is in, and its place in that chunk.
fn place_of(index: usize) -> (usize, usize) {
    match (index / FIRST_CHUNK_PLACES).checked_ilog2() {
        None => (0, index),
        Some(power) => (power as usize + 1, index - (FIRST_CHUNK_PLACES << power)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_in_its_place() {
        let list = AppendList::new();
        for number in 0..1000 {
            assert_eq!(list.get(number), None);
            list.push(number).unwrap();
            assert_eq!((list.count(), list.get(number)), (number + 1, Some(&number)));
        }
        assert!(list.iter().copied().eq(0..1000));
    }
}

//! Room made ahead: zeros never overwrite what was stored, the room has no gap, and nothing is filled once the tail is
//! gone.

use super::super::ahead::{FilledEnd, WritableEnd};
use super::waiting::spawn;
use crate::util::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::ops::Range;
use std::sync::Arc;

const STEPS: usize = 3;

// What is in a page.
const NOTHING: u32 = 0;
const ZEROS: u32 = 1;
const DATA: u32 = 2;

/// A file of a few steps, each of which stands for its page. The pages order nothing.
struct File {
    filled_end: FilledEnd,
    pages: [AtomicU32; STEPS],
    is_cut: AtomicBool,
}

impl File {
    fn new() -> Arc<File> {
        let pages = [NOTHING; STEPS].map(AtomicU32::new);
        Arc::new(File { filled_end: FilledEnd::new(), pages, is_cut: AtomicBool::new(false) })
    }

    fn set(&self, page: u64, content: u32) {
        self.pages[usize::try_from(page).unwrap()].store(content, Ordering::Relaxed);
    }

    fn get(&self, page: u64) -> u32 {
        self.pages[usize::try_from(page).unwrap()].load(Ordering::Relaxed)
    }

    fn make(&self, step: &Range<u64>) {
        self.filled_end.fill(step, |rest| {
            assert!(!self.is_cut.load(Ordering::Relaxed), "zeros after the cut");
            rest.clone().for_each(|page| self.set(page, ZEROS));
        });
    }

    /// Raises the end of a window as the library does.
    fn raise(&self, window: &WritableEnd, end: u64) {
        let make = |step: &Range<u64>| {
            self.make(step);
            Ok(())
        };
        window.raise(end, 1, make).unwrap();
    }

    /// Stores into a page of the room, which must have been made.
    fn store(&self, window: &WritableEnd, page: u64) {
        assert!(page < window.get());
        assert_eq!(self.get(page), ZEROS, "a gap, or no room");
        self.set(page, DATA);
    }
}

/// The writer makes room and stores, while another thread makes the same room and more of it.
pub fn ahead() {
    let (file, window) = (File::new(), Arc::new(WritableEnd::new(0)));
    let (theirs, their_window) = (Arc::clone(&file), Arc::clone(&window));
    let other = spawn(move || theirs.raise(&their_window, 2));
    for page in 0..2 {
        if window.get() <= page {
            file.raise(&window, page + 1);
        }
        file.store(&window, page);
    }
    other.join().unwrap();
    assert_eq!([0, 1].map(|page| file.get(page)), [DATA; 2]);
}

/// The writer goes on in a window of its own, while another thread makes room in the one before.
pub fn next_window() {
    let (file, before) = (File::new(), Arc::new(WritableEnd::new(0)));
    file.raise(&before, 1);
    let (theirs, their_window) = (Arc::clone(&file), Arc::clone(&before));
    let other = spawn(move || theirs.raise(&their_window, 3));
    let window = WritableEnd::new(1);
    file.raise(&window, 2);
    file.store(&window, 1);
    other.join().unwrap();
    assert_eq!(file.get(1), DATA);
}

/// The tail is dropped and the file cut, while another thread makes room.
pub fn cut() {
    let (file, window) = (File::new(), Arc::new(WritableEnd::new(0)));
    let (theirs, their_window) = (Arc::clone(&file), Arc::clone(&window));
    let other = spawn(move || theirs.raise(&their_window, 2));
    file.filled_end.stop();
    file.is_cut.store(true, Ordering::Relaxed);
    (0..2).for_each(|page| file.set(page, NOTHING));
    other.join().unwrap();
    assert_eq!([0, 1].map(|page| file.get(page)), [NOTHING; 2]);
}

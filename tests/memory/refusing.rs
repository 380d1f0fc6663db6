//! An allocator that refuses one large allocation of the thread that asks for it, or all allocations.

#![allow(unsafe_code, reason = "an allocator is unsafe to implement; this one passes on what it does not refuse")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// Allocations smaller than this are never refused.
const LARGE_BYTES: usize = 16 << 10;

struct Refusing;

#[global_allocator]
static REFUSING: Refusing = Refusing;

thread_local! {
    /// Whether every allocation of this thread is refused.
    static ALL: Cell<bool> = const { Cell::new(false) };
    /// How many large allocations of this thread are granted before one is refused; `None`: all.
    static GRANTED: Cell<Option<u64>> = const { Cell::new(None) };
}

fn is_refused(size_bytes: usize) -> bool {
    if ALL.get() {
        return true;
    }
    if size_bytes < LARGE_BYTES {
        return false;
    }
    let granted = GRANTED.get();
    GRANTED.set(granted.and_then(|granted| granted.checked_sub(1)));
    granted == Some(0)
}

// SAFETY: every call is the system allocator's with the same arguments, or answers null, which says that there is no
// memory; the cell needs no allocation and no destructor.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return null_mut();
        }
        // SAFETY: the caller's promise is the one that the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return null_mut();
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && is_refused(size) {
            return null_mut();
        }
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work` with the large allocation number `number` of this thread refused; answers also whether it came to that.
pub fn refusing<T>(number: u64, work: impl FnOnce() -> T) -> (T, bool) {
    GRANTED.set(Some(number));
    let done = work();
    (done, GRANTED.replace(None).is_none())
}

/// Runs `work` with every allocation of this thread refused.
pub fn refusing_all<T>(work: impl FnOnce() -> T) -> T {
    ALL.set(true);
    let done = work();
    ALL.set(false);
    done
}

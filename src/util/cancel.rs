//! Cancellation of the host's threads (`pthread_cancel`), which takes effect outside the library only.
//!
//! The C library ends a cancelled thread inside certain system calls, by an unwinding that no Rust frame survives. So
//! cancellation is put off around everything that may make such a call. The boundary to C does that for whole calls of
//! the library. Only functions that make no such system call on their fast path are exceptions: for them the few places
//! that may make one put cancellation off themselves. Cancellation is put off, not lost: it takes effect at the
//! thread's next cancellation point.

#![allow(unsafe_code, reason = "pthread_setcancelstate, which libc does not declare for Linux")]

use std::ffi::c_int;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE`, in glibc and in musl.
const DISABLE: c_int = 1;

/// Puts cancellation of this thread off until this value is dropped. The drop restores the state from before.
#[derive(Debug)]
pub struct Deferred {
    before: c_int,
}

/// Puts cancellation of this thread off. Makes no system call. Async-signal-safe.
#[must_use]
pub fn defer() -> Deferred {
    let mut before = DISABLE;
    // SAFETY: `before` is writable. The call changes a field of this thread, and cannot fail for this state.
    unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
    Deferred { before }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        let mut unused = 0;
        // SAFETY: as above. The call itself ends no thread: deferred cancellation takes effect at cancellation points
        // only.
        unsafe { pthread_setcancelstate(self.before, &raw mut unused) };
    }
}

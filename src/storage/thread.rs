//! Threads of the library: named, and with every signal blocked, so that the host's handlers never run on them.

#![allow(unsafe_code, reason = "the signal mask of a new thread")]

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts `body` on a thread called `name` with all signals blocked.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // SAFETY: both sets are plain memory of this stack, filled before they are read; a new thread inherits the mask of the one
    // that makes it, so no signal can reach it before it is blocked; the caller's mask is put back right after.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let spawned = Builder::new().name(name.to_owned()).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        spawned
    }
}

//! The end of the process by `abort()`, after a message on standard error that cannot get in the way of this end.
//!
//! Standard error may be a pipe that no process reads. Then a write raises SIGPIPE, which ends the process in another
//! way. Or the pipe is full, and a write waits. So the message is left out where it would have to wait, and SIGPIPE is
//! blocked while it is written.

#![allow(unsafe_code, reason = "poll, a raw write and the signal mask, which the standard library does not offer")]

use super::cancel;
use std::mem::zeroed;
use std::process::abort;
use std::ptr::null_mut;

/// Writes `message` to standard error by one call, and ends the process. A pipe takes up to 4096 bytes by one call.
pub fn with_message(message: &[u8]) -> ! {
    let _deferred = cancel::defer();
    if takes_a_message() {
        write(message);
    }
    abort();
}

/// Whether standard error takes a write at once. A pipe that no process reads does, too: the write fails at once.
fn takes_a_message() -> bool {
    let mut standard_error = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the only element of the array is writable, and the call keeps no pointer to it.
    unsafe { libc::poll(&raw mut standard_error, 1, 0) };
    standard_error.revents & libc::POLLOUT != 0
}

/// Writes `message`, or as much as standard error takes. A SIGPIPE that comes of it is taken back.
fn write(message: &[u8]) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both sets are plain memory of this stack, for which zeros are a value, and no call keeps a pointer.
    // `message` is readable for its length. The kernel sends the SIGPIPE of a write to the thread that writes, where it
    // stays pending until `sigtimedwait` takes it. So it has gone when the mask from before is back.
    unsafe {
        let (mut of_pipes, mut before) = (zeroed::<libc::sigset_t>(), zeroed::<libc::sigset_t>());
        libc::sigemptyset(&raw mut of_pipes);
        libc::sigaddset(&raw mut of_pipes, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const of_pipes, &raw mut before);
        libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        libc::sigtimedwait(&raw const of_pipes, null_mut(), &raw const at_once);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut());
    }
}

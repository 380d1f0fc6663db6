//! The two futex calls, over a word of this process or one shared with others.

#![allow(unsafe_code, reason = "the futex calls")]

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Who may sleep on the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Threads of this process.
    Private,
    /// Every process that maps the word's page.
    Shared,
}

impl Scope {
    fn flag(self) -> libc::c_int {
        match self {
            Scope::Private => libc::FUTEX_PRIVATE_FLAG,
            Scope::Shared => 0,
        }
    }
}

/// Sleeps while `word` is `expected`, at most `timeout`; whether it was the time that ended it. May return for no reason.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>, scope: Scope) -> bool {
    let timeout = timeout.map(|left| libc::timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word is a live, aligned u32 for the whole call because it is borrowed; the timeout is null or points to a
    // timespec on this stack; the kernel only compares the word and sleeps.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | scope.flag(), expected, timeout) };
    result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT)
}

/// Wakes at most `most` sleepers on `word`. Async-signal-safe.
pub fn wake(word: &AtomicU32, most: u32, scope: Scope) {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    // SAFETY: the word is a live, aligned u32 because it is borrowed; the kernel uses only its address. errno is saved by the
    // caller of a signal handler as for any call; nothing else is touched.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | scope.flag(), most);
    }
}

//! The futex calls, over words of this process or shared with others.

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

/// Sleeps while `word` is `expected`, at most `timeout`; returns whether the timeout ended the sleep. May wake
/// spuriously.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>, scope: Scope) -> bool {
    let timeout = timeout.map(timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word is a live, aligned u32 for the whole call because it is borrowed. The timeout is null or points
    // to a timespec on this stack. The kernel only compares the word and sleeps.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | scope.flag(), expected, timeout) };
    result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT)
}

/// Wakes at most `most` sleepers on `word`. Async-signal-safe.
pub fn wake(word: &AtomicU32, most: u32, scope: Scope) {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    // SAFETY: the word is a live, aligned u32 because it is borrowed; the kernel uses only its address. errno is saved
    // by the caller of a signal handler as for any call; nothing else is touched.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | scope.flag(), most);
    }
}

/// A word to sleep on, and the value it had when its owner last looked.
#[derive(Clone, Copy, Debug)]
pub struct FutexWatch<'a> {
    pub word: &'a AtomicU32,
    pub seen: u32,
    pub scope: Scope,
}

/// The most words of one [`wait_any`], which is the kernel's limit.
pub const WATCHES_MAX: usize = 128;

/// One word as `futex_waitv` takes it.
#[repr(C)] // struct futex_waitv of linux/futex.h
#[derive(Clone, Copy)]
struct FutexWaitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// `FUTEX2_SIZE_U32` of linux/futex.h; the flag for private words is that of the older calls.
const SIZE_U32: u32 = 2;

/// Sleeps while every word has the value last seen, at most `timeout`. `false`: the kernel cannot wait for several
/// words (it has no `futex_waitv` before 5.16, and sandboxes may forbid it), and the thread did not sleep. May wake
/// spuriously.
pub fn wait_any(watches: &[FutexWatch<'_>], timeout: Option<Duration>) -> bool {
    let mut entries = [FutexWaitv { value: 0, address: 0, flags: 0, reserved: 0 }; WATCHES_MAX];
    for (entry, watch) in entries.iter_mut().zip(watches) {
        entry.value = watch.seen.into();
        entry.address = watch.word.as_ptr().addr() as u64;
        entry.flags = SIZE_U32 | watch.scope.flag().cast_unsigned();
    }
    let until = timeout.and_then(|timeout| now().checked_add(timeout)).map(timespec);
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let count = watches.len().min(WATCHES_MAX);
    // Whole registers, as the C library's function reads them.
    let (flags, clock) = (0_usize, libc::CLOCK_MONOTONIC as usize);
    // SAFETY: the first `count` entries are filled with words that are live and aligned for the whole call because they
    // are borrowed. The deadline is null or points to a timespec on this stack. The kernel only compares the words and
    // sleeps.
    let result = unsafe { libc::syscall(libc::SYS_futex_waitv, entries.as_ptr(), count, flags, until, clock) };
    let expected = [libc::EAGAIN, libc::EINTR, libc::ETIMEDOUT];
    result >= 0 || std::io::Error::last_os_error().raw_os_error().is_some_and(|error| expected.contains(&error))
}

/// The time on the clock that measures the deadlines of [`wait_any`].
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the target is a timespec on this stack. The call cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

//! Threads of the library. They are named, with every signal blocked, so that the host's handlers never run on them.
//! The C library starts them, with memory that was allocated before: a thread of the standard library would end the
//! process where memory is refused.

#![allow(unsafe_code, reason = "threads of the C library, and the signal mask of a new one")]

use crate::util::sync::Arc;
use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

/// What a thread does, and what it shares with the threads that talk to it.
pub trait Body: Send + Sync + 'static {
    /// At most 15 bytes, as the system wants it.
    const NAME: &'static CStr;

    fn run(&self);
}

/// The stack of a thread: as large as the standard library makes it.
const STACK_BYTES: usize = 2 << 20;

/// A thread that runs or has ended, to be joined.
#[derive(Debug)]
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts a thread that runs `body`.
    pub fn start<B: Body>(body: &Arc<B>) -> io::Result<Thread> {
        let body = Arc::clone(body).into_raw();
        let (mut thread, mut attributes) = (0, MaybeUninit::uninit());
        // SAFETY: the attributes and both sets are plain memory of this stack, filled before they are read. A new
        // thread inherits the mask of the thread that makes it, so no signal can reach the new thread before it is
        // blocked. The caller's mask is put back right after. The new thread takes over the ownership that is its
        // argument.
        let refusal = unsafe {
            let mut all = std::mem::zeroed::<libc::sigset_t>();
            let mut before = std::mem::zeroed::<libc::sigset_t>();
            libc::sigfillset(&raw mut all);
            libc::pthread_attr_init(attributes.as_mut_ptr());
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_BYTES);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let refusal = libc::pthread_create(&raw mut thread, attributes.as_ptr(), run::<B>, body.cast());
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            refusal
        };
        if refusal == 0 {
            return Ok(Thread(thread));
        }
        // SAFETY: no thread took it over.
        drop(unsafe { Arc::from_raw(body) });
        Err(io::Error::from_raw_os_error(refusal))
    }

    /// Waits until the thread has ended.
    pub fn join(self) {
        // SAFETY: started here, joined once, and not by itself.
        unsafe { libc::pthread_join(self.0, null_mut()) };
    }
}

extern "C" fn run<B: Body>(body: *mut c_void) -> *mut c_void {
    // SAFETY: `start` gave this ownership to this thread alone.
    let body = unsafe { Arc::<B>::from_raw(body.cast()) };
    // SAFETY: the name is a string that lives for ever.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), B::NAME.as_ptr()) };
    // A panic has poisoned what it touched; there is nothing more to report here.
    let _ = catch_unwind(AssertUnwindSafe(|| body.run()));
    null_mut()
}

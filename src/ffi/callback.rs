//! The one way out of the library: every function of the host's is called here.
//!
//! The function runs with cancellation deferred, like the call around it. Otherwise a cancellation inside the function
//! would unwind through the library. If the function throws, for example an exception of another language, the process
//! ends here, before any frame of the library is unwound.

use crate::storage::fork;
use crate::util::{abort, cancel};
use crate::{Error, ErrorKind, Result};

const UNWOUND: &[u8] = b"libimmuta: an exception, pthread_exit or a cancellation left a callback that the library had \
called, and the process ends; catch it in the callback, and return a failure\n";

/// Ends the process when something unwinds through it.
struct Unwound;

impl Drop for Unwound {
    fn drop(&mut self) {
        abort::with_message(UNWOUND);
    }
}

/// Calls a function of the host's. It must be called with the ABI `C-unwind`, else what unwinds is undefined.
///
/// # Errors
/// [`ErrorKind::Forked`]: it returned in a forked child, too, where the objects in use are the parent's.
pub fn call_back<R>(function: impl FnOnce() -> R) -> Result<R> {
    let generation = fork::generation();
    let deferred = cancel::defer();
    let unwound = Unwound;
    let result = function();
    std::mem::forget(unwound);
    drop(deferred);
    if generation == fork::generation() {
        return Ok(result);
    }
    let message = "a callback forked, and the child returned from it; the objects in use are the parent's";
    Err(Error::new(ErrorKind::Forked, message))
}

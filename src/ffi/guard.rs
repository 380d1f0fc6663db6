//! The one way into the library: every exported function runs its body in a `Call`.
//!
//! A call contains panics (nothing ever unwinds into C), turns an `Error` into a status, and fills the caller's error
//! struct. Its other methods, in `ptr` and `handle`, are the only places where pointers from C are followed.

use super::error::immuta_error;
use super::status::{self, immuta_status};
use crate::error::Shortened;
use crate::util::cancel;
use crate::{Error, ErrorKind, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One call from C in progress. What it lends from the caller's pointers cannot outlive it.
pub struct Call {
    error: *mut immuta_error,
}

impl Call {
    /// # Safety
    /// Every pointer given to this value and to its methods is an argument of the C call in progress, or was read from
    /// one. It keeps the contract on the first page of the header: NULL, or valid for what the function's documentation
    /// says until the function returns. No other code writes what it leads to meanwhile.
    pub unsafe fn new(error: *mut immuta_error) -> Self {
        Call { error }
    }

    /// Runs `body`, which a cancellation of this thread does not end, and answers with its status; a failure or a panic
    /// also fills the caller's error struct.
    pub fn run(&self, body: impl FnOnce() -> Result<immuta_status>) -> immuta_status {
        let _deferred = cancel::defer();
        self.run_fast(body)
    }

    /// [`Call::run`] for what mostly makes no system call that a cancellation could end the thread in: where `body`
    /// makes one after all, storage puts cancellation off by itself.
    pub fn run_fast(&self, body: impl FnOnce() -> Result<immuta_status>) -> immuta_status {
        let error = match contain(body).and_then(|result| result) {
            Ok(status) => return status,
            Err(error) => error,
        };
        if let Ok(Some(out)) = self.out_or_null("error", self.error) {
            out.set(immuta_error::from(&error));
        }
        status::of(error.kind)
    }
}

/// Runs `body` and turns a panic into an error. The core poisons what the panic left half done.
pub fn contain<R>(body: impl FnOnce() -> R) -> Result<R> {
    let contained = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        super::tests::panic_if_asked();
        body()
    }));
    contained.map_err(|payload| {
        let error = Error::new(
            ErrorKind::Panic,
            format_args!("a bug in libimmuta was contained: {}; please report it", text_of(payload.as_ref())),
        );
        std::mem::forget(payload); // dropping it may run any code, which may panic, too
        error
    })
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> Shortened<&str> {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a panic without a message",
    };
    Shortened { text, limit_bytes: 200 }
}

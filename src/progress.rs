//! Telling the caller of something long how far it is, and hearing whether to go on.

use crate::error::{Error, ErrorKind, Result};

/// Steps between two calls of the callback.
const STEPS: u64 = 1024;

/// A callback that is told what is done and what there is in all, and answers whether to go on.
pub struct Progress<'a>(pub &'a mut dyn FnMut(u64, u64) -> bool);

impl Progress<'_> {
    /// Record `done` of `total` comes next: now and then the callback hears of it.
    pub fn step(&mut self, done: u64, total: u64) -> Result<()> {
        if done.is_multiple_of(STEPS) { self.tell(done, total) } else { Ok(()) }
    }

    /// `done` of `total` is done.
    ///
    /// # Errors
    /// `E_CANCELLED`, if the callback says so.
    pub fn tell(&mut self, done: u64, total: u64) -> Result<()> {
        if (self.0)(done, total) {
            return Ok(());
        }
        let message = format_args!("stopped by the progress callback at {done} of {total}; nothing was changed");
        Err(Error::new(ErrorKind::Cancelled, message))
    }
}

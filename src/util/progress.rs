//! How a long operation reports its progress to the caller, and learns whether to continue.

use crate::error::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};

/// Steps between two calls of the callback. A record is one step, and so are `STEP_BYTES` that were read.
const STEPS: u64 = 1024;
const STEP_BYTES: u64 = 16 << 10;

/// Receives reports of progress from the code that reads files. Each call returns `E_CANCELLED` if the operation is to
/// end.
pub trait Watch {
    /// `read_bytes` were read.
    fn worked(&self, read_bytes: u64) -> Result<()>;
    /// Record `done` of `total` comes next; the callback is called with this now and then.
    fn step(&self, done: u64, total: u64) -> Result<()>;
    /// `done` of `total` is done; the callback is called with this.
    fn tell(&self, done: u64, total: u64) -> Result<()>;
}

/// A callback that gets the work done and the total, and returns whether to continue.
pub struct Progress<'a> {
    callback: RefCell<&'a mut dyn FnMut(u64, u64) -> bool>,
    /// The work done, and the total; neither is known yet while the total is being determined.
    at: Cell<(u64, u64)>,
    steps: Cell<u64>,
}

impl<'a> Progress<'a> {
    pub fn new(callback: &'a mut dyn FnMut(u64, u64) -> bool) -> Progress<'a> {
        Progress { callback: RefCell::new(callback), at: Cell::new((0, 0)), steps: Cell::new(0) }
    }

    fn work(&self, steps: u64) -> Result<()> {
        self.steps.set(self.steps.get() + steps);
        let (done, total) = self.at.get();
        if self.steps.get() < STEPS { Ok(()) } else { self.tell(done, total) }
    }
}

impl Watch for Progress<'_> {
    fn worked(&self, read_bytes: u64) -> Result<()> {
        self.work(1 + read_bytes / STEP_BYTES)
    }

    fn step(&self, done: u64, total: u64) -> Result<()> {
        self.at.set((done, total));
        self.work(1)
    }

    fn tell(&self, done: u64, total: u64) -> Result<()> {
        self.at.set((done, total));
        self.steps.set(0);
        if (self.callback.borrow_mut())(done, total) {
            return Ok(());
        }
        let message = format_args!("stopped by the progress callback at {done} of {total}; nothing was changed");
        Err(Error::new(ErrorKind::Cancelled, message))
    }
}

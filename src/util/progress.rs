//! Telling the caller of something long how far it is, and hearing whether to go on.

use crate::error::{Error, ErrorKind, Result};
use std::cell::{Cell, RefCell};

/// Steps between two calls of the callback: a record is one, and so are so many bytes read.
const STEPS: u64 = 1024;
const STEP_BYTES: u64 = 16 << 10;

/// Is told of the work done by whoever reads files, however far down. Each call answers `E_CANCELLED` if that is to end.
pub trait Watch {
    /// `read_bytes` were read.
    fn worked(&self, read_bytes: u64) -> Result<()>;
    /// Record `done` of `total` comes next: now and then the callback hears of it.
    fn step(&self, done: u64, total: u64) -> Result<()>;
    /// `done` of `total` is done, which the callback hears.
    fn tell(&self, done: u64, total: u64) -> Result<()>;
}

/// A callback that is told what is done and what there is in all, and answers whether to go on.
pub struct Progress<'a> {
    callback: RefCell<&'a mut dyn FnMut(u64, u64) -> bool>,
    /// What is done, and what there is in all; nothing of which is known yet while it is looked what there is.
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

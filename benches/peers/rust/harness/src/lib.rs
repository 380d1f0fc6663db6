//! Runs one work on one peer, and prints one line of JSON. README.md of the peers describes works and arguments.
//!
//!     PROGRAM WORK --records N --bytes B --directory D [--threads T] [--batch K] [--seconds S] [--variant V]

mod payloads;
mod work;

use std::path::Path;

pub use work::main;

/// How a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The peer syncs nothing while it appends, as far as it can be told so.
    Fast,
    /// The same, but for a sync each second: of its own, or by [`Peer::each_second`].
    Flushing,
    /// A record is on the device before its append returns.
    Durable,
}

/// Who syncs each second in [`Mode::Flushing`].
pub enum EachSecond<P> {
    /// The peer itself. Or nothing does, because that cannot be done.
    Nothing,
    /// The appending thread, by this call.
    Inline(fn(&mut P)),
    /// A thread beside it, by this call.
    Beside(Box<dyn Fn() + Send>),
}

/// An append of one record.
pub type Appender = Box<dyn FnMut(&[u8]) + Send>;

/// A peer. All of its files are in the directory it is opened with. A call that fails panics.
pub trait Peer: Sized {
    /// Creates the log.
    fn open(directory: &Path, mode: Mode) -> Self;

    fn append(&mut self, payload: &[u8]);

    /// Appends all of them or none.
    fn append_batch(&mut self, _payloads: &[&[u8]]) {
        panic!("no batches");
    }

    /// Does what is still to be done before the records appended count as appended. It is part of the measured time.
    fn finish(&mut self) {}

    fn each_second(&self) -> EachSecond<Self> {
        EachSecond::Nothing
    }

    /// Appends from another thread, at the same time as others.
    fn appender(&self) -> Appender {
        panic!("no appends from several threads");
    }

    fn close(self) {}

    type Reader;

    fn open_reader(directory: &Path) -> Self::Reader;

    /// Visits every record in order.
    fn read(reader: &mut Self::Reader, visit: &mut dyn FnMut(&[u8]));
}

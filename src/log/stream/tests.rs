//! Streams of read-only logs between a look and a sleep.

use super::Stream;
use crate::log::Log;
use crate::log::stream::{Next, Start};
use crate::namespace::wait::Woken;
use crate::options::Options;
use crate::storage::Io;
use crate::storage::simulated::Simulated;
use std::time::Duration;

fn options(read_only: bool) -> Options {
    let mut options = Options { read_only, io: Io::Mmap, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

/// A stream that has just looked, at the end of a log that no process writes.
fn waiting_stream(following: &Log) -> Stream {
    let mut stream = following.stream(0, Start::Beginning).unwrap();
    assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Timeout)));
    stream
}

/// Why a sleep without a deadline ends.
fn sleep(stream: &Stream) -> Woken {
    stream.sleep(&mut stream.namespace.events.waiter(), None)
}

#[test]
fn a_writer_that_becomes_ready_between_look_and_sleep_is_not_slept_over() {
    let directory = tempfile::tempdir().unwrap();
    let open = |read_only| Log::open(directory.path(), &options(read_only)).unwrap();
    drop(open(false));
    let following = open(true);
    let stream = waiting_stream(&following);
    let _writer = open(false);
    assert_eq!(sleep(&stream), Woken::Ready, "the writer has appended nothing, and so wakes no reader");
}

#[test]
fn a_look_that_becomes_due_between_look_and_sleep_is_not_slept_over() {
    let disk = Simulated::new();
    let open = |read_only| Log::open_on(disk.storage(), &options(read_only)).unwrap();
    drop(open(false));
    let following = open(true);
    let stream = waiting_stream(&following);
    disk.fail_call(disk.calls(), libc::EIO, false);
    assert!(stream.look().is_err(), "so the next has to look again");
    assert_eq!(sleep(&stream), Woken::Ready);
}

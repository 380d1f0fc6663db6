//! What the writer does when it is at its limits, closed, or left by a panic.

use super::*;
use crate::storage::simulated::Simulated;
use crate::{Log, Next, Options, Timeout};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn open(disk: &Simulated, fast_write: bool) -> Log {
    let mut options = Options { fast_write, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options).unwrap()
}

fn append(log: &Log) -> Result<()> {
    log.append(0, Payloads::One(&[b"record"]), None).map(drop)
}

#[test]
fn records_end_where_the_format_does() {
    let fits = Appended { number: 0, offset: (1 << 47) - 16, stored_size: 8, count: 1 };
    assert_eq!(end_of(fits).ok(), Some(1 << 47));
    let one_byte_more = Appended { stored_size: 9, ..fits };
    let overflows = Appended { stored_size: u64::MAX, count: 2, ..fits };
    let too_many = Appended { count: u64::MAX, ..fits };
    for appended in [one_byte_more, overflows, too_many] {
        assert_eq!(end_of(appended).unwrap_err().kind, ErrorKind::TooLarge, "{appended:?}");
    }
}

#[test]
fn a_panic_in_a_commit_poisons_the_namespace_and_reads_go_on() {
    for fast_write in [true, false] {
        let log = open(&Simulated::new(), fast_write);
        append(&log).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            log.with_writer(0, |writer| -> Result<()> {
                let _unfinished = Unfinished(writer);
                panic!("in the midst of a commit");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(append(&log).unwrap_err().kind, ErrorKind::Poisoned);
        let mut stream = log.stream(0, 0).unwrap();
        assert!(matches!(stream.next(Timeout::Ns(0)), Ok(Next::Ready(_))));
    }
}

/// What `act` answers on a writer that it holds while the log is shut down.
fn after_shutdown<T>(log: &Log, act: impl FnOnce(&Writer) -> Result<T>) -> ErrorKind {
    let outcome = log.with_writer(0, |writer| {
        log.shutdown()?;
        act(writer)
    });
    outcome.map(drop).unwrap_err().kind
}

#[test]
fn a_writer_closed_by_another_thread_refuses_everything() {
    let late = |writer: &Writer| writer.append(Payloads::One(&[b"late"]), None);
    let disk = Simulated::new();
    let log = open(&disk, true);
    append(&log).unwrap();
    assert_eq!(after_shutdown(&log, late), ErrorKind::Closed);
    drop(log);
    assert_eq!(after_shutdown(&open(&disk, true), Writer::checkpoint), ErrorKind::Closed);

    // The same where the codecs would have to be recorded first: the records were there before the side file.
    disk.storage().remove("a.idx").unwrap();
    assert_eq!(after_shutdown(&open(&disk, true), late), ErrorKind::Closed);
    assert_eq!(disk.read_file("a.log").unwrap().len(), 8 + 8 + 6, "nothing late is there");
}

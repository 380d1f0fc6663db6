//! System calls that a signal interrupts, or that do only a part: they are made again, and continue where they stopped.

use crate::storage::{file, sys};
use std::io;

/// Sets errno to `number`, and returns what a call that failed returns.
#[allow(unsafe_code, reason = "errno of the calling thread")]
fn fail(number: i32) -> i32 {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = number };
    -1
}

#[test]
fn an_interrupted_call_is_made_again() -> io::Result<()> {
    let mut answers = [fail as fn(i32) -> i32, fail, |_| 7].into_iter();
    let answer = sys::retried(|| answers.next().map_or(0, |answer| answer(libc::EINTR)))?;
    assert_eq!((answer, answers.len()), (7, 0), "what it answered in the end");
    Ok(())
}

#[test]
fn a_call_that_fails_for_another_reason_is_made_once() {
    let mut call_count = 0;
    let failure = sys::retried(|| {
        call_count += 1;
        fail(libc::ENOSPC)
    });
    assert_eq!((super::os_error(failure), call_count), (Some(libc::ENOSPC), 1));
}

#[test]
fn a_read_goes_on_after_interruptions_and_parts() -> io::Result<()> {
    let (source, mut call_count) = (super::pattern(1, 100), 0);
    // A signal before each part, and parts of ten bytes.
    let read = |rest: &mut [u8], done: usize| {
        call_count += 1;
        if call_count % 2 == 1 {
            return Err(sys::error(libc::EINTR));
        }
        let part = source.iter().skip(done).take(10);
        Ok(rest.iter_mut().zip(part).map(|(to, from)| *to = *from).count())
    };
    let mut buffer = [0xEE; 105];
    assert_eq!(file::fill(&mut buffer, read)?, source.len(), "up to the end");
    assert_eq!(buffer[..100], source);
    assert_eq!(buffer[100..], [0xEE; 5], "and nothing beyond");
    let failure = file::fill(&mut buffer, |_, _| Err(sys::error(libc::EIO)));
    assert_eq!(super::os_error(failure), Some(libc::EIO));
    Ok(())
}

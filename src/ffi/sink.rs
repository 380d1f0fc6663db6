//! Sinks: where the functions of a codec put their output.
//!
//! A sink is lent for the time of one call of such a function, and only to its thread. So each thread keeps a list of
//! the sinks it has been lent, the innermost first, and a pointer that is not on it is refused without being followed.

use super::guard::Call;
use super::handle::Misuse;
use super::status::{IMMUTA_OK, immuta_status};
use crate::codec::Sink;
use crate::storage::fork;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Where a codec's function puts its output. The sink is valid until that function returns, on its thread only.
///
/// Threads: the one of the codec's function.
pub struct immuta_sink {
    _opaque: [u8; 0],
}

/// A sink on loan; it lies on the stack of `lend`.
struct Loan {
    sink: *mut Sink,
    fork_generation: u64,
    /// The loan of the function that led to this one, if one did.
    outer: *const Loan,
}

thread_local! {
    static INNERMOST: Cell<*const Loan> = const { Cell::new(null()) };
}

/// Calls `function` with a pointer that `immuta_sink_write` accepts as `sink`, until `function` returns.
pub fn lend<R>(sink: &mut Sink, function: impl FnOnce(*mut immuta_sink) -> R) -> R {
    /// Ends the loan, also when the function does not return.
    struct End(*const Loan);
    impl Drop for End {
        fn drop(&mut self) {
            INNERMOST.set(self.0);
        }
    }
    let outer = INNERMOST.get();
    let loan = Loan { sink, fork_generation: fork::generation(), outer };
    let end = End(outer);
    INNERMOST.set(&raw const loan);
    let result = function((&raw const loan).cast_mut().cast());
    drop(end);
    result
}

/// Adds bytes to a codec's output. If the answer is IMMUTA_E_TOO_LARGE or IMMUTA_E_NO_MEMORY, the append or the read
/// fails with that status, whatever the codec's function returns.
///
/// sink: what the codec's function was given.
/// data: copied; may be NULL when size is 0.
/// size: in bytes.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_TOO_LARGE: the output would be larger than max_record_size
///         IMMUTA_E_NO_MEMORY: the system refused memory
///         IMMUTA_E_HANDLE: this is no sink of a function that is running on this thread.
///
/// Threads: the one of the codec's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_sink_write(sink: *mut immuta_sink, data: *const c_void, size: usize) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run_fast(|| {
        let loan = find(sink)?;
        let data = call.bytes("data", data, size)?;
        // SAFETY: the loan is on this thread's list, so `lend` has not returned and borrows the sink for nothing else.
        let sink = unsafe { &mut *loan.sink };
        sink.write(data)?;
        Ok(IMMUTA_OK)
    })
}

/// The loan that the pointer names.
fn find<'a>(sink: *mut immuta_sink) -> Result<&'a Loan, Misuse> {
    if sink.is_null() {
        return Err(Misuse::Null);
    }
    let mut next = INNERMOST.get();
    loop {
        // SAFETY: what is on the list of this thread lies on the stack of a `lend` that has not returned.
        let Some(loan) = (unsafe { next.as_ref() }) else { return Err(Misuse::NotOne) };
        if std::ptr::eq(next.cast(), sink.cast_const()) {
            return if loan.fork_generation == fork::generation() { Ok(loan) } else { Err(Misuse::Forked) };
        }
        next = loan.outer;
    }
}

//! Transactions: records staged one by one, appended together or not at all.

use super::append::immuta_appended;
use super::error::immuta_error;
use super::guard::Call;
use super::handle::{Opaque, Taken, give};
use super::log::immuta_log;
use super::slice::immuta_slice;
use super::status::{IMMUTA_OK, immuta_status};
use crate::util::sync::Arc;
use crate::{Error, ErrorKind, Log, Result, Transaction};
use atomic_refcell::AtomicRefCell;
use std::ffi::c_void;
use std::ptr::null_mut;

/// Records on their way into a namespace, kept in memory until the commit. No reader sees them before the commit. If
/// the process ends before the commit, nothing of them is left. There can be any number of transactions at once, in one
/// namespace, too. They neither block nor see each other.
///
/// Threads: one.
pub struct immuta_txn {
    _opaque: [u8; 0],
}

impl Opaque for immuta_txn {
    type Body = AtomicRefCell<Transaction<Arc<Log>>>;
    const MAGIC: u64 = u64::from_le_bytes(*b"imTxnOpn");
}

/// Begins a transaction. A transaction takes memory only, and blocks no append.
///
/// log:     an open log.
/// ns:      number of the namespace.
/// txn_out: the transaction, for immuta_txn_commit or immuta_txn_rollback.
/// err:     NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_NAMESPACE: no such namespace
///         IMMUTA_E_READ_ONLY: the log was opened read-only
///         IMMUTA_E_CLOSED: it was shut down
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the transaction is the caller's until commit or rollback takes it back, also after the log is closed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_txn_begin(
    log: *mut immuta_log,
    ns: u32,
    txn_out: *mut *mut immuta_txn,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let (log, txn_out) = (call.handle(log)?, call.out("txn_out", txn_out)?);
        txn_out.set(give(AtomicRefCell::new(Transaction::begin(Arc::clone(log), ns)?))?);
        Ok(IMMUTA_OK)
    })
}

/// Stages one record. On any error this record is not staged, and the transaction goes on with those before it.
///
/// txn:  a transaction.
/// data: the payload, copied; may be NULL when size is 0.
/// size: of the payload, in bytes; 0 is a record, too.
/// err:  NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_TOO_LARGE: the record is larger than max_record_size
///         IMMUTA_E_NO_MEMORY: the staged records need more memory than there is
///         IMMUTA_E_BUSY: another thread is using the transaction.
///
/// Threads: one.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_txn_append(
    txn: *mut immuta_txn,
    data: *const c_void,
    size: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| stage(call.handle(txn)?, &[call.bytes("data", data, size)?]))
}

/// Stages one record whose payload is in parts, which are joined.
///
/// txn:        a transaction.
/// parts:      the parts in order, copied; may be NULL when part_count is 0.
/// part_count: how many; 0 makes one empty record.
/// err:        NULL, or written on failure only.
///
/// Returns what immuta_txn_append returns.
///
/// Threads: one.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_txn_appendv(
    txn: *mut immuta_txn,
    parts: *const immuta_slice,
    part_count: usize,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| stage(call.handle(txn)?, &call.slices("parts", parts, part_count)?))
}

/// Appends the staged records as one batch, as immuta_append_batch does: all or none, whatever happens. Readers see all
/// of them at once. The last record carries IMMUTA_RECORD_BATCH_END.
///
/// The call releases the transaction, unless the answer is IMMUTA_E_BUSY. If nothing was appended, its records are
/// gone; trying again begins with immuta_txn_begin.
///
/// txn:          a transaction that no other thread is using. In a codec's function that this call runs, the
///               transaction is released already: IMMUTA_E_HANDLE.
/// appended_out: may be NULL. For a transaction without records the count is 0, and nothing was appended.
/// err:          NULL, or written on failure only.
///
/// Returns what immuta_append returns
///         IMMUTA_E_CLOSED: also if the log was closed after the transaction began
///         IMMUTA_E_BUSY: another thread is using the transaction; nothing was changed.
///
/// Threads: one, and nothing may use the transaction afterwards.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_txn_commit(
    txn: *mut immuta_txn,
    appended_out: *mut immuta_appended,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run_fast(|| {
        call.handle(txn)?;
        let Taken::Back(transaction) = call.take(txn, in_use)? else { return Err(busy()) };
        let appended_out = call.out_or_null("appended_out", appended_out)?;
        let appended = transaction.try_borrow_mut().map_err(|_| busy())?.append_staged()?;
        if let Some(out) = appended_out {
            out.set(appended.into());
        }
        Ok(IMMUTA_OK)
    })
}

/// Releases a transaction. None of its records was appended, and none will be.
///
/// txn: a transaction that no other thread is using, or NULL.
///
/// Threads: one, and nothing may use the transaction afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_txn_rollback(txn: *mut immuta_txn) {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run(|| {
        if let Taken::Back(transaction) = call.take(txn, in_use)? {
            drop(transaction);
        }
        Ok(IMMUTA_OK)
    });
}

fn stage(transaction: &AtomicRefCell<Transaction<Arc<Log>>>, parts: &[&[u8]]) -> Result<immuta_status> {
    transaction.try_borrow_mut().map_err(|_| busy())?.append_parts(parts)?;
    Ok(IMMUTA_OK)
}

fn in_use(transaction: &AtomicRefCell<Transaction<Arc<Log>>>) -> bool {
    transaction.try_borrow_mut().is_err()
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "another thread is using this transaction; one thread at a time may")
}

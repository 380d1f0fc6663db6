//! Records and batches on loan to C.

use super::guard::Call;
use super::ptr::{Out, first_byte};
use super::status::{IMMUTA_OK, immuta_status};
use super::token::{Loans, ReturnedLoan};
use crate::error::no_memory;
use crate::{Batch, Error, ErrorKind, Record, RecordFlags, RecordInfo, Result};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// The last record of its batch. A record appended alone is a batch of one.
pub const IMMUTA_RECORD_BATCH_END: u64 = 1;
/// Indexed later, so there is no checksum from the time of writing.
pub const IMMUTA_RECORD_ADOPTED: u64 = 2;
/// The checksum was not checked, as the options asked.
pub const IMMUTA_RECORD_UNVERIFIED: u64 = 4;

const _: () = {
    assert!(IMMUTA_RECORD_BATCH_END == RecordFlags::BATCH_END.bits());
    assert!(IMMUTA_RECORD_ADOPTED == RecordFlags::ADOPTED.bits());
    assert!(IMMUTA_RECORD_UNVERIFIED == RecordFlags::UNVERIFIED.bits());
};

/// A record on loan, from immuta_stream_next until immuta_record_done. It uses one reader descriptor meanwhile. It may
/// outlive its stream and its log. Many threads may read it. It may be copied and moved. Give back only one copy.
///
/// Frozen: 64 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_record {
    /// The payload, read-only, valid until done. Never NULL, also when size is 0. Not aligned.
    pub data: *const c_void,
    /// Size of the payload, in bytes.
    pub size: usize,
    /// The stored size of the payload, in bytes; the same as size in a log without codecs.
    pub stored_size: u64,
    /// Counted from 0.
    pub number: u64,
    /// Offset of the record's size word in NAME.log, in bytes.
    pub offset: u64,
    /// When it was appended; never decreasing from record to record. 0: unknown.
    pub time_ns: i64,
    /// IMMUTA_RECORD_*.
    pub flags: u64,
    /// For the library's use; 0 in a record of a batch.
    pub token: u64,
}

/// Records that follow each other, on loan from immuta_stream_next_batch until immuta_batch_done. Together they use one
/// reader descriptor.
///
/// Frozen: 32 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_batch {
    /// The records, read-only, valid until the batch is done; they are not done one by one.
    pub records: *const immuta_record,
    /// How many, at least 1.
    pub count: usize,
    /// 0.
    pub reserved: u64,
    /// For the library's use.
    pub token: u64,
}

const _: () = {
    assert!(size_of::<immuta_record>() == 64 && size_of::<immuta_batch>() == 32);
};

static RECORDS: Loans<Record> = Loans::new();
static BATCHES: Loans<(Batch, Rows)> = Loans::new();

/// The records of a batch, at the address the caller knows.
struct Rows(#[expect(dead_code, reason = "kept for the caller, who reads it")] Vec<immuta_record>);

// SAFETY: plain numbers, and addresses that are the caller's to follow: nothing on this side reads through them.
unsafe impl Send for Rows {}

/// Gives a record back. Its descriptor is free for other records at once. Its data must not be touched any more.
///
/// record: a record, which is zeroed. For a zeroed record, or NULL, there is nothing to do.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_HANDLE: the token is stale (a copy of this record was done) or never was one; nothing changed.
///
/// Threads: any; also others than the stream's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_record_done(record: *mut immuta_record) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run_fast(|| {
        let Some((done, out)) = call.in_out("record", record)? else { return Ok(IMMUTA_OK) };
        give_back(&RECORDS, done.token)?;
        out.set(NO_RECORD);
        Ok(IMMUTA_OK)
    })
}

/// Gives a batch back, with all its records.
///
/// batch: a batch, which is zeroed. For a zeroed batch, or NULL, there is nothing to do.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_HANDLE: the token is stale (a copy of this batch was done) or never was one; nothing changed.
///
/// Threads: any; also others than the stream's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_batch_done(batch: *mut immuta_batch) -> immuta_status {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run_fast(|| {
        let Some((done, out)) = call.in_out("batch", batch)? else { return Ok(IMMUTA_OK) };
        give_back(&BATCHES, done.token)?;
        out.set(immuta_batch { records: null(), count: 0, reserved: 0, token: 0 });
        Ok(IMMUTA_OK)
    })
}

const NO_RECORD: immuta_record =
    immuta_record { data: null(), size: 0, stored_size: 0, number: 0, offset: 0, time_ns: 0, flags: 0, token: 0 };

fn give_back<T: Send>(loans: &Loans<T>, token: u64) -> Result<()> {
    match loans.take_back(token) {
        Some(ReturnedLoan::Loan(loan)) => drop(loan),
        Some(ReturnedLoan::Parents) => {}
        None if token == 0 => {}
        None => return Err(Error::new(ErrorKind::Handle, "the token is stale: a copy of it was done before")),
    }
    Ok(())
}

/// Lends a record to the caller; `slot`: see [`Loans::lend`].
pub fn lend(record: Record, slot: &mut usize, out: Out<'_, immuta_record>) -> Result<()> {
    let info = record.info();
    let seen = seen(record.data(), info);
    let token = RECORDS.lend(record, slot)?;
    out.set(immuta_record { token, ..seen });
    Ok(())
}

/// Lends a batch to the caller; `slot`: see [`Loans::lend`].
pub fn lend_batch(batch: Batch, slot: &mut usize, out: Out<'_, immuta_batch>) -> Result<()> {
    let count = batch.len();
    let mut rows = Vec::new();
    rows.try_reserve_exact(count).map_err(|_| no_memory("a batch", (count * size_of::<immuta_record>()) as u64))?;
    rows.extend(batch.iter().map(|(data, info)| seen(data, info)));
    let records = rows.as_ptr(); // moving the vector does not move its elements
    let token = BATCHES.lend((batch, Rows(rows)), slot)?;
    out.set(immuta_batch { records, count, reserved: 0, token });
    Ok(())
}

/// A record as C sees it, without a token.
fn seen(data: &[u8], info: RecordInfo) -> immuta_record {
    let RecordInfo { stored_size, number, offset, time_ns, flags } = info;
    let (data, size, flags) = (first_byte(data), data.len(), flags.bits());
    immuta_record { data, size, stored_size, number, offset, time_ns, flags, token: 0 }
}

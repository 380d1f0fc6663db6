//! The refusals of opening for writing: each says what was found, what was expected, and the way on.

use super::plan::{BesideRecords, Plan, Recovery, Unindexed};
use super::site::Site;
use crate::error::{Brief, Error, ErrorKind, Result};
use crate::files::index::{self, Index};
use crate::files::journal;
use crate::format::index::{Checkpoint, entries_end, entry_offset};
use crate::format::log::HEADER_SIZE_BYTES;
use crate::recovery::salvage;
use crate::recovery::scan::{self, Bytes, Point};
use crate::storage::{File, Obstacle};
use std::path::Path;

/// Advice where a follower can read what a writer refuses.
pub(super) const READ_ONLY_SERVES: &str = "opening read-only serves the records that verify";
/// Advice, where nothing may be believed without the index file.
pub(super) const RESTORE_OR_BEGIN: &str =
    "restore the record file, or move the index file away to begin with an empty log";
const RESTORE_INDEX: &str = "restore the one that belongs to it";
const OF_ANOTHER: &str = "of another time or another log";
const CLOSED_AHEAD: &str = "the log was closed with fewer records than are counted";

/// The unit in which most file systems give room to files.
const BLOCK_BYTES: u64 = 4096;

/// The refusal where `obstacle` keeps this process from the writer's lock.
pub fn locked(site: &Site<'_>, obstacle: Obstacle) -> Error {
    let cause = if obstacle.is_read_lock {
        "it has a read lock, which keeps every writer out and which no writer takes"
    } else {
        "it is locked by another writer"
    };
    let way_on = if obstacle.is_read_lock { "have that lock released" } else { "close that writer" };
    let error = Error::new(ErrorKind::Locked, cause).advising(format_args!("open read-only, or {way_on}"));
    let error = error.of(&site.log_path);
    match obstacle.holder {
        Some(pid) if pid == std::process::id() => error.advising("this process holds it, through another descriptor"),
        Some(pid) => error.advising(format_args!("process {pid} holds it")),
        None => error.advising("no process that this one may look into holds it"),
    }
}

/// Refuses when the record file has lost something that was synced: bytes (O26), or a part of its count (O25).
pub fn lost_records(site: &Site<'_>, from: &Checkpoint, header_count: Option<u64>, file_size: u64) -> Result<()> {
    let Checkpoint { count, end, .. } = *from;
    if file_size < end && count > 0 {
        let refusal = Error::new(ErrorKind::Truncated, format_args!("it is too short for {count} synced records"))
            .comparing(format_args!("{end} bytes or more"), format_args!("{file_size} bytes"))
            .advising("restore it from a copy");
        let served = if header_count.is_some() { refusal.advising(READ_ONLY_SERVES) } else { refusal };
        return Err(served.repairable().of(&site.log_path).at(count, file_size));
    }
    if let Some(header_count) = header_count.filter(|header_count| *header_count < count) {
        let refusal = Error::new(ErrorKind::Corrupt, "the count at offset 0 is less than what was synced")
            .comparing(format_args!("{count} records or more"), header_count)
            .advising("restore it from a copy");
        return Err(refusal.advising(READ_ONLY_SERVES).repairable().of(&site.log_path).at(header_count, 0));
    }
    Ok(())
}

/// The refusal of an index file that has only `entries` of the entries that the checkpoint covers. The record file does
/// not show for certain where the other records are (O15).
pub fn lost_entries(site: &Site<'_>, from: &Checkpoint, entries: u64) -> Error {
    let cause = "it is too short, and the record file does not show where all of its records are";
    Error::new(ErrorKind::Truncated, cause)
        .comparing(format_args!("entries of the {} records synced", from.count), format_args!("room for {entries}"))
        .advising("restore both files from a copy")
        .repairable()
        .of(&site.index_path)
        .at(entries, entries_end(entries))
}

/// The refusal of a log neither of whose checkpoints can be read, where entries or records are damaged, too (O14).
pub fn without_checkpoint(site: &Site<'_>, header_count: u64, point: &Point) -> Error {
    let Point { count, end, .. } = *point;
    Error::new(ErrorKind::Corrupt, "neither checkpoint can be read, and not all records of the record file verify")
        .comparing(format_args!("{header_count} records"), format_args!("{count} up to offset {end}"))
        .advising("nothing was changed: restore both files from a copy")
        .repairable()
        .of(&site.index_path)
        .at(count, end)
}

/// The refusal of a record file that is too short to have a count, beside an index file that knows a record (O26).
pub fn short(site: &Site<'_>, file_size: u64) -> Error {
    Error::new(ErrorKind::Truncated, "its index file knows a record, and it is too short for one")
        .comparing(format_args!("more than {HEADER_SIZE_BYTES} bytes"), format_args!("{file_size} bytes"))
        .advising("restore it from a copy")
        .repairable()
        .of(&site.log_path)
        .at(0, file_size)
}

/// The refusal of a log that was closed cleanly and whose count is ahead, where sizes do not lead there (O8).
pub fn ahead_of_clean(site: &Site<'_>, header_count: u64, point: &Point) -> Error {
    let Point { count, end, .. } = *point;
    let more = header_count - count;
    Error::new(ErrorKind::Mismatch, format_args!("its index file is {OF_ANOTHER}: {CLOSED_AHEAD}"))
        .comparing(
            format_args!("{count} records up to offset {end}"),
            format_args!("a count of {header_count} at offset 0, without {more} more records"),
        )
        .advising(RESTORE_INDEX)
        .repairable()
        .of(&site.log_path)
        .at(count, end)
}

/// The refusal of an open log whose count is ahead and whose size no writer gives to an open log (O8).
pub fn ahead_with_foreign_size(site: &Site<'_>, header_count: u64, point: &Point, file_size: u64) -> Error {
    let Point { count, end, .. } = *point;
    let cause =
        format_args!("its index file is {OF_ANOTHER}: a file of {file_size} bytes is none that a writer left open");
    Error::new(ErrorKind::Mismatch, cause)
        .comparing(
            format_args!("{header_count} records by the count at offset 0"),
            format_args!("{count} up to offset {end}"),
        )
        .advising(RESTORE_INDEX)
        .repairable()
        .of(&site.log_path)
        .at(count, end)
}

/// The refusal of a durable log whose count, stored after the sync, is beyond what verifies (O6).
pub fn ahead_of_durable(site: &Site<'_>, header_count: u64, point: &Point) -> Error {
    let Point { count, end, .. } = *point;
    Error::new(ErrorKind::Corrupt, "acknowledged records are missing")
        .comparing(
            format_args!("{header_count} records by the count at offset 0"),
            format_args!("{count} that verify, up to offset {end}"),
        )
        .advising("nothing was changed: restore a copy")
        .advising(READ_ONLY_SERVES)
        .repairable()
        .of(&site.log_path)
        .at(count, end)
}

/// Refuses where there is no room to index records again, or to keep the bytes cut off `log` (O12). Empty records in a
/// hole take no room in the record file, so a small file can claim any number of records to index.
pub fn without_room(site: &Site<'_>, log: &dyn File, plan: &Plan) -> Result<()> {
    let index_bytes = match plan {
        Plan::Adopt { point, .. } => entries_end(point.count),
        Plan::Recover(Recovery { unindexed: Some(Unindexed { to, .. }), .. }) => entries_end(to.count),
        _ => 0,
    };
    let kept_bytes = match plan {
        Plan::Recover(Recovery { salvage: true, point, .. }) => {
            let size_bytes = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
            site.bytes(log, size_bytes)?.data_in(point.end..size_bytes)?
        }
        _ => 0,
    };
    let in_blocks = |bytes: u64| bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX);
    let needed_bytes = in_blocks(index_bytes).saturating_add(in_blocks(kept_bytes));
    if needed_bytes == 0 {
        return Ok(());
    }
    let what = format_args!(
        "opening it for writing ({index_bytes} bytes for a new index file, \
         {kept_bytes} for what is cut off and kept as {}.salvage-K)",
        Brief(site.namespace)
    );
    site.refuse_without_room(needed_bytes, what)
}

/// Refuses where no name is left for a file that is to be kept.
pub fn without_name(site: &Site<'_>, plan: &Plan) -> Result<()> {
    let aside = |name: &str| salvage::aside(site.storage, name).map(drop);
    match plan {
        Plan::Recover(Recovery { salvage: true, .. }) => salvage::refuse_without_name(site.storage, &site.stem),
        Plan::Adopt { damaged_index, journal, .. } => {
            if *damaged_index {
                aside(&index::file_name(&site.stem))?;
            }
            let is_stale = matches!(journal, Some(BesideRecords::Stale));
            if is_stale { aside(&journal::file_name(site.namespace)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// First and last record must match their entries (O25), or the index file is not this log's (O27).
pub fn wrong_ends(site: &Site<'_>, bytes: &mut Bytes<'_>, index: &Index, to: Point) -> Result<()> {
    let refusal = match scan::check_ends(bytes, index, to)? {
        scan::EndCheck::Agree => return Ok(()),
        scan::EndCheck::Entry { number } => {
            Error::new(ErrorKind::Corrupt, format_args!("the entry of record {number} is damaged"))
                .advising("restore the index file")
                .repairable()
                .of(&site.index_path)
                .at(number, entry_offset(number).unwrap_or(0))
        }
        scan::EndCheck::Record { number, offset, all: true } => {
            let cause = "its index file is of another log: neither the first nor the last record matches its entry";
            let refusal = Error::new(ErrorKind::Mismatch, cause).advising(RESTORE_INDEX).repairable();
            refusal.of(&site.log_path).at(number, offset)
        }
        scan::EndCheck::Record { number, offset, all: false } => {
            let cause = format_args!("record {number} at offset {offset} does not match its checksum");
            let refusal = Error::new(ErrorKind::Corrupt, cause).advising("restore it from a copy");
            refusal.advising(READ_ONLY_SERVES).repairable().of(&site.log_path).at(number, offset)
        }
    };
    Err(refusal)
}

/// The refusal of a log to which a writer of the 16-byte layout has appended (O24).
pub fn appended_with_header16(site: &Site<'_>, start: &Point, header_count: u64) -> Error {
    let cause = format_args!(
        "a program that writes a 16-byte header, as releases of the Go original do, appended records {} to {}: \
         its last offset took the place of the size of record 0",
        start.count,
        header_count - 1
    );
    Error::new(ErrorKind::Layout, cause)
        .advising("nothing was changed: stop that program")
        .advising(format_args!("then immuta_repair brings all {header_count} records back"))
        .of(&site.log_path)
        .at(0, HEADER_SIZE_BYTES)
}

/// The refusal when an index file that cannot be read may know records of a record file that is missing or empty (O17).
pub fn unknown_records(site: &Site<'_>) -> Error {
    Error::new(ErrorKind::Missing, "it is missing or empty, and its index file, which may know records, cannot be read")
        .advising(RESTORE_OR_BEGIN)
        .of(&site.log_path)
}

/// The refusal of a record file of which only the journal at `journal` knows something (O17).
pub fn known_to_journal(journal: &Path) -> Error {
    Error::new(ErrorKind::Missing, "it holds records, but the record file is missing or ends before them")
        .advising("restore the record file, or move the journal away to go on without these records")
        .of(journal)
}

//! What is there, and what is to be done about it: reads only.

use super::{Site, replay};
use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::format::index::{Checkpoint, Identity, IdentityError, Mode, State, entries_end, entry_offset};
use crate::format::log;
use crate::index::{self, Header, Index, Run};
use crate::journal::{self, Found};
use crate::layout;
use crate::scan::{self, Bytes, Point};
use crate::storage::{File, OpenMode};
use std::path::Path;
use std::sync::Arc;

/// What is to be done with the files, all refusals excluded.
#[derive(Debug)]
pub enum Plan {
    /// There is no record: make the files.
    Create,
    /// Closed cleanly, and everything agrees.
    Continue { index: Index, from: Checkpoint, slot: usize, point: Point },
    /// Left by a crash: `point` is where the records end.
    /// `journal`: what is to be laid over the files before.
    Recover { index: Index, from: Checkpoint, slot: usize, point: Point, header_count: u64, journal: Option<Found> },
    /// No usable side file: index the records, which end at `point`.
    Adopt { point: Point, damaged_index: bool },
}

/// Decides what to do; reads only.
pub fn examine(site: &Site<'_>, log: &dyn File) -> Result<Plan> {
    let file_size = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = Bytes::new(log, file_size)?;
    let found = match read_index(site)? {
        Some((header, file)) => {
            usable_identity(&header, site.named, &site.index_path)?.map(|identity| (header, file, identity))
        }
        None => None,
    };
    let Some((header, file, identity)) = found else {
        let damaged_index =
            site.storage.metadata(&index::file_name(site.namespace)).map_err(site.failed("looking at"))?;
        let damaged_index = damaged_index.is_some_and(|meta| meta.size_bytes > 0);
        refuse_if_journal_knows_records(site)?;
        if file_size < log::HEADER_SIZE_BYTES {
            return if damaged_index { Err(unknown_records(site)) } else { Ok(Plan::Create) };
        }
        let point = layout::recognise(&mut bytes, &site.log_path)?;
        refuse_without_room(site, point.count)?;
        return Ok(Plan::Adopt { point, damaged_index });
    };
    let index = Index { file, log_id: identity.log_id };
    let header_count = bytes.size_word(0)?;
    let (from, slot) = header.newest().unwrap_or((from_the_beginning(), 1));
    refuse_lost_records(site, &header, &from, header_count, file_size)?;
    let journal = journal_beside(site, &header, &from, &index)?;
    let header_count = match header_count {
        Some(count) => count,
        // The first commit ever, whose frame was synced before anything else.
        None if journal.is_some() => 0,
        None if Run::default().entry(&index, 0, 1)?.is_none() => return Ok(Plan::Create),
        None => return Err(refuse_short(site, file_size)),
    };
    let start = Point { count: from.count, end: from.end, time_ns: last_time(&index, from.count)? };
    if header_count > from.count && from.state == State::Clean {
        return Err(refuse_ahead(site, &from, header_count, &start));
    }
    // Whatever the checkpoint says, nothing is cut off a file that is not the one it was made for.
    refuse_wrong_ends(site, &mut bytes, &index, start)?;
    if from.state == State::Clean && header_count == from.count && file_size == from.end {
        return Ok(Plan::Continue { index, from, slot, point: start });
    }
    let (point, journal) = match (from.state, journal) {
        (State::Clean, _) => (start, None),
        (_, None) => (scan::forward(&mut bytes, &index, start, u64::MAX)?, None),
        (_, Some(journal)) => {
            match replay::follow(&mut bytes, &index, start, &journal, &site.log_path, |_, _| Ok(())) {
                // That of another writer counts only if it continues what is there.
                Err(error) if error.kind == ErrorKind::Corrupt && !journal.is_of(from.epoch) => {
                    (scan::forward(&mut bytes, &index, start, u64::MAX)?, None)
                }
                end => (end?, Some(journal)),
            }
        }
    };
    if header_count > point.count {
        return Err(refuse_ahead(site, &from, header_count, &point));
    }
    Ok(Plan::Recover { index, from, slot, point, header_count, journal })
}

/// The journal that counts beside checkpoint `from`, if it has frames: that of the writer which made it.
fn journal_beside(site: &Site<'_>, header: &Header, from: &Checkpoint, index: &Index) -> Result<Option<Found>> {
    // With a checkpoint damaged, the writer may have been a later one.
    let is_newest = header.checkpoints.iter().all(Option::is_some);
    if from.state == State::Clean || is_newest && from.mode == Mode::Fast {
        return Ok(None);
    }
    journal::find_of(site.storage, site.namespace, &index.log_id, is_newest.then_some(from.epoch))
}

/// Refuses to index more records than there is room for: a hole in a file of no size can claim any number of empty ones.
fn refuse_without_room(site: &Site<'_>, count: u64) -> Result<()> {
    let needed = entries_end(count);
    let free = site.storage.free_bytes().map_err(site.failed("asking for the free space beside"))?;
    if needed > free {
        let message = format!(
            "{} has {count} records and no side file; one takes {needed} bytes, {free} are free: make room and try again",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::NoSpace, message));
    }
    Ok(())
}

/// The refusal of a record file that is too short to have a count, beside a side file that knows a record.
fn refuse_short(site: &Site<'_>, file_size: u64) -> Error {
    let message = format!(
        "{} has {file_size} bytes, but its side file knows a record; restore it from a copy",
        site.log_path.display()
    );
    Error::new(ErrorKind::Truncated, message).at(0, file_size)
}

/// What recovery starts from when neither checkpoint can be read: everything is verified.
fn from_the_beginning() -> Checkpoint {
    Checkpoint { seq: 0, count: 0, end: log::HEADER_SIZE_BYTES, state: State::Open, mode: Mode::Fast, epoch: 0 }
}

fn last_time(index: &Index, count: u64) -> Result<i64> {
    let Some(last) = count.checked_sub(1) else { return Ok(0) };
    Ok(Run::default().entry(index, last, count)?.map_or(0, |entry| entry.time_ns))
}

/// Refuses when something that was synced is not there.
fn refuse_lost_records(
    site: &Site<'_>,
    header: &Header,
    from: &Checkpoint,
    header_count: Option<u64>,
    file_size: u64,
) -> Result<()> {
    let Checkpoint { count, end, .. } = *from;
    if file_size < end && count > 0 {
        let message = format!(
            "{} has {file_size} bytes, but {count} records up to offset {end} were synced; restore it from a copy (opening read-only serves what is left)",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::Truncated, message).at(count, file_size));
    }
    if let Some(header_count) = header_count.filter(|header_count| *header_count < count) {
        let message = format!(
            "{}: the count at offset 0 is {header_count}, but {count} records were synced; restore it from a copy (opening read-only serves what verifies)",
            site.log_path.display()
        );
        return Err(Error::new(ErrorKind::Corrupt, message).at(header_count, 0));
    }
    if header.entries_in_file() < count {
        let message = format!(
            "{} has room for {} entries, but {count} records were synced; restore it, or move it away to have the records indexed anew",
            site.index_path.display(),
            header.entries_in_file()
        );
        return Err(Error::new(ErrorKind::Truncated, message).at(header.entries_in_file(), header.file_size_bytes));
    }
    Ok(())
}

/// The refusal when the count is beyond what verifies: which of the reasons it is, is a later version's to mend.
fn refuse_ahead(site: &Site<'_>, from: &Checkpoint, header_count: u64, point: &Point) -> Error {
    let Point { count, end, .. } = *point;
    let path = site.log_path.display();
    if from.state == State::Clean {
        let message = format!(
            "{path}: the count at offset 0 is {header_count}, but it was closed with {count} records up to offset {end}: the side file is of another time or another log; restore the one that belongs to it"
        );
        return Error::new(ErrorKind::Mismatch, message).at(count, end);
    }
    let message = format!(
        "{path}: the count at offset 0 is {header_count}, but only {count} records up to offset {end} verify; nothing was changed (opening read-only serves those)"
    );
    Error::new(ErrorKind::Corrupt, message).at(count, end)
}

/// First and last record must match their entries, or the side file is not this log's.
fn refuse_wrong_ends(site: &Site<'_>, bytes: &mut Bytes<'_>, index: &Index, to: Point) -> Result<()> {
    let path = site.log_path.display();
    let refusal = match scan::check_ends(bytes, index, to)? {
        scan::Ends::Agree => return Ok(()),
        scan::Ends::Entry { number } => {
            let message = format!(
                "{}: the entry of record {number} is damaged; restore the side file, or move it away to have the records indexed anew",
                site.index_path.display()
            );
            Error::new(ErrorKind::Corrupt, message).at(number, entry_offset(number).unwrap_or(0))
        }
        scan::Ends::Record { number, offset, all: true } => {
            let message = format!(
                "{path}: neither the first nor the last record matches its entry; the side file is of another log: restore the one that belongs to it"
            );
            Error::new(ErrorKind::Mismatch, message).at(number, offset)
        }
        scan::Ends::Record { number, offset, all: false } => {
            let message = format!(
                "{path}: record {number} at offset {offset} does not match its checksum; restore it from a copy (opening read-only serves the others)"
            );
            Error::new(ErrorKind::Corrupt, message).at(number, offset)
        }
    };
    Err(refusal)
}

/// The identity in `header`; `None` when page 0 is none at all.
///
/// # Errors
/// `E_VERSION` for a newer format; those of [`Chain::agree`] when the log has other codecs than those `named`.
pub fn usable_identity(header: &Header, named: &Chain, path: &Path) -> Result<Option<Identity>> {
    match &header.identity {
        Err(IdentityError::Damaged) => Ok(None),
        Err(IdentityError::Newer { version, incompatible }) => {
            let message = format!(
                "{}: format version {version}, incompatible flags {incompatible:#x} at offset 8; this library reads version {} without flags: use a newer library",
                path.display(),
                crate::format::index::VERSION
            );
            Err(Error::new(ErrorKind::Version, message))
        }
        Ok(identity) => named.agree(header.codecs.as_deref(), path).map(|_| Some(identity.clone())),
    }
}

/// A side file that knows records must not become the side file of an empty log.
pub fn refuse_if_index_knows_records(site: &Site<'_>) -> Result<()> {
    refuse_if_journal_knows_records(site)?;
    let Some((header, _)) = read_index(site)? else { return Ok(()) };
    let Some(identity) = usable_identity(&header, site.named, &site.index_path)? else {
        return Err(unknown_records(site));
    };
    let counted = header.checkpoints.iter().flatten().map(|checkpoint| checkpoint.count).max().unwrap_or(0);
    let first = match open_index(site, &identity)? {
        Some(index) => Run::default().entry(&index, 0, 1)?.copied(),
        None => None,
    };
    if counted == 0 && first.is_none() {
        return Ok(());
    }
    let message = format!(
        "{} is missing, but {} knows {} records; restore the record file, or move the side file away to begin anew",
        site.log_path.display(),
        site.index_path.display(),
        counted.max(1)
    );
    Err(Error::new(ErrorKind::Missing, message))
}

/// Frames that the files they belong to are not there for must not be forgotten.
fn refuse_if_journal_knows_records(site: &Site<'_>) -> Result<()> {
    let Some(found) = journal::find(site.storage, site.namespace)? else { return Ok(()) };
    if !found.has_frames()? {
        return Ok(());
    }
    let message = format!(
        "{} holds records, but {} or {} is missing or cannot be read; restore it, or move the journal away to go on without them",
        found.path.display(),
        site.log_path.display(),
        site.index_path.display()
    );
    Err(Error::new(ErrorKind::Missing, message))
}

/// The refusal when a side file that cannot be read may know records of a record file that is not there, or empty.
fn unknown_records(site: &Site<'_>) -> Error {
    let message = format!(
        "{} is missing or empty, and {} cannot be read to tell whether that is right; restore the record file, or move the side file away to begin anew",
        site.log_path.display(),
        site.index_path.display()
    );
    Error::new(ErrorKind::Missing, message)
}

/// The side file's header; `None` when there is no side file or an empty one.
fn read_index(site: &Site<'_>) -> Result<Option<(Header, Arc<dyn File>)>> {
    let failed = |error| Error::os(format_args!("reading {}", site.index_path.display()), &error);
    match site.storage.open(&index::file_name(site.namespace), OpenMode::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(file) => {
            let header = Header::read(file.as_ref()).map_err(failed)?;
            Ok((header.file_size_bytes > 0).then_some((header, file)))
        }
    }
}

fn open_index(site: &Site<'_>, identity: &Identity) -> Result<Option<Index>> {
    Ok(read_index(site)?.map(|(_, file)| Index { file, log_id: identity.log_id }))
}

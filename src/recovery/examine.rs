//! What the files hold, and what is to be done about it: reads only.

use super::plan::{Plan, Recovery, Unindexed};
use super::site::Site;
use super::unindexed::unless_directory;
use super::{refusals, replay, unindexed};
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Header, Index, Run};
use crate::files::journal::{self, FoundJournal};
use crate::format::index::{Checkpoint, Identity, IdentityError, LATER_SEGMENT, Mode, State, VERSION};
use crate::format::log;
use crate::format::number::Outer;
use crate::recovery::layout::{self, Led};
use crate::recovery::scan::{self, Bytes, Point};
use crate::storage::{File, OpenMode};
use crate::util::sync::Arc;

/// File sizes that a crash leaves are multiples of this, and few others are.
const SECTOR_BYTES: u64 = 512;

/// What was read of a log with an index file.
struct Examined {
    header: Header,
    index: Index,
    from: Checkpoint,
    slot: usize,
    /// Where the checkpoint says that the records end.
    start: Point,
    header_count: u64,
    unindexed: Option<Unindexed>,
}

/// Decides what to do with `log` and its index file, if it has one; reads only.
pub fn examine(site: &Site<'_>, log: &dyn File, index_file: Option<(Header, Arc<dyn File>)>) -> Result<Plan> {
    let file_size = log.metadata().map_err(site.failed("looking at"))?.size_bytes;
    let mut bytes = site.bytes(log, file_size)?;
    let found = match index_file {
        Some((header, file)) => usable_identity(&header, site)?.map(|identity| (header, file, identity)),
        None => None,
    };
    let Some((header, file, identity)) = found else { return unindexed::examine(site, &mut bytes) };
    let index = Index { file, log_id: identity.log_id };
    let header_count = bytes.size_word(0)?;
    let (from, slot) = header.newest().unwrap_or((from_the_beginning(), 1));
    refusals::lost_records(site, &from, header_count, file_size)?;
    let journal = journal_beside(site, &header, &from, &index)?;
    let header_count = match header_count {
        Some(count) => count,
        // The journal has the first commit of the log: its frame was synced before anything else.
        None if journal.is_some() => 0,
        // O1: no file knows a record.
        None if Run::default().entry(&index, 0, 1)?.is_none() => return Ok(Plan::Create),
        None => return Err(refusals::short(site, file_size)),
    };
    let start = Point { count: from.count, end: from.end, time_ns: last_time(&index, from.count)? };
    let mut seen = Examined { header, index, from, slot, start, header_count, unindexed: None };
    seen.unindexed = lost_entries(site, &mut bytes, &seen)?;
    // Whatever the checkpoint says, nothing is cut off a record file that the checkpoint was not made for.
    let indexed = seen.unindexed.map_or(start, |unindexed| unindexed.from);
    if let Err(error) = refusals::wrong_ends(site, &mut bytes, &seen.index, indexed) {
        let theirs = layout::appended_with_header16(&mut bytes, start, header_count)?;
        return Err(theirs.map_or(error, |_| refusals::appended_with_header16(site, &start, header_count)));
    }
    match from.state {
        State::Clean => examine_clean(site, &mut bytes, seen),
        State::Open | State::Poisoned => examine_open(site, &mut bytes, seen, journal),
    }
}

/// Decides for a log that was closed cleanly. It may have changed since.
fn examine_clean(site: &Site<'_>, bytes: &mut Bytes<'_>, mut seen: Examined) -> Result<Plan> {
    let Examined { from, start, header_count, .. } = seen;
    let reached = seen.unindexed.map_or(start, |unindexed| unindexed.to);
    // O2: nothing has changed since.
    if header_count == from.count && bytes.file_end == from.end && seen.unindexed.is_none() {
        return Ok(Plan::Continue { index: seen.index, from, slot: seen.slot, point: start });
    }
    if header_count > reached.count {
        // O7: the original appended to it, or the index file is older than the log. O8: neither is possible.
        let Some(led) = layout::leads_to_end(bytes, reached, header_count)? else {
            return Err(refusals::ahead_of_clean(site, header_count, &start));
        };
        let to = site.confirmed(led)?;
        seen.unindexed = Some(Unindexed { from: seen.unindexed.map_or(start, |unindexed| unindexed.from), to });
        return seen.recover(site, to, None, false);
    }
    // O9: the original stopped in the middle of an append, or only zeros follow.
    let salvage = !scan::only_zeros(bytes, reached.end)?;
    seen.recover(site, reached, None, salvage)
}

/// Decides for a log that was left open.
fn examine_open(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    mut seen: Examined,
    journal: Option<FoundJournal>,
) -> Result<Plan> {
    let header_count = seen.header_count;
    let from = seen.unindexed.map_or(seen.start, |unindexed| unindexed.to);
    // O3 without a journal, O4 with one.
    let (point, journal) = match journal {
        None => (scan::forward(bytes, &seen.index, from, u64::MAX)?, None),
        Some(journal) => match replay::follow(bytes, &seen.index, from, &journal, &site.log_path, |_, _| Ok(())) {
            // O13: the journal of another writer counts only if it continues the records in the files. If it does not,
            // and reaches beyond these records, records are missing.
            Err(error) if error.kind == ErrorKind::Corrupt && !journal.is_of(seen.from.epoch) => {
                let point = scan::forward(bytes, &seen.index, from, u64::MAX)?;
                if journal.reaches_beyond(point.count)? {
                    return Err(error);
                }
                (point, None)
            }
            end => (end?, Some(journal)),
        },
    };
    if header_count <= point.count {
        // O10: the page with the count was not written back, and later pages may have been. O11: they were not.
        let salvage = !scan::only_zeros(bytes, point.end)? && seen.proves_record_after_gap(bytes, point)?;
        return seen.recover(site, point, journal, salvage);
    }
    if seen.unindexed.is_some() {
        return Err(refusals::lost_entries(site, &seen.from, seen.header.entries_in_file()));
    }
    if let Some(led) = unknown_to_index_file(site, bytes, &seen.header, &seen.index, header_count, point)? {
        let to = site.confirmed(led)?;
        seen.unindexed = Some(Unindexed { from: point, to });
        return seen.recover(site, to, journal, false);
    }
    // O14: no crash destroys both checkpoints.
    if seen.header.newest().is_none() {
        return Err(refusals::without_checkpoint(site, header_count, &point));
    }
    // O8: no writer leaves an open log with such a size.
    let file_size = bytes.file_end;
    if !file_size.is_multiple_of(SECTOR_BYTES) && file_size != seen.from.end {
        return Err(refusals::ahead_with_foreign_size(site, header_count, &point, file_size));
    }
    // O6; O5 where the writer was a fast one.
    if seen.may_be_durable(site)? {
        return Err(refusals::ahead_of_durable(site, header_count, &point));
    }
    let salvage = !scan::only_zeros(bytes, point.end)?;
    seen.recover(site, point, journal, salvage)
}

impl Examined {
    fn recover(self, site: &Site<'_>, point: Point, journal: Option<FoundJournal>, salvage: bool) -> Result<Plan> {
        // Bytes after the end of a durable writer's journal were never acknowledged; neither were bytes after a clean
        // close. No crash makes all checkpoints unreadable. Where none can be read, nothing is certain about the
        // journal, either.
        let may_be_missing = salvage
            && self.from.state != State::Clean
            && (self.header.newest().is_none() || !self.may_be_durable(site)?);
        let is_cut_short = self.header_count > point.count || may_be_missing;
        let finding = self.finding(site, is_cut_short)?;
        let Examined { index, from, slot, header_count, unindexed, .. } = self;
        Ok(Plan::Recover(Recovery {
            index,
            from,
            slot,
            point,
            header_count,
            journal,
            unindexed,
            salvage,
            is_cut_short,
            finding,
        }))
    }

    /// What is wrong with the log although it can be mended: O5, O10, O13 and O14 before O15, and O15 before O16.
    fn finding(&self, site: &Site<'_>, is_cut_short: bool) -> Result<Option<ErrorKind>> {
        let is_damaged = is_cut_short || self.header.checkpoints.iter().any(Option::is_none);
        Ok(if is_damaged {
            Some(ErrorKind::Corrupt)
        } else if self.header.entries_in_file() < self.from.count {
            Some(ErrorKind::Truncated)
        } else if self.from.state != State::Clean && self.from.mode == Mode::Durable && !has_journal(site)? {
            Some(ErrorKind::Missing)
        } else {
            None
        })
    }

    /// Whether entries and bytes prove a record after a gap that begins at `point`.
    fn proves_record_after_gap(&self, bytes: &mut Bytes<'_>, point: Point) -> Result<bool> {
        let mut proves_one = false;
        let entries = self.header.entries_in_file();
        scan::proven_after_gap(bytes, &self.index, point, entries, |_, _| proves_one = true)?;
        Ok(proves_one)
    }

    /// Whether the writer that left the log may have been a durable one. If one checkpoint is damaged, a journal that
    /// continues past the other one proves a durable writer. A journal that a fast writer removed may have come back,
    /// but it does not continue past that checkpoint (O13).
    fn may_be_durable(&self, site: &Site<'_>) -> Result<bool> {
        let is_newest = self.header.checkpoints.iter().all(Option::is_some);
        if self.from.mode == Mode::Durable || is_newest {
            return Ok(self.from.mode == Mode::Durable);
        }
        let found = journal::find_of(site.storage, site.namespace, site.base, &self.index.log_id, None);
        let journal = unless_directory(found)?;
        journal.map_or(Ok(false), |journal| journal.reaches_beyond(self.from.count))
    }
}

/// The end of the records after `point` that the count includes but no entry describes. The index file is older than
/// these records (O7), or was damaged (O13, O14).
pub fn unknown_to_index_file(
    site: &Site<'_>,
    bytes: &mut Bytes<'_>,
    header: &Header,
    index: &Index,
    header_count: u64,
    point: Point,
) -> Result<Option<Led>> {
    let numbers = point.count..header_count.min(header.entries_in_file());
    if Run::default().next_valid(index, numbers, site.watch)?.is_some() {
        return Ok(None);
    }
    let newest = header.checkpoints.iter().flatten().max_by_key(|checkpoint| checkpoint.seq);
    // No crash destroys both checkpoints, so losing both is damage. A checkpoint that says clean was made for a file of
    // exactly its records.
    let Some(newest) = newest else { return layout::leads_to_end_or_zeros(bytes, point, header_count) };
    // A power loss leaves a file size of whole sectors, and then sizes prove nothing about the bytes between them.
    if newest.state == State::Clean || !bytes.file_end.is_multiple_of(SECTOR_BYTES) {
        return layout::leads_to_end(bytes, point, header_count);
    }
    Ok(None)
}

fn has_journal(site: &Site<'_>) -> Result<bool> {
    let there = site.storage.metadata(&journal::file_name(site.namespace));
    there.map(|there| there.is_some()).map_err(site.failed("looking for its journal"))
}

/// The journal that counts beside checkpoint `from`, if it has frames: the journal of the writer that made this
/// checkpoint.
pub fn journal_beside(
    site: &Site<'_>,
    header: &Header,
    from: &Checkpoint,
    index: &Index,
) -> Result<Option<FoundJournal>> {
    // If a checkpoint is damaged, the writer may have been a later one.
    let is_newest = header.checkpoints.iter().all(Option::is_some);
    if from.state == State::Clean || is_newest && from.mode == Mode::Fast {
        return Ok(None);
    }
    let epoch = is_newest.then_some(from.epoch);
    let found = journal::find_of(site.storage, site.namespace, site.base, &index.log_id, epoch);
    if from.mode == Mode::Durable { found } else { unless_directory(found) }
}

/// The records that the checkpoint covers although their entries are cut off (O15).
fn lost_entries(site: &Site<'_>, bytes: &mut Bytes<'_>, seen: &Examined) -> Result<Option<Unindexed>> {
    let Examined { header, index, from, .. } = seen;
    let entries = header.entries_in_file();
    if entries >= from.count {
        return Ok(None);
    }
    let refusal = || refusals::lost_entries(site, from, entries);
    let begin = match entries.checked_sub(1) {
        None => Point::START,
        Some(last) => {
            let entry = Run::default().entry(index, last, entries)?.copied().ok_or_else(refusal)?;
            let found = bytes.record(entry.offset)?.filter(|found| found.crc == entry.crc).ok_or_else(refusal)?;
            Point { count: entries, end: found.end, time_ns: entry.time_ns }
        }
    };
    let led = layout::leads_to(bytes, begin, from.count)?.filter(|led| led.to.end == from.end);
    Ok(Some(Unindexed { from: begin, to: site.confirmed(led.ok_or_else(refusal)?)? }))
}

/// What recovery starts from when neither checkpoint can be read (O14): everything is verified.
pub fn from_the_beginning() -> Checkpoint {
    Checkpoint {
        seq: 0,
        count: 0,
        end: log::HEADER_SIZE_BYTES,
        state: State::Open,
        mode: Mode::Fast,
        epoch: 0,
        first: Outer::START,
        ends_early: false,
    }
}

fn last_time(index: &Index, count: u64) -> Result<i64> {
    let Some(last) = count.checked_sub(1) else { return Ok(0) };
    Ok(Run::default().entry(index, last, count)?.map_or(0, |entry| entry.time_ns))
}

/// The identity in `header`; `None` when page 0 is no identity at all.
///
/// # Errors
/// `E_VERSION` for a newer format, `E_CODEC` when the log has other codecs than the opener named (O28); those of
/// [`refuse_other_segment`].
pub fn usable_identity(header: &Header, site: &Site<'_>) -> Result<Option<Identity>> {
    match &header.identity {
        Err(IdentityError::Damaged) => Ok(None),
        Err(IdentityError::Newer { version, incompatible }) => {
            let is_known = *version == VERSION && incompatible & !LATER_SEGMENT == 0;
            let other = if is_known { ", and a value that this library does not know" } else { "" };
            let refusal = Error::new(ErrorKind::Version, "its format, at offset 8, is newer than this library")
                .comparing(
                    format_args!("version {VERSION} with no flag but {LATER_SEGMENT:#x}"),
                    format_args!("version {version} with the flags {incompatible:#x}{other}"),
                );
            Err(refusal.advising("use a newer library").of(&site.index_path))
        }
        Ok(identity) => {
            refuse_other_segment(identity, site)?;
            site.named.agree(header.codecs.as_deref(), &site.index_path)?;
            Ok(Some(identity.clone()))
        }
    }
}

/// Refuses an index file whose name is that of one segment and whose identity is that of another.
///
/// # Errors
/// `E_MISMATCH` (O27).
pub fn refuse_other_segment(identity: &Identity, site: &Site<'_>) -> Result<()> {
    if identity.base() == site.base {
        return Ok(());
    }
    let refusal = Error::new(ErrorKind::Mismatch, "it is the index file of another segment than its name says")
        .comparing(
            format_args!("a segment from record {} on", site.base),
            format_args!("one from record {} on", identity.base()),
        );
    Err(refusal.advising("give the files of the log the names they had").of(&site.index_path))
}

/// An index file that knows records must not become the index file of an empty log (O17).
pub fn refuse_if_index_knows_records(site: &Site<'_>) -> Result<()> {
    if let Some(found) = unindexed::journal_with_frames(site)? {
        return Err(refusals::known_to_journal(&found.path));
    }
    let Some((header, _)) = read_index(site)? else { return Ok(()) };
    let Some(identity) = usable_identity(&header, site)? else {
        return Err(refusals::unknown_records(site));
    };
    let counted = header.checkpoints.iter().flatten().map(|checkpoint| checkpoint.count).max().unwrap_or(0);
    let first = match open_index(site, &identity)? {
        Some(index) => Run::default().entry(&index, 0, 1)?.copied(),
        None => None,
    };
    if counted == 0 && first.is_none() {
        return Ok(());
    }
    let cause = format_args!("it is missing, but its index file knows {} records", counted.max(1));
    Err(Error::new(ErrorKind::Missing, cause).advising(refusals::RESTORE_OR_BEGIN).of(&site.log_path))
}

/// The index file's header; `None` when there is no index file or an empty one.
pub fn read_index(site: &Site<'_>) -> Result<Option<(Header, Arc<dyn File>)>> {
    let failed = |error| Error::os("reading", &error).of(&site.index_path);
    match site.storage.open(&index::file_name(&site.stem), OpenMode::Write) {
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

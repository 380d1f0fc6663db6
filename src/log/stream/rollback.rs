//! Streams of a read-only log whose records may be rolled back: each compares what it has read with what is there now.

use super::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::Run;
use crate::format::index::Entry;

impl Stream {
    /// Follows the files of a read-only log, which may be replaced, or rolled back below what this stream has read.
    pub(super) fn follow_files(&mut self) -> Result<()> {
        // In this order, because a rollback is counted before the files that were rolled back are replaced.
        let files_serial = self.namespace.files_serial();
        let rollbacks = self.rollback_count();
        if rollbacks != self.rollbacks {
            if self.is_rolled_back().map_err(|error| self.failed(error))? {
                return Err(self.failed(self.rolled_back()));
            }
            self.rollbacks = rollbacks;
            self.forget_files();
        }
        if self.index.files_serial != files_serial {
            self.forget_files();
            self.index = self.namespace.open_index();
        }
        Ok(())
    }

    fn rolled_back(&self) -> Error {
        let cause = format_args!("records before {} were rolled back after a crash", self.position);
        Error::new(ErrorKind::Replaced, cause).advising("seek to the record to go on with")
    }

    /// Reads entries up to `limit`, from the one before `number` on. Compares the last entry that was read before with
    /// the entry there now. No look may have noticed a rollback yet, and once the older entries are gone no look could.
    ///
    /// # Errors
    /// `E_REPLACED` when that entry is of another record now.
    #[cold]
    pub(super) fn read_on(&mut self, number: u64, limit: u64) -> Result<()> {
        let before = number.checked_sub(1).and_then(|before| Some((before, self.seen_of(before)?)));
        let Some((last, seen)) = before.or(self.kept) else { return Ok(()) };
        self.kept = Some((last, seen));
        self.run.clear();
        let mut apart = Run::default();
        let run = if last + 1 == number { &mut self.run } else { &mut apart };
        let now = run.entry(&self.index.index, last, limit)?.copied();
        if now.is_some_and(|now| !now.is_of_the_same_record(&seen)) {
            self.run.clear();
            return Err(self.rolled_back());
        }
        Ok(())
    }

    /// Goes on from the position, whatever was read before it.
    pub(super) fn start_again(&mut self) {
        let (files_serial, rollbacks) = (self.namespace.files_serial(), self.rollback_count());
        if rollbacks != self.rollbacks || self.index.files_serial != files_serial {
            self.rollbacks = rollbacks;
            self.forget_files();
            self.index = self.namespace.open_index();
        }
        self.kept = None;
        let count = self.namespace.visible.count();
        if let Some(before) = self.position.checked_sub(1).filter(|before| *before < count) {
            // If the entry cannot be read, the next call meets the same error.
            let _ = self.run.entry(&self.index.index, before, count);
        }
    }

    /// Forgets what was read of files that were replaced, except the entry to compare after a rollback.
    #[cold]
    fn forget_files(&mut self) {
        self.kept = self.seen();
        self.run.clear();
        self.visible = (0, 0);
    }

    /// The entry of the record before the position, or else of the one at the position, as it was when it was read. The
    /// record at the position is the same only if the record before it is.
    fn seen(&self) -> Option<(u64, Entry)> {
        let numbers = [self.position.checked_sub(1)?, self.position];
        numbers.into_iter().find_map(|number| Some((number, self.seen_of(number)?)))
    }

    /// The entry of record `number` as it was when it was read; `None` when it is not remembered.
    fn seen_of(&self, number: u64) -> Option<Entry> {
        let kept = || self.kept.filter(|(kept, _)| *kept == number).map(|(_, entry)| entry);
        self.run.seen(&self.index.index, number).or_else(kept)
    }

    /// Whether records before the position were replaced or are gone, or whether that cannot be ruled out.
    #[cold]
    fn is_rolled_back(&self) -> Result<bool> {
        if self.position == 0 {
            return Ok(false);
        }
        let Some((number, seen)) = self.seen().filter(|(number, _)| *number < self.namespace.visible.count()) else {
            return Ok(true);
        };
        let index = self.namespace.open_index().index;
        let now = Run::default().entry(&index, number, number + 1)?.copied();
        Ok(now.is_none_or(|now| !now.is_of_the_same_record(&seen)))
    }
}

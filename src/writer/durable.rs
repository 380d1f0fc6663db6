//! Step 5 of a durable commit: the journal's frames of all that is staged, written and synced once.

use super::{Staging, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::files::journal::{FrameRoom, Write};
use crate::format::in_memory;
use crate::format::journal::Frame;
use crate::format::log::SIZE_WORD_BYTES;
use crate::writer::group::Commit;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest time that a leader gathers: threads that were woken, and commit again at once, have staged by then.
const GATHER_TIME_MAX: Duration = Duration::from_millis(1);

/// The shortest time that a leader gathers: the kernel may end any sleep 50 microseconds late.
const GATHER_TIME_MIN: Duration = Duration::from_micros(50);

/// How long a sync is assumed to take before the first one, and the least that is assumed later.
pub(super) const FIRST_SYNC_NS: u64 = 10_000;

impl Staging {
    /// Adds the frame of the records `bytes`, which reach from the staged end to `end`, to what the next group writes.
    pub(super) fn push_frame(&mut self, bytes: &[&[u8]], end: u64, count: u64, time_ns: i64) {
        let Some(journal) = &mut self.journal else { return };
        let length_bytes = end - self.end;
        let in_place = journal.is_too_long(length_bytes);
        let frame =
            Frame { length_bytes, in_place, sequence: 0, first_number: self.count, count, offset: self.end, time_ns };
        journal.push(frame, if in_place { &[] } else { bytes });
        self.in_place |= in_place;
    }
}

impl Writer {
    /// Finds room for the frame of records up to `end`; where there is none yet, the caller waits and asks again.
    pub(super) fn find_room_in_journal(&self, staging: &mut Staging, end: u64) -> Result<FrameRoom> {
        let Some(journal) = &mut staging.journal else { return Ok(FrameRoom::Here) };
        // A file size limit below the journal is a refusal here, because nothing is staged yet. Later it would leave
        // the outcome unknown.
        let failed = |error| Error::os("writing its journal", &error).of(self.namespace.log_path());
        journal.file.may_reach(journal.size_bytes()).map_err(failed)?;
        let length_bytes = end - staging.end;
        let body_bytes = if journal.is_too_long(length_bytes) { 0 } else { in_memory(length_bytes) };
        let place = journal.find_room(body_bytes, staging.count, staging.end, staging.covered_count)?;
        self.half_waits.store(journal.wants_checkpoint(staging.covered_count), Ordering::Relaxed);
        Ok(place)
    }

    /// Notes that a synced checkpoint covers `count` records, and wakes the threads that wait for the journal.
    pub(super) fn covered(&self, count: u64) {
        let mut guard = self.groups.lock();
        if let Some(staging) = guard.state.as_mut() {
            staging.covered_count = count;
            let waits = staging.journal.as_ref().is_some_and(|journal| journal.wants_checkpoint(count));
            self.half_waits.store(waits, Ordering::Relaxed);
        }
        self.groups.notify(guard);
    }

    fn sync_in_place(&self) -> Result<()> {
        let _one_at_a_time = self.sync.lock();
        // If a checkpoint has failed meanwhile, the kernel has forgotten what it had to write. The next sync would then
        // succeed without having written it.
        self.refuse()?;
        let synced = self.log.sync().and_then(|()| self.index.file.sync());
        synced.map_err(|error| self.poison("syncing", &error))
    }
}

/// What is staged when a leader takes it.
#[derive(Debug)]
pub struct StagedGroup {
    frames: Option<Write>,
    count: u64,
    end: u64,
    commits: u64,
    in_place: bool,
}

impl Commit<Option<Staging>> for Writer {
    type Group = StagedGroup;

    fn refuse(&self) -> Result<()> {
        if let Some(lost) = self.lost.get() {
            return Err(self.files.error(ErrorKind::Poisoned, *lost));
        }
        if self.namespace.poisoned.load(Ordering::Acquire) {
            let refusal = Error::new(ErrorKind::Poisoned, "a write or sync failed while this append was in flight")
                .advising("it may or may not be there when the log is opened again");
            return Err(refusal.of(self.namespace.log_path()));
        }
        Ok(())
    }

    fn gather_until(&self) -> Option<Instant> {
        // At most half the time of a sync, so that a wait in vain costs less than the sync that it may save.
        let time = Duration::from_nanos(self.group_sync_ns.load(Ordering::Relaxed) / 2).min(GATHER_TIME_MAX);
        (time >= GATHER_TIME_MIN).then(|| Instant::now() + time)
    }

    fn take(&self, staging: &mut Option<Staging>) -> StagedGroup {
        let Some(staging) = staging else {
            return StagedGroup { frames: None, count: 0, end: 0, commits: 0, in_place: false };
        };
        let spare = std::mem::take(&mut staging.spare);
        StagedGroup {
            frames: staging.journal.as_mut().map(|journal| journal.take(spare)),
            count: staging.count,
            end: staging.end,
            commits: staging.commits,
            in_place: std::mem::take(&mut staging.in_place),
        }
    }

    fn write(&self, group: &StagedGroup) -> Result<()> {
        if group.in_place {
            self.sync_in_place()?;
        }
        let (Some(file), Some(Write { at, bytes })) = (&self.journal, &group.frames) else { return Ok(()) };
        let begun = Instant::now();
        let synced = file.write_at(*at, bytes).and_then(|()| file.sync());
        let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let known_ns = self.group_sync_ns.load(Ordering::Relaxed);
        self.group_sync_ns.store(took_ns.clamp(FIRST_SYNC_NS, known_ns.saturating_mul(2)), Ordering::Relaxed);
        synced.map_err(|error| self.poison("writing its journal", &error))
    }

    fn publish(&self, staging: &mut Option<Staging>, group: StagedGroup) -> Result<()> {
        let Some(staging) = staging else { return Err(self.namespace.closed_error()) };
        // The limit of file sizes may have been lowered while the journal was synced. A write beyond it raises SIGXFSZ.
        let may_publish = staging.log.may_reach(SIZE_WORD_BYTES);
        may_publish.map_err(|error| self.poison("publishing", &error))?;
        self.publish_to(staging, group.count, group.end, group.commits)?;
        staging.spare = group.frames.map(|frames| frames.bytes).unwrap_or_default();
        self.namespace.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.namespace.published();
        Ok(())
    }
}

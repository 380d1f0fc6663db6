//! Room in both files: made by the append that needs it, and by the flush thread before appends need it.
//!
//! ```text
//!   an append, under the lock:   the end passes a mark: ask for room, once
//!   the flush thread:            take the lock; see how much room there is; unlock
//!                                make the pages beyond it writable
//!                                take the lock; set the marks; unlock
//! ```
//!
//! An append that finds no room makes it, whether the flush thread is late, busy or stopped.

use super::{Staging, Writer, too_large};
use crate::error::{Error, Result};
use crate::format::index::{entries_end, entry_offset};
use crate::storage::{ROOM_AHEAD_BYTES, Tail};
use std::io;
use std::sync::atomic::Ordering;

/// Room is asked for when less than this is left.
const LOW_BYTES: u64 = 4 << 20;
// Else there would be little room right after more was made.
const _: () = assert!(LOW_BYTES < ROOM_AHEAD_BYTES);

/// The ends of both files at which room is asked for. `u64::MAX`: nowhere, because it was asked for already, because no
/// room was made yet, or because none can be made ahead.
#[derive(Debug)]
pub(super) struct RoomRequests {
    log_mark: u64,
    index_mark: u64,
}

impl RoomRequests {
    pub(super) fn new() -> RoomRequests {
        RoomRequests { log_mark: u64::MAX, index_mark: u64::MAX }
    }
}

impl Staging {
    /// Sets the marks by the room that is there now.
    fn set_marks(&mut self) {
        let index_end = entries_end(self.count);
        self.requests = RoomRequests {
            log_mark: mark_of(self.log.as_ref(), self.end),
            index_mark: mark_of(self.index.as_ref(), index_end),
        };
    }

    /// Whether room is to be asked for now. The answer is yes once for each request.
    #[inline]
    fn asks_for_room(&mut self) -> bool {
        let is_low = self.end >= self.requests.log_mark || entries_end(self.count) >= self.requests.index_mark;
        if is_low {
            self.requests = RoomRequests::new();
        }
        is_low
    }
}

impl Writer {
    /// Asks the flush thread for room if there is little left. Called under the lock, after records were staged.
    #[inline]
    pub(super) fn ask_for_room(&self, staging: &mut Staging) {
        if staging.asks_for_room() {
            self.is_room_asked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the flush thread is to make room.
    #[inline]
    pub fn is_room_asked(&self) -> bool {
        self.is_room_asked.load(Ordering::Relaxed)
    }

    /// Makes the room that was asked for. Only an append that needs this very room waits meanwhile, for a write of
    /// zeros.
    pub fn make_room_ahead(&self) {
        // Looked at first, because a swap takes the cache line from the threads that append.
        if !self.is_room_asked() || !self.is_room_asked.swap(false, Ordering::Relaxed) {
            return;
        }
        let rooms = match self.open_staging(&mut self.groups.lock()) {
            Ok(staging) => [staging.log.room_ahead(staging.end), staging.index.room_ahead(entries_end(staging.count))],
            Err(_) => return,
        };
        // After a refusal no append asks for room until an append has made room itself.
        if !rooms.into_iter().flatten().all(|room| room.make(|| !self.is_superseded())) {
            return;
        }
        if let Some(staging) = &mut self.groups.lock().state {
            staging.set_marks();
        }
    }

    /// Room in both files before anything is written: a full disk changes nothing.
    pub(super) fn make_room(&self, staging: &mut Staging, end: u64, count: u64) -> Result<()> {
        let failed = |what: &str, error: &io::Error| {
            Error::os(format_args!("making room{what}"), error).of(self.namespace.log_path())
        };
        let to = staging.count.checked_add(count).and_then(entry_offset);
        let to = to.ok_or_else(|| too_large("the index file would pass 2^63 bytes"))?;
        // One check of the larger end: the system-call engine makes a system call to learn the limit.
        let longer = if to > end { " in the index file" } else { "" };
        staging.log.may_reach(end.max(to)).map_err(|error| failed(longer, &error))?;
        let (is_log_short, is_index_short) = (end > staging.log.room_end(), to > staging.index.room_end());
        if !is_log_short && !is_index_short {
            return Ok(());
        }
        // A removed file is noticed when a file grows: to look with each step of room would cost too much. But zeros
        // are written with each step, and must not go over what a newer handle stored.
        if staging.log.must_extend(end) || staging.index.must_extend(to) || self.is_superseded() {
            self.check_files()?;
        }
        if is_log_short {
            staging.log.make_room(staging.end, end).map_err(|error| failed("", &error))?;
        }
        if is_index_short {
            let from = entries_end(staging.count);
            staging.index.make_room(from, to).map_err(|error| failed(" in the index file", &error))?;
        }
        staging.set_marks();
        Ok(())
    }
}

/// The end of the data at which to ask for more room in `tail`. `from` is the first byte not yet written. `u64::MAX` if
/// little room is left and none can be made ahead: then the next append that needs room makes it.
fn mark_of(tail: &dyn Tail, from: u64) -> u64 {
    let mark = tail.room_end().saturating_sub(LOW_BYTES);
    if mark > from || tail.room_ahead(from).is_some() { mark } else { u64::MAX }
}

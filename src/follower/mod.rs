//! What a read-only log may show, found out from the outside: lock, live page, commit word, or the tail verified by itself.

mod files;
mod sight;

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::format::index::Mode;
use crate::format::live::Snapshot;
use crate::format::log;
use crate::index::{self, Header};
use crate::live::{self, Live, is_this_boot};
use crate::namespace::{ALL_VISIBLE, Namespace, OpenIndex};
use crate::progress::Watch;
use crate::publish::EventCount;
use crate::recovery::Site;
use crate::report::Report;
use crate::scan::Point;
use crate::storage::Storage;
use crate::sync::{Arc, Mutex, RwLock};
use files::Files;
use sight::{Authority, Sight, end_of, of_files, of_unannounced, of_writer, unreadable};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether a reader could open the files of `namespace`; nothing is made.
///
/// # Errors
/// Why it could not.
pub fn try_files(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<()> {
    Files::open(&Site::new(storage, namespace, named)).map(drop)
}

/// Instead of the time of a look that failed.
const FAILED: u64 = u64::MAX;
/// How often a look starts again because a writer came or went meanwhile.
const LOOK_TRIES: usize = 8;

#[derive(Debug)]
struct Following {
    files: Files,
    live: Option<Live>,
    authority: Authority,
    /// What the live page said at the last look.
    epoch_seen: u64,
    /// Whose the newest checkpoint was, once one could be read.
    checkpoint_epoch_seen: Option<u64>,
    generation_seen: Option<u64>,
    /// Whether streams go by an index in memory that knows more than the side file.
    is_completed: bool,
}

/// Follows one namespace from outside its writer.
#[derive(Debug)]
pub struct Follower {
    following: RwLock<Following>,
    /// One thread at a time looks.
    looking: Mutex<()>,
    /// One thread at a time moves what is visible on; taken while holding nothing but `looking`.
    publishing: Mutex<()>,
    started: Instant,
    /// Milliseconds after `started` of the last look, or [`FAILED`].
    last_look_ms: AtomicU64,
    /// How often what was shown here may have been rolled back, and to how many records the last time.
    rollbacks: AtomicU64,
    rolled_back_to: AtomicU64,
}

impl Follower {
    /// Opens the files of `namespace` for following, and the index and words its streams use; `watch` is told of what is read for it.
    pub fn open(
        storage: &dyn Storage,
        namespace: &str,
        named: &Chain,
        watch: Option<&dyn Watch>,
    ) -> Result<(Follower, OpenIndex, EventCount)> {
        let files = Files::open(&Site::new(storage, namespace, named).watched(watch))?;
        let live = Live::attach_reader(storage, namespace, files.log.as_ref());
        let index = OpenIndex::new(files.index.clone(), named, &storage.path().join(index::file_name(namespace)))?;
        let events = EventCount::new(live.as_ref().and_then(Live::page), false);
        let generation_seen = snapshot_of(live.as_ref()).map(|snapshot| snapshot.generation);
        let follower = Follower {
            following: RwLock::new(Following {
                files,
                live,
                authority: Authority::Unannounced,
                epoch_seen: 0,
                checkpoint_epoch_seen: None,
                generation_seen,
                is_completed: false,
            }),
            looking: Mutex::new(()),
            publishing: Mutex::new(()),
            started: Instant::now(),
            last_look_ms: AtomicU64::new(0),
            rollbacks: AtomicU64::new(0),
            rolled_back_to: AtomicU64::new(u64::MAX),
        };
        Ok((follower, index, events))
    }

    /// Goes by the commit word while the writer of the last look is ready; otherwise nothing changes before the next look.
    pub fn refresh(&self, namespace: &Namespace) {
        let following = self.following.read();
        let Authority::Writer { epoch } = following.authority else { return };
        let Some(live) = &following.live else { return };
        if live.ready_epoch() != epoch {
            return;
        }
        let Ok(count) = following.files.word.load() else { return };
        if count <= namespace.visible.count() {
            return;
        }
        let rollbacks = self.rollbacks.load(Ordering::Acquire);
        // A look will tell what keeps it from being read.
        let Ok(end) = end_of(&following.files, count, namespace) else { return };
        drop(following);
        let _one = self.publishing.lock();
        let is_current = rollbacks == self.rollbacks.load(Ordering::Acquire);
        if is_current && count > namespace.visible.count() {
            namespace.visible.publish(count, end);
        }
    }

    /// How long the last look may be relied on; zero after one that failed.
    pub fn look_due_in(&self, namespace: &Namespace) -> Duration {
        let last_look_ms = self.last_look_ms.load(Ordering::Relaxed);
        if last_look_ms == FAILED {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.now_ms().saturating_sub(last_look_ms));
        namespace.events.look_interval().saturating_sub(since)
    }

    /// Whether the last look is older than anyone may rely on, or the writer is another.
    pub fn is_look_due(&self, namespace: &Namespace) -> bool {
        if self.look_due_in(namespace).is_zero() {
            return true;
        }
        let following = self.following.read();
        let page_epoch = following.live.as_ref().filter(|live| live.page().is_some()).map(Live::ready_epoch);
        page_epoch.is_some_and(|epoch| epoch != following.epoch_seen)
    }

    pub fn rollback(&self) -> (u64, u64) {
        (self.rollbacks.load(Ordering::Acquire), self.rolled_back_to.load(Ordering::Acquire))
    }

    /// The mode of the newest checkpoint on disk, and how many records it makes certain to be there.
    pub fn durability(&self) -> io::Result<(Mode, u64)> {
        let following = self.following.read();
        // An index in memory has no checkpoint on disk.
        let index = following.files.index_id.map(|_| &following.files.index);
        let header = index.map(|index| Header::read(index.file.as_ref())).transpose()?;
        let Some((newest, _)) = header.and_then(|header| header.newest()) else { return Ok((Mode::Fast, 0)) };
        let is_at_work = following.authority == Authority::Writer { epoch: newest.epoch };
        let all = newest.mode == Mode::Durable && is_at_work;
        Ok((newest.mode, if all { ALL_VISIBLE } else { newest.count }))
    }

    /// Finds out anew who decides, and what is visible; wakes the sleepers of this process when that changed. `watch` is told of what is
    /// read for it.
    pub fn look(&self, namespace: &Namespace, watch: Option<&dyn Watch>) -> Result<()> {
        self.try_look(namespace, watch).inspect_err(|_| {
            // Whoever asks next looks again, and is told, too.
            self.last_look_ms.store(FAILED, Ordering::Relaxed);
        })
    }

    fn try_look(&self, namespace: &Namespace, watch: Option<&dyn Watch>) -> Result<()> {
        let looking = self.looking.lock();
        self.last_look_ms.store(self.now_ms(), Ordering::Relaxed);
        let before = namespace.visible.count();
        self.follow_paths(namespace)?;
        let sight = self.see(namespace, watch)?;
        self.follow_index(namespace, &sight)?;
        let mut following = self.following.write();
        following.authority = sight.authority;
        let is_new_writer = match sight.authority {
            Authority::Unannounced => {
                let (before, now) = (following.checkpoint_epoch_seen, sight.checkpoint_epoch);
                before.zip(now).is_some_and(|(before, now)| before != now)
            }
            _ => following.epoch_seen != sight.epoch,
        };
        following.epoch_seen = sight.epoch;
        following.checkpoint_epoch_seen = sight.checkpoint_epoch.or(following.checkpoint_epoch_seen);
        drop(following);
        let Point { count, end, .. } = sight.point;
        let publishing = self.publishing.lock();
        let rolled_back = self.note_rollback(&sight, if is_new_writer { before } else { 0 });
        if rolled_back {
            namespace.forget_files();
        }
        if count > namespace.visible.count() || rolled_back {
            namespace.visible.publish(count, end);
        }
        drop(publishing);
        namespace.events.set_unannounced(sight.authority == Authority::Unannounced);
        drop(looking);
        self.fill_report(namespace, sight.report);
        if rolled_back || namespace.visible.count() != before {
            namespace.events.notify_process();
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Maps anew what lies under the paths now, if it is another file of the same log.
    fn follow_paths(&self, namespace: &Namespace) -> Result<()> {
        let storage = namespace.storage.as_ref();
        let id = |name: String| match storage.metadata(&name) {
            Ok(meta) => Ok(meta.map(|meta| meta.id)),
            Err(error) => Err(Error::os("looking at", &error).of(&storage.path().join(name))),
        };
        let log_id = id(log::file_name(&namespace.name))?;
        let index_id = id(index::file_name(&namespace.name))?;
        let live_id = id(live::file_name(&namespace.name))?;
        let following = self.following.read();
        let same_files = log_id == Some(following.files.log_id) && index_id == following.files.index_id;
        let same_live = live_id == following.live.as_ref().and_then(Live::id);
        drop(following);
        if !same_files {
            let files = match Files::open(&Site::new(storage, &namespace.name, namespace.named_codecs())) {
                // Says nothing about whose files they are.
                Err(error) if error.kind == ErrorKind::Codec || error.kind.is_of_the_system() => return Err(error),
                opened => opened.ok(),
            };
            let files = files.filter(|files| files.continue_from(&self.following.read().files)).ok_or_else(|| {
                let message = "it was replaced by another log, or removed; open it again";
                Error::new(ErrorKind::Replaced, message).of(namespace.log_path())
            })?;
            namespace.replace_index(files.index.clone())?;
            let mut following = self.following.write();
            (following.files, following.is_completed) = (files, false);
        }
        let log = Arc::clone(&self.following.read().files.log);
        if !same_live && let Some(live) = Live::attach_reader(storage, &namespace.name, log.as_ref()) {
            if let Some(page) = live.page() {
                namespace.events.move_to(page)?;
            }
            self.following.write().live = Some(live);
        }
        Ok(())
    }

    /// Has streams go by the index in memory that a look made, and by the side file again when a writer came.
    fn follow_index(&self, namespace: &Namespace, sight: &Sight) -> Result<()> {
        let mut following = self.following.write();
        let goes_by_files = matches!(sight.authority, Authority::Files { .. });
        let index = match &sight.completed {
            Some(completed) => completed,
            None if following.is_completed && !goes_by_files => &following.files.index,
            None => return Ok(()),
        };
        namespace.replace_index(index.clone())?;
        following.is_completed = sight.completed.is_some();
        Ok(())
    }

    /// Whether what was shown may have been rolled back since the last look: a writer says so, or one that is new has fewer than the `shown`
    /// records. (Of no other can that be said: a dead one's word stays until the next has cleared it.)
    fn note_rollback(&self, sight: &Sight, shown: u64) -> bool {
        let mut following = self.following.write();
        let both = following.generation_seen.zip(sight.live);
        let said = both.and_then(|(before, now)| match now.generation.wrapping_sub(before) {
            0 => None,
            1 => Some(now.rolled_back_to),
            // Some were missed.
            _ => Some(0),
        });
        following.generation_seen = sight.live.map(|now| now.generation).or(following.generation_seen);
        // The count that a file system brought back may be older than what was shown; the writer cannot know, nor can anybody here
        // tell how far it went back.
        let has_fewer = !matches!(sight.authority, Authority::Files { .. }) && sight.point.count < shown;
        let Some(least) = said.or(has_fewer.then_some(0)) else { return false };
        self.rolled_back_to.store(least, Ordering::Release);
        self.rollbacks.fetch_add(1, Ordering::Release);
        true
    }

    fn see(&self, namespace: &Namespace, watch: Option<&dyn Watch>) -> Result<Sight> {
        for _ in 0..LOOK_TRIES {
            let following = self.following.read();
            let log = following.files.log.as_ref();
            let is_locked =
                || log.is_locked().map_err(|error| Error::os("asking for its lock", &error).of(namespace.log_path()));
            let live = || snapshot_of(following.live.as_ref());
            let ready_epoch = |live: Option<Snapshot>| {
                live.filter(|page| is_this_boot(&page.boot_id)).map_or(0, |page| page.ready_epoch)
            };
            let (locked, page) = (is_locked()?, live());
            let epoch = ready_epoch(page);
            let header = Header::read(following.files.index.file.as_ref());
            let header = header.map_err(|error| unreadable(namespace, &error))?;
            let checkpoint_epoch = header.newest().map(|(newest, _)| newest.epoch);
            // Whoever may write the page can have left any word there; the checkpoint is the writer's own.
            let is_announced = epoch != 0 && checkpoint_epoch == Some(epoch);
            let sight = match (locked, is_announced) {
                (true, false) => of_unannounced(&following.files, &header, namespace, watch)?,
                (true, true) => of_writer(&following.files, epoch, namespace)?,
                (false, _) => of_files(&following, header, namespace, watch)?,
            };
            let page = live();
            if is_locked()? == locked && ready_epoch(page) == epoch {
                return Ok(Sight { epoch, checkpoint_epoch, live: page, ..sight });
            }
        }
        let message = "writers come and go faster than a reader can look; try again";
        Err(Error::new(ErrorKind::Io, message).of(namespace.log_path()))
    }

    fn fill_report(&self, namespace: &Namespace, report: Report) {
        let mut known = namespace.report.lock();
        let seconds = if known.seconds == 0.0 { self.started.elapsed().as_secs_f64() } else { known.seconds };
        *known = Report { seconds, ..report };
    }
}

/// What the live page says now; `None` when there is none, a malformed one, or one that cannot be read: it is only a help.
fn snapshot_of(live: Option<&Live>) -> Option<Snapshot> {
    live?.snapshot().ok().flatten()
}

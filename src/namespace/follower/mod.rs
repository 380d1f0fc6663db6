//! What a read-only log may show, found out from outside the writer: by the lock and the commit word, or by verifying
//! the tail itself. The live page only says when to look.

mod files;
mod observation;

use crate::codec::Chain;
use crate::error::{Error, ErrorKind, Result};
use crate::files::index::{self, Header, Run};
use crate::files::live::{self, Live};
use crate::format::index::{Entry, Mode};
use crate::format::log;
use crate::format::name::{FileName, Stem};
use crate::format::number::Base;
use crate::namespace::wait::EventCount;
use crate::namespace::{ALL_VISIBLE, Namespace, OpenIndex, Parts, open_readers};
use crate::options::Options;
use crate::recovery::Site;
use crate::recovery::scan::Point;
use crate::report::Report;
use crate::storage::{Lock, Storage};
use crate::util::memory;
use crate::util::progress::Watch;
use crate::util::sync::{Arc, Mutex, RwLock};
use files::ReaderFiles;
use observation::{Authority, Observation, end_of, of_files, of_unready, of_writer};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether a reader could open the files of `namespace`; nothing is made.
///
/// # Errors
/// Why it could not.
pub fn try_files(storage: &dyn Storage, namespace: &str, named: &Chain) -> Result<()> {
    ReaderFiles::open(&Site::new(storage, namespace, named)?).map(drop)
}

/// Stands for the time of a look that failed.
const FAILED: u64 = u64::MAX;
/// How often a look starts again because a writer came or went meanwhile.
const LOOK_TRIES: usize = 8;

#[derive(Debug)]
struct FollowState {
    files: ReaderFiles,
    live: Option<Live>,
    authority: Authority,
    /// What the live page said at the last look.
    epoch_seen: u64,
    /// Whether streams use an index in memory that knows more than the index file.
    is_completed: bool,
}

/// What readers were shown.
struct Shown {
    count: u64,
    /// The last record, and its entry if that was good.
    last: Option<(u64, Entry)>,
}

/// Follows one namespace from outside its writer.
///
/// Invariants:
/// 1. What is visible changes only under `publishing`, and so does the value of `publishing`.
/// 2. The value of `publishing` is the last visible record and its entry; it is `None` where that entry is damaged, or
///    no record is visible.
/// 3. What is visible goes back only in a look, which counts the rollback before it gives `publishing` up.
#[derive(Debug)]
pub struct Follower {
    namespace: Arc<Namespace>,
    following: RwLock<FollowState>,
    /// One thread at a time looks.
    looking: Mutex<()>,
    /// One thread at a time moves what is visible on. A thread that holds this lock takes neither `looking` nor
    /// `following`. The value is the last record that was shown, and its entry: the record there now is compared with
    /// it.
    publishing: Mutex<Option<(u64, Entry)>>,
    started: Instant,
    /// Milliseconds after `started` of the last look, or [`FAILED`]: the next one is due.
    last_look_ms: AtomicU64,
    /// How often records that were shown here were rolled back.
    rollbacks: AtomicU64,
}

impl Follower {
    /// Opens namespace `name`, number `number` of a log, without writing it; `watch` is informed of the bytes read.
    /// Nothing is visible before the first look.
    pub fn open(
        storage: &Arc<dyn Storage>,
        number: u32,
        name: &str,
        options: &Options,
        watch: Option<&dyn Watch>,
    ) -> Result<Follower> {
        let named = Chain::new(&options.codecs)?;
        let files = ReaderFiles::open(&Site::new(storage.as_ref(), name, &named)?.watched(watch))?;
        let live = Live::attach_reader(storage.as_ref(), name, files.log.as_ref());
        let stem = Stem::of(name, Base::FIRST);
        let index_file_path = memory::path(storage.path(), &index::file_name(&stem))?;
        let index = OpenIndex::new(files.index.clone(), &named, &index_file_path)?;
        let events = EventCount::new(live.as_ref().and_then(Live::page), false);
        let readers = open_readers(storage.as_ref(), &stem, options.reader_count)?;
        let parts = Parts { index, events, readers };
        let namespace = Arc::new(Namespace::new(number, name, Arc::clone(storage), options, parts)?)?;
        let authority = Authority::Unready;
        let following = FollowState { files, live, authority, epoch_seen: 0, is_completed: false };
        Ok(Follower {
            namespace,
            following: RwLock::new(following),
            looking: Mutex::new(()),
            publishing: Mutex::new(None),
            started: Instant::now(),
            last_look_ms: AtomicU64::new(0),
            rollbacks: AtomicU64::new(0),
        })
    }

    /// The namespace that is followed.
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// Uses the commit word while the writer of the last look is ready; otherwise nothing changes before the next look.
    pub fn refresh(&self) {
        let namespace = &self.namespace;
        let following = self.following.read();
        let Authority::Writer { epoch } = following.authority else { return };
        let Some(live) = &following.live else { return };
        // The page is a hint: the next look notices a writer that came or went without changing the page.
        if epoch == 0 || live.ready_epoch() != epoch {
            return;
        }
        let Ok(count) = following.files.word.load() else { return };
        if count <= namespace.visible.count() {
            return;
        }
        let rollbacks = self.rollbacks.load(Ordering::Acquire);
        let shown = *self.publishing.lock();
        // If the end cannot be read, the next look reports why.
        let Ok((end, entry)) = end_of(&following.files, count, namespace) else { return };
        if let Some((number, shown)) = shown {
            let Ok(now) =
                Run::default().entry(&following.files.index, number, number + 1).map(Option::<&Entry>::copied)
            else {
                return;
            };
            // Another record is in the place of the last one shown. The next look counts that as a rollback, so it is
            // made due at once.
            if now.is_some_and(|now| !now.is_of_the_same_record(&shown)) {
                self.last_look_ms.store(FAILED, Ordering::Relaxed);
                return;
            }
        }
        drop(following);
        let mut last = self.publishing.lock();
        let is_current = rollbacks == self.rollbacks.load(Ordering::Acquire);
        if is_current && count > namespace.visible.count() {
            *last = entry.map(|entry| (count - 1, entry));
            namespace.visible.publish(count, end);
        }
    }

    /// How long the last look may be relied on; zero after a look that failed, and when the writer is another one.
    pub fn look_due_in(&self) -> Duration {
        let last_look_ms = self.last_look_ms.load(Ordering::Relaxed);
        if last_look_ms == FAILED || self.is_another_epoch() {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.now_ms().saturating_sub(last_look_ms));
        self.namespace.events.look_interval().saturating_sub(since)
    }

    /// Whether the live page names another writer than at the last look.
    fn is_another_epoch(&self) -> bool {
        let following = self.following.read();
        let page_epoch = following.live.as_ref().filter(|live| live.page().is_some()).map(Live::ready_epoch);
        page_epoch.is_some_and(|epoch| epoch != following.epoch_seen)
    }

    /// How often records that were shown were rolled back.
    pub fn rollbacks(&self) -> u64 {
        self.rollbacks.load(Ordering::Acquire)
    }

    /// The mode of the newest checkpoint on disk, and how many records it covers.
    ///
    /// # Errors
    /// The index file, which holds the checkpoints, cannot be read.
    pub fn durability(&self) -> Result<(Mode, u64)> {
        let following = self.following.read();
        // An index in memory has no checkpoint on disk.
        let index = following.files.index_id.map(|_| &following.files.index);
        let failed = |error| Error::os("reading", &error).of(self.namespace.index_path());
        let header = index.map(|index| Header::read(index.file.as_ref())).transpose().map_err(failed)?;
        let Some((newest, _)) = header.and_then(|header| header.newest()) else { return Ok((Mode::Fast, 0)) };
        let is_at_work = matches!(following.authority, Authority::Writer { .. });
        let all = newest.mode == Mode::Durable && is_at_work;
        Ok((newest.mode, if all { ALL_VISIBLE } else { newest.count }))
    }

    /// A look if the last one is too long ago, for callers that poll without waiting.
    pub fn look_if_due(&self) -> Result<()> {
        if self.look_due_in().is_zero() { self.look(None) } else { Ok(()) }
    }

    /// Looks at the files themselves (lock, live page, paths): who decides now, and what is visible. Wakes the sleepers
    /// of this process when what is visible changed. `watch` is told of what is read. Needed every second while any
    /// thread waits.
    pub fn look(&self, watch: Option<&dyn Watch>) -> Result<()> {
        self.try_look(watch).map_err(|error| {
            // The next call looks again, and fails likewise while the reason lasts.
            self.last_look_ms.store(FAILED, Ordering::Relaxed);
            error.in_namespace(self.namespace.number)
        })
    }

    /// Sets the armed eventfds whose records are visible. If the look fails, the next calls of the streams fail too, so
    /// all eventfds are set.
    pub fn set_due(&self) {
        if self.look_if_due().is_err() {
            return self.namespace.events.set_all();
        }
        self.refresh();
        self.namespace.events.set_due(&self.namespace.visible);
    }

    fn try_look(&self, watch: Option<&dyn Watch>) -> Result<()> {
        let namespace = &self.namespace;
        let looking = self.looking.lock();
        self.last_look_ms.store(self.now_ms(), Ordering::Relaxed);
        let shown = {
            let last = self.publishing.lock();
            Shown { count: namespace.visible.count(), last: *last }
        };
        self.follow_paths()?;
        let observation = self.observe(watch)?;
        self.follow_index(&observation)?;
        let Point { count, end, .. } = observation.point;
        let rolled_back = self.is_rolled_back(&observation, &shown)?;
        let entry = self.entry_of(&observation, count.wrapping_sub(1))?;
        // Nothing fails from here on, so a look that the next one relies on has also shown what it saw.
        let mut following = self.following.write();
        following.authority = observation.authority;
        following.epoch_seen = observation.epoch;
        drop(following);
        let mut last = self.publishing.lock();
        if count > namespace.visible.count() || rolled_back {
            *last = entry.map(|entry| (count - 1, entry));
            namespace.visible.publish(count, end);
        }
        if rolled_back {
            self.rollbacks.fetch_add(1, Ordering::Release);
            namespace.forget_files();
        }
        drop(last);
        namespace.events.set_unannounced(observation.authority.is_silent());
        drop(looking);
        self.fill_report(observation.report);
        if rolled_back || namespace.visible.count() != shown.count {
            namespace.events.notify_process();
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Opens and maps the files under the paths again, if they are other files of the same log.
    fn follow_paths(&self) -> Result<()> {
        let namespace = &self.namespace;
        let storage = namespace.storage.as_ref();
        let id = |name: FileName| match storage.metadata(&name) {
            Ok(meta) => Ok(meta.map(|meta| meta.id)),
            Err(error) => Err(Error::os("looking at", &error).of_file(storage.path(), &name)),
        };
        let stem = Stem::of(&namespace.name, Base::FIRST);
        let log_id = id(log::file_name(&stem))?;
        let index_id = id(index::file_name(&stem))?;
        let live_id = id(live::file_name(&namespace.name))?;
        let following = self.following.read();
        let same_files = log_id == Some(following.files.log_id) && index_id == following.files.index_id;
        let same_live = live_id == following.live.as_ref().and_then(Live::id);
        drop(following);
        if !same_files {
            let files = match ReaderFiles::open(&Site::new(storage, &namespace.name, namespace.named_codecs())?) {
                // This error does not show whether the files are those of the same log.
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

    /// Makes streams use the index in memory that a look made, or the index file again once a writer holds the log.
    fn follow_index(&self, observation: &Observation) -> Result<()> {
        let mut following = self.following.write();
        let goes_by_files = matches!(observation.authority, Authority::Files { .. });
        let index = match &observation.completed {
            Some(completed) => completed,
            None if following.is_completed && !goes_by_files => &following.files.index,
            None => return Ok(()),
        };
        self.namespace.replace_index(index.clone())?;
        following.is_completed = observation.completed.is_some();
        Ok(())
    }

    /// Whether what was `shown` was rolled back, according to the files: they have fewer records, or another in place
    /// of the last.
    fn is_rolled_back(&self, observation: &Observation, shown: &Shown) -> Result<bool> {
        if !observation.is_final {
            return Ok(false);
        }
        if observation.point.count < shown.count {
            return Ok(true);
        }
        let Some((number, entry)) = shown.last else { return Ok(false) };
        Ok(self.entry_of(observation, number)?.is_some_and(|now| !now.is_of_the_same_record(&entry)))
    }

    /// The entry of record `number` in what a look found; `None` where it is damaged, or there is no such record.
    fn entry_of(&self, observation: &Observation, number: u64) -> Result<Option<Entry>> {
        if number >= observation.point.count {
            return Ok(None);
        }
        let following = self.following.read();
        let index = observation.completed.as_ref().unwrap_or(&following.files.index);
        Ok(Run::default().entry(index, number, number + 1)?.copied())
    }

    fn observe(&self, watch: Option<&dyn Watch>) -> Result<Observation> {
        let namespace = &self.namespace;
        for _ in 0..LOOK_TRIES {
            let following = self.following.read();
            let log = following.files.log.as_ref();
            let lock =
                || log.lock_seen().map_err(|error| Error::os("asking for its lock", &error).of(namespace.log_path()));
            let epoch = following.live.as_ref().map_or(0, Live::ready_epoch);
            let seen = lock()?;
            let observation = match seen {
                Lock::Held => of_unready(&following.files, namespace, watch)?,
                Lock::Ready => of_writer(&following.files, epoch, namespace)?,
                Lock::Free => of_files(&following, namespace, watch)?,
            };
            if lock()? == seen {
                return Ok(Observation { epoch, ..observation });
            }
        }
        let message = "writers come and go faster than a reader can look; try again";
        Err(Error::new(ErrorKind::Io, message).of(namespace.log_path()))
    }

    fn fill_report(&self, report: Report) {
        let mut known = self.namespace.report.lock();
        let duration = if known.duration.is_zero() { self.started.elapsed() } else { known.duration };
        *known = Report { duration, ..report };
    }
}

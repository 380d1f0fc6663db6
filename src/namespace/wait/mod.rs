//! How a reader learns of a record: an event count whose words may lie in `NAME.live`, shared with other processes.
//!
//! ```text
//!   sleeper:  w = counter (Acquire); flag = 1; fence(SeqCst); if there is a reason to go: go; futex_wait(counter == w)
//!   writer:   store H (Release); fence(SeqCst);
//!             if flag != 0 { flag = 0 (Relaxed); counter += 1 (Release); futex_wake(all) }
//!   others:   set own word; fence(SeqCst); counter += 1 (Release); futex_wake(all)
//! ```
//!
//! Every reason to wake changes the counter after its condition holds, and the sleeper read the counter before it
//! checked: nothing is lost. An append makes no system call while no thread sleeps.
//!
//! In the writer's process a sleep lasts until it is woken or due, on words that no other process can reach. The writer
//! looks at two flags: that of its process and that of the page. Any process that may write the page can keep the flag
//! there at 0, and the writer may be killed between publishing and waking. So in each other process one thread watches
//! the page: it sleeps on the counter there until the next look is due. The other threads sleep on the *local word*, a
//! word of their process. The thread that watches the page wakes all of them, or one that takes its place.

mod interrupt;
mod poll_event;
mod visible;

pub use interrupt::Interrupt;
pub use poll_event::PollEvent;
pub use visible::Visible;

use crate::error::Result;
use crate::storage::SharedPage;
use crate::storage::futex::{self, FutexWatch};
use crate::util::memory::{self, Refused};
use crate::util::sync::Arc;
use crate::util::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use poll_event::PollEvents;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The longest sleep outside the writer's process when the writer wakes through the shared words.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The longest sleep when no writer can wake the sleeper.
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The sleepers flag and the wake counter, in the live page or in this process.
///
/// Invariants:
/// 1. `successor` is set once, and the old words are woken after that, so that their sleepers ask again.
/// 2. A waker changes the counter only after the reason to wake holds.
#[derive(Debug)]
struct WakeWords {
    place: Backing,
    /// The words that replaced these; sleepers and wakers use the last of them.
    successor: OnceLock<Box<WakeWords>>,
}

#[derive(Debug)]
enum Backing {
    Shared(Arc<SharedPage>),
    Own { sleepers: AtomicU32, counter: AtomicU32 },
}

impl WakeWords {
    fn new(page: Option<Arc<SharedPage>>) -> WakeWords {
        let place = match page {
            Some(page) => Backing::Shared(page),
            None => Backing::Own { sleepers: AtomicU32::new(0), counter: AtomicU32::new(0) },
        };
        WakeWords { place, successor: OnceLock::new() }
    }

    #[inline]
    fn sleepers(&self) -> &AtomicU32 {
        match &self.place {
            Backing::Shared(page) => page.u32_at(crate::format::live::SLEEPERS.offset()),
            Backing::Own { sleepers, .. } => sleepers,
        }
    }

    fn counter(&self) -> &AtomicU32 {
        match &self.place {
            Backing::Shared(page) => page.u32_at(crate::format::live::COUNTER.offset()),
            Backing::Own { counter, .. } => counter,
        }
    }

    fn scope(&self) -> futex::Scope {
        match self.place {
            Backing::Shared(_) => futex::Scope::Shared,
            Backing::Own { .. } => futex::Scope::Private,
        }
    }

    /// The longest a thread may sleep on these words before it looks for itself.
    fn slice(&self) -> Duration {
        match &self.place {
            Backing::Shared(page) if page.u32_at(crate::format::live::WAKES.offset()).load(Ordering::Relaxed) != 0 => {
                LOOK_INTERVAL
            }
            _ => POLL_INTERVAL,
        }
    }

    /// The second half of a publication: wakes all sleepers, if any thread sleeps.
    #[inline]
    fn wake_sleepers(&self) {
        if self.sleepers().load(Ordering::Relaxed) != 0 {
            self.clear_and_wake();
        }
    }

    #[cold]
    fn clear_and_wake(&self) {
        self.sleepers().store(0, Ordering::Relaxed);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.counter().fetch_add(1, Ordering::Release);
        futex::wake(self.counter(), u32::MAX, self.scope());
    }
}

/// Why a sleeper came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// There was a reason to go before sleeping, or a look is due.
    Ready,
    /// The deadline passed.
    Due,
    /// Something may have happened; ask again.
    Perhaps,
    /// A look is due: look at the files, then ask again.
    Look,
}

/// Where the threads of one process wait for one namespace.
///
/// Invariants:
/// 1. `outside` is there only in the writer's process, where `words` are the process's own and have no successor.
/// 2. Outside the writer's process only one of the waiting calls sleeps on `words`: the one that set `page_is_watched`.
#[derive(Debug)]
#[repr(align(128))] // sleepers store to it, and each append loads it
pub struct EventCount {
    /// The words that threads of this process sleep on: its own in the writer's process, else those of the page.
    words: WakeWords,
    /// In the writer's process: the words of the page, on which threads of other processes sleep.
    outside: Option<WakeWords>,
    /// Whether the writer is in this process, so that no sleep needs a limit.
    writer_here: bool,
    local: AtomicU32,
    /// How many threads sleep on `local`, or are about to.
    local_sleepers: AtomicU32,
    page_is_watched: AtomicBool,
    /// Whether the last look found a writer that wakes no sleeper through the page.
    is_unannounced: AtomicBool,
    poll_events: PollEvents,
}

impl EventCount {
    /// `page`: the words shared with other processes, if there are any.
    pub fn new(page: Option<Arc<SharedPage>>, writer_here: bool) -> EventCount {
        let (local, local_sleepers, page_is_watched) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        let is_unannounced = AtomicBool::new(false);
        let (page, outside) = if writer_here { (None, page) } else { (page, None) };
        let (words, outside) = (WakeWords::new(page), outside.map(|page| WakeWords::new(Some(page))));
        EventCount {
            words,
            outside,
            writer_here,
            local,
            local_sleepers,
            page_is_watched,
            is_unannounced,
            poll_events: PollEvents::new(),
        }
    }

    /// The writer's wake after it published: does nothing while no thread sleeps and no eventfd is armed.
    #[inline]
    pub fn published(&self, visible: &Visible) {
        fence(Ordering::SeqCst);
        // Only words of a page have successors: invariant 1.
        self.words.wake_sleepers();
        if let Some(outside) = &self.outside {
            outside.wake_sleepers();
        }
        if self.poll_events.is_any_armed() {
            self.poll_events.set_below(visible.count());
        }
    }

    /// Wakes all sleepers, in other processes too, and sets every armed eventfd, after the caller made its condition
    /// true: close, poison, recovery.
    pub fn notify_all(&self) {
        self.wake_sleepers();
        if let Some(outside) = &self.outside {
            outside.wake_all();
        }
        self.set_all();
    }

    /// Wakes the threads of this process that sleep, after the caller made its condition true: interrupt.
    /// Async-signal-safe.
    pub fn wake_sleepers(&self) {
        self.words().wake_all();
        // Its fence also lies between the caller's condition and the look for armed eventfds.
        self.wake_local(u32::MAX);
    }

    /// Wakes the other sleepers of this process, after a look found something new.
    pub fn notify_process(&self) {
        self.wake_local(u32::MAX);
        self.set_all();
    }

    /// Sets every armed eventfd.
    pub fn set_all(&self) {
        if self.poll_events.is_any_armed() {
            self.poll_events.set_all();
        }
    }

    /// Clears and arms `poll_event`: it is set, once, when record `position` is visible or the stream has another
    /// reason to ask. The caller looks for that record after this call, as before a sleep. Returns whether no eventfd
    /// of this namespace was armed before.
    pub fn arm(&self, poll_event: &Arc<PollEvent>, position: u64) -> Result<bool> {
        poll_event.event().clear();
        let is_first = self.poll_events.arm(poll_event, position)?;
        fence(Ordering::SeqCst);
        Ok(is_first)
    }

    /// Disarms `poll_event`: only an interrupt sets it after this.
    pub fn disarm(&self, poll_event: &Arc<PollEvent>) {
        self.poll_events.disarm(poll_event);
    }

    pub fn is_any_armed(&self) -> bool {
        self.poll_events.is_any_armed()
    }

    /// The first half of a sleep. A caller that looks after this, and then sleeps while the word is as it was seen,
    /// misses nothing.
    pub fn watch(&self) -> FutexWatch<'_> {
        let mut words = self.words();
        let mut seen = words.counter().load(Ordering::Acquire);
        // The old words are woken once, after they have a successor. A counter read from them after that shows nothing
        // any more.
        while let Some(successor) = words.successor.get() {
            words = successor;
            seen = words.counter().load(Ordering::Acquire);
        }
        words.sleepers().store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        FutexWatch { word: words.counter(), seen, scope: words.scope() }
    }

    /// Sets the armed eventfds whose records are visible.
    pub fn set_due(&self, visible: &Visible) {
        self.poll_events.set_below(visible.count());
    }

    /// A [`Waiter`] for one call, which may sleep several times.
    pub fn waiter(&self) -> Waiter<'_> {
        Waiter { events: self, has_slept: false }
    }

    fn wait(
        &self,
        deadline: Option<Instant>,
        look_due_in: impl FnOnce() -> Duration,
        ready: impl FnOnce() -> bool,
    ) -> Woken {
        let seen_local = self.local.load(Ordering::Acquire);
        let FutexWatch { word, seen, scope } = self.watch();
        if ready() {
            return Woken::Ready;
        }
        let left = match deadline.map(|due| due.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return Woken::Due,
            left => left,
        };
        if self.writer_here {
            futex::wait(word, seen, left, scope);
            return Woken::Perhaps;
        }
        // A look that is due ends the wait, since nothing else may wake this thread for it. The deadline is tested
        // before: if the page shows another epoch each time, or each look takes long, a look is always due. `ready` may
        // take long, so it is called before this check.
        let look_due_in = look_due_in();
        if look_due_in.is_zero() {
            return Woken::Ready;
        }
        if self.page_is_watched.swap(true, Ordering::AcqRel) {
            // The thread that watches the page is woken by what comes after its own look. This thread has to see for
            // itself what came between its look and that one.
            if word.load(Ordering::Acquire) == seen {
                self.sleep_on_local(seen_local, left);
            }
            return Woken::Perhaps;
        }
        let is_look_first = left.is_none_or(|left| look_due_in <= left);
        let longest = left.map_or(look_due_in, |left| left.min(look_due_in));
        let timed_out = futex::wait(word, seen, Some(longest), scope);
        let changed = word.load(Ordering::Acquire) != seen;
        // A swap, as when the flag was taken: loom lets a plain store and a concurrent swap pass each other.
        self.page_is_watched.swap(false, Ordering::AcqRel);
        // One thread to watch the page next is enough, unless all have a reason to ask again.
        self.wake_local(if changed { u32::MAX } else { 1 });
        if timed_out && is_look_first && !changed { Woken::Look } else { Woken::Perhaps }
    }

    /// The longest a thread may sleep before it looks for itself.
    pub fn look_interval(&self) -> Duration {
        if self.is_unannounced.load(Ordering::Relaxed) { POLL_INTERVAL } else { self.words().slice() }
    }

    /// Sets whether there is a writer that says nothing through the page, whatever the page says.
    pub fn set_unannounced(&self, is_unannounced: bool) {
        self.is_unannounced.store(is_unannounced, Ordering::Relaxed);
    }

    /// Switches to the words of a page that was created again; sleepers on the old words ask again.
    pub fn move_to(&self, page: Arc<SharedPage>) -> Result<(), Refused> {
        let old = self.words();
        if old.successor.set(memory::boxed(WakeWords::new(Some(page)))?).is_ok() {
            old.wake_all();
            self.wake_local(u32::MAX);
        }
        Ok(())
    }

    fn words(&self) -> &WakeWords {
        let mut words = &self.words;
        while let Some(successor) = words.successor.get() {
            words = successor;
        }
        words
    }

    fn sleep_on_local(&self, seen: u32, timeout: Option<Duration>) {
        self.local_sleepers.fetch_add(1, Ordering::Relaxed);
        // Between the count and the kernel's look at the word. The other fence is in `wake_local`.
        fence(Ordering::SeqCst);
        futex::wait(&self.local, seen, timeout, futex::Scope::Private);
        self.local_sleepers.fetch_sub(1, Ordering::Relaxed);
    }

    /// A stream that is alone makes no system call here.
    fn wake_local(&self, most: u32) {
        self.local.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if self.local_sleepers.load(Ordering::Relaxed) != 0 {
            futex::wake(&self.local, most, futex::Scope::Private);
        }
    }
}

/// A call that sleeps until it has a reason to go.
#[derive(Debug)]
pub struct Waiter<'a> {
    events: &'a EventCount,
    has_slept: bool,
}

impl Waiter<'_> {
    /// Sleeps once unless `ready`. Outside the writer's process the sleep ends at the latest when a look is due. The
    /// caller asks again until it is satisfied.
    pub fn wait(
        &mut self,
        deadline: Option<Instant>,
        look_due_in: impl FnOnce() -> Duration,
        ready: impl FnOnce() -> bool,
    ) -> Woken {
        self.has_slept = true;
        self.events.wait(deadline, look_due_in, ready)
    }
}

impl Drop for Waiter<'_> {
    /// This thread may have been the one that was woken to watch the page next.
    fn drop(&mut self) {
        let events = self.events;
        if self.has_slept && !events.writer_here && !events.page_is_watched.load(Ordering::Acquire) {
            events.wake_local(1);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_when_a_look_is_due() {
        let (events, due_in) = (EventCount::new(None, false), Duration::from_nanos(1));
        // The deadline is after the look is due, and before a whole interval is over. A machine that is busy may let it
        // pass.
        let deadline = || Some(Instant::now() + POLL_INTERVAL / 2);
        let mut tries = std::iter::repeat_with(|| events.waiter().wait(deadline(), || due_in, || false));
        assert_eq!(tries.find(|woken| *woken != Woken::Due), Some(Woken::Look), "it does not last until the deadline");
        assert_eq!(events.waiter().wait(None, || due_in, || false), Woken::Look);
        assert_eq!(events.waiter().wait(None, || Duration::MAX, || true), Woken::Ready);
        let due_now = || Duration::ZERO;
        assert_eq!(events.waiter().wait(None, due_now, || false), Woken::Ready);
        assert_eq!(
            events.waiter().wait(Some(Instant::now()), due_now, || false),
            Woken::Due,
            "the deadline comes first"
        );
    }
}

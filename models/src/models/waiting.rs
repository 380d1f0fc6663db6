//! Publish, sleep, interrupt and close: every event that a sleeping thread waits for wakes it. A lost wake-up is a
//! deadlock here, since no time passes that could end a sleep without a deadline.

use super::super::wait::{EventCount, Interrupt, Visible};
use crate::format::live::SLEEPERS;
use crate::storage::SharedPage;
use crate::util::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// Where `count` records end in these models.
fn end_of(count: u64) -> u64 {
    8 + 100 * count
}

/// A namespace as a writer or a reader of one process has it.
#[derive(Clone)]
pub struct Namespace {
    pub visible: Arc<Visible>,
    pub events: Arc<EventCount>,
    closed: Arc<AtomicBool>,
}

impl Namespace {
    /// Of the writer's own process.
    pub fn new() -> Namespace {
        Namespace {
            visible: Arc::new(Visible::new()),
            events: Arc::new(EventCount::new(None, true)),
            closed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The same as a writer has it, and as a reader of another process has it.
    fn in_two_processes() -> (Namespace, Namespace) {
        let (page, writer) = (crate::util::sync::Arc::new(SharedPage::new()).unwrap(), Namespace::new());
        let events = |writer_here| Arc::new(EventCount::new(Some(page.clone()), writer_here));
        let reader = Namespace { events: events(false), closed: Arc::new(AtomicBool::new(false)), ..writer.clone() };
        (Namespace { events: events(true), ..writer }, reader)
    }

    /// As the writer does it.
    pub fn publish(&self, count: u64) {
        self.visible.publish(count, end_of(count));
        self.events.published(&self.visible);
    }

    /// As a stream does it.
    fn wait_for(&self, count: u64) {
        self.wait_until(|| self.visible.count() >= count);
        let (seen, end) = self.visible.get();
        assert!(end >= end_of(count) && seen >= count, "{seen} records that end at {end}");
    }

    fn wait_until(&self, is_there: impl Fn() -> bool) {
        let mut waiter = self.events.waiter();
        while !is_there() {
            waiter.wait(None, || Duration::MAX, &is_there);
        }
    }

    /// As a log that is shut down does it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.events.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

pub fn spawn<T: 'static>(act: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(act)
}

pub fn visible() {
    let namespace = Namespace::new();
    let writer = namespace.clone();
    let writing = spawn(move || writer.visible.publish(1, end_of(1)));
    let (count, end) = namespace.visible.get();
    assert!(count == 0 || end == end_of(1), "{count} records that end at {end}");
    writing.join().unwrap();
}

pub fn sleep_and_publish() {
    let namespace = Namespace::new();
    let writer = namespace.clone();
    let writing = spawn(move || (1..=2).for_each(|count| writer.publish(count)));
    namespace.wait_for(1);
    namespace.wait_for(2);
    writing.join().unwrap();
}

/// Another process that may write the page takes back what sleepers say there, at any time: those of the writer's
/// process do not sleep on it.
pub fn sleep_and_publish_beside_a_scribbler() {
    let page = crate::util::sync::Arc::new(SharedPage::new()).unwrap();
    let events = Arc::new(EventCount::new(Some(page.clone()), true));
    let namespace = Namespace { events, ..Namespace::new() };
    let writer = namespace.clone();
    let writing = spawn(move || writer.publish(1));
    let scribbling = spawn(move || page.u32_at(SLEEPERS.offset()).store(0, Ordering::Relaxed));
    namespace.wait_for(1);
    writing.join().unwrap();
    scribbling.join().unwrap();
}

pub fn sleep_outside_and_publish() {
    let (writer, reader) = Namespace::in_two_processes();
    let other = reader.clone();
    let sleeping = spawn(move || other.wait_for(1));
    let writing = spawn(move || writer.publish(1));
    reader.wait_for(1);
    writing.join().unwrap();
    sleeping.join().unwrap();
}

/// The thread whose record comes earlier has to leave before the other can, whether it sleeps on the shared words or
/// not.
pub fn sleep_outside_and_hand_over() {
    let (writer, reader) = Namespace::in_two_processes();
    let (other, later) = (reader.clone(), writer.clone());
    let sleeping = spawn(move || {
        other.wait_for(1);
        later.publish(2);
    });
    let writing = spawn(move || writer.publish(1));
    reader.wait_for(2);
    writing.join().unwrap();
    sleeping.join().unwrap();
}

pub fn sleep_and_interrupt() {
    let (namespace, interrupt) = (Namespace::new(), Arc::new(Interrupt::default()));
    let (writer, interrupter) = (namespace.clone(), namespace.clone());
    let raised = Arc::clone(&interrupt);
    let interrupting = spawn(move || raised.raise(&interrupter.events));
    let writing = spawn(move || writer.publish(1));
    namespace.wait_until(|| interrupt.is_raised() || namespace.visible.count() > 0);
    namespace.wait_until(|| interrupt.is_raised());
    assert!(interrupt.take() && !interrupt.take(), "once");
    namespace.wait_for(1);
    interrupting.join().unwrap();
    writing.join().unwrap();
}

pub fn sleep_and_close() {
    let namespace = Namespace::new();
    let (closer, other) = (namespace.clone(), namespace.clone());
    let closing = spawn(move || closer.close());
    let sleeping = spawn(move || other.wait_until(|| other.is_closed()));
    namespace.wait_until(|| namespace.is_closed());
    closing.join().unwrap();
    sleeping.join().unwrap();
}

pub fn sleep_outside_and_close() {
    let (_writer, reader) = Namespace::in_two_processes();
    let (closer, other) = (reader.clone(), reader.clone());
    let closing = spawn(move || closer.close());
    let sleeping = spawn(move || other.wait_until(|| other.is_closed()));
    reader.wait_until(|| reader.is_closed());
    closing.join().unwrap();
    sleeping.join().unwrap();
}

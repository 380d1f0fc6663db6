//! Event loops: the eventfd of an armed stream is set for every event that the stream waits for. A lost edge is a
//! deadlock here.

use super::super::wait::{Interrupt, PollEvent};
use super::waiting::{Namespace, spawn};
use crate::storage::EventFd;
use std::sync::Arc;

/// A stream of an event loop.
struct Stream {
    namespace: Namespace,
    poll_event: crate::util::sync::Arc<PollEvent>,
    interrupt: Arc<Interrupt>,
}

impl Stream {
    fn new(namespace: &Namespace) -> Stream {
        Stream::interrupted_by(namespace, Arc::new(Interrupt::default()))
    }

    fn interrupted_by(namespace: &Namespace, interrupt: Arc<Interrupt>) -> Stream {
        let poll_event =
            interrupt.set_poll_event(crate::util::sync::Arc::new(PollEvent::new(EventFd::new())).unwrap()).clone();
        Stream { namespace: namespace.clone(), poll_event, interrupt }
    }

    /// As the header teaches it: arm, look, wait until readable. `position`: the record that is wanted.
    fn wait(&self, position: u64) {
        loop {
            self.namespace.events.arm(&self.poll_event, position).unwrap();
            if self.is_ready(position) {
                return;
            }
            self.poll_event.event().wait_readable();
            if self.is_ready(position) {
                return;
            }
        }
    }

    fn is_ready(&self, position: u64) -> bool {
        self.namespace.visible.count() > position || self.interrupt.is_raised() || self.namespace.is_closed()
    }
}

pub fn arm_and_publish() {
    let namespace = Namespace::new();
    let writer = namespace.clone();
    let writing = spawn(move || (1..=2).for_each(|count| writer.publish(count)));
    let stream = Stream::new(&namespace);
    stream.wait(0);
    stream.wait(1);
    writing.join().unwrap();
}

/// Two streams that wait for different records, one of which goes while the writer may be ringing.
pub fn arm_two_and_publish() {
    let namespace = Namespace::new();
    let (writer, other) = (namespace.clone(), namespace.clone());
    let writing = spawn(move || (1..=2).for_each(|count| writer.publish(count)));
    let polling = spawn(move || {
        let stream = Stream::new(&other);
        stream.wait(0);
        other.events.disarm(&stream.poll_event);
    });
    Stream::new(&namespace).wait(1);
    polling.join().unwrap();
    writing.join().unwrap();
}

/// The interrupt may come before the stream has an eventfd.
pub fn arm_and_interrupt() {
    let (namespace, interrupt) = (Namespace::new(), Arc::new(Interrupt::default()));
    let (interrupter, raised) = (namespace.clone(), Arc::clone(&interrupt));
    let interrupting = spawn(move || raised.raise(&interrupter.events));
    let stream = Stream::interrupted_by(&namespace, interrupt);
    stream.wait(0);
    assert!(stream.interrupt.take(), "nothing else can have woken it");
    interrupting.join().unwrap();
}

pub fn arm_and_close() {
    let namespace = Namespace::new();
    let closer = namespace.clone();
    let closing = spawn(move || closer.close());
    Stream::new(&namespace).wait(0);
    assert!(namespace.is_closed(), "nothing else can have woken it");
    closing.join().unwrap();
}

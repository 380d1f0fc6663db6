//! What a call on a simulated disk can suffer: a refusal, a signal, a transfer that stops early. The index of a call
//! selects it.

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this operating system error number. A refused write leaves the first half of its bytes
    /// (`EFBIG`: none). A refused sync makes nothing safe and forgets what was to be made so, as Linux does (see
    /// [`super::SyncFailure`]). Every other call changes nothing.
    Refuse(i32),
    /// As `Refuse`, but a refused write has written all of its bytes.
    RefuseLate(i32),
    /// A signal interrupts it before it does anything; like the real engines this one makes it again, as another call.
    Interrupt,
    /// It transfers only a part; like the real engines this one continues with the rest, as another call. A call that
    /// transfers nothing is not affected.
    Shorten(Part),
}

/// How much a short transfer transfers: at least one byte, and all of them only if there is only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    One,
    Half,
    AllButOne,
}

impl Fault {
    /// The error number of a refusal.
    pub(super) fn refusal(self) -> Option<i32> {
        match self {
            Fault::Refuse(number) | Fault::RefuseLate(number) => Some(number),
            Fault::Interrupt | Fault::Shorten(_) => None,
        }
    }

    /// How many of `bytes` are transferred.
    pub(super) fn part_of(self, bytes: usize) -> usize {
        match self {
            // The engines ask for the limit before they write, so nothing is written beyond it.
            Fault::Refuse(libc::EFBIG) | Fault::Interrupt => 0,
            Fault::Refuse(_) => bytes / 2,
            Fault::RefuseLate(_) => bytes,
            Fault::Shorten(Part::One) => bytes.min(1),
            Fault::Shorten(Part::Half) => bytes.div_ceil(2),
            Fault::Shorten(Part::AllButOne) => bytes.saturating_sub(1).max(bytes.min(1)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    index: u64,
    fault: Fault,
    sticky: bool,
}

impl Planned {
    fn hits(&self, index: u64) -> bool {
        index == self.index || self.sticky && index > self.index
    }
}

/// The faults that are planned, and how many calls have met one.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    planned: Vec<Planned>,
    met: u64,
    /// The call that was interrupted last.
    interrupted: Option<u64>,
}

impl Faults {
    pub(super) fn plan(&mut self, index: u64, fault: Fault, sticky: bool) {
        self.planned.push(Planned { index, fault, sticky });
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
    }

    /// The fault that the call with this index meets. A call that is made again after an interruption is not
    /// interrupted.
    pub(super) fn meet(&mut self, index: u64) -> Option<Fault> {
        let is_again = self.interrupted.is_some_and(|interrupted| interrupted + 1 == index);
        let mut hits = self.planned.iter().filter(|planned| planned.hits(index)).map(|planned| planned.fault);
        let hit = hits.find(|fault| *fault != Fault::Interrupt || !is_again);
        if hit == Some(Fault::Interrupt) {
            self.interrupted = Some(index);
        }
        self.met += u64::from(hit.is_some());
        hit
    }

    /// Whether a call with this index or a later one is to meet a fault.
    pub(super) fn has_any_from(&self, index: u64) -> bool {
        self.planned.iter().any(|planned| planned.index >= index || planned.sticky)
    }

    pub(super) fn met(&self) -> u64 {
        self.met
    }
}

//! What can strike a run: faults at calls, and the fate of the process afterwards.

use immuta::storage::simulated::{Fault, Part, Simulated};
use immuta::{Error, ErrorKind};

/// What the process meets when the faults are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It closes the log, once more if need be.
    Close,
    Kill,
    PowerLoss,
}

pub const AFTERS: [After; 3] = [After::Close, After::Kill, After::PowerLoss];

/// One fault at one call, or at all calls from it on.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// Counted from the beginning of the run.
    pub call: u64,
    pub fault: Fault,
    pub sticky: bool,
}

/// The errors a call can be refused with, and the kind the caller must hear.
const REFUSALS: [(i32, ErrorKind); 6] = [
    (libc::EIO, ErrorKind::Io),
    (libc::ENOSPC, ErrorKind::NoSpace),
    (libc::EDQUOT, ErrorKind::NoSpace),
    (libc::EFBIG, ErrorKind::NoSpace),
    (libc::ENOMEM, ErrorKind::NoMemory),
    (libc::EMFILE, ErrorKind::Limit),
];
const PARTS: [Part; 3] = [Part::One, Part::Half, Part::AllButOne];

/// Every fault there is, once and sticky. (One byte at a time for ever would only be slow.)
pub fn all_faults() -> Vec<(Fault, bool)> {
    let refusals = REFUSALS.map(|(number, _)| Fault::Refuse(number));
    let shorts = PARTS.map(Fault::Shorten);
    let once = refusals.iter().chain(&shorts).chain(&[Fault::Interrupt]).map(|fault| (*fault, false));
    let sticky = refusals.iter().chain(&[Fault::Shorten(Part::Half), Fault::Interrupt]).map(|fault| (*fault, true));
    let all = once.chain(sticky);
    // With debug assertions each run takes ten times as long, so only the few faults that reach every path are used.
    let is_wanted = |(fault, sticky): &(Fault, bool)| {
        !cfg!(debug_assertions)
            || !sticky && matches!(fault, Fault::Refuse(libc::EIO | libc::ENOSPC) | Fault::Shorten(Part::Half))
    };
    all.filter(is_wanted).collect()
}

impl Strike {
    pub fn arm(self, disk: &Simulated) {
        disk.strike_call(disk.calls() + self.call, self.fault, self.sticky);
    }

    /// Whether `error` is what this fault must come out as: no error for a signal or a short transfer. A refusal must
    /// come with its number, and with its kind unless the namespace is poisoned now.
    pub fn explains(self, error: &Error, is_poisoned: bool) -> bool {
        let Fault::Refuse(number) = self.fault else { return false };
        let kind = REFUSALS.iter().find(|(refused, _)| *refused == number).map(|(_, kind)| *kind);
        let by_number =
            error.os_error == number && (Some(error.kind) == kind || is_poisoned && error.kind == ErrorKind::Io);
        by_number || is_poisoned && error.kind == ErrorKind::Poisoned
    }
}

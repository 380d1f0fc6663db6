//! The records and batches that C callers hold: a table of loans, and the tokens that name them.
//!
//! A token is numbers only: the slot of the loan, the slot's version, and the fork generation. So a token that was
//! handed back before, copied or made up is recognised without following a pointer.
//!
//! The table lies on the path of every record read, so it has no locks. Each slot counts its versions, four to a loan:
//!
//! ```text
//!   free --claim--> filling --store--> lent --claim--> emptying --store--> free ...
//! ```
//!
//! A claim is a compare-and-exchange. Only the thread that claimed a slot touches its loan, until it stores the next
//! version. A slot that another thread had claimed at the moment of a fork stays so in the child and is passed over
//! there; tokens of the parent reach no slot in the child.

use crate::error::no_memory;
use crate::storage::fork;
use crate::util::sync::UnsafeCell;
use crate::util::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::{Error, ErrorKind, Result};
use std::cmp;
use std::ptr;

// A token from its lowest bit: slot, fork generation, version (which is never 0 when a slot is lent, and so no token
// is).
const SLOT_BITS: u32 = 20;
const FORK_BITS: u32 = 12;
const FORK_SHIFT: u32 = SLOT_BITS;
const VERSION_SHIFT: u32 = FORK_SHIFT + FORK_BITS;
const _: () = assert!(VERSION_SHIFT == 32);

/// A version modulo 4. The two odd ones are claims: filling and emptying.
const VERSIONS_PER_LOAN: u32 = 4;
const FREE: u32 = 0;
const LENT: u32 = 2;

/// Slots of the first chunk; each further one doubles the table.
const FIRST_CHUNK_SLOTS: usize = 64;
const CHUNK_COUNT: usize = 15;
const SLOT_COUNT_MAX: usize = FIRST_CHUNK_SLOTS << (CHUNK_COUNT - 1);
const _: () = assert!(SLOT_COUNT_MAX == 1 << SLOT_BITS);
/// Slots that may share a cache line. Borrowers begin so far apart.
const SLOTS_PER_LINE: usize = 8;

/// Loans of one kind: what the library must keep while a caller holds the token. Never freed, as it lives in a static.
pub struct Loans<T> {
    /// Null from the first one on that was not needed yet.
    chunks: [AtomicPtr<LoanSlot<T>>; CHUNK_COUNT],
}

struct LoanSlot<T> {
    version: AtomicU32,
    loan: UnsafeCell<Option<T>>,
}

/// What a token that comes back leads to.
#[derive(Debug)]
pub enum ReturnedLoan<T> {
    Loan(T),
    /// The loan is the parent's, and this is a forked child, which has nothing to release.
    Parents,
}

impl<T: Send> Loans<T> {
    pub const fn new() -> Self {
        Loans { chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNK_COUNT] }
    }

    /// Keeps `loan` until its token comes back, in the slot `preferred` if that is free; `preferred` becomes the one
    /// used.
    ///
    /// # Errors
    /// No memory for the table, or a million loans in it. The loan is dropped then.
    pub fn lend(&self, loan: T, preferred: &mut usize) -> Result<u64> {
        let (index, slot, filling) = self.claim_free(*preferred)?;
        *preferred = index;
        // SAFETY: the claim made this thread the only one to touch the loan until the next version.
        slot.loan.with_mut(|place| unsafe { *place = Some(loan) });
        let lent = filling.wrapping_add(1);
        slot.version.store(lent, Ordering::Release);
        Ok(u64::from(lent) << VERSION_SHIFT | fork_number() << FORK_SHIFT | index as u64)
    }

    /// The loan that a token names, once; `None` for a token that names nothing (any more).
    #[expect(clippy::cast_possible_truncation, reason = "the fields of a token are no wider than these types")]
    pub fn take_back(&self, token: u64) -> Option<ReturnedLoan<T>> {
        let lent = (token >> VERSION_SHIFT) as u32;
        if lent % VERSIONS_PER_LOAN != LENT {
            return None;
        }
        match field(token, FORK_SHIFT, FORK_BITS).cmp(&fork_number()) {
            cmp::Ordering::Less => return Some(ReturnedLoan::Parents),
            cmp::Ordering::Greater => return None,
            cmp::Ordering::Equal => {}
        }
        let index = field(token, 0, SLOT_BITS) as usize;
        let slot = self.slot(index)?;
        let emptying = slot.claim(lent)?;
        // SAFETY: the claim made this thread the only one to touch the loan until the next version.
        let loan = slot.loan.with_mut(|place| unsafe { (*place).take() });
        slot.version.store(emptying.wrapping_add(1), Ordering::Release);
        loan.map(ReturnedLoan::Loan)
    }

    /// A free slot, claimed, and its version: the one preferred, or the next.
    #[inline]
    fn claim_free(&self, preferred: usize) -> Result<(usize, &LoanSlot<T>, u32)> {
        self.claim_if_free(preferred).map_or_else(|| self.search(preferred), Ok)
    }

    #[inline]
    fn claim_if_free(&self, index: usize) -> Option<(usize, &LoanSlot<T>, u32)> {
        let slot = self.slot(index)?;
        let version = slot.version.load(Ordering::Relaxed);
        if version % VERSIONS_PER_LOAN != FREE {
            return None;
        }
        Some((index, slot, slot.claim(version)?))
    }

    #[cold]
    fn search(&self, preferred: usize) -> Result<(usize, &LoanSlot<T>, u32)> {
        loop {
            let slot_count = self.slot_count();
            for step in 0..slot_count {
                if let Some(claimed) = self.claim_if_free((preferred + step) % slot_count) {
                    return Ok(claimed);
                }
            }
            self.grow(slot_count)?;
        }
    }

    /// How many slots there are.
    fn slot_count(&self) -> usize {
        match self.chunks.iter().take_while(|chunk| !chunk.load(Ordering::Relaxed).is_null()).count() {
            0 => 0,
            chunk_count => FIRST_CHUNK_SLOTS << (chunk_count - 1),
        }
    }

    fn slot(&self, index: usize) -> Option<&LoanSlot<T>> {
        let chunk_index = chunk_of(index);
        let first = self.chunks.get(chunk_index)?.load(Ordering::Acquire);
        let place = index - slots_before(chunk_index);
        // SAFETY: null, or the first slot of a chunk that `grow` leaked, which holds all slots from `slots_before` its
        // index to before the next chunk's; so the place is inside it. Slots are only reached through shared
        // references.
        unsafe { first.as_ref().map(|first| &*ptr::from_ref(first).add(place)) }
    }

    /// Adds a chunk to the table of `slot_count` slots, unless another thread just did.
    #[cold]
    fn grow(&self, slot_count: usize) -> Result<()> {
        let Some(chunk) = self.chunks.get(chunk_of(slot_count)) else {
            let message = "a million records and batches are held; release some with their done call";
            return Err(Error::new(ErrorKind::Limit, message));
        };
        let added_count = slot_count.max(FIRST_CHUNK_SLOTS);
        let mut slots: Vec<LoanSlot<T>> = Vec::new();
        slots
            .try_reserve_exact(added_count)
            .map_err(|_| no_memory("the table of records held", (added_count * size_of::<LoanSlot<T>>()) as u64))?;
        slots.resize_with(added_count, || LoanSlot { version: AtomicU32::new(FREE), loan: UnsafeCell::new(None) });
        let added = Box::into_raw(slots.into_boxed_slice());
        let published = chunk.compare_exchange(ptr::null_mut(), added.cast(), Ordering::Release, Ordering::Relaxed);
        if published.is_err() {
            // SAFETY: came from `Box::into_raw` just now and was not published.
            drop(unsafe { Box::from_raw(added) });
        }
        Ok(())
    }
}

impl<T> LoanSlot<T> {
    /// Goes on from `version`, if the slot is at that version and no other thread is faster.
    fn claim(&self, version: u32) -> Option<u32> {
        let claimed = version.wrapping_add(1);
        self.version.compare_exchange(version, claimed, Ordering::Acquire, Ordering::Relaxed).ok().map(|_| claimed)
    }
}

/// The chunk that slot `index` is in.
fn chunk_of(index: usize) -> usize {
    (index / FIRST_CHUNK_SLOTS).checked_ilog2().map_or(0, |power| power as usize + 1)
}

/// The index of the first slot of a chunk.
fn slots_before(chunk_index: usize) -> usize {
    if chunk_index == 0 { 0 } else { FIRST_CHUNK_SLOTS << (chunk_index - 1) }
}

/// The slot that a new borrower prefers. Later it prefers the slot that it used last: most often that slot is free
/// again, and still in the cache.
pub fn first_preferred() -> usize {
    static BORROWERS: AtomicUsize = AtomicUsize::new(0);
    BORROWERS.fetch_add(SLOTS_PER_LINE, Ordering::Relaxed)
}

/// Tokens of the parent and of forked children differ in this; it is enough for 4095 forks within forks.
fn fork_number() -> u64 {
    field(fork::generation(), 0, FORK_BITS)
}

/// The `bits` bits of `word` from bit `shift` on.
fn field(word: u64, shift: u32, bits: u32) -> u64 {
    word >> shift & ((1 << bits) - 1)
}

#[cfg(all(test, not(loom)))]
mod tests;

//! The records and batches that C callers hold: a table of loans, and the tokens that name them.
//!
//! A token is numbers only: the shard and the slot of the loan, the slot's generation, and the fork generation. So a
//! token that was handed back before, copied or made up is recognised without following a pointer.
//!
//! The table lies on the path of every record read. So each thread prefers a shard of its own, passes over one that
//! is locked, and holds a lock for a few instructions. A shard that another thread had locked at the moment of a fork
//! stays so in the child and is passed over there; tokens of the parent reach no lock in the child.

use crate::error::{Error, ErrorKind, Result, no_memory};
use crate::storage::fork;
use crate::sync::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicUsize, Ordering};

// A token from its lowest bit: slot, shard, fork generation, slot generation (never 0, and so no token is).
const SLOT_BITS: u32 = 16;
const SHARD_BITS: u32 = 4;
const FORK_BITS: u32 = 12;
const SHARD_SHIFT: u32 = SLOT_BITS;
const FORK_SHIFT: u32 = SHARD_SHIFT + SHARD_BITS;
const GENERATION_SHIFT: u32 = FORK_SHIFT + FORK_BITS;
const _: () = assert!(GENERATION_SHIFT == 32);

const SHARD_COUNT: usize = 1 << SHARD_BITS;
const SLOT_COUNT_MAX: usize = 1 << SLOT_BITS;
/// How often the shards are gone through in search of one that is not locked.
const ROUNDS_MAX: usize = 1000;

/// Loans of one kind: what the library must keep while a caller holds the token.
pub struct Loans<T> {
    shards: [Mutex<Shard<T>>; SHARD_COUNT],
}

struct Shard<T> {
    slots: Vec<Slot<T>>,
    /// The free slots; the one freed last is on top, as it is still in the cache.
    free: Vec<u16>,
}

struct Slot<T> {
    /// How many loans it has had.
    generation: u32,
    loan: Option<T>,
}

/// What a token that comes back leads to.
#[derive(Debug)]
pub enum Returned<T> {
    Loan(T),
    /// The loan is the parent's, and this is a forked child, which has nothing to release.
    Parents,
}

impl<T> Loans<T> {
    pub const fn new() -> Self {
        Loans { shards: [const { Mutex::new(Shard { slots: Vec::new(), free: Vec::new() }) }; SHARD_COUNT] }
    }

    /// Keeps `loan` until its token comes back.
    ///
    /// # Errors
    /// No memory for the table, or a million loans in it. The loan is dropped then.
    pub fn lend(&self, loan: T) -> Result<u64> {
        let (shard_index, mut shard, slot_index) = self.free_slot()?;
        let slot = &mut shard.slots[usize::from(slot_index)];
        slot.generation = slot.generation.wrapping_add(1).max(1);
        slot.loan = Some(loan);
        Ok(u64::from(slot.generation) << GENERATION_SHIFT
            | fork_number() << FORK_SHIFT
            | (shard_index as u64) << SHARD_SHIFT
            | u64::from(slot_index))
    }

    /// What a token names, which it does once; `None` for a token that names nothing (any more).
    #[expect(clippy::cast_possible_truncation, reason = "the fields of a token are no wider than these types")]
    pub fn take_back(&self, token: u64) -> Option<Returned<T>> {
        let generation = (token >> GENERATION_SHIFT) as u32;
        if generation == 0 || field(token, FORK_SHIFT, FORK_BITS) > fork_number() {
            return None;
        }
        if field(token, FORK_SHIFT, FORK_BITS) < fork_number() {
            return Some(Returned::Parents);
        }
        let mut shard = self.shards.get(field(token, SHARD_SHIFT, SHARD_BITS) as usize)?.lock();
        let slot_index = field(token, 0, SLOT_BITS) as u16;
        let slot = shard.slots.get_mut(usize::from(slot_index)).filter(|slot| slot.generation == generation)?;
        let loan = slot.loan.take()?;
        shard.free.push(slot_index); // has room: see `Shard::grow`
        drop(shard); // what follows from dropping the loan is not this shard's business
        Some(Returned::Loan(loan))
    }

    /// A slot to lend from, taken off its shard's free list, with the shard locked.
    fn free_slot(&self) -> Result<(usize, MutexGuard<'_, Shard<T>>, u16)> {
        let preferred = preferred_shard();
        for _ in 0..ROUNDS_MAX {
            let mut locked_count = 0;
            for step in 0..SHARD_COUNT {
                let index = (preferred + step) % SHARD_COUNT;
                let Some(mut shard) = self.shards[index].try_lock() else {
                    locked_count += 1;
                    continue;
                };
                if shard.free.is_empty() {
                    shard.grow()?;
                }
                if let Some(slot_index) = shard.free.pop() {
                    return Ok((index, shard, slot_index));
                }
            }
            if locked_count == 0 {
                break;
            }
            std::thread::yield_now();
        }
        Err(Error::new(ErrorKind::Limit, "a million records and batches are held; release some with their done call"))
    }
}

impl<T> Shard<T> {
    /// Adds a free slot, unless there are as many as a token can tell apart.
    fn grow(&mut self) -> Result<()> {
        let Ok(slot_index) = u16::try_from(self.slots.len()) else { return Ok(()) };
        let refused = |_| no_memory("the table of records held", size_of::<Slot<T>>() as u64);
        self.slots.try_reserve(1).map_err(refused)?;
        // All slots may be free at once: with this much room, taking a loan back never allocates.
        self.free.try_reserve(self.slots.len() + 1).map_err(refused)?;
        self.slots.push(Slot { generation: 0, loan: None });
        self.free.push(slot_index);
        Ok(())
    }
}

const _: () = assert!(SLOT_COUNT_MAX == u16::MAX as usize + 1);

/// Threads are spread over the shards in the order of their first loan.
fn preferred_shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARD_COUNT;
    }
    SHARD.with(|shard| *shard)
}

/// Tokens of the parent and of forked children differ in this; it is enough for 4095 forks within forks.
fn fork_number() -> u64 {
    field(fork::generation(), 0, FORK_BITS)
}

/// The `bits` bits of `word` from bit `shift` on.
fn field(word: u64, shift: u32, bits: u32) -> u64 {
    word >> shift & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests;

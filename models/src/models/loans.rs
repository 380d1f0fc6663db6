//! The table of loans: every loan has a slot to itself while it is lent, and a token leads to its own loan, once.
//!
//! A token goes from thread to thread by relaxed stores here. The receiving thread must see the loan without the help
//! of the thread that hands the token over.

use super::super::token::{Loans, ReturnedLoan};
use super::waiting::spawn;
use crate::util::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// No token.
const NONE: u64 = 0;

/// An empty table, and the stand-ins for its constants, which are made at their first use, made before there are
/// threads.
fn table() -> Arc<Loans<u32>> {
    const LENT_ONCE: u64 = 2 << 32;
    let loans = Arc::new(Loans::new());
    for slot in [0, 64] {
        assert_eq!(take_back(&loans, LENT_ONCE + slot), None, "a token made up names nothing");
    }
    loans
}

fn lend(loans: &Loans<u32>, loan: u32) -> u64 {
    loans.lend(loan, &mut 0).unwrap()
}

#[allow(clippy::needless_pass_by_value, reason = "the loan ends here")]
fn take_back(loans: &Loans<u32>, token: u64) -> Option<u32> {
    match loans.take_back(token) {
        Some(ReturnedLoan::Loan(loan)) => Some(loan),
        Some(ReturnedLoan::Parents) => unreachable!("no model forks"),
        None => None,
    }
}

/// Two threads find no table yet, and prefer the same slot of it.
pub fn grow() {
    let loans = table();
    let theirs = Arc::clone(&loans);
    let other = spawn(move || lend(&theirs, 1));
    let mine = lend(&loans, 2);
    let others = other.join().unwrap();
    assert_ne!(mine, others);
    assert_eq!(take_back(&loans, mine), Some(2));
    assert_eq!(take_back(&loans, others), Some(1));
}

/// One thread lends twice, another takes back what it sees: the slot may be used again at once.
pub fn hand_over() {
    let (loans, token) = (table(), Arc::new(AtomicU64::new(NONE)));
    // A thread that does not see the chunk yet finds no loan in it.
    let before = lend(&loans, 0);
    assert_eq!(take_back(&loans, before), Some(0));
    let (theirs, mailbox) = (Arc::clone(&loans), Arc::clone(&token));
    let other = spawn(move || match mailbox.load(Ordering::Relaxed) {
        NONE => false,
        seen => {
            assert_eq!(take_back(&theirs, seen), Some(1));
            true
        }
    });
    let first = lend(&loans, 1);
    token.store(first, Ordering::Relaxed);
    let second = lend(&loans, 2);
    assert_eq!(take_back(&loans, second), Some(2));
    let was_taken = other.join().unwrap();
    assert_eq!(take_back(&loans, first), if was_taken { None } else { Some(1) });
}

/// Two threads take back the same loan while a third lends from the same slot on: one of them has it, and neither has
/// the third's.
pub fn take_back_twice() {
    let loans = table();
    let token = lend(&loans, 1);
    let others = [(); 2].map(|()| {
        let theirs = Arc::clone(&loans);
        spawn(move || take_back(&theirs, token))
    });
    let mine = lend(&loans, 2);
    let mut outcomes = others.map(|other| other.join().unwrap());
    outcomes.sort_unstable();
    assert_eq!(outcomes, [None, Some(1)]);
    assert_eq!(take_back(&loans, mine), Some(2));
}

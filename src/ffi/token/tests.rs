//! What a token promises: it names its loan once, and nothing else ever.

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "the loan ends here")]
fn loan_of(returned: Option<ReturnedLoan<u32>>) -> Option<u32> {
    match returned {
        Some(ReturnedLoan::Loan(loan)) => Some(loan),
        Some(ReturnedLoan::Parents) | None => None,
    }
}

/// Lends from the first slot on.
fn lend(loans: &Loans<u32>, loan: u32) -> u64 {
    loans.lend(loan, &mut 0).unwrap()
}

fn slot_of(token: u64) -> usize {
    usize::try_from(field(token, 0, SLOT_BITS)).unwrap()
}

#[test]
fn a_token_comes_back_once() {
    let loans = Loans::new();
    let (first, second) = (lend(&loans, 1), lend(&loans, 2));
    assert_eq!(loan_of(loans.take_back(first)), Some(1));
    assert!(loans.take_back(first).is_none(), "done twice");
    assert_eq!(loan_of(loans.take_back(second)), Some(2));
}

#[test]
fn a_slot_used_again_does_not_answer_to_its_old_tokens() {
    let loans = Loans::new();
    let mut tokens = Vec::new();
    for loan in 0..100 {
        let token = lend(&loans, loan);
        assert_eq!(slot_of(token), 0, "the slot preferred is free again");
        for old in &tokens {
            assert!(loans.take_back(*old).is_none());
        }
        assert_eq!(loan_of(loans.take_back(token)), Some(loan));
        tokens.push(token);
    }
}

#[test]
fn versions_begin_again_and_no_token_is_zero() {
    let loans = Loans::new();
    let token = lend(&loans, 0);
    loans.take_back(token);
    loans.slot(0).unwrap().version.store(0_u32.wrapping_sub(VERSIONS_PER_LOAN), Ordering::Relaxed);
    let last = lend(&loans, 1);
    assert_eq!(last >> VERSION_SHIFT, 0xFFFF_FFFE);
    assert_eq!(loan_of(loans.take_back(last)), Some(1));
    let first = lend(&loans, 2);
    assert_eq!(first, token, "after the last version comes the first");
    assert_ne!(first, 0);
}

#[test]
fn a_borrower_prefers_the_slot_it_used_last() {
    let loans = Loans::new();
    let held = lend(&loans, 1);
    let mut preferred = 0;
    let token = loans.lend(2, &mut preferred).unwrap();
    assert_eq!((slot_of(token), preferred), (1, 1), "the one preferred was lent");
    loans.take_back(held);
    loans.take_back(token);
    assert_eq!(slot_of(loans.lend(3, &mut preferred).unwrap()), 1);
}

#[test]
fn made_up_tokens_name_nothing() {
    let loans = Loans::new();
    let token = lend(&loans, 7);
    let versions = [1, 2, 3, 4].map(|versions| token + (versions << VERSION_SHIFT));
    let slots = [1, FIRST_CHUNK_SLOTS, SLOT_COUNT_MAX - 1].map(|slot| token + slot as u64);
    for other in [0, 1, u64::MAX, token - (1 << VERSION_SHIFT)].into_iter().chain(versions).chain(slots) {
        assert!(loans.take_back(other).is_none(), "{other:#x}");
    }
    assert!(loans.take_back(token + (1 << FORK_SHIFT)).is_none(), "from a fork that has not happened");
    assert_eq!(loan_of(loans.take_back(token)), Some(7));
    let next_turn = token + (2 << VERSION_SHIFT);
    assert!(loans.take_back(next_turn).is_none(), "the version the slot has now, which is free");
    assert_eq!(slot_of(lend(&loans, 8)), 0, "and stays so");
}

#[test]
fn a_slot_in_the_midst_of_a_claim_is_passed_over_and_answers_to_no_token() {
    let loans = Loans::new();
    let token = lend(&loans, 1);
    let lent = u32::try_from(token >> VERSION_SHIFT).unwrap();
    let slot = loans.slot(slot_of(token)).unwrap();
    let emptying = slot.claim(lent).unwrap();
    assert!(loans.take_back(token).is_none(), "another thread is just taking it back");
    assert_ne!(slot_of(lend(&loans, 2)), slot_of(token));
    slot.version.store(emptying.wrapping_sub(1), Ordering::Relaxed);
    assert_eq!(loan_of(loans.take_back(token)), Some(1));
}

#[test]
fn the_table_ends_with_an_error_and_goes_on_after_it() {
    let loans = Loans::new();
    let loan_count = u32::try_from(SLOT_COUNT_MAX).unwrap();
    let mut preferred = 0;
    let tokens: Vec<u64> = (0..loan_count).map(|loan| loans.lend(loan, &mut preferred).unwrap()).collect();
    assert_eq!(loans.lend(0, &mut preferred).unwrap_err().kind, ErrorKind::Limit);
    assert_eq!(loan_of(loans.take_back(tokens[12345])), Some(12345));
    let again = loans.lend(1, &mut preferred).unwrap();
    assert_eq!(slot_of(again), 12345);
    for (loan, token) in tokens.into_iter().enumerate().filter(|(loan, _)| *loan != 12345) {
        assert_eq!(loan_of(loans.take_back(token)), u32::try_from(loan).ok());
    }
}

#[test]
fn threads_lend_and_take_back_each_others_loans() {
    let loans = Loans::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (sender, loans) = (sender.clone(), &loans);
            scope.spawn(move || {
                let mut preferred = 0;
                for step in 0..10_000 {
                    let loan = thread * 10_000 + step;
                    sender.send((loan, loans.lend(loan, &mut preferred).unwrap())).unwrap();
                }
            });
        }
        drop(sender);
        for (loan, token) in receiver {
            assert_eq!(loan_of(loans.take_back(token)), Some(loan));
        }
    });
    for index in 0..loans.slot_count() {
        let version = loans.slot(index).unwrap().version.load(Ordering::Relaxed);
        assert_eq!(version % VERSIONS_PER_LOAN, FREE, "every slot is free again");
    }
}

#[test]
fn a_forked_child_lends_again_and_leaves_the_parents_loans_alone() {
    fork::install().unwrap();
    let loans = Loans::new();
    let token = lend(&loans, 1);
    let claimed = loans.slot(1).unwrap();
    let filling = claimed.claim(FREE).unwrap(); // no thread ends this in the child
    // SAFETY: the child uses atomics only.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let untouched = matches!(loans.take_back(token), Some(ReturnedLoan::Parents));
        let lent = loans.lend(2, &mut 0).map(|token| loans.take_back(token));
        let good = untouched && matches!(lent, Ok(Some(ReturnedLoan::Loan(2))));
        // SAFETY: ends the child without running anything of the test's.
        unsafe { libc::_exit(if good { 42 } else { 1 }) };
    }
    claimed.version.store(filling.wrapping_sub(1), Ordering::Relaxed);
    let mut status = 0;
    // SAFETY: the child made above, waited for once.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "the child ended with {status:#x}");
    assert_eq!(loan_of(loans.take_back(token)), Some(1), "the parent goes on");
}

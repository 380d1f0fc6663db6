//! What a token promises: it names its loan once, and nothing else ever.

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "the loan ends here")]
fn loan_of(returned: Option<Returned<u32>>) -> Option<u32> {
    match returned {
        Some(Returned::Loan(loan)) => Some(loan),
        Some(Returned::Parents) | None => None,
    }
}

#[test]
fn a_token_comes_back_once() {
    let loans = Loans::new();
    let (first, second) = (loans.lend(1).unwrap(), loans.lend(2).unwrap());
    assert_eq!(loan_of(loans.take_back(first)), Some(1));
    assert!(loans.take_back(first).is_none(), "done twice");
    assert_eq!(loan_of(loans.take_back(second)), Some(2));
}

#[test]
fn a_slot_used_again_does_not_answer_to_its_old_tokens() {
    let loans = Loans::new();
    let mut tokens = Vec::new();
    for loan in 0..100 {
        let token = loans.lend(loan).unwrap();
        assert_eq!(field(token, 0, SLOT_BITS), 0, "the slot freed last is used next");
        for old in &tokens {
            assert!(loans.take_back(*old).is_none());
        }
        assert_eq!(loan_of(loans.take_back(token)), Some(loan));
        tokens.push(token);
    }
}

#[test]
fn a_generation_is_never_zero() {
    let loans = Loans::new();
    let token = loans.lend(0).unwrap();
    loans.take_back(token);
    for shard in &loans.shards {
        for slot in &mut shard.lock().slots {
            slot.generation = u32::MAX;
        }
    }
    assert_eq!(loans.lend(1).unwrap() >> GENERATION_SHIFT, 1, "after the last generation comes the first");
}

#[test]
fn made_up_tokens_name_nothing() {
    let loans = Loans::new();
    let token = loans.lend(7).unwrap();
    for other in [0, 1, u64::MAX, token + 1, token + (1 << SHARD_SHIFT), token + (1 << GENERATION_SHIFT)] {
        assert!(loans.take_back(other).is_none(), "{other:#x}");
    }
    assert!(loans.take_back(token + (1 << FORK_SHIFT)).is_none(), "from a fork that has not happened");
    assert_eq!(loan_of(loans.take_back(token)), Some(7));
}

#[test]
fn a_locked_shard_is_passed_over() {
    let loans = Loans::new();
    let first = loans.lend(1).unwrap();
    let shard = field(first, SHARD_SHIFT, SHARD_BITS);
    let locked = loans.shards[usize::try_from(shard).unwrap()].lock();
    let second = loans.lend(2).unwrap();
    assert_ne!(field(second, SHARD_SHIFT, SHARD_BITS), shard);
    drop(locked);
    assert_eq!(loan_of(loans.take_back(first)), Some(1));
    assert_eq!(loan_of(loans.take_back(second)), Some(2));
}

#[test]
fn the_table_ends_with_an_error_and_goes_on_after_it() {
    let loans = Loans::new();
    let loan_count = u32::try_from(SLOT_COUNT_MAX * SHARD_COUNT).unwrap();
    let tokens: Vec<u64> = (0..loan_count).map(|loan| loans.lend(loan).unwrap()).collect();
    assert_eq!(loans.lend(0).unwrap_err().kind, ErrorKind::Limit);
    assert_eq!(loan_of(loans.take_back(tokens[12345])), Some(12345));
    assert!(loans.lend(1).is_ok());
}

#[test]
fn threads_lend_and_take_back_each_others_loans() {
    let loans = Loans::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (sender, loans) = (sender.clone(), &loans);
            scope.spawn(move || {
                for step in 0..10_000 {
                    let loan = thread * 10_000 + step;
                    sender.send((loan, loans.lend(loan).unwrap())).unwrap();
                }
            });
        }
        drop(sender);
        for (loan, token) in receiver {
            assert_eq!(loan_of(loans.take_back(token)), Some(loan));
        }
    });
    for shard in &loans.shards {
        let shard = shard.lock();
        assert_eq!(shard.free.len(), shard.slots.len(), "every slot is free again");
    }
}

#[test]
fn a_forked_child_lends_anew_and_leaves_the_parents_loans_alone() {
    fork::install().unwrap();
    let loans = Loans::new();
    let token = loans.lend(1).unwrap();
    let shard = usize::try_from(field(token, SHARD_SHIFT, SHARD_BITS)).unwrap();
    let locked = loans.shards[shard].lock(); // nobody unlocks the child's copy
    // SAFETY: the child uses atomics, locks that are free, and the allocator, which the C library keeps usable.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let untouched = matches!(loans.take_back(token), Some(Returned::Parents));
        let lent = loans.lend(2).map(|token| loans.take_back(token));
        let good = untouched && matches!(lent, Ok(Some(Returned::Loan(2))));
        // SAFETY: ends the child without running anything of the test's.
        unsafe { libc::_exit(if good { 42 } else { 1 }) };
    }
    drop(locked);
    let mut status = 0;
    // SAFETY: the child made above, waited for once.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "the child ended with {status:#x}");
    assert_eq!(loan_of(loans.take_back(token)), Some(1), "the parent goes on");
}

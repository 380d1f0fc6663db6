//! Compares the locks of the standard library with those of `parking_lot`: what they cost, and whether a forked child
//! can hang at a lock of its own. docs/architecture.md says what follows for the library.
//!
//!   cargo run --release --package immuta-bench --example locks [CHILDREN]

#![allow(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
#![allow(unsafe_code, reason = "fork, alarm and waitpid; each block argues its soundness")]

use std::hint::black_box;
use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, sync, thread};

const TURNS: usize = 2_000_001;
const ROUNDS: usize = 9;
/// A child that has not ended after this many seconds hangs: it has a millisecond of work.
const HANGS_AFTER_S: u32 = 3;
/// Pairs of threads in the parent that wait for each other all the time.
const PAIRS: usize = 8;

trait Lock: Default + Send + Sync + 'static {
    const NAME: &'static str;
    fn with(&self, act: impl FnOnce(&mut u64));
}

impl Lock for sync::Mutex<u64> {
    const NAME: &'static str = "std";
    fn with(&self, act: impl FnOnce(&mut u64)) {
        act(&mut self.lock().unwrap_or_else(sync::PoisonError::into_inner));
    }
}

impl Lock for parking_lot::Mutex<u64> {
    const NAME: &'static str = "parking_lot";
    fn with(&self, act: impl FnOnce(&mut u64)) {
        act(&mut self.lock());
    }
}

/// Nanoseconds of a lock and an unlock, the median of the rounds, where `threads` share the lock.
fn cost_ns<L: Lock>(threads: usize) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let lock = L::default();
            let start = Instant::now();
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope
                        .spawn(|| (0..TURNS / threads).for_each(|_| lock.with(|value| *value = black_box(*value + 1))));
                }
            });
            start.elapsed().as_secs_f64() * 1e9 / TURNS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// How many of `children` forked children hang at a lock that they made themselves, while the parent's threads wait for
/// locks of the parent.
fn hanging<L: Lock>(children: usize) -> usize {
    for _ in 0..PAIRS {
        let lock = Arc::new(L::default());
        for lock in [Arc::clone(&lock), lock] {
            thread::spawn(move || {
                loop {
                    lock.with(|value| {
                        *value += 1;
                        thread::yield_now();
                    });
                }
            });
        }
    }
    (0..children).filter(|_| child_hangs::<L>()).count()
}

fn child_hangs<L: Lock>() -> bool {
    // SAFETY: what the child does after the fork is what a forked child of a host does with a log of its own. That the
    // C library's locks survive a fork is its own care.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: takes an integer. The signal ends the child.
        unsafe { libc::alarm(HANGS_AFTER_S) };
        let lock = Arc::new(L::default());
        let work = || {
            let lock = Arc::clone(&lock);
            move || (0..5).for_each(|_| lock.with(|_| thread::sleep(Duration::from_micros(20))))
        };
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(work())).collect();
        let ended = threads.into_iter().all(|thread| thread.join().is_ok());
        // SAFETY: ends the child without the destructors of the parent's objects.
        unsafe { libc::_exit(i32::from(!ended)) };
    }
    let mut status = 0;
    // SAFETY: `status` is writable, and `child` is a child of this process.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(child > 0 && waited == child, "no child could be forked");
    status != 0
}

fn report<L: Lock>(children: usize) {
    let (one, two) = (cost_ns::<L>(1), cost_ns::<L>(2));
    println!("{:12} lock and unlock: {one:.1} ns by one thread, {two:.1} ns by two", L::NAME);
    println!("{:12} {} of {children} forked children hung at a lock of their own", L::NAME, hanging::<L>(children));
}

fn main() {
    let children = env::args().nth(1).map_or(Ok(4000), |text| text.parse());
    let Ok(children) = children else {
        eprintln!("locks: the argument is how many children to fork");
        exit(2);
    };
    // The threads of the first report never end, so each lock has a process of its own.
    match env::var("LOCKS_OF").as_deref() {
        Ok("std") => report::<sync::Mutex<u64>>(children),
        Ok(_) => report::<parking_lot::Mutex<u64>>(children),
        Err(_) => {
            for lock in ["std", "parking_lot"] {
                let own = env::current_exe().and_then(|own| {
                    std::process::Command::new(own).arg(children.to_string()).env("LOCKS_OF", lock).status()
                });
                assert!(own.is_ok_and(|status| status.success()), "the process for {lock} failed");
            }
        }
    }
    exit(0);
}

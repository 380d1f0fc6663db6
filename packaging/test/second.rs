//! A second Rust library in the program of host.c. It uses what Rust's standard library has only once in a process:
//! the allocator, panics, unwinding, threads and their local values.

use std::cell::Cell;

thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });

fn counted() -> String {
    COUNT.with(|count| count.set(count.get() + 1));
    COUNT.with(|count| format!("{}", count.get()))
}

#[unsafe(no_mangle)]
pub extern "C" fn second_works() -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::panic::catch_unwind(|| assert_eq!(counted(), "2")).is_err();
    let in_a_thread = std::thread::spawn(counted).join();
    i32::from(caught && in_a_thread.is_ok_and(|text| text == "1") && counted() == "2")
}

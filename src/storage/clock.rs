//! The system's clock, asked directly: the subtraction of `SystemTime` would cost an append as much again.
#![allow(unsafe_code, reason = "clock_gettime")]

/// Nanoseconds since 1970-01-01 UTC; 0 before.
pub fn now_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable. The call cannot fail: this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec).max(0)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn it_counts_from_the_same_moment_in_the_same_unit_as_the_standard_library() {
        let expected = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = super::now_ns() / 1_000_000_000;
        // An hour apart at most: the clock may be set meanwhile.
        assert!(seconds.abs_diff(i64::try_from(expected.as_secs()).unwrap()) < 3600);
    }
}

//! Times in nanoseconds since 1970 UTC, as the index file has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `time_ns` as a time of the system, which can express each of them.
pub fn system_time(time_ns: i64) -> SystemTime {
    let apart = Duration::from_nanos(time_ns.unsigned_abs());
    if time_ns < 0 { UNIX_EPOCH - apart } else { UNIX_EPOCH + apart }
}

/// `time` in nanoseconds since 1970 UTC, or the nearest time that can be expressed so.
pub fn time_ns(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, i64::wrapping_neg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_nanoseconds_is_a_time_and_comes_back() {
        for number in [i64::MIN + 1, -1, 0, 1, i64::MAX] {
            assert_eq!(time_ns(system_time(number)), number);
        }
        let day = Duration::from_hours(24);
        assert_eq!(time_ns(system_time(i64::MIN) - day), i64::MIN);
        assert_eq!(time_ns(system_time(i64::MAX) + day), i64::MAX);
    }
}

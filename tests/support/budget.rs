//! How long a test without an end goes on: for a number of rounds, or for `IMMUTA_MINUTES` minutes.

use std::time::{Duration, Instant};

pub struct Budget {
    rounds_left: u64,
    /// Continues until this time, however many rounds were done.
    until: Option<Instant>,
}

impl Budget {
    /// `rounds`, unless the environment says how long.
    pub fn new(rounds: u64) -> Budget {
        let minutes = std::env::var("IMMUTA_MINUTES").ok().and_then(|text| text.parse().ok());
        let until = minutes.map(|minutes: u64| Instant::now() + Duration::from_secs(60 * minutes));
        Budget { rounds_left: rounds, until }
    }

    /// Asked before each round.
    pub fn goes_on(&mut self) -> bool {
        if let Some(until) = self.until {
            return Instant::now() < until;
        }
        let goes_on = self.rounds_left > 0;
        self.rounds_left = self.rounds_left.saturating_sub(1);
        goes_on
    }
}

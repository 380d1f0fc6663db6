//! How many states there were of each kind, and what became of them.

use std::collections::BTreeMap;
use std::fmt;

/// How often each thing was seen in states of one kind.
pub type Counted = BTreeMap<String, u64>;

/// By kind.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Counted>);

impl Figures {
    pub fn of(&mut self, kind: String) -> &mut Counted {
        self.0.entry(kind).or_default()
    }

    pub fn add(&mut self, other: &Figures) {
        for (kind, counted) in &other.0 {
            let own = self.of(kind.clone());
            counted.iter().for_each(|(what, count)| *own.entry(what.clone()).or_default() += count);
        }
    }
}

pub fn count(counted: &mut Counted, what: impl ToString) {
    *counted.entry(what.to_string()).or_default() += 1;
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = 0;
        for (kind, counted) in &self.0 {
            let states = counted.get("states").copied().unwrap_or(0);
            total += states;
            write!(f, "{states:>8} {kind}:")?;
            for (what, count) in counted.iter().filter(|(what, _)| *what != "states") {
                write!(f, " {what} {count},")?;
            }
            writeln!(f)?;
        }
        write!(f, "{total} states")
    }
}

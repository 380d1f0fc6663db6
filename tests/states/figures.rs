//! How many states there were of each kind, and what became of them.

use immuta::storage::simulated::Mood;
use std::collections::BTreeMap;
use std::fmt;

/// The results of the states of one kind.
#[derive(Debug, Default)]
pub struct Counted {
    states: u64,
    /// Recoveries that were cut before the last one.
    cut: u64,
    /// What opening answered.
    outcomes: BTreeMap<String, u64>,
    /// The power cuts of one mood for all files.
    moods: BTreeMap<Mood, u64>,
}

impl Counted {
    pub fn state(&mut self) {
        self.states += 1;
    }

    pub fn cut(&mut self) {
        self.cut += 1;
    }

    pub fn outcome(&mut self, outcome: String) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    pub fn mood(&mut self, mood: Option<Mood>) {
        if let Some(mood) = mood {
            *self.moods.entry(mood).or_default() += 1;
        }
    }

    fn add(&mut self, other: &Counted) {
        self.states += other.states;
        self.cut += other.cut;
        other.outcomes.iter().for_each(|(what, count)| *self.outcomes.entry(what.clone()).or_default() += count);
        other.moods.iter().for_each(|(mood, count)| *self.moods.entry(*mood).or_default() += count);
    }
}

/// By kind.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Counted>);

impl Figures {
    pub fn of(&mut self, kind: String) -> &mut Counted {
        self.0.entry(kind).or_default()
    }

    pub fn add(&mut self, other: &Figures) {
        other.0.iter().for_each(|(kind, counted)| self.of(kind.clone()).add(counted));
    }
}

fn list<K: fmt::Display>(counts: impl Iterator<Item = (K, u64)>) -> String {
    counts.map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = Counted::default();
        for (kind, counted) in &self.0 {
            let outcomes = list(counted.outcomes.iter().map(|(what, count)| (what, *count)));
            writeln!(f, "{:>9} {kind}: {outcomes}", counted.states)?;
            total.add(counted);
        }
        let moods = list(total.moods.iter().map(|(mood, count)| (format!("{mood:?}"), *count)));
        writeln!(f, "power cuts alike for all files: {moods}")?;
        write!(f, "{} states, {} recoveries cut", total.states, total.cut)
    }
}

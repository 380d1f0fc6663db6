//! The results, as `results.json` has them. The benchmark of other libraries, in `peers/`, writes the same.

use serde::Serialize;
use std::collections::BTreeMap;

/// Everything a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: crate::machine::Machine,
    pub versions: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Curve>,
}

/// One piece of work, and what it took each contender.
#[derive(Debug, Serialize)]
pub struct Row {
    pub row: String,
    pub group: String,
    /// Of the medians: `ns/record`, or `bytes/stream`.
    pub unit: String,
    pub rounds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_bytes: Option<usize>,
    pub results: BTreeMap<String, Figures>,
    /// What the ratio compares with, if that is not a bare loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<String>,
    /// The median of the ratios of each round; `ratio` where it compares with something else than a bare loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_bare: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The largest ratio that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// The goal, if it is not a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    pub skipped: BTreeMap<String, String>,
}

/// The figures of one contender.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    pub median: f64,
    /// Of each round.
    pub all: Vec<f64>,
    /// Percentiles, the worst second, and what else belongs to some rows only.
    #[serde(flatten)]
    pub more: BTreeMap<String, f64>,
}

impl Figures {
    pub fn new(all: Vec<f64>) -> Self {
        Self { median: median(&all), all, more: BTreeMap::new() }
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: f64) -> Self {
        self.more.insert(key.to_string(), value);
        self
    }
}

/// How a figure changes with the work.
#[derive(Debug, Serialize)]
pub struct Curve {
    pub curve: String,
    pub x: String,
    pub unit: String,
    pub rounds: usize,
    pub series: BTreeMap<String, Vec<Point>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub x: f64,
    pub median: f64,
}

/// The middle value; of an even count, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The median of the ratios of each round.
pub fn median_ratio(ours: &[f64], others: &[f64]) -> f64 {
    median(&ours.iter().zip(others).map(|(ours, other)| ours / other).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_compares_within_a_round() {
        // Every second round was slow for both sides. The ratio of the medians would be 2.5.
        let ratio = median_ratio(&[2.0, 20.0, 2.0, 20.0, 5.0], &[1.0, 10.0, 1.0, 10.0, 2.0]);
        assert_eq!(ratio.to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn percentiles_stand_beside_the_median() {
        let json = serde_json::to_value(Figures::new(vec![1.0]).with("p99", 2.0)).unwrap();
        assert_eq!(json, serde_json::json!({"median": 1.0, "all": [1.0], "p99": 2.0}));
    }
}

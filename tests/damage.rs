//! Exhaustive damage: every bit of every file of a log flipped, every length, every block zeroed, duplicated and
//! swapped with its neighbour.
//!
//! Each damage is reported precisely or harmless. No wrong byte is served as good, and no record is missing without a
//! report. No more memory is taken than the files' size and 256 KiB, and a refused opener leaves every byte as it was.
//! `IMMUTA_DAMAGE=every` tries every place (the step `damage`; `long`: also those between long runs of zeros),
//! otherwise it is a sample.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "damage/heap.rs"]
mod heap;
#[path = "damage/images.rs"]
mod images;
#[path = "damage/kinds.rs"]
mod kinds;
#[path = "support/random.rs"]
mod random;
#[path = "damage/verdict.rs"]
mod verdict;

use images::Image;
use std::collections::BTreeMap;
use verdict::{Case, Verdict};

/// A sample has one damage in this many.
const SAMPLE_STEP: usize = 211;

/// Applies every damage to every file of `image`, and prints the outcomes.
fn damage_everything(what: &str, image: &Image) {
    damage(what, image, |_| true);
}

/// As above, for the files that `is_meant` chooses.
fn damage(what: &str, image: &Image, is_meant: fn(&str) -> bool) {
    let how = std::env::var("IMMUTA_DAMAGE").unwrap_or_default();
    let step = if how.is_empty() { SAMPLE_STEP } else { 1 };
    for (name, bytes) in image.files.iter().filter(|(name, _)| is_meant(name)) {
        let mut counts: BTreeMap<_, [u64; 2]> = BTreeMap::new();
        for damage in kinds::all(bytes, how == "long").into_iter().step_by(step) {
            let Some(changed) = damage.apply(bytes) else { continue };
            let verdict = Case { image, name, damage, changed: &changed }.judge();
            counts.entry(damage.kind).or_default()[usize::from(verdict == Verdict::Told)] += 1;
        }
        let counts = counts.iter().map(|(kind, [harmless, told])| format!("{kind:?} {harmless} harmless {told} told"));
        println!("{what}, {name}: {}", counts.collect::<Vec<_>>().join(", "));
    }
}

#[test]
fn a_fast_log_that_was_closed() {
    damage_everything("fast, closed", &images::image(true, true));
}

#[test]
fn a_durable_log_that_was_closed() {
    damage_everything("durable, closed", &images::image(false, true));
}

#[test]
fn a_fast_log_that_was_killed() {
    damage_everything("fast, killed", &images::image(true, false));
}

#[test]
fn a_durable_log_that_was_killed() {
    damage_everything("durable, killed", &images::image(false, false));
}

#[test]
fn a_journal_that_alone_has_the_records() {
    damage("durable, power cut", &images::journal_image(), |name| name == "a.wal");
}

#[test]
fn the_files_beside_a_journal_that_alone_has_the_records() {
    damage("durable, power cut", &images::journal_image(), |name| name != "a.wal");
}

//! Rows of latencies, a line for each percentile.

use crate::contenders::{Contender, Sleeper, settle_below, wake};
use crate::data::Log;
use crate::run::{About, Bench, Goal, Work};
use crate::sustained;
use hdrhistogram::Histogram;
use immuta_bench::results::{Figures, median};
use std::io;

/// A million records a second.
const PACE_NS: f64 = 1000.0;
type Percentile = (&'static str, f64);
const OF_APPENDS: [Percentile; 5] = [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99), ("max", 100.0)];
const OF_WAKING: [Percentile; 2] = [("p50", 50.0), ("p99", 99.0)];

/// Appends at a fixed rate. The goal applies to p99.99.
pub fn paced(bench: &mut Bench, name: &str, about: &About, log: Log) -> io::Result<()> {
    bench.data.remove_logs()?;
    let results = bench.take_turns(name, sustained::rounds(bench.form), 2, |side| {
        let who = [Contender::LibraryByMapping, Contender::BareByMapping][side];
        settle_below(bench.data.path());
        // Filled before the turn, so that the turn takes no page faults for it.
        let mut latencies_ns: Vec<u64> = (0..log.count).collect();
        who.run_paced(&bench.workload(bench.data.path(), Work::all_of(log)), PACE_NS, &mut latencies_ns);
        bench.data.remove_side(who.files())?;
        percentiles(&OF_APPENDS, &latencies_ns)
    })?;
    report(bench, name, &OF_APPENDS, &results, |percentile| About {
        goal: if percentile == "p99.99" { about.goal } else { Goal::None },
        ..*about
    });
    Ok(())
}

/// Waking a thread or a process that waits.
pub fn waking(bench: &mut Bench, name: &str, about: &About, samples: u64, sleeper: Sleeper) -> io::Result<()> {
    let work = Work { count: samples, ..Work::all_of(Log { record_bytes: about.record_bytes.unwrap_or(0), count: 0 }) };
    let turn = |side: usize| {
        bench.data.remove_side("library")?;
        let mut latencies_ns: Vec<u64> = (0..samples).collect();
        wake(&bench.workload(bench.data.path(), work), side == 0, sleeper, &mut latencies_ns);
        percentiles(&OF_WAKING, &latencies_ns)
    };
    let results = bench.take_turns(name, bench.form.rounds(7), 2, turn)?;
    bench.data.remove_side("library")?;
    report(bench, name, &OF_WAKING, &results, |_| *about);
    Ok(())
}

/// Prints and keeps a row for each percentile. Each row of the results has the other percentiles, too.
fn report(
    bench: &mut Bench,
    name: &str,
    percentiles: &[Percentile],
    results: &[Vec<Vec<f64>>],
    about: impl Fn(&str) -> About,
) {
    let all = |side: usize, place: usize| -> Vec<f64> { results[side].iter().map(|round| round[place]).collect() };
    for (place, (percentile, _)) in percentiles.iter().enumerate() {
        let [library, bare] = [0, 1].map(|side| {
            let others = percentiles.iter().enumerate();
            others.fold(Figures::new(all(side, place)), |figures, (other, (key, _))| {
                figures.with(key, median(&all(side, other)))
            })
        });
        bench.report(&format!("{name}, {percentile}"), &about(percentile), library, Some(bare));
    }
}

fn percentiles(wanted: &[Percentile], latencies_ns: &[u64]) -> io::Result<Vec<f64>> {
    let mut histogram = Histogram::<u64>::new(3).map_err(io::Error::other)?;
    for &latency_ns in latencies_ns {
        histogram.record(latency_ns).map_err(io::Error::other)?;
    }
    Ok(wanted.iter().map(|(_, percentile)| histogram.value_at_percentile(*percentile) as f64).collect())
}

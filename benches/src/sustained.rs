//! Rows of writing at full speed for seconds, beside a flush every second.

use crate::contenders::{Contender, Sustained, settle_below};
use crate::data::Log;
use crate::run::{About, Bench, Form, Work};
use immuta_bench::results::Figures;
use immuta_bench::table::Line;
use std::io;

fn turn_seconds(form: Form) -> f64 {
    match form {
        Form::Quick => 0.1,
        Form::Usual => 5.0,
        Form::Long => 30.0,
    }
}

pub fn rounds(form: Form) -> usize {
    if form == Form::Quick { 1 } else { 7 }
}

/// The disk room of a row. A turn that would write more ends early; in a long one the device sets the pace.
pub fn disk_bytes(form: Form) -> u64 {
    let bytes_per_second = if form == Form::Long { 2.0e9 } else { 2.5e9 };
    (turn_seconds(form) * bytes_per_second) as u64
}

/// At full speed for seconds. The bare side is the better one of those given.
pub fn at_full_speed(
    bench: &mut Bench,
    name: &str,
    about: &About,
    library: Contender,
    bare: &[Contender],
) -> io::Result<()> {
    bench.data.remove_logs()?;
    let seconds = turn_seconds(bench.form);
    let contenders = [&[library], bare].concat();
    let log = Log { record_bytes: about.record_bytes.unwrap_or(0), count: 0 };
    let turn = |side: usize| {
        let who = contenders[side];
        settle_below(bench.data.path()); // what the turn before left to the device must not slow this one
        let work = bench.workload(bench.data.path(), Work::all_of(log));
        let run = who.run_sustained(&work, seconds, (seconds / 5.0).min(1.0), disk_bytes(bench.form));
        bench.data.remove_side(who.files())?;
        Ok(run)
    };
    // To warm up: a run fills the memory that the run before it freed, and memory that was not in use lately is slower.
    bench.take_turns(name, 1, 1, turn)?;
    let results = bench.take_turns(name, rounds(bench.form), contenders.len(), turn)?;
    let mut figures: Vec<Figures> = results.iter().map(|runs| figures_of(runs)).collect();
    let library = figures.remove(0);
    let better = (0..bare.len()).min_by(|&a, &b| figures[a].median.total_cmp(&figures[b].median)).unwrap_or(0);
    let worst = |figures: &Figures| {
        let (worst, longest) = (figures.more["worst_second"], figures.more["longest_ns"] / 1e6);
        format!("   {worst:.2} of the mean, {longest:6.1} ms")
    };
    let line = Line {
        label: "  worst second, longest".to_string(),
        library: worst(&library),
        other: worst(&figures[better]),
        goal: ">=0.5".to_string(),
        ratio: None,
    };
    let measured_seconds = library.more["seconds"];
    bench.report(name, about, library, Some(figures[better].clone()));
    bench.print(None, &line);
    if measured_seconds < seconds {
        bench.table.text(&format!("  (turns ended after {measured_seconds:.1} s: they had filled the planned room)"));
    }
    if let (Some(row), true) = (bench.rows.last_mut(), bare.len() > 1) {
        row.results.extend(bare.iter().map(|who| who.name().to_string()).zip(figures));
    }
    Ok(())
}

/// The worst of all rounds stands beside the median.
fn figures_of(runs: &[Sustained]) -> Figures {
    let worst_second = runs.iter().map(|run| run.worst_second).fold(f64::INFINITY, f64::min);
    let longest_ns = runs.iter().map(|run| run.longest_ns).fold(0.0, f64::max);
    let shortest_seconds = runs.iter().map(|run| run.seconds).fold(f64::INFINITY, f64::min);
    Figures::new(runs.iter().map(|run| run.each_ns).collect())
        .with("worst_second", worst_second)
        .with("longest_ns", longest_ns)
        .with("seconds", shortest_seconds)
}

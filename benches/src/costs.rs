//! Rows of what work costs beside its time: system calls, memory, and the speed of a writer that is followed.

use crate::contenders::{Contender, LIBRARY_APPEND, Measure, append_followed};
use crate::data::Log;
use crate::run::{About, Bench, Form, Work};
use immuta_bench::results::Figures;
use immuta_bench::table::bytes;
use std::io;

fn rounds(form: Form) -> usize {
    if form == Form::Quick { 1 } else { 3 }
}

/// The system calls of the thread that appends.
pub fn system_calls(bench: &mut Bench, name: &str, about: &About, log: Log) -> io::Result<()> {
    let results = bench.take_turns(name, rounds(bench.form), 2, |side| {
        let who = [Contender::LibraryByMapping, Contender::BareByMapping][side];
        bench.data.remove_side(who.files())?;
        let calls = who.syscalls_per_append(&bench.workload(bench.data.path(), Work::all_of(log)));
        bench.data.remove_side(who.files())?;
        Ok(calls)
    })?;
    let [library, bare] = <[Vec<f64>; 2]>::try_from(results).expect("two sides").map(Figures::new);
    bench.report(name, about, library, Some(bare));
    Ok(())
}

/// What a measure says about the memory of a log that is read, for each of its pieces.
pub fn memory(
    bench: &mut Bench,
    name: &str,
    about: &About,
    measure: Measure,
    work: Work,
    pieces: u64,
) -> io::Result<()> {
    let results = bench.take_turns(name, rounds(bench.form), 1, |_| {
        let directory = bench.log_to_read(work.log)?;
        Ok(measure.run(&bench.workload(&directory, work)) / pieces as f64)
    })?;
    bench.report(name, about, Figures::new(results.concat()), None);
    Ok(())
}

/// A writer with a stream that follows it, beside the writer alone.
pub fn followed(bench: &mut Bench, name: &str, about: &About, log: Log) -> io::Result<()> {
    let turn = |side: usize| {
        bench.data.remove_side("library")?;
        let work = bench.workload(bench.data.path(), Work::all_of(log));
        let (took_ns, lag_bytes) = if side == 0 {
            let followed = append_followed(&work);
            (followed.took_ns, followed.lag_bytes_max)
        } else {
            (LIBRARY_APPEND.run(&work), 0.0)
        };
        Ok((took_ns / log.count as f64, lag_bytes))
    };
    bench.take_turns(name, 1, 2, turn)?; // to warm up
    let results = bench.take_turns(name, bench.form.rounds(9), 2, turn)?;
    bench.data.remove_side("library")?;
    let [followed, alone] =
        [0, 1].map(|side| Figures::new(results[side].iter().map(|(each_ns, _)| *each_ns).collect()));
    let lag_bytes = results[0].iter().map(|(_, lag_bytes)| *lag_bytes).fold(0.0, f64::max);
    bench.report(name, about, followed.with("lag_bytes", lag_bytes), Some(alone));
    bench.table.text(&format!("  the reader was {} late at most (goal: 64 MiB)", bytes(lag_bytes)));
    Ok(())
}

/// Says how many records the threads of the last row append in the time of one thread, if that was measured before.
pub fn beside_one_thread(bench: &Bench, one_thread: &str) {
    let each_ns = |name: &str| {
        let row = bench.rows.iter().find(|row| row.row == name)?;
        Some(row.results["libimmuta"].median)
    };
    let last = bench.rows.last().filter(|row| row.row != one_thread).and_then(|row| each_ns(&row.row));
    if let (Some(one), Some(last)) = (each_ns(one_thread), last) {
        bench.table.text(&format!("  {:.1} times the records of one thread (goal: 6)", one / last));
    }
}

//! Measures libimmuta beside bare C loops that do the same necessary work, in turns, in the same run and on the same
//! file system. Prints the medians, and the median of the ratios of each round.
#![allow(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from figures known to be in range")]

mod contenders;
mod costs;
mod curves;
mod data;
mod latency;
mod rows;
mod run;
mod sustained;

use clap::Parser;
use immuta_bench::machine::Machine;
use immuta_bench::results::Report;
use immuta_bench::table::{Table, bytes};
use run::Form;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures libimmuta beside bare C loops that do the same necessary work.
#[derive(Debug, Parser)]
struct Options {
    /// A short form: little work, few rounds. It shows that the benchmark runs, and little more.
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// Long forms: logs of 10^8 records and of 8 GiB, turns of 30 s.
    #[arg(long)]
    long: bool,
    /// Measures the curves instead of the rows.
    #[arg(long)]
    curves: bool,
    /// Runs the rows, or curves, that have TEXT in their name.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Writes the results to FILE, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the logs are written, and the results: as results.json or curves.json, with -quick before the dot for the
    /// short form, and -only for a selection.
    #[arg(default_value = ".")]
    directory: PathBuf,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    let form = match options {
        Options { quick: true, .. } => Form::Quick,
        Options { long: true, .. } => Form::Long,
        Options { .. } => Form::Usual,
    };
    let (mut rows, kind) = if options.curves { (curves::all(form), "curves") } else { (rows::all(form), "results") };
    let form_name = if options.quick {
        "-quick"
    } else if !options.only.is_empty() {
        "-only"
    } else {
        ""
    };
    let file_name = format!("{kind}{form_name}.json");
    rows.retain(|row| row.name.contains(&options.only));
    if rows.is_empty() {
        return Err(io::Error::other(format!("no row has {:?} in its name", options.only)));
    }
    let data = data::DataDir::create(&options.directory)?;
    check_room(data.path(), rows.iter().map(|row| row.disk_bytes).max().unwrap_or(0))?;

    let machine = Machine::here(data.path());
    let version = contenders::library_version();
    let engine = contenders::engine(data.path());
    println!("libimmuta {version}, {engine} engine, {} on {}, {}", machine.file_system, machine.cpu, machine.date);
    if machine.file_system == "tmpfs" {
        println!("(a tmpfs: syncs are free here, so the durable figures say nothing about any device)");
    }
    let versions = BTreeMap::from([
        ("libimmuta".to_string(), version),
        ("compiler".to_string(), env!("C_COMPILER_VERSION").to_string()),
        ("rustc".to_string(), env!("RUSTC_VERSION").to_string()),
    ]);
    let mut bench = run::Bench::new(form, data, Table::new(rows.len()));
    for row in &rows {
        (row.run)(&mut bench, &row.name)?;
        bench.table.row_is_done();
    }
    bench.table.finish();
    let report = Report { machine, versions, rows: bench.rows, curves: bench.curves };
    write(&report, &options.directory.join(file_name))?;
    options.json.iter().try_for_each(|path| write(&report, path))
}

fn check_room(directory: &Path, needed_bytes: u64) -> io::Result<()> {
    let free_bytes = contenders::free_bytes_below(directory);
    let [needed, free] = [needed_bytes, free_bytes].map(|count| bytes(count as f64));
    println!("needs up to {needed} of disk in {}, which has {free}", directory.display());
    if free_bytes < needed_bytes {
        let text = format!("{}: {free} free, {needed} needed; name another directory", directory.display());
        return Err(io::Error::other(text));
    }
    Ok(())
}

fn write(report: &Report, path: &Path) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    fs::write(path, text).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

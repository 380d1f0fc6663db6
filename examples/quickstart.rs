//! libimmuta in one page: open a log, append a record, read every record back.
//!
//!     cargo run --release --example quickstart [DIRECTORY]      DIRECTORY is ./log-data unless given
//!
//! Run it twice: the log grows. It is examples-c/quickstart.c in Rust, and either may go on with the other's log.

use immuta::{Log, Options, Outcome, Result, Start};
use std::time::Duration;

fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Clean => "closed cleanly last time",
        Outcome::Recovered => "recovered after a crash",
        Outcome::Adopted => "adopted, the index file was missing",
        _ => "opened",
    }
}

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| "./log-data".into());

    // What is not set has a sensible default.
    let log = Log::open(&directory, &Options { reader_count: 10, ..Options::new(["default"]) })?;

    // Namespaces have numbers, in the order of the options. What did opening this one find?
    let ns = 0;
    let report = log.report(ns)?;
    println!("{}: {} records", outcome_text(report.outcome), report.count);

    let appended = log.append(ns, "hello world")?;
    println!("appended record {}: offset {}, size {}", appended.number, appended.offset, appended.stored_size);

    // Ends after two seconds without a new record.
    let mut stream = log.stream(ns, Start::Beginning)?;
    for record in stream.records(Some(Duration::from_secs(2))) {
        let record = record?;
        println!("size of the record: {}", record.data().len());
        println!("content: {}", String::from_utf8_lossy(record.data()));
        // A record holds one of the ten descriptors until it is dropped here.
    }

    log.shutdown() // reports a failed sync, which dropping the log does not
}

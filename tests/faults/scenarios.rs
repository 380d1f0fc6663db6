//! What is done while calls fail: each scenario is a disk that an earlier program left, and an application that
//! continues from there.

use crate::application::{Application, Open, file_of, open, open_durable, open_named, options, payloads};
use crate::maintenance::{
    self, damaged_identity, damaged_killed_durable, damaged_records, open_imported, open_repaired, source,
};
use crate::records::read_all;
use immuta::storage::simulated::{Fault, Simulated};
use immuta::{Log, Next, Options, Outcome, Result, Start, verify_on};
use std::time::Duration;

/// Far longer than a reader goes without a look.
const LONG: Option<Duration> = Some(Duration::from_mins(1));

pub struct Scenario {
    pub name: &'static str,
    pub open: Open,
    /// What is there before; nothing fails yet.
    pub left: fn(&mut Application, &Simulated),
    /// Whether the log is opened before anything fails.
    pub is_open: bool,
    pub act: fn(&mut Application, &Simulated),
}

const fn new(
    name: &'static str,
    open: Open,
    left: fn(&mut Application, &Simulated),
    act: fn(&mut Application, &Simulated),
) -> Scenario {
    Scenario { name, open, left, is_open: false, act }
}

/// One whose log is open when calls begin to fail.
const fn within(
    name: &'static str,
    open: Open,
    left: fn(&mut Application, &Simulated),
    act: fn(&mut Application, &Simulated),
) -> Scenario {
    Scenario { name, open, left, is_open: true, act }
}

pub const SCENARIOS: [Scenario; 45] = [
    new("create", open, nothing, Application::open_log),
    new("create, durable", open_durable, nothing, Application::open_log),
    new("create two namespaces, all or none", open_two, nothing, Application::open_log),
    within("first append", open, nothing, |app, disk| app.append(disk, 1)),
    within("first append, durable", open_durable, nothing, |app, disk| app.append(disk, 1)),
    within("batch", open, closed, |app, disk| app.append(disk, 5)),
    within("batch, durable", open_durable, closed, |app, disk| app.append(disk, 5)),
    within("transaction", open, closed, |app, disk| app.append_in_transaction(disk, 4)),
    within("transaction, durable", open_durable, closed, |app, disk| app.append_in_transaction(disk, 4)),
    within("growth over 64 KiB", open, closed, grow),
    within("growth over 64 KiB, durable", open_durable, closed, grow),
    within("sync", open, closed, sync),
    within("sync, durable", open_durable, closed, sync),
    within("checkpoint of the flusher", open_flushing, closed, flush),
    within("halves of the journal in turn", open_durable, nothing, |app, disk| {
        (0..8).for_each(|_| app.append(disk, 5));
    }),
    within("commit in place", open_durable, nothing, |app, disk| app.append(disk, 20)),
    within("first append to an adopted log", open, bare, |app, disk| app.append(disk, 2)),
    within("clean close", open, closed, close),
    within("clean close, durable", open_durable, closed, close),
    new("clean reopen", open, closed, Application::open_log),
    new("clean reopen, durable", open_durable, closed, Application::open_log),
    new("recovery", open, killed, Application::open_log),
    new("replay of the journal", open_durable, killed_durable, Application::open_log),
    new("replay after a loss of power", open_durable, unplugged_durable, Application::open_log),
    new("recovery into durable mode", open_durable, killed, Application::open_log),
    new("replay into fast mode", open, killed_durable, Application::open_log),
    new("adoption", open, bare, Application::open_log),
    new("adoption, zeros after the records, durable", open_durable, bare_with_zeros, Application::open_log),
    new("adoption of what the original appended", open, appended_to, Application::open_log),
    new("adoption of what the original appended, durable", open_durable, appended_to, Application::open_log),
    new("damaged index file moved aside", open, damaged, Application::open_log),
    new("salvage", open, with_garbage, Application::open_log),
    new("salvage, durable", open_durable, with_garbage, Application::open_log),
    new("reading what a kill left", open, killed, read_only),
    new("verifying", open, closed, verify),
    new("two sessions", open, nothing, two_sessions),
    new("two sessions, durable", open_durable, nothing, two_sessions),
    new("durable, then fast", open_durable, nothing, |app, disk| change_mode(app, disk, open)),
    new("fast, then durable", open, nothing, |app, disk| change_mode(app, disk, open_durable)),
    within("following", open, closed, follow),
    new("repair, dry run", open_repaired, damaged_records, maintenance::try_dry_repair),
    new("repair", open_repaired, damaged_records, maintenance::try_repair),
    new("repair of what a durable writer left", open_repaired, damaged_killed_durable, maintenance::try_repair),
    new("repair of an index file", open_repaired, damaged_identity, maintenance::try_repair),
    new("import", open_imported, source, maintenance::try_import),
];

fn open_two(disk: &Simulated) -> Result<Log> {
    open_named(disk, &["a", "b"], options())
}

fn open_flushing(disk: &Simulated) -> Result<Log> {
    // What is refused is tried again after the interval.
    open_named(
        disk,
        &["a"],
        Options { flush_bytes: Some(1), flush_interval: Some(Duration::from_millis(1)), ..options() },
    )
}

fn open_to_read(disk: &Simulated) -> Result<Log> {
    open_named(disk, &["a"], Options { read_only: true, ..options() })
}

fn nothing(_: &mut Application, _: &Simulated) {}

fn closed(app: &mut Application, disk: &Simulated) {
    app.open_log(disk);
    app.append(disk, 7);
    app.close();
}

/// Some records are covered by a checkpoint, some are not.
pub fn written(app: &mut Application, disk: &Simulated) {
    app.open_log(disk);
    app.append(disk, 5);
    app.sync();
    app.append(disk, 4);
    app.append(disk, 3);
}

/// What a writer that comes to `its_end` after `act` leaves: a log that is not closed.
pub fn left_by(
    app: &mut Application,
    disk: &Simulated,
    open: Open,
    act: fn(&mut Application, &Simulated),
    its_end: fn(&Simulated),
) {
    app.opening_by(open, |app| {
        act(app, disk);
        its_end(disk);
    });
    assert!(disk.read_file("a.log").unwrap() != file_of(&app.acknowledged), "the log was closed");
}

fn killed(app: &mut Application, disk: &Simulated) {
    left_by(app, disk, open, written, Simulated::kill);
}

fn killed_durable(app: &mut Application, disk: &Simulated) {
    left_by(app, disk, open_durable, written, Simulated::kill);
}

fn unplugged_durable(app: &mut Application, disk: &Simulated) {
    left_by(app, disk, open_durable, written, |disk| {
        disk.power_loss(4);
    });
}

/// Records that no index file includes.
fn bare(app: &mut Application, disk: &Simulated) {
    *app = Application::knowing(&payloads(12)).opened_by(app.open);
    disk.write_file("a.log", &file_of(&payloads(12)));
}

fn bare_with_zeros(app: &mut Application, disk: &Simulated) {
    bare(app, disk);
    let mut file = file_of(&payloads(12));
    file.resize(file.len().next_multiple_of(65_536), 0);
    disk.write_file("a.log", &file);
}

/// A clean close, and more records that only the count includes: the original appended them.
fn appended_to(app: &mut Application, disk: &Simulated) {
    closed(app, disk);
    *app = Application::knowing(&payloads(12)).opened_by(app.open);
    disk.write_file("a.log", &file_of(&payloads(12)));
}

fn damaged(app: &mut Application, disk: &Simulated) {
    bare_with_zeros(app, disk);
    disk.write_file("a.idx", &[7; 9_000]);
}

/// Unexplained bytes after the records.
fn with_garbage(app: &mut Application, disk: &Simulated) {
    closed(app, disk);
    let file = disk.read_file("a.log").unwrap();
    disk.write_file("a.log", &[file, vec![3; 700]].concat());
}

fn grow(app: &mut Application, disk: &Simulated) {
    for _ in 0..8 {
        app.append(disk, 2);
    }
}

fn sync(app: &mut Application, disk: &Simulated) {
    app.append(disk, 2);
    app.sync();
    app.append(disk, 1);
    app.sync();
}

fn close(app: &mut Application, disk: &Simulated) {
    app.append(disk, 3);
    app.close();
}

/// Appends, and waits until the flusher has covered it or has failed.
fn flush(app: &mut Application, disk: &Simulated) {
    for _ in 0..2 {
        app.append(disk, 1);
        let Some(log) = app.log.clone() else { return };
        let is_settled = || log.stats(0).is_ok_and(|stats| stats.durable_count == stats.count || stats.is_poisoned);
        // A lasting refusal may hit the check of the files that comes first; the flusher keeps trying.
        let lasts = app.strikes.iter().any(|strike| strike.sticky && matches!(strike.fault, Fault::Refuse(_)));
        let is_refused_again = || lasts && disk.faults_met() > app.strikes.len() as u64;
        while !is_settled() && !is_refused_again() {
            std::thread::yield_now();
        }
    }
}

fn read_only(app: &mut Application, disk: &Simulated) {
    let Some(reader) = app.succeeds(open_to_read(disk)) else { return };
    if let Some(found) = app.succeeds(read_all(&reader)) {
        assert!(found == app.acknowledged, "{} records are read", found.len());
    }
}

/// Whatever fails, a verification finds nothing wrong with a log that has nothing wrong.
fn verify(app: &mut Application, disk: &Simulated) {
    let report = verify_on(&disk.storage(), "a", &options(), &mut |_, _| true);
    if let Some(report) = app.succeeds(report) {
        assert_eq!((report.finding, report.bad_records), (None, 0), "{report:?}");
        assert_eq!((report.outcome, report.count), (Outcome::Clean, app.acknowledged.len() as u64));
    }
}

fn session(app: &mut Application, disk: &Simulated) {
    app.open_log(disk);
    app.append(disk, 1);
    app.append(disk, 1);
    app.append(disk, 3);
    app.sync();
    app.append(disk, 1);
    app.sync();
    app.close();
}

fn two_sessions(app: &mut Application, disk: &Simulated) {
    session(app, disk);
    session(app, disk);
}

fn change_mode(app: &mut Application, disk: &Simulated, open: Open) {
    session(app, disk);
    app.open = open;
    session(app, disk);
}

/// A reader beside the writer gets everything in the end: after an error, its next look continues.
fn follow(app: &mut Application, disk: &Simulated) {
    let Some(reader) = app.succeeds(open_to_read(disk)) else { return };
    let Some(mut stream) = app.succeeds(reader.stream(0, Start::Beginning)) else { return };
    let mut found = Vec::new();
    for _ in 0..3 {
        app.append(disk, 2);
        loop {
            match stream.next(Some(Duration::ZERO)) {
                Ok(Next::Ready(record)) => found.push(record.data().to_vec()),
                Ok(_) => break,
                Err(error) => {
                    app.accept(&error);
                    disk.clear_faults();
                }
            }
        }
    }
    disk.clear_faults();
    while found.len() < app.acknowledged.len() {
        match stream.next(LONG) {
            Ok(Next::Ready(record)) => found.push(record.data().to_vec()),
            other => panic!("of {} records {} are followed: {other:?}", app.acknowledged.len(), found.len()),
        }
    }
    assert!(app.acknowledged.iter().chain(&app.in_flight).zip(&found).all(|(sent, found)| sent == found));
}

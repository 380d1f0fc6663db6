//! Repair and import while calls fail: afterwards the same call succeeds, and nothing good is lost.

use crate::application::{Application, file_of, open, open_durable, payloads};
use crate::scenarios::{left_by, written};
use immuta::storage::simulated::Simulated;
use immuta::{Error, ErrorKind, Log, Options, Outcome, Repair, Report, Result, import_on, repair_on};

const SOURCE: &str = "old";
const NAMES: [&str; 3] = ["a.log", "a.idx", "a.wal"];
/// The start of an entry of the index file whose neighbours stay right.
const ENTRY_AT: usize = 16_384 + 4 * 24;

fn repair(disk: &Simulated, apply: bool) -> Result<Report> {
    let mut options = Options::default();
    options.add_namespace("a").unwrap();
    repair_on(&disk.storage(), "a", &options, Repair { apply, ..Repair::default() }, &mut |_, _| true)
}

fn import(disk: &Simulated) -> Result<Report> {
    let storage = disk.storage();
    import_on(storage.as_ref(), SOURCE, storage.as_ref(), "a", &Options::default(), &mut |_, _| true)
}

/// Repairs the log, whatever an earlier repair left, and opens it.
pub fn open_repaired(disk: &Simulated) -> Result<Log> {
    repair(disk, true)?;
    open(disk)
}

/// Imports unless that is done, and opens what was imported.
pub fn open_imported(disk: &Simulated) -> Result<Log> {
    match import(disk) {
        Err(error) if error.kind != ErrorKind::Exists => Err(error),
        _ => open(disk),
    }
}

fn edit(disk: &Simulated, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(name).unwrap();
    change(&mut bytes);
    disk.write_file(name, &bytes);
}

/// A wrong size word, a wrong entry and a count of one: all of it can be proven.
fn damage(disk: &Simulated) {
    // Record 1, of five bytes, follows the count and the empty record 0.
    edit(disk, "a.log", |bytes| (bytes[0], bytes[16]) = (1, 200));
    edit(disk, "a.idx", |bytes| bytes[ENTRY_AT] ^= 1);
}

pub fn damaged_records(app: &mut Application, disk: &Simulated) {
    app.opening_by(open, |app| {
        app.open_log(disk);
        app.append(disk, 7);
        app.close();
    });
    damage(disk);
}

/// The same, left by a killed durable writer; a loss of power takes only what the repair writes.
pub fn damaged_killed_durable(app: &mut Application, disk: &Simulated) {
    left_by(app, disk, open_durable, written, Simulated::kill);
    for name in NAMES {
        edit(disk, name, |_| {});
    }
    damage(disk);
}

pub fn damaged_identity(app: &mut Application, disk: &Simulated) {
    damaged_records(app, disk);
    edit(disk, "a.log", |bytes| (bytes[0], bytes[16]) = (7, 5));
    edit(disk, "a.idx", |bytes| bytes[..100].fill(9));
}

/// A file with a header of sixteen bytes.
pub fn source(app: &mut Application, disk: &Simulated) {
    *app = Application::knowing(&payloads(12)).opened_by(app.open);
    let file = file_of(&payloads(12));
    let last = 16 + file.len() - 8 - (8 + payloads(12)[11].len());
    disk.write_file(SOURCE, &[&file[..8], &last.to_le_bytes(), &file[8..]].concat());
}

/// Whether `outcome` is a success; otherwise it must be an error that the faults explain, also through an inner writer
/// that they poisoned.
fn succeeds(app: &Application, outcome: Result<Report>) -> Option<Report> {
    let explain = |error: &Error| app.strikes.iter().any(|strike| strike.explains(error, true));
    outcome.map_err(|error| assert!(explain(&error), "{:?}, os error {}: {error}", error.kind, error.os_error)).ok()
}

pub fn try_repair(app: &mut Application, disk: &Simulated) {
    if let Some(report) = succeeds(app, repair(disk, true)) {
        assert_ne!(report.outcome, Outcome::Damaged, "{report:?}");
        assert_eq!((report.count, report.bad_records), (app.acknowledged.len() as u64, 0), "{report:?}");
    }
}

pub fn try_dry_repair(app: &mut Application, disk: &Simulated) {
    let image = || NAMES.map(|name| disk.read_file(name));
    let before = image();
    if let Some(report) = succeeds(app, repair(disk, false)) {
        assert_eq!((report.outcome, report.count), (Outcome::Damaged, app.acknowledged.len() as u64), "{report:?}");
    }
    assert!(image() == before, "a dry run changed something");
}

pub fn try_import(app: &mut Application, disk: &Simulated) {
    let before = disk.read_file(SOURCE);
    if let Some(report) = succeeds(app, import(disk)) {
        assert_eq!(report.count, app.acknowledged.len() as u64, "{report:?}");
    }
    assert!(disk.read_file(SOURCE) == before, "the source changed");
}

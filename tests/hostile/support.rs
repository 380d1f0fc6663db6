//! What the hostile tests share: logs to spoil, and checks of who is refused and who is served what.

use crate::image::{
    Image, Records, all_of, engines, lay, log_image, open, open_read_only, options, read_all, records_and_index,
};
use immuta::{ErrorKind, Log, Report, verify};
use std::path::Path;
use tempfile::TempDir;

/// Five records of different sizes, one of them empty.
pub fn five() -> Records {
    ["first", "a second one", "", "the fourth of five", "5"].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A log with the five records, closed.
pub fn closed() -> Image {
    log_image(&five(), &[], true)
}

/// Where record `number` of the five begins.
pub fn offset_of(number: usize) -> usize {
    8 + five()[..number].iter().map(|record| 8 + record.len()).sum::<usize>()
}

/// The image with `bytes` over file `name` at `at`.
pub fn patched(mut image: Image, name: &str, at: usize, bytes: &[u8]) -> Image {
    image.get_mut(name).unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

/// The image with one bit of file `name` flipped.
pub fn flipped(mut image: Image, name: &str, at: usize, bit: usize) -> Image {
    image.get_mut(name).unwrap()[at] ^= 1 << bit;
    image
}

pub fn lay_image(image: &Image) -> TempDir {
    lay(&image.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

pub fn verified(directory: &Path) -> Report {
    verify(directory, "a", &options(true), &mut |_, _| true).unwrap()
}

/// Checks that a writer is refused, and that every byte stays.
pub fn assert_refused(directory: &Path, kind: ErrorKind) {
    let before = records_and_index(directory);
    let error = open(directory).expect_err("refused");
    assert_eq!(error.kind, kind, "{error}");
    assert!(records_and_index(directory) == before, "refused, but something was changed: {error}");
}

/// Read-only, with both engines: all of `written` except `bad` is served, and nothing is changed.
pub fn assert_served_but(directory: &Path, written: &Records, bad: &[u64]) {
    let before = records_and_index(directory);
    for options in engines() {
        let log = Log::open(directory, &options).unwrap();
        assert_good_but(&log, written, bad);
    }
    assert!(records_and_index(directory) == before, "reading changed something");
}

/// Checks that all of `written` except `bad` is read.
pub fn assert_good_but(log: &Log, written: &Records, bad: &[u64]) {
    let (mut wanted, _) = all_of(written);
    wanted.retain(|number, _| !bad.contains(number));
    assert_eq!(read_all(log), (wanted, bad.len() as u64));
}

/// One damaged record below the checkpoint: readers and verifications report it by number, the others are served, and a
/// writer opens.
pub fn assert_only_bad(image: &Image, number: u64) {
    let directory = lay_image(image);
    let report = verified(directory.path());
    let found = (report.finding, report.bad_records, report.first_bad_number);
    assert_eq!(found, (Some(ErrorKind::Corrupt), 1, number));
    assert_served_but(directory.path(), &five(), &[number]);
    assert_good_but(&open(directory.path()).unwrap(), &five(), &[number]);
}

/// Refused for writing, read-only, and by a verification, all with the same reason.
pub fn assert_refused_by_all(directory: &Path, kind: ErrorKind) {
    assert_eq!(verified(directory).finding, Some(kind));
    assert_eq!(open_read_only(directory).unwrap_err().kind, kind);
    assert_refused(directory, kind);
}

//! The original program appending to a log that the library closed.

use crate::disk::{CHECKPOINTS, PAGE_BYTES, records, recover, refused, three_closed};
use immuta::{ErrorKind, Mode, Outcome};

/// Appends as the original does: the record at the end, then the count.
fn append_as_the_original(log: &mut Vec<u8>, record: &[u8]) {
    log.extend_from_slice(&(record.len() as u64).to_le_bytes());
    log.extend_from_slice(record);
    let count = u64::from_le_bytes(log[..8].try_into().unwrap()) + 1;
    log[..8].copy_from_slice(&count.to_le_bytes());
}

/// Rows O7, O8 and O9.
#[test]
fn the_original_appending_to_a_cleanly_closed_log() {
    let mut files = three_closed();
    append_as_the_original(files.log(), b"from the original");
    append_as_the_original(files.log(), b"");
    let (report, found) = recover(&files.on_disk(), Mode::Fast, "appended to");
    assert_eq!(found, [records(0, 3, 300), vec![b"from the original".to_vec(), Vec::new()]].concat());
    assert_eq!((report.outcome, report.count, report.adopted), (Outcome::Recovered, 5, 2));

    let mut torn = three_closed();
    torn.log().extend_from_slice(b"\x09\0\0\0\0\0\0\0half");
    let disk = torn.on_disk();
    let (report, found) = recover(&disk, Mode::Fast, "stopped before its count");
    assert_eq!((found, report.trimmed_bytes), (records(0, 3, 300), 12));
    assert_eq!(disk.read_file("a.salvage-1").unwrap(), b"\x09\0\0\0\0\0\0\0half");

    let mut counted = three_closed();
    counted.log()[0] = 4;
    refused(&counted.on_disk(), Mode::Fast, ErrorKind::Mismatch, "a count without its record");
    counted.log().extend_from_slice(&[0; 600]);
    refused(&counted.on_disk(), Mode::Fast, ErrorKind::Mismatch, "zeros that may be an empty record or none");
}

/// Row O13.
#[test]
fn the_original_appending_beside_a_damaged_checkpoint() {
    for fill in [15, 720] {
        let mut files = three_closed();
        let newest = files.newest_checkpoint();
        // Where both checkpoints say the same, closing wrote both.
        let clean = files.index()[newest..newest + PAGE_BYTES].to_vec();
        let other = CHECKPOINTS[0] + CHECKPOINTS[1] - newest;
        files.index()[other..other + PAGE_BYTES].copy_from_slice(&clean);
        files.index()[other + 9] ^= 1;
        let size = files.log().len();
        append_as_the_original(files.log(), &vec![7; fill]);
        let (report, found) = recover(&files.on_disk(), Mode::Fast, &format!("{} bytes", size + 8 + fill));
        assert_eq!((found.len(), report.adopted), (4, 1));
    }
}

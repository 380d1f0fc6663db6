//! Importing: holes are neither read nor copied, and zeros in a hole are no record unless something else says so.

use crate::forged::{empty_records, image_of, sparse_records};
use crate::{BUFFER_BYTES, cost, options};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Report, Result, import_on};

fn import(disk: &Simulated) -> Result<Report> {
    let storage = disk.storage();
    import_on(storage.as_ref(), "source", storage.as_ref(), "a", &options(), &mut |_, _| true)
}

#[test]
fn an_import_does_not_read_the_hole_that_a_record_claims() {
    const CLAIMED: usize = 32 << 20;
    let mut source = 2_u64.to_le_bytes().to_vec();
    source.extend((CLAIMED as u64).to_le_bytes());
    source.resize(16 + CLAIMED, 0);
    source.extend([3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']);
    let disk = Simulated::new();
    disk.write_file("source", &source);
    let (report, cost) = cost(&disk, || import(&disk));
    assert_eq!(report.unwrap().count, 2);
    assert!(disk.read_file("a.log").unwrap() == source);
    assert!(cost.read_bytes < 16 * BUFFER_BYTES && cost.calls < 200, "{cost:?}");
}

#[test]
fn records_in_a_hole_of_the_source_are_ambiguous_and_nothing_is_made() {
    const EMPTY: u64 = 100_003;
    let mut header16 = (EMPTY + 1).to_le_bytes().to_vec();
    header16.extend((16 + 8 * EMPTY).to_le_bytes());
    header16.resize(16 + 8 * 100_003, 0);
    header16.extend([3, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']);
    for source in [empty_records(EMPTY, b""), empty_records(EMPTY, b"after the hole"), header16] {
        let disk = Simulated::new();
        disk.write_file("source", &source);
        let before = image_of(&disk);
        let (imported, cost) = cost(&disk, || import(&disk));
        assert_eq!(imported.map(drop).map_err(|error| error.kind), Err(ErrorKind::Ambiguous));
        assert!(image_of(&disk) == before);
        assert!(cost.read_bytes < 16 * BUFFER_BYTES && cost.calls < 200, "{cost:?}");
    }
}

#[test]
fn holes_between_data_are_not_filled_by_an_import() {
    const COUNT: u64 = 67;
    let source = sparse_records(COUNT);
    let disk = Simulated::new();
    disk.write_file("source", &source);
    let (report, cost) = cost(&disk, || import(&disk));
    assert_eq!(report.unwrap().count, COUNT);
    assert!(disk.read_file("a.log").unwrap() == source);
    assert!(cost.written_bytes < COUNT * 4096 + (64 << 10), "{cost:?}");
}

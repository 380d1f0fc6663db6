//! Files of a few blocks that lay claim to much, with every checksum right.

use crate::layout::{Checkpoint, ENTRIES_AT, ENTRY_BYTES, PAGE_BYTES, identity, put};
use immuta::Log;
use immuta::storage::simulated::Simulated;
use std::collections::BTreeMap;

/// The files of a disk but the page for waiting.
pub fn image_of(disk: &Simulated) -> BTreeMap<String, Vec<u8>> {
    let names = disk.storage().list().unwrap().into_iter().filter(|name| name != "a.live");
    names.map(|name| (name.clone(), disk.read_file(&name).unwrap())).collect()
}

/// A log with `payloads`, closed.
pub fn closed(payloads: &[&[u8]]) -> Simulated {
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &crate::options()).unwrap();
    log.append_batch(0, payloads).unwrap();
    log.shutdown().unwrap();
    disk
}

/// A record file of `count` empty records, of which all but the first lie in a hole, and one more with `last`, unless
/// that is empty.
pub fn empty_records(count: u64, last: &[u8]) -> Vec<u8> {
    let all = count + u64::from(!last.is_empty());
    let mut file = all.to_le_bytes().to_vec();
    file.resize(8 + 8 * usize::try_from(count).unwrap(), 0);
    if !last.is_empty() {
        file.extend((last.len() as u64).to_le_bytes());
        file.extend(last);
    }
    file
}

/// A record file of `count` records of 64 KiB each, all of it a hole but for the blocks that their size words are in.
pub fn sparse_records(count: u64) -> Vec<u8> {
    let mut file = vec![0; 8 + 65_536 * usize::try_from(count).unwrap()];
    file[..8].copy_from_slice(&count.to_le_bytes());
    for record in file[8..].chunks_exact_mut(65_536) {
        record[..8].copy_from_slice(&(65_536_u64 - 8).to_le_bytes());
    }
    file
}

/// An index file with room for `entries`, clean checkpoints that say `count` records end at `end`, and the entries that
/// `put_entries` makes.
pub fn index_file(entries: usize, count: u64, end: u64, put_entries: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut index = vec![0; ENTRIES_AT + entries * ENTRY_BYTES];
    put(&mut index, 0, &identity(&[]));
    for (slot, seq) in [(1, 1), (2, 2)] {
        put(&mut index, slot * PAGE_BYTES, &Checkpoint { seq, count, end, state: 2, mode: 1, epoch: 1 }.page());
    }
    put_entries(&mut index);
    index
}

/// Makes the file called `name` longer by a hole.
pub fn extend(disk: &Simulated, name: &str, to_bytes: usize) {
    let mut bytes = disk.read_file(name).unwrap();
    bytes.resize(to_bytes, 0);
    disk.write_file(name, &bytes);
}

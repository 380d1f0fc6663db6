//! An application of many threads: the results that each got, and what its batches must look like whatever happens.

use crate::application::{Trouble, append, open, payload};
use crate::random::Random;
use crate::records::Records;
use immuta::storage::simulated::Simulated;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;

const THREADS: u8 = 4;

/// Four threads commit batches and a fifth syncs until there is trouble; answers the records that were acknowledged, by
/// number.
pub fn live(disk: &Simulated, random: &mut Random, trouble: Trouble) -> BTreeMap<u64, Vec<u8>> {
    let log = open(disk.storage(), "a", false).unwrap();
    let (last_call, _) = trouble.strike(disk, random);
    let acknowledged = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        let appending: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (mut random, log, acknowledged) = (Random::new(random.next()), &log, &acknowledged);
                scope.spawn(move || {
                    for round in (0..).take_while(|_| disk.calls() < last_call) {
                        let records = batch(thread, round, &mut random);
                        let Ok(number) = append(log, &records) else { return };
                        acknowledged.lock().unwrap().extend((number..).zip(records));
                    }
                })
            })
            .collect();
        // A log without appends has nothing to sync, so no sync of it fails.
        while !appending.iter().all(ScopedJoinHandle::is_finished) && log.sync(0).is_ok() {}
    });
    if random.one_in(2) {
        // Otherwise it is closed as well as possible.
        disk.kill();
    }
    acknowledged.into_inner().unwrap()
}

/// Each record names its batch, its place in it and how many belong to it.
fn batch(thread: u8, round: u64, random: &mut Random) -> Records {
    let count = 1 + random.below(4);
    let tagged = |place: u64| {
        let tag = [round, place, count].map(u64::to_le_bytes).concat();
        [vec![thread], tag, payload(random)].concat()
    };
    (0..count).map(tagged).collect()
}

/// Every batch is there from its first record to its last.
pub fn check_batches(found: &Records) {
    let mut at = 0;
    while let Some(first) = found.get(at) {
        let tag = |record: &[u8], field: usize| u64::from_le_bytes(record[1 + 8 * field..][..8].try_into().unwrap());
        let count = usize::try_from(tag(first, 2)).unwrap();
        for place in 0..count {
            let whole = found.get(at + place).is_some_and(|record| {
                (record[0], tag(record, 0), tag(record, 1)) == (first[0], tag(first, 0), place as u64)
            });
            assert!(whole, "record {} of {} is not the batch's", at + place, found.len());
        }
        at += count;
    }
}

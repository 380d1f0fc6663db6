//! Target: payloads that no codec made are decoded, within the largest record size; payloads that a codec made come
//! back.

use crate::forge::Files;
use crate::judge::{contained, options};
use crate::layout::{Checkpoint, PAGE_BYTES, entry, identity};
use arbitrary::{Result, Unstructured};
use immuta::codec::{Builtin, Codec};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Next, Start};
use std::time::Duration;

pub fn run(data: &[u8]) {
    let _ = choose(&mut Unstructured::new(data));
}

fn choose(u: &mut Unstructured<'_>) -> Result<()> {
    let mut chain = Vec::new();
    for _ in 0..u.int_in_range(1..=3)? {
        chain.push(u.int_in_range(1..=4)?);
    }
    if u.arbitrary()? {
        let level = u.int_in_range(0..=9)?;
        round_trip(&chain, level, u.bytes(u.len())?);
    } else {
        decode(&chain, u.bytes(u.len())?);
    }
    Ok(())
}

/// A log with one record, `payload` as it is stored, which the codecs are to undo.
fn decode(chain: &[u32], payload: &[u8]) {
    let record = [&(payload.len() as u64).to_le_bytes(), payload].concat();
    let end = 8 + record.len() as u64;
    let checkpoint = |seq| Checkpoint { seq, count: 1, end, state: 2, mode: 1, epoch: 1 }.page();
    let index = [identity(chain), checkpoint(4), checkpoint(5), vec![0; PAGE_BYTES], entry(0, 8, true, &record)];
    let files = Files::from([("a.log", [&1_u64.to_le_bytes(), record.as_slice()].concat()), ("a.idx", index.concat())]);
    let disk = Simulated::new();
    for (name, bytes) in &files {
        disk.write_file(name, bytes);
    }
    let log = Log::open_on(disk.storage(), &options(true)).unwrap();
    match contained(log.stream(0, Start::Beginning).unwrap().next(Some(Duration::ZERO))) {
        Ok(Next::Ready(record)) => assert!(record.data().len() as u64 <= options(true).max_record_size_bytes),
        Ok(_) => panic!("the record is there"),
        Err(error) => assert!(matches!(error.kind, ErrorKind::CodecFailed | ErrorKind::TooLarge), "{error}"),
    }
}

fn round_trip(chain: &[u32], level: i32, payload: &[u8]) {
    let mut options = options(false);
    for id in chain {
        let kind = Builtin::from_id(*id).unwrap();
        // Levels are not the same for all.
        let Ok(codec) = Codec::builtin(kind, level).or_else(|_| Codec::builtin(kind, 0)) else { return };
        options.add_codec(codec).unwrap();
    }
    let disk = Simulated::new();
    let log = Log::open_on(disk.storage(), &options).unwrap();
    log.append(0, payload).unwrap();
    let Next::Ready(record) = log.stream(0, Start::Beginning).unwrap().next(Some(Duration::ZERO)).unwrap() else {
        panic!("no record")
    };
    assert!(record.data() == payload, "what was appended comes back");
}

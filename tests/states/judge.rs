//! The records found in a state, compared with what the application knows, with the report, and with a walk that is not
//! the library's.

use crate::application::{Known, append, open};
use crate::figures::Counted;
use crate::random::Random;
use crate::records::{Records, read_all};
use crate::threads;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Outcome, Report};
use std::collections::BTreeMap;

const INDEX_HEADER_BYTES: usize = 16 << 10;
const ENTRY_BYTES: usize = 24;

/// Cuts the power, perhaps again and again while the log recovers, in either mode. Then the log must be whole and take
/// more records.
pub fn cut_power(disk: &Simulated, known: &Known, random: &mut Random, counted: &mut Counted) {
    let loss = disk.power_loss(random.next());
    counted.state();
    counted.mood(loss.mood);
    let mut known = known.clone();
    known.lose_power();
    cut_recoveries(disk, known.namespace, random, counted, |event| match event {
        Event::Found(found) => known.learn(found),
        Event::LostPower => known.lose_power(),
    });
    let (log, found) = reopen(disk, known.namespace, random, counted);
    known.check(&found);
    go_on(disk, known.namespace, &log, found, random);
}

enum Event {
    Found(Records),
    LostPower,
}

/// Kills some recoveries (mostly none) while they run, and perhaps cuts the power again.
fn cut_recoveries(
    disk: &Simulated,
    namespace: &str,
    random: &mut Random,
    counted: &mut Counted,
    mut tell: impl FnMut(Event),
) {
    while random.one_in(4) {
        counted.cut();
        disk.kill_at_call(disk.calls() + random.below(60));
        let recovered = open(disk.storage(), namespace, random.one_in(2));
        if let Ok(found) = recovered.and_then(|log| read_all(&log)) {
            tell(Event::Found(found));
        }
        if random.one_in(2) {
            disk.power_loss(random.next());
            tell(Event::LostPower);
        }
        disk.kill();
    }
    disk.clear_faults();
}

/// As [`cut_power`], for a log of many threads to which `acknowledged` was reported, by number.
pub fn cut_power_of_many(
    disk: &Simulated,
    acknowledged: &BTreeMap<u64, Vec<u8>>,
    random: &mut Random,
    counted: &mut Counted,
) {
    counted.state();
    counted.mood(disk.power_loss(random.next()).mood);
    let check = |found: &Records| {
        for (number, record) in acknowledged {
            let there = usize::try_from(*number).ok().and_then(|number| found.get(number));
            assert!(there == Some(record), "record {number} of {} is gone", found.len());
        }
        threads::check_batches(found);
    };
    cut_recoveries(disk, "a", random, counted, |event| match event {
        Event::Found(found) => check(&found),
        Event::LostPower => {}
    });
    let (log, found) = reopen(disk, "a", random, counted);
    check(&found);
    go_on(disk, "a", &log, found, random);
}

/// Opens what a power cut or a kill left, which must not be refused, and reads all.
pub fn reopen(disk: &Simulated, namespace: &str, random: &mut Random, counted: &mut Counted) -> (Log, Records) {
    let before = ["log", "idx"].map(|suffix| disk.read_file(&format!("{namespace}.{suffix}")).unwrap_or_default());
    match open(disk.storage(), namespace, random.one_in(3)) {
        Ok(log) => {
            let found = look(disk, namespace, &log, [&before[0], &before[1]], counted);
            let finding = log.report(0).unwrap().finding;
            assert!(
                matches!(finding, None | Some(ErrorKind::Corrupt)),
                "nothing is missing, but {finding:?} was found"
            );
            (log, found)
        }
        Err(error) => panic!("refused, {:?}: {}", error.kind, error.message()),
    }
}

/// All records, after a look at the report and at the files: record file and index file as they were before it was
/// opened.
pub fn look(
    disk: &Simulated,
    namespace: &str,
    log: &Log,
    [before, index_before]: [&[u8]; 2],
    counted: &mut Counted,
) -> Records {
    let found = read_all(log).unwrap();
    let end: usize = 8 + found.iter().map(|record| 8 + record.len()).sum::<usize>();
    let report = log.report(0).unwrap();
    counted.outcome(format!("{:?}", report.outcome).to_lowercase());
    assert_eq!(report.count, found.len() as u64, "the report's count");
    assert_eq!(report.trimmed_bytes, before.len().saturating_sub(end) as u64, "the report's bytes cut");
    let header_count = before.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    assert_eq!(report.header_count, header_count, "the report's count found");
    let new = report.adopted + report.recovered;
    match report.outcome {
        Outcome::Adopted => assert_eq!((report.adopted, report.recovered), (report.count, 0), "adopted"),
        Outcome::Recovered => assert!(new <= report.count, "adopted and recovered"),
        outcome => assert_eq!((new, report.finding), (0, None), "{outcome:?}"),
    }
    check_finding(disk, &report, before, end);
    let is_cut = report.outcome == Outcome::Recovered && report.salvage.is_none();
    let is_cut = is_cut && before.get(end..).is_some_and(|behind| behind.iter().any(|byte| *byte != 0));
    assert!(!is_cut || !is_proven_after_gap(before, index_before, found.len(), end), "a record after a gap is gone");
    let walked = immuta_walker::walk_open(&disk.read_file(&format!("{namespace}.log")).unwrap()).unwrap();
    assert_eq!((walked.count, walked.end), (found.len() as u64, end as u64), "the walk");
    found
}

/// Checks that missing records are reported, by the count or by the bytes after a gap, and that the bytes after the
/// records are kept, if there are any.
fn check_finding(disk: &Simulated, report: &Report, before: &[u8], end: usize) {
    let is_ahead = report.header_count > report.count;
    if is_ahead {
        let first_bad = (report.first_bad_number, report.first_bad_offset);
        assert_eq!(
            (report.finding, first_bad),
            (Some(ErrorKind::Corrupt), (report.count, end as u64)),
            "a count ahead"
        );
    }
    let behind = before.get(end..).unwrap_or_default();
    if let Some(path) = &report.salvage {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(disk.read_file(name).unwrap() == behind, "what was kept is what lay after the records");
    }
    let is_worth_keeping = is_ahead && behind.iter().any(|byte| *byte != 0);
    assert!(!is_worth_keeping || report.salvage.is_some(), "what lay after the records is gone");
}

/// Whether some entry after the first `count` records, which end at `end`, is one of this log, and its record matches
/// it. Entries that continue from there without a gap do not count.
fn is_proven_after_gap(log: &[u8], index: &[u8], count: usize, mut end: usize) -> bool {
    let Some(log_id) = index.get(40..56) else { return false };
    let crc_at = |bytes: &[u8], at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let entries = index.get(INDEX_HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
    let mut has_gap = false;
    for (number, entry) in entries.enumerate().skip(count) {
        let bound = [log_id, &(number as u64).to_le_bytes(), &entry[..20]].concat();
        let offset = u64::from_le_bytes(*entry.first_chunk().unwrap()) & ((1 << 47) - 1);
        let offset = usize::try_from(offset).unwrap();
        let size = log.get(offset..).and_then(|rest| rest.first_chunk()).map(|word| u64::from_le_bytes(*word));
        let record_end = size.and_then(|size| usize::try_from(size).ok()?.checked_add(offset + 8));
        let record = record_end.and_then(|record_end| log.get(offset..record_end));
        let is_whole = crc_fast::crc32_iscsi(&bound) == crc_at(entry, 20)
            && record.is_some_and(|record| crc_fast::crc32_iscsi(record) == crc_at(entry, 16));
        has_gap |= !is_whole || offset != end;
        if is_whole && has_gap && offset >= end {
            return true;
        }
        end = if has_gap { end } else { record_end.unwrap_or(end) };
    }
    false
}

/// The log takes one more and closes; the files are then exactly the records, and another open changes no record.
pub fn go_on(disk: &Simulated, namespace: &str, log: &Log, mut found: Records, random: &mut Random) {
    let more = vec![b"one more".to_vec()];
    append(log, &more).unwrap();
    found.extend(more);
    log.shutdown().unwrap();
    let names = disk.storage().list().unwrap();
    let journal = format!("{namespace}.wal");
    let is_stray = |name: &String| {
        *name == journal || name.starts_with(namespace) && name.rsplit_once('.').is_some_and(|(_, last)| last == "tmp")
    };
    assert!(!names.iter().any(is_stray), "a file that should be gone: {names:?}");
    let file = |suffix: &str| disk.read_file(&format!("{namespace}.{suffix}")).unwrap();
    let (records, index) = (file("log"), file("idx"));
    let walked = immuta_walker::walk_closed(&records).unwrap();
    assert_eq!(walked.count, found.len() as u64, "the walk after closing");
    assert_eq!(index.len(), INDEX_HEADER_BYTES + ENTRY_BYTES * found.len(), "the index file after closing");

    let again = open(disk.storage(), namespace, !random.one_in(4)).unwrap();
    assert_eq!(again.report(0).unwrap().outcome, Outcome::Clean, "opened again");
    assert!(read_all(&again).unwrap() == found, "opened again: other records");
    assert!(file("log") == records, "opened again: another record file");
    assert!(file("idx")[INDEX_HEADER_BYTES..] == index[INDEX_HEADER_BYTES..], "opened again: other entries");
    disk.kill();
}

//! What is found in a state: compared with what the application knows, with the report, and with a walk that is not the library's.

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

/// Cuts the power, and while the log recovers, in either mode, perhaps again and again; then it must be whole, and take more.
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

/// Kills recoveries in their midst, none mostly, and perhaps the power goes again.
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

/// As [`cut_power`], of a log of many threads that were told `acknowledged`, by number.
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

/// Opens what a power cut or a kill left, which no log may refuse, and reads all.
pub fn reopen(disk: &Simulated, namespace: &str, random: &mut Random, counted: &mut Counted) -> (Log, Records) {
    let before = disk.read_file(&format!("{namespace}.log")).unwrap_or_default();
    match open(disk.storage(), namespace, random.one_in(3)) {
        Ok(log) => {
            let found = look(disk, namespace, &log, &before, counted);
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

/// All records, after a look at the report and at the file; `before` is the record file as it was before it was opened.
pub fn look(disk: &Simulated, namespace: &str, log: &Log, before: &[u8], counted: &mut Counted) -> Records {
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
    let walked = immuta_walker::walk_open(&disk.read_file(&format!("{namespace}.log")).unwrap()).unwrap();
    assert_eq!((walked.count, walked.end), (found.len() as u64, end as u64), "the walk");
    found
}

/// A count beyond the records is told, and what lies behind them is kept, if it is anything.
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
    if let Some(name) = report.salvage.strip_prefix("simulated/") {
        assert!(disk.read_file(name).unwrap() == behind, "what was kept is what lay behind the records");
    }
    let is_worth_keeping = is_ahead && behind.iter().any(|byte| *byte != 0);
    assert!(!is_worth_keeping || !report.salvage.is_empty(), "what lay behind the records is gone");
}

/// The log takes one more and closes; the files are then exactly the records, and another open changes no record.
pub fn go_on(disk: &Simulated, namespace: &str, log: &Log, mut found: Records, random: &mut Random) {
    let more = vec![b"one more".to_vec()];
    append(log, &more).unwrap();
    found.extend(more);
    log.shutdown().unwrap();
    let names = disk.storage().list().unwrap();
    // Of what is made, only a copy that was cut stays, until the next copy is made.
    let strays = ["wal", "wal.tmp", "idx.tmp"].map(|suffix| format!("{namespace}.{suffix}"));
    assert!(!strays.iter().any(|name| names.contains(name)), "a file that should be gone: {names:?}");
    let file = |suffix: &str| disk.read_file(&format!("{namespace}.{suffix}")).unwrap();
    let (records, index) = (file("log"), file("idx"));
    let walked = immuta_walker::walk_closed(&records).unwrap();
    assert_eq!(walked.count, found.len() as u64, "the walk after closing");
    assert_eq!(index.len(), INDEX_HEADER_BYTES + ENTRY_BYTES * found.len(), "the side file after closing");

    let again = open(disk.storage(), namespace, !random.one_in(4)).unwrap();
    assert_eq!(again.report(0).unwrap().outcome, Outcome::Clean, "opened again");
    assert!(read_all(&again).unwrap() == found, "opened again: other records");
    assert!(file("log") == records, "opened again: another record file");
    assert!(file("idx")[INDEX_HEADER_BYTES..] == index[INDEX_HEADER_BYTES..], "opened again: other entries");
    disk.kill();
}

//! Codecs on the simulated engine: in whatever state an adopted log is left, its records are read with the chain that
//! encoded them.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

use immuta::codec::{Builtin, Codec};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Next, Options, Outcome, Repair, Result, Start, import_on, repair_on, verify_on};
use std::time::Duration;

const ADOPTED: usize = 3;
const APPENDED: usize = 4;

fn payload(number: usize) -> Vec<u8> {
    vec![number.to_le_bytes()[0]; 100 + 1000 * number]
}

fn open(disk: &Simulated, codecs: Vec<Codec>, read_only: bool) -> Result<Log> {
    let mut options = Options { flush_interval: None, codecs, read_only, ..Options::default() };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options)
}

fn deflate() -> Vec<Codec> {
    vec![Codec::builtin(Builtin::Deflate, 0).unwrap()]
}

fn append(log: &Log, number: usize) -> Result<()> {
    log.append(0, payload(number)).map(drop)
}

/// A record file of `ADOPTED` deflated payloads, and no index file.
fn adopted() -> Simulated {
    let (first, disk) = (Simulated::new(), Simulated::new());
    let log = open(&first, deflate(), false).unwrap();
    (0..ADOPTED).for_each(|number| append(&log, number).unwrap());
    log.shutdown().unwrap();
    disk.write_file("a.log", &first.read_file("a.log").unwrap());
    disk
}

/// Opens with deflate named and appends, with a sync after some records; returns the log and how many records were
/// acknowledged.
fn session(disk: &Simulated, sync_after: usize) -> (Option<Log>, usize) {
    let Ok(log) = open(disk, deflate(), false) else { return (None, 0) };
    let mut acknowledged = 0;
    for attempt in 0..APPENDED {
        if attempt == sync_after {
            let _ = log.sync(0);
        }
        acknowledged += usize::from(append(&log, ADOPTED + acknowledged).is_ok());
    }
    (Some(log), acknowledged)
}

/// Checks that an opener that names no codec reads every appended record unchanged. Returns how many there are.
fn expect_appended_records(disk: &Simulated, context: &dyn std::fmt::Debug) -> usize {
    let mut counts = Vec::new();
    for read_only in [true, false] {
        let log = match open(disk, Vec::new(), read_only) {
            Ok(log) => log,
            // A count ahead of its records: read-only serves what there is.
            Err(error) if error.kind == ErrorKind::Corrupt && !read_only => continue,
            Err(error) => panic!("{context:?}: {error}"),
        };
        let mut stream = log.stream(0, Start::Number(ADOPTED as u64)).unwrap();
        let mut count = 0;
        loop {
            match stream.next(Some(Duration::ZERO)) {
                Ok(Next::Ready(record)) => {
                    assert!(record.data() == payload(ADOPTED + count), "{context:?}: record {}", ADOPTED + count);
                    count += 1;
                }
                Ok(_) => break,
                Err(error) => panic!("{context:?}: {error}"),
            }
        }
        counts.push(count);
    }
    counts[0]
}

#[test]
fn a_refused_call_never_leaves_records_whose_chain_is_not_known() {
    let disk = adopted();
    assert_eq!(session(&disk, 2).1, APPENDED);
    let calls = disk.calls();
    println!("{calls} calls, each refused in 8 ways");
    for call in adopted().calls()..calls {
        for (os_error, sticky, kill) in [libc::EIO, libc::ENOSPC].into_iter().flat_map(|os_error| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(sticky, kill)| (os_error, sticky, kill))
        }) {
            let disk = adopted();
            disk.fail_call(call, os_error, sticky);
            let (log, acknowledged) = session(&disk, 2);
            disk.clear_faults();
            if kill {
                disk.kill();
            }
            drop(log);
            let context = (call, os_error, sticky, kill);
            let found = expect_appended_records(&disk, &context);
            assert!(found >= acknowledged, "{context:?}: {found} of {acknowledged} acknowledged records");
        }
    }
}

#[test]
fn a_loss_of_power_takes_the_chain_only_with_all_records_that_went_through_it() {
    let mut kept = [0; APPENDED + 1];
    for (seed, moment) in (0..400).zip((0..=APPENDED).cycle()) {
        let disk = adopted();
        let (_log, acknowledged) = session(&disk, moment);
        assert_eq!(acknowledged, APPENDED);
        disk.power_loss(seed);
        kept[expect_appended_records(&disk, &seed)] += 1;
    }
    println!("records kept: {kept:?}");
    assert!(kept.iter().all(|count| *count > 0), "the power was lost at every moment");
}

#[test]
fn the_chain_is_written_again_by_each_writer_until_its_append_is_safe() {
    // The sync that should make page 3 durable fails: the append is refused, and the page may not be on the disk at
    // all.
    let disk = adopted();
    let log = open(&disk, deflate(), false).unwrap();
    let before = disk.calls();
    // Calls of the append: the last entry is read, page 3 is written, and synced.
    disk.fail_call(before + 2, libc::EIO, false);
    let error = append(&log, ADOPTED).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Io, "{error}");
    let page = disk.read_file("a.idx").unwrap()[3 * 4096..][..4096].to_vec();
    assert!(page.starts_with(b"\x89IMC"), "the page is in the cache");
    assert_eq!(append(&log, ADOPTED).unwrap_err().kind, ErrorKind::Poisoned);
    drop(log);
    // The next writer finds the page in the cache, uses it, and writes it once more before it appends.
    let log = open(&disk, Vec::new(), false).unwrap();
    append(&log, ADOPTED).unwrap();
    log.sync(0).unwrap();
    for seed in 0..32 {
        disk.power_loss(seed);
        assert_eq!(expect_appended_records(&disk, &seed), 1);
    }
}

#[test]
fn a_chain_that_was_recorded_and_is_damaged_is_not_guessed() {
    let disk = adopted();
    let (log, acknowledged) = session(&disk, 1);
    assert_eq!(acknowledged, APPENDED);
    log.unwrap().shutdown().unwrap();
    let mut index = disk.read_file("a.idx").unwrap();
    index[3 * 4096 + 20] ^= 1;
    disk.write_file("a.idx", &index);
    let log = open(&disk, deflate(), false).unwrap();
    let error = append(&log, ADOPTED + APPENDED).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::Corrupt, 3 * 4096), "{error}");
    let mut stream = log.stream(0, Start::Number(ADOPTED as u64)).unwrap();
    let error = stream.next(Some(Duration::ZERO)).unwrap_err();
    assert_eq!((error.kind, error.number), (ErrorKind::Corrupt, ADOPTED as u64), "{error}");
}

/// Row R13.
#[test]
fn a_repair_leaves_a_damaged_chain_to_a_verification_and_an_import() {
    const PAGE: usize = 3 * 4096;
    let disk = adopted();
    let (log, _) = session(&disk, 1);
    log.unwrap().shutdown().unwrap();
    let mut index = disk.read_file("a.idx").unwrap();
    index[PAGE + 20] ^= 1;
    // One entry, so that a repair makes a new index file.
    index[4 * 4096 + 24 + 9] ^= 1;
    disk.write_file("a.idx", &index);
    let (storage, options) = (disk.storage(), Options::default());
    for outcome in [Outcome::Repaired, Outcome::Clean] {
        let how = Repair { apply: true, ..Repair::default() };
        let report = repair_on(&storage, "a", &options, how, &mut |_, _| true).unwrap();
        assert_eq!((report.outcome, report.bad_records), (outcome, 0));
        assert!(disk.read_file("a.idx").unwrap()[PAGE..][..4096] == index[PAGE..][..4096], "the page as it was");
        let verified = verify_on(&storage, "a", &options, &mut |_, _| true).unwrap();
        assert_eq!((verified.finding, verified.bad_records), (Some(ErrorKind::Corrupt), APPENDED as u64));
        assert_eq!((verified.first_bad_number, verified.first_bad_offset), (ADOPTED as u64, PAGE as u64));
    }
    let target = Simulated::new();
    let named = Options { codecs: deflate(), ..Options::default() };
    import_on(storage.as_ref(), "a.log", target.storage().as_ref(), "a", &named, &mut |_, _| true).unwrap();
    assert_eq!(expect_appended_records(&target, &"imported"), APPENDED);
}

#[test]
fn parts_are_encoded_as_one_record_and_a_batch_record_by_record() {
    let disk = Simulated::new();
    let log = open(&disk, deflate(), false).unwrap();
    let (first, second) = (payload(1), payload(2));
    log.append_parts(0, &[&first, b"and", &second]).unwrap();
    let appended = log.append_batch(0, &[&first, b"", &second]).unwrap();
    assert_eq!((appended.number, appended.count), (1, 3));
    assert!(appended.stored_size < (first.len() + second.len()) as u64, "{} bytes are stored", appended.stored_size);
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    for expected in [[first.as_slice(), b"and", &second].concat(), first.clone(), Vec::new(), second.clone()] {
        let Ok(Next::Ready(record)) = stream.next(Some(Duration::ZERO)) else { panic!("a record is missing") };
        assert_eq!(record.data(), expected);
    }
}

//! Imports: every layout, cut and refused at every call, on a full disk, cancelled, and from a file that changes
//! meanwhile. The source stays as it is, and the namespace is there as a whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "support/records.rs"]
mod records;

use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Mode, Options, Outcome, Report, Result, import_on};
use records::{Records, read_all};
use std::collections::BTreeMap;

const SOURCE: &str = "old";

fn payloads() -> Records {
    [vec![1; 11], Vec::new(), vec![2; 5000], vec![3; 300], vec![4; 9]].to_vec()
}

fn words(words: &[usize]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The records after `header`.
fn file(header: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
    let sized = records.iter().map(|record| [words(&[record.len()]), record.clone()].concat());
    [header.to_vec()].into_iter().chain(sized).collect::<Records>().concat()
}

fn ours(records: &[Vec<u8>]) -> Vec<u8> {
    file(&words(&[records.len()]), records)
}

fn headerless(records: &[Vec<u8>]) -> Vec<u8> {
    file(&[], records)
}

fn header16(records: &[Vec<u8>]) -> Vec<u8> {
    let before: usize = records.iter().rev().skip(1).map(|record| 8 + record.len()).sum();
    let last = if records.is_empty() { 0 } else { 16 + before };
    file(&words(&[records.len(), last]), records)
}

fn disk_with(source: &[u8]) -> Simulated {
    let disk = Simulated::new();
    disk.write_file(SOURCE, source);
    disk
}

fn import(disk: &Simulated, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Report> {
    let storage = disk.storage();
    import_on(storage.as_ref(), SOURCE, storage.as_ref(), "a", &Options::default(), progress)
}

fn open(disk: &Simulated) -> Result<Log> {
    open_in(disk, true)
}

fn open_in(disk: &Simulated, fast_write: bool) -> Result<Log> {
    let mut options = Options {
        mode: if fast_write { Mode::Fast } else { Mode::Durable },
        journal_size_bytes: 64 << 10,
        ..Options::default()
    };
    options.add_namespace("a").unwrap();
    Log::open_on(disk.storage(), &options)
}

fn image_of(disk: &Simulated) -> BTreeMap<String, Vec<u8>> {
    let names = disk.storage().list().unwrap().into_iter();
    names.map(|name| (name.clone(), disk.read_file(&name).unwrap())).collect()
}

/// A kill; with a seed other than 0, a loss of power.
fn crash(disk: &Simulated, seed: u64) {
    if seed == 0 {
        disk.kill();
    } else {
        disk.power_loss(seed);
    }
}

/// Checks that there are only the files of a closed log and the source.
fn assert_no_leftovers(disk: &Simulated, context: &str) {
    let names: Vec<String> = image_of(disk).into_keys().collect();
    assert_eq!(names, ["a.idx", "a.live", "a.log", SOURCE], "{context}");
}

/// Checks that a namespace that exists is whole, and that one that does not can be imported.
fn assert_whole_or_nothing(disk: &Simulated, context: &str) {
    match import(disk, &mut |_, _| true) {
        Err(error) => assert_eq!(error.kind, ErrorKind::Exists, "{context}: {error}"),
        Ok(report) => assert_eq!(report.count, payloads().len() as u64, "{context}"),
    }
    let log = open(disk).unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
    assert!(read_all(&log).unwrap() == payloads(), "{context}");
    log.shutdown().unwrap();
    assert_no_leftovers(disk, context);
    assert!(disk.read_file("a.log").unwrap() == ours(&payloads()), "{context}: the file");
    assert!(disk.read_file(SOURCE).unwrap() == header16(&payloads()), "{context}: the source");
}

#[test]
fn every_layout_becomes_the_same_closed_log() {
    for records in [payloads(), Vec::new()] {
        for (name, source) in [("ours", ours(&records)), ("16", header16(&records)), ("none", headerless(&records))] {
            let disk = disk_with(&source);
            if source.is_empty() {
                assert_eq!(import(&disk, &mut |_, _| true).unwrap_err().kind, ErrorKind::Layout, "nothing at all");
                continue;
            }
            let report = import(&disk, &mut |_, _| true).unwrap();
            let count = records.len() as u64;
            assert_eq!((report.outcome, report.count, report.adopted), (Outcome::Adopted, count, count), "{name}");
            assert!(disk.read_file("a.log").unwrap() == ours(&records), "{name}: the file");
            let names: Vec<String> = image_of(&disk).into_keys().collect();
            assert_eq!(names, ["a.idx", "a.log", SOURCE], "{name}");
            let log = open(&disk).unwrap();
            assert_eq!(log.report(0).unwrap().outcome, Outcome::Clean, "{name}");
            assert!(read_all(&log).unwrap() == records, "{name}");
        }
    }
}

#[test]
fn an_import_cut_at_any_call_is_whole_or_nothing() {
    let mut cuts = 0;
    for call in 0_u64.. {
        let disk = disk_with(&header16(&payloads()));
        disk.kill_at_call(disk.calls() + call);
        let is_whole = import(&disk, &mut |_, _| true).is_ok();
        for seed in 0..32 {
            let disk = disk.copy();
            crash(&disk, seed);
            assert_whole_or_nothing(&disk, &format!("cut at call {call}, {seed}"));
            cuts += 1;
        }
        if is_whole {
            break;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 1000);
}

#[test]
fn a_namespace_that_is_being_imported_is_there_when_it_is_whole() {
    let disk = disk_with(&header16(&payloads()));
    let reader = || Log::open_on(disk.storage(), &Options { read_only: true, ..Options::default() }).unwrap();
    let early = reader();
    let mut looks = 0;
    import(&disk, &mut |_, _| {
        looks += 1;
        assert_eq!(reader().namespace_count(), 0, "look {looks}");
        assert_eq!(early.add_namespace("a").unwrap_err().kind, ErrorKind::NotFound, "look {looks}");
        true
    })
    .unwrap();
    assert!(looks > 2);
    assert_eq!(reader().namespace_count(), 1);
    assert_eq!(early.add_namespace("a").unwrap(), 0, "added to a log that was opened before");
    assert!(read_all(&early).unwrap() == payloads());
}

#[test]
fn what_a_killed_import_leaves_the_next_writer_removes() {
    for call in 0_u64.. {
        let disk = disk_with(&header16(&payloads()));
        disk.kill_at_call(disk.calls() + call);
        let is_whole = import(&disk, &mut |_, _| true).is_ok();
        for seed in 0..8 {
            let (disk, context) = (disk.copy(), format!("cut at call {call}, {seed}"));
            crash(&disk, seed);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {:?} {error}", error.kind));
            let found = read_all(&log).unwrap();
            assert!(found.is_empty() && !is_whole || found == payloads(), "{context}: {} records", found.len());
            log.shutdown().unwrap();
            assert_no_leftovers(&disk, &context);
        }
        if is_whole {
            break;
        }
    }
}

#[test]
fn what_a_killed_creation_leaves_that_knows_no_record_does_not_refuse_an_import() {
    for mode in [true, false] {
        let (mut imports, mut is_whole) = (0, false);
        for call in 0_u64.. {
            let disk = disk_with(&header16(&payloads()));
            disk.kill_at_call(disk.calls() + call);
            is_whole |= open_in(&disk, mode).is_ok();
            for seed in 0..8 {
                let (disk, context) = (disk.copy(), format!("cut at call {call}, {seed}"));
                crash(&disk, seed);
                // The record file gets its count last.
                let is_there = disk.read_file("a.log").is_some_and(|file| !file.is_empty());
                assert!(!is_there || disk.read_file("a.idx").is_some(), "{context}: neither whole nor nothing");
                let imported = import(&disk, &mut |_, _| true);
                assert_eq!(
                    imported.as_ref().err().map(|error| error.kind),
                    is_there.then_some(ErrorKind::Exists),
                    "{context}"
                );
                if imported.is_ok() {
                    assert_whole_or_nothing(&disk, &context);
                    imports += 1;
                }
            }
            if is_whole {
                break;
            }
        }
        assert!(imports > 10, "{imports} imports");
    }
}

#[test]
fn a_refused_call_anywhere_in_an_import_leaves_nothing() {
    let mut faults = 0;
    for (os_error, sticky) in [(libc::EIO, false), (libc::EIO, true), (libc::ENOSPC, false), (libc::ENOSPC, true)] {
        for call in 0_u64.. {
            let disk = disk_with(&header16(&payloads()));
            let (before, first) = (image_of(&disk), disk.calls() + call);
            disk.fail_call(first, os_error, sticky);
            let imported = import(&disk, &mut |_, _| true);
            let was_reached = disk.calls() > first;
            disk.clear_faults();
            let context = format!("call {call} refused with {os_error}, {sticky}");
            // Another process may have opened it meanwhile, and put records into it.
            assert_eq!(disk.unlocked_removals(), 0, "{context}: a record file was removed without its lock");
            // When every call is refused, so is the removal of the new files.
            assert!(imported.is_ok() || sticky || image_of(&disk) == before, "{context}: something is left");
            if imported.is_ok() || !sticky {
                assert_whole_or_nothing(&disk, &context);
            }
            faults += 1;
            if !was_reached {
                break;
            }
        }
    }
    println!("{faults} faults");
    assert!(faults > 120);
}

#[test]
fn a_full_disk_is_left_as_it_was() {
    let mut refusals = 0;
    for free_blocks in 0_u64.. {
        let disk = disk_with(&header16(&payloads()));
        let before = image_of(&disk);
        let used_bytes = (before[SOURCE].len() as u64).next_multiple_of(4096);
        disk.set_capacity(used_bytes + free_blocks * 4096);
        let Err(error) = import(&disk, &mut |_, _| true) else { break };
        assert_eq!(error.kind, ErrorKind::NoSpace, "{free_blocks} blocks free: {error}");
        assert!(image_of(&disk) == before, "{free_blocks} blocks free: something is left");
        refusals += 1;
    }
    assert!(refusals > 4, "refused {refusals} times");
}

#[test]
fn cancelled_at_any_call_of_the_callback_it_leaves_nothing() {
    let mut told = Vec::new();
    import(&disk_with(&header16(&payloads())), &mut |done, total| {
        told.push((done, total));
        true
    })
    .unwrap();
    assert!(told.len() >= 3 && told.is_sorted() && told.last().is_some_and(|(done, total)| done == total), "{told:?}");
    for cancelled_at in 0..told.len() {
        let disk = disk_with(&header16(&payloads()));
        let (before, mut calls) = (image_of(&disk), 0);
        let imported = import(&disk, &mut |_, _| {
            calls += 1;
            calls <= cancelled_at
        });
        assert_eq!(imported.unwrap_err().kind, ErrorKind::Cancelled);
        assert!(image_of(&disk) == before, "call {cancelled_at}");
    }
}

#[test]
fn a_source_that_changes_meanwhile_is_noticed() {
    type Change = fn(&mut Vec<u8>, usize);
    let source = header16(&payloads());
    let last = source.len() - 1;
    let changed: [(&str, Change); 4] = [
        ("a payload", |file, last| file[last] ^= 1),
        ("the count", |file, _| file[0] += 1),
        ("shorter", |file, last| file.truncate(last)),
        ("longer", |file, _| file.push(1)),
    ];
    for (name, change) in changed {
        for at in 0..2 {
            let disk = disk_with(&source);
            let mut calls = 0;
            let imported = import(&disk, &mut |_, _| {
                if calls == at {
                    let mut file = source.clone();
                    change(&mut file, last);
                    disk.write_file(SOURCE, &file);
                }
                calls += 1;
                true
            });
            match imported {
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Corrupt, "{name}, at call {at}: {error}");
                    assert_eq!(image_of(&disk).len(), 1, "{name}, at call {at}: something is left");
                }
                // The file changed before it was first read, so the import saw one content only.
                Ok(_) => assert!(name == "a payload" && at == 0, "{name}, at call {at}"),
            }
        }
    }
}

#[test]
fn a_namespace_that_is_there_stays_as_it_is() {
    let durable = Simulated::new();
    let log = open_in(&durable, false).unwrap();
    log.append(0, b"in the journal").unwrap();
    let journal = durable.read_file("a.wal").unwrap();
    for (there, bytes) in [("a.log", b"12345678".to_vec()), ("a.idx", b"12345678".to_vec()), ("a.wal", journal)] {
        let disk = disk_with(&header16(&payloads()));
        disk.write_file(there, &bytes);
        let before = image_of(&disk);
        let error = import(&disk, &mut |_, _| true).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Exists, "{there}: {error}");
        assert!(error.message().contains(there) && image_of(&disk) == before, "{there}: {error}");
    }
    let disk = disk_with(&header16(&payloads()));
    let writer = disk.storage().open("a.log", immuta::storage::OpenMode::CreateNew).unwrap();
    assert!(writer.try_lock().unwrap());
    assert_eq!(import(&disk, &mut |_, _| true).unwrap_err().kind, ErrorKind::Locked);
    assert_eq!(disk.read_file("a.log").unwrap(), b"", "somebody else is making it");
}

#[test]
fn a_source_that_fits_no_layout_or_two_is_refused_by_what_is_wrong_with_it() {
    let (whole, last) = (payloads(), payloads().len() as u64 - 1);
    let cut = |mut file: Vec<u8>| {
        file.pop();
        file
    };
    let zeros_behind = |mut file: Vec<u8>, count: u8| {
        file[0] += count;
        file.resize(file.len().next_multiple_of(512) + 512, 0);
        file
    };
    let last_at = |file: &[u8]| file.len() - whole[whole.len() - 1].len() - 8;
    let impossible = |mut file: Vec<u8>| {
        let at = last_at(&file);
        file[at..at + 8].fill(0xFF);
        file
    };
    let byte_behind = [ours(&whole), b".".to_vec()].concat();
    let either = [words(&[1, 1]), vec![0]].concat();
    let both = [words(&[1, 16, 8]), b"8 bytes.".to_vec()].concat();
    let cases: [(&str, Vec<u8>, ErrorKind, u64); 9] = [
        ("cut in the last record", cut(ours(&whole)), ErrorKind::Truncated, last),
        ("cut in the last record, 16-byte header", cut(header16(&whole)), ErrorKind::Truncated, last),
        ("an impossible size", impossible(ours(&whole)), ErrorKind::Corrupt, last),
        ("zeros where records are counted", zeros_behind(ours(&whole), 3), ErrorKind::Ambiguous, last + 1),
        ("a byte after the records", byte_behind, ErrorKind::Corrupt, last + 1),
        ("text", b"this is no log of anything at all, it only is a file".to_vec(), ErrorKind::Layout, 0),
        ("nothing", Vec::new(), ErrorKind::Layout, 0),
        ("one record, or a 16-byte header", both, ErrorKind::Layout, 0),
        ("ours, or no header", either, ErrorKind::Layout, 0),
    ];
    for (name, source, kind, number) in cases {
        let disk = disk_with(&source);
        let error = import(&disk, &mut |_, _| true).expect_err(name);
        assert_eq!((error.kind, error.number), (kind, number), "{name}: {error}");
        assert!(image_of(&disk).keys().eq([SOURCE]), "{name}: something was made");
    }
}

//! Opening files that are foreign, damaged, ambiguous or huge: a precise refusal that changes nothing, or the records;
//! never wrong bytes.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "opening/image.rs"]
mod image;

use image::{
    Image, Records, all_of, bytes, engines, file_of, lay, log_image, open, open_read_only, options, padded, read_all,
    records_and_index,
};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Options, Outcome, Repair, Report, Start, repair, verify};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far longer than anything here takes: a thread that has not returned by then hangs.
const HANG_LIMIT: Duration = Duration::from_mins(2);

fn records(contents: &[&str]) -> Records {
    contents.iter().map(|content| content.as_bytes().to_vec()).collect()
}

fn verified(directory: &Path) -> Report {
    verify(directory, "a", &options(true), &mut |_, _| true).unwrap()
}

/// Opening `directory` for writing is refused, and changes nothing.
fn assert_refused(directory: &Path, kind: ErrorKind, what: &str) {
    let before = records_and_index(directory);
    let error = open(directory).expect_err(what);
    assert_eq!(error.kind, kind, "{what}: {error}");
    assert!(records_and_index(directory) == before, "{what}: refused, but something was changed: {error}");
}

/// Prints past the test harness, which hides the output of tests, so that `tests/run` can count the line.
fn skipped(directory: &Path) {
    let _ = writeln!(std::io::stdout(), "SKIPPED: the file system of {} has no files of 1 TiB", directory.display());
}

/// Runs `act` on a thread of its own, to fail rather than hang.
fn in_time<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    std::thread::spawn(move || sender.send(act()));
    let done = receiver.recv_timeout(HANG_LIMIT).unwrap_or_else(|error| panic!("{what}: {error}"));
    println!("{what}: {:?}", started.elapsed());
    done
}

/// Rows O25, O26 and O27.
#[test]
fn a_foreign_record_file_is_refused_and_left_alone() {
    let (one, three) = (records(&["x"]), records(&["x", "yy", "zzz"]));
    let (foreign_one, foreign_three) = (records(&["a longer one"]), records(&["a", "bb", "and a longer one"]));
    let cases = [
        ("one other record", &one, &foreign_one, ErrorKind::Corrupt),
        ("three other records", &three, &foreign_three, ErrorKind::Mismatch),
        ("other bytes of the same sizes", &three, &records(&["a", "bb", "ccc"]), ErrorKind::Mismatch),
        ("fewer records", &three, &foreign_one, ErrorKind::Truncated),
    ];
    for (what, own, foreign, kind) in cases {
        for closed in [true, false] {
            let what = format!("{what}, {}", if closed { "after a clean close" } else { "after a kill" });
            let image = log_image(own, &[], closed);
            let log = if closed { file_of(foreign) } else { padded(file_of(foreign), 65_536) };
            // A long tail of zeros hides that there is less.
            let kind = if kind == ErrorKind::Truncated && !closed { ErrorKind::Corrupt } else { kind };
            let directory = lay(&[("a.log", &log), ("a.idx", &image["a.idx"])]);
            assert_refused(directory.path(), kind, &what);
            assert!(verified(directory.path()).finding.is_some(), "{what}: a verification finds it");
            let (good, _) = read_all(&open_read_only(directory.path()).unwrap());
            assert!(good.is_empty(), "{what}: nothing foreign is served: {good:?}");
        }
    }
}

/// Rows O17 and O26.
#[test]
fn an_index_file_without_its_records_is_evidence_and_kept() {
    let image = log_image(&records(&["x", "yy"]), &[], true);
    let damaged: Vec<u8> = image["a.idx"].iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 50)).collect();
    for (what, index) in [("sound", &image["a.idx"]), ("damaged", &damaged), ("foreign", &vec![7; 100])] {
        let directory = lay(&[("a.idx", index)]);
        assert_refused(directory.path(), ErrorKind::Missing, &format!("a {what} index file alone"));
        assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::NotFound, "{what}");
        for size in 0..8 {
            let directory = lay(&[("a.idx", index), ("a.log", &image["a.log"][..size])]);
            let kind = if what == "sound" { ErrorKind::Truncated } else { ErrorKind::Missing };
            assert_refused(directory.path(), kind, &format!("a {what} index file beside {size} bytes"));
        }
    }
}

/// Rows O18, O20 and O23.
#[test]
fn a_record_file_without_an_index_file_is_taken_only_when_it_can_be_nothing_else() {
    let two = file_of(&records(&["hello", "world!"]));
    let ends_empty = file_of(&records(&["hello", ""]));
    let with_byte_behind = [two.as_slice(), b"."].concat();
    let (kept, layout, ambiguous) = (None, Some(ErrorKind::Layout), Some(ErrorKind::Ambiguous));
    let cases: [(&str, Vec<u8>, Option<ErrorKind>); 15] = [
        ("no record", file_of(&[]), kept),
        ("two records", two.clone(), kept),
        ("two records and zeros up to a sector", padded(two.clone(), 512), kept),
        ("two records and zeros up to 64 KiB", padded(two.clone(), 65_536), kept),
        ("an empty record at the end", ends_empty.clone(), kept),
        ("16 zero bytes", vec![0; 16], layout),
        ("a 16-byte header", bytes(&[1, 16, 5], b"hello"), layout),
        ("no header", bytes(&[5], b"hello"), layout),
        ("one record, or a 16-byte header", bytes(&[1, 16, 8], b"8 bytes."), layout),
        ("one record, or no header and two", bytes(&[1, 1], b"\0"), layout),
        ("an empty record and zeros up to a sector", padded(ends_empty, 512), ambiguous),
        ("two records and zeros up to no sector", padded(two.clone(), 100), ambiguous),
        ("two records and a byte", padded(with_byte_behind, 512), ambiguous),
        ("a record that leaves the file", bytes(&[1, u64::MAX], b"hello"), Some(ErrorKind::Corrupt)),
        ("more counted than there are", bytes(&[2, 5], b"hello"), Some(ErrorKind::Corrupt)),
    ];
    for (what, file, refusal) in cases {
        let directory = lay(&[("a.log", &file)]);
        assert_eq!(verified(directory.path()).finding, refusal, "{what}: what a verification finds");
        let read_only = open_read_only(directory.path());
        if let Some(kind) = refusal {
            assert_eq!(read_only.unwrap_err().kind, kind, "{what}, read-only");
            assert_refused(directory.path(), kind, what);
            continue;
        }
        let before = read_all(&read_only.unwrap());
        let log = open(directory.path()).unwrap();
        assert_eq!(log.report(0).unwrap().outcome, Outcome::Adopted, "{what}");
        assert_eq!(read_all(&log), before, "{what}: adopted as it was read before");
        let whole: Records = before.0.into_values().collect();
        log.shutdown().unwrap();
        assert_eq!(std::fs::read(directory.path().join("a.log")).unwrap(), file_of(&whole), "{what}: after a close");
    }
}

#[test]
fn a_million_empty_records_are_walked_in_one_step() {
    const EMPTY: u64 = 1_000_000;
    let mut file = bytes(&[EMPTY + 1], &vec![0; 8 * 1_000_000]);
    file.extend(bytes(&[1], b"x"));
    let directory = lay(&[("a.log", &file)]);
    let path = directory.path().to_owned();
    in_time("adopting a million empty records", move || {
        let log = open(&path).unwrap();
        assert_eq!(log.report(0).unwrap().adopted, EMPTY + 1);
        let mut last = log.stream(0, Start::Number(EMPTY)).unwrap();
        let immuta::Next::Ready(record) = last.next(Some(Duration::ZERO)).unwrap() else { panic!("no last record") };
        assert_eq!((record.data(), record.info().number), (b"x".as_slice(), EMPTY));
    });
}

#[test]
fn empty_records_in_a_hole_are_indexed_only_where_there_is_room() {
    let size_bytes: u64 = 1 << 40;
    let directory = lay(&[("a.log", &bytes(&[size_bytes / 8 - 1], b""))]);
    let log = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
    if log.set_len(size_bytes).is_err() {
        skipped(directory.path());
        return;
    }
    assert_eq!(
        open(directory.path()).unwrap_err().kind,
        ErrorKind::Ambiguous,
        "only the count says that they are there"
    );
    assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::Ambiguous);
    for apply in [false, true] {
        let how = Repair { apply, accept_count: true };
        let repaired = repair(directory.path(), "a", &options(false), how, &mut |_, _| true);
        assert_eq!(repaired.unwrap_err().kind, ErrorKind::NoSpace, "3 TiB of index");
    }
    assert_eq!(log.metadata().unwrap().len(), size_bytes, "left alone");
    assert!(!directory.path().join("a.idx").exists() && !directory.path().join("a.idx.tmp").exists());
}

#[test]
fn a_sparse_file_of_100_tib_answers_at_once() {
    let one_large = "2^39 empty records, or one of as many bytes";
    let cases = [
        ("no record", 0, None),
        (one_large, 1 << 39, Some(ErrorKind::Layout)),
        ("more records than fit", u64::MAX, Some(ErrorKind::Ambiguous)),
    ];
    for (what, count, refusal) in cases {
        let directory = lay(&[("a.log", &bytes(&[count], b""))]);
        let log = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
        let Some(tebibytes) = [100, 10, 1].into_iter().find(|tebibytes| log.set_len(tebibytes << 40).is_ok()) else {
            skipped(directory.path());
            return;
        };
        let path = directory.path().to_owned();
        let (finding, opened) =
            in_time(&format!("{tebibytes} TiB, {what}"), move || (verified(&path).finding, open(&path).map(drop)));
        assert_eq!((finding, opened.as_ref().err().map(|error| error.kind)), (refusal, refusal), "{what}");
        let size_bytes = log.metadata().unwrap().len();
        assert_eq!(
            size_bytes,
            if refusal.is_some() { tebibytes << 40 } else { 8 },
            "{what}: refused and left alone, or cut"
        );
    }
}

/// Every byte that is not zero, and every 509th of the zeros between (in a release build every 31st).
fn places(name: &str, bytes: &[u8]) -> Vec<usize> {
    const PAGE_BYTES: usize = 4096;
    const ENTRIES_AT: usize = 4 * PAGE_BYTES;
    let step = if cfg!(debug_assertions) { 509 } else { 31 };
    let end = bytes.len().min(if name == "a.idx" { ENTRIES_AT + 6 * 24 } else { PAGE_BYTES });
    let says_something = |at: usize| match name {
        "a.log" | "a.live" => at < 64,
        _ => at >= ENTRIES_AT || at % PAGE_BYTES < 72 || at % PAGE_BYTES > PAGE_BYTES - 5,
    };
    (0..end).filter(|at| says_something(*at) || at % step == 0).collect()
}

/// Every served record is one that was written; without a finding no record is missing unreported.
fn assert_never_wrong(log: &Log, written: &Records, what: &str) -> bool {
    let (good, bad) = read_all(log);
    let (wanted, _) = all_of(written);
    for (number, data) in &good {
        assert_eq!(Some(data), wanted.get(number), "{what}: record {number}");
    }
    let report = log.report(0).unwrap();
    let told = good.len() as u64 + bad;
    assert!(report.finding.is_some() || told == wanted.len() as u64, "{what}: {told} of {}: {report:?}", wanted.len());
    good == wanted
}

/// Opens the image with `changed` in place of the file `name`, read-only and for writing, on the simulated engine.
fn open_changed(image: &Image, name: &str, changed: &[u8], written: &Records, what: &str) {
    let disk = Simulated::new();
    for (known, bytes) in image {
        disk.write_file(known, if known == name { changed } else { bytes });
    }
    for read_only in [true, false] {
        let what = format!("{what}, read-only: {read_only}");
        if let Ok(log) = Log::open_on(disk.storage(), &options(read_only)) {
            assert_never_wrong(&log, written, &what);
        }
    }
}

/// The same read-only on the real engines, and a verification, which finds every damage that readers would meet.
fn verify_changed(directory: &Path, name: &str, changed: &[u8], written: &Records, what: &str) {
    std::fs::write(directory.join(name), changed).unwrap();
    let finding = verify(directory, "a", &options(true), &mut |_, _| true).map(|report| report.finding);
    for options in engines() {
        let what = format!("{what}, {:?}", options.io);
        match Log::open(directory, &options) {
            Ok(log) => {
                let whole = assert_never_wrong(&log, written, &what);
                assert!(whole || !matches!(finding, Ok(None)), "{what}: damaged, but a verification finds nothing");
            }
            Err(error) => assert!(!matches!(finding, Ok(None)), "{what}: refused, but verified: {error}"),
        }
    }
}

/// Every place of every file of a log that was closed, and of one that was killed.
fn for_every_place(change: fn(&[u8], usize) -> Vec<u8>, doing: &str) {
    let written = records(&["first", "", "a third one", "4"]);
    for closed in [true, false] {
        let image = log_image(&written[..2], &written[2..], closed);
        for (name, bytes) in &image {
            let files: Vec<(&str, &[u8])> =
                image.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
            let directory = lay(&files);
            for at in places(name, bytes) {
                let what = format!("closed: {closed}, {name} {doing} {at}");
                let changed = change(bytes, at);
                open_changed(&image, name, &changed, &written, &what);
                verify_changed(directory.path(), name, &changed, &written, &what);
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_never_served_as_good() {
    for_every_place(
        |bytes, at| {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << (at % 8);
            changed
        },
        "with a bit flipped at",
    );
}

/// Reads without verification use the index. A size word that disagrees with the index means a record of another size,
/// or another file.
#[test]
fn a_size_word_that_disagrees_with_the_index_is_told_even_where_nothing_is_verified() {
    let written = records(&["x", "yy", "zzz"]);
    for size in [0, 1, 3, u64::MAX] {
        let mut image = log_image(&written, &[], true);
        image.get_mut("a.log").unwrap()[17..25].copy_from_slice(&size.to_le_bytes());
        let directory = lay(&[("a.log", &image["a.log"]), ("a.idx", &image["a.idx"])]);
        for engine in engines() {
            let log = Log::open(directory.path(), &Options { verify_reads: false, ..engine }).unwrap();
            let mut stream = log.stream(0, Start::Number(1)).unwrap();
            let error = stream.next(Some(Duration::ZERO)).map(drop).unwrap_err();
            assert_eq!((error.kind, error.number, error.offset), (ErrorKind::Corrupt, 1, 17), "size {size}: {error}");
        }
    }
}

#[test]
fn a_file_cut_short_is_never_served_as_whole() {
    for_every_place(|bytes, at| bytes[..at].to_vec(), "cut to");
}

#[test]
fn what_stands_where_the_record_file_should_be_is_told() {
    let directory = lay(&[]);
    std::fs::create_dir(directory.path().join("a.log")).unwrap();
    for opened in [open(directory.path()), open_read_only(directory.path())] {
        assert_eq!(opened.unwrap_err().kind, ErrorKind::NotRegular, "a directory");
    }
    let directory = lay(&[]);
    let how = Repair { apply: true, ..Repair::default() };
    let repaired = repair(directory.path(), "a", &options(false), how, &mut |_, _| true);
    assert_eq!(repaired.unwrap_err().kind, ErrorKind::NotFound, "nothing to repair");
    assert_eq!(open_read_only(directory.path()).unwrap_err().kind, ErrorKind::NotFound);
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing was made");
}

/// Row O26.
#[test]
fn a_record_file_cut_to_less_than_a_count_is_refused_when_an_entry_tells_of_a_record() {
    let image = log_image(&[], &records(&["x"]), false);
    for size in 0..8 {
        let directory = lay(&[("a.idx", &image["a.idx"]), ("a.log", &image["a.log"][..size])]);
        assert_refused(directory.path(), ErrorKind::Truncated, &format!("{size} bytes"));
    }
}

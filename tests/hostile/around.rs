//! 37 to 44: names and links, files changed while they are open, sizes at the limit, sectors that cannot be read.

use crate::image::{bytes, engines, lay, log_image, open, open_read_only, options, read_all};
use crate::support::{assert_good_but, closed, five, lay_image, verified};
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Io, Log, Next, Options, Outcome, Start, Stream, check_name};
use std::os::unix::fs::FileExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn hostile_37_one_file_by_two_names() {
    let directory = lay_image(&closed());
    std::fs::hard_link(directory.path().join("a.log"), directory.path().join("b.log")).unwrap();
    let log = open(directory.path()).unwrap();
    assert_eq!(log.add_namespace("b").unwrap_err().kind, ErrorKind::Locked);
}

#[test]
fn hostile_38_names() {
    let long = "n".repeat(201);
    let like_a_segment = "a.00000000000000000007";
    for name in ["", ".", "..", "a/b", "/", "a\0b", "a\nb", ".hidden", "\u{7f}", &long, like_a_segment] {
        assert_eq!(check_name(name).unwrap_err().kind, ErrorKind::Name, "{name:?}");
    }
    assert!(check_name(&"n".repeat(200)).is_ok() && check_name("a b").is_ok());
}

/// Without a mapping, which truncation from outside may raise SIGBUS in.
#[test]
fn hostile_39_cut_to_nothing_while_it_is_read_and_written() {
    const READERS: u32 = 8;
    const WHOLE: u64 = 100;
    let directory = lay(&[]);
    let writer = Log::open(directory.path(), &Options { io: Io::Syscall, ..options(false) }).unwrap();
    let reader_options = Options { io: Io::Syscall, reader_count: READERS, ..options(true) };
    let reader = Log::open(directory.path(), &reader_options).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
    let (about_to_be_cut, cut_for_good) = (Barrier::new(READERS as usize + 1), AtomicBool::new(false));
    let append = |number: u64| writer.append(0, number.to_le_bytes()).is_ok();
    let is_right = |stream: &mut Stream, timeout| match stream.next(timeout) {
        Ok(Next::Ready(record)) => Some(record.data() == record.info().number.to_le_bytes()),
        _ => None,
    };
    let streams: Vec<Stream> = (0..READERS).map(|_| reader.stream(0, Start::Beginning).unwrap()).collect();
    std::thread::scope(|scope| {
        for mut stream in streams {
            let (about_to_be_cut, cut_for_good) = (&about_to_be_cut, &cut_for_good);
            scope.spawn(move || {
                let patience = Some(Duration::from_secs(5));
                let read_whole = (0..WHOLE).take_while(|_| is_right(&mut stream, patience) == Some(true)).count();
                about_to_be_cut.wait(); // before it is judged: a thread that fails must not leave the others waiting
                assert_eq!(read_whole as u64, WHOLE, "read before the first cut");
                for number in (0..500).cycle() {
                    match is_right(&mut stream, Some(Duration::ZERO)) {
                        Some(right) => assert!(right, "served wrong"),
                        None => stream.seek(number).unwrap(),
                    }
                    if cut_for_good.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let appended_whole = (0..WHOLE).take_while(|number| append(*number)).count();
        about_to_be_cut.wait();
        for number in WHOLE..2000 {
            if number % WHOLE == 0 {
                file.set_len(0).unwrap();
            }
            append(number);
        }
        cut_for_good.store(true, Ordering::Relaxed);
        assert_eq!(appended_whole as u64, WHOLE, "appended before the first cut");
    });
    drop((writer, reader));
    // Nothing wrong is served of what is left.
    if let Ok(log) = open_read_only(directory.path()) {
        for (number, data) in read_all(&log).0 {
            assert_eq!(data, number.to_le_bytes());
        }
    }
}

#[test]
fn hostile_40_replaced_while_it_is_open() {
    let (directory, other) = (lay_image(&closed()), lay_image(&log_image(&[b"other".to_vec()], &[], true)));
    for options in engines() {
        let log = Log::open(directory.path(), &options).unwrap();
        let mut stream = log.stream(0, Start::Beginning).unwrap();
        assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(record)) if record.data() == b"first"));
        for name in ["a.log", "a.idx"] {
            std::fs::copy(other.path().join(name), directory.path().join("new")).unwrap();
            std::fs::rename(directory.path().join("new"), directory.path().join(name)).unwrap();
        }
        // Loans of the old files may be served until the next look at the paths, nothing of the new files.
        stream.seek(5).unwrap();
        let ended = stream.next(Some(Duration::from_secs(5))).unwrap_err();
        assert_eq!(ended.kind, ErrorKind::Replaced);
        let image = closed();
        for name in ["a.log", "a.idx"] {
            std::fs::write(directory.path().join(name), &image[name]).unwrap();
        }
    }
}

#[test]
fn hostile_41_index_file_removed_while_it_is_open() {
    let directory = lay(&[]);
    let log = open(directory.path()).unwrap();
    log.append_batch(0, &[b"one", b"two"]).unwrap();
    std::fs::remove_file(directory.path().join("a.idx")).unwrap();
    log.append(0, b"three").unwrap();
    let written = ["one", "two", "three"].map(|text| text.as_bytes().to_vec()).to_vec();
    assert_good_but(&log, &written, &[]);
    let told = [log.sync(0), log.append(0, b"four").map(drop), log.shutdown()];
    let kinds = [ErrorKind::Io, ErrorKind::Poisoned, ErrorKind::Poisoned];
    for (outcome, kind) in told.into_iter().zip(kinds) {
        let error = outcome.unwrap_err();
        assert!(error.kind == kind && error.message().contains("a.idx: it was removed"), "{:?}: {error}", error.kind);
    }
    drop(log);
    let log = open(directory.path()).unwrap();
    assert_eq!(log.report(0).unwrap().outcome, Outcome::Adopted);
    assert_good_but(&log, &written, &[]);
}

/// Rows O9 and O18.
#[test]
fn hostile_42_sparse_file_as_large_as_there_can_be() {
    let image = closed();
    for with_index in [true, false] {
        let directory = lay(&[("a.log", &image["a.log"])]);
        if with_index {
            std::fs::write(directory.path().join("a.idx"), &image["a.idx"]).unwrap();
        }
        let file = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
        let sizes = [i64::MAX.cast_unsigned() & !4095, 1 << 60, 1 << 50, 1 << 43];
        let size = sizes.into_iter().find(|size| file.set_len(*size).is_ok()).unwrap();
        println!("{size} bytes");
        verified(directory.path());
        // Zeros, found without reading them, and cut: the last record is not empty, so they are no records.
        assert_good_but(&open(directory.path()).unwrap(), &five(), &[]);
        assert_eq!(file.metadata().unwrap().len(), image["a.log"].len() as u64);
    }
}

#[test]
fn hostile_43_offsets_at_the_limit() {
    // Sizes that lead one byte beyond the last offset there is, to the offset after it, and beyond what a file can
    // have.
    for size in [(1 << 47) - 15, (1 << 47) - 8, 1 << 47, i64::MAX.cast_unsigned() - 16] {
        let directory = lay(&[("a.log", &bytes(&[2, size], b"")), ("a.idx", &closed()["a.idx"])]);
        let file = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
        if file.set_len(size + 24).is_err() {
            continue;
        }
        assert!(verified(directory.path()).finding.is_some());
        assert_eq!(open(directory.path()).unwrap_err().kind, ErrorKind::Corrupt);
    }
}

/// The size word of a record claims a hole: no call reads terabytes of zeros to find that out.
#[test]
fn hostile_43_a_hole_for_a_record() {
    let lay_hole = |header_count: u64, files: &[(&str, &Vec<u8>)]| {
        let directory = lay(&[("a.log", &Vec::new())]);
        for (name, bytes) in files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        let file = std::fs::OpenOptions::new().write(true).open(directory.path().join("a.log")).unwrap();
        let sizes = [(1 << 47) - 32, 1 << 43, 1 << 40];
        let size = sizes.into_iter().find(|size| file.set_len(size + 16).is_ok()).unwrap();
        file.write_all_at(&bytes(&[header_count, size], b""), 0).unwrap();
        file.write_all_at(&bytes(&[3], b"abc"), size + 16).unwrap();
        directory
    };
    let image = closed();
    let directory = lay_hole(5, &[("a.idx", &image["a.idx"])]);
    assert!(verified(directory.path()).finding.is_some());
    let refused = open(directory.path()).unwrap_err().kind;
    assert!(matches!(refused, ErrorKind::Corrupt | ErrorKind::Mismatch), "{refused:?}");

    let directory = lay_hole(2, &[]);
    let log = open(directory.path()).unwrap();
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    assert_eq!(stream.next(Some(Duration::ZERO)).map(drop).unwrap_err().kind, ErrorKind::TooLarge);
    stream.seek(1).unwrap();
    assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(record)) if record.data() == b"abc"));
}

#[test]
fn hostile_44_unreadable_sectors() {
    let disk = Simulated::new();
    for (name, bytes) in &closed() {
        disk.write_file(name, bytes);
    }
    let log = Log::open_on(disk.storage(), &options(true)).unwrap();
    let mut stream = log.stream(0, Start::Beginning).unwrap();
    assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(_))));
    disk.fail_call(disk.calls(), libc::EIO, true);
    let error = stream.next(Some(Duration::ZERO)).unwrap_err();
    assert_eq!((error.kind, error.number, error.os_error), (ErrorKind::Io, 1, libc::EIO));
    disk.clear_faults();
    assert_eq!(stream.position(), 1, "the position stays");
    // Only the sector of one record fails: the records around it are served, and so is this one once it can be read.
    disk.fail_call(disk.calls(), libc::EIO, false);
    assert_eq!(stream.next(Some(Duration::ZERO)).map(drop).unwrap_err().number, 1);
    stream.seek(2).unwrap();
    for number in [2, 3, 4] {
        let next = stream.next(Some(Duration::ZERO)).unwrap();
        assert!(matches!(next, Next::Ready(record) if record.data() == five()[number]), "record {number}");
    }
    assert_good_but(&log, &five(), &[]);
}

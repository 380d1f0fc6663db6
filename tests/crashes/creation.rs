//! Namespaces that are being made exist as a whole or for no opener at all. A refused creation leaves nothing, and a
//! killed one leaves what the next writer finishes. Neither prevents reading the other namespaces of the directory.

use crate::disk::{after_kill, append, cut_anywhere, open, records};
use crate::records::read_all;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Mode, Options, scan_on};

/// A disk with the whole namespace b of one record.
fn beside_another() -> Simulated {
    let disk = Simulated::new();
    let mut options = Options::default();
    options.add_namespace("b").unwrap();
    let log = Log::open_on(disk.storage(), &options).unwrap();
    append(&log, b"of another").unwrap();
    log.shutdown().unwrap();
    disk.storage().remove("b.live").unwrap();
    disk
}

fn read_only() -> Options {
    Options { read_only: true, ..Options::default() }
}

/// All namespaces, as a reader that names none finds them.
fn namespaces(disk: &Simulated) -> Vec<String> {
    let log = Log::open_on(disk.storage(), &read_only()).unwrap();
    (0..log.namespace_count()).map(|ns| log.namespace_name(ns).unwrap().to_owned()).collect()
}

fn names(disk: &Simulated) -> Vec<String> {
    let mut names = disk.storage().list().unwrap();
    names.sort();
    names
}

/// Refuses the creation of namespace a, on the disk that `left` makes, at each call in turn: nothing is made, and the
/// next creation succeeds. Returns how many calls there were.
fn refusals(mode: Mode, os_error: i32, left: impl Fn() -> Simulated) -> usize {
    let mut refusals = 0;
    for call in 0.. {
        let disk = left();
        let image = |disk: &Simulated| names(disk).into_iter().map(|name| disk.read_file(&name)).collect::<Vec<_>>();
        let before = (names(&disk), image(&disk));
        disk.fail_call(disk.calls() + call, os_error, false);
        let (met, opened) = (disk.faults_met(), open(&disk, mode));
        let is_met = disk.faults_met() > met;
        disk.clear_faults();
        if let Err(error) = opened {
            refusals += 1;
            let context = format!("{mode:?}, call {call} refused with {os_error}: {error}");
            assert!((names(&disk), image(&disk)) == before, "{context}: {:?} are left", names(&disk));
            assert_eq!(disk.unlocked_removals(), 0, "{context}: a record file was removed without its lock");
            assert_eq!(namespaces(&disk), ["b"], "{context}");
            let log = open(&disk, mode).unwrap();
            assert!(read_all(&log).unwrap().is_empty(), "{context}");
        }
        if !is_met {
            return refusals;
        }
    }
    unreachable!()
}

#[test]
fn a_creation_refused_at_any_call_leaves_nothing() {
    for mode in [Mode::Fast, Mode::Durable] {
        for os_error in [libc::EIO, libc::ENOSPC, libc::EMFILE] {
            assert!(refusals(mode, os_error, beside_another) > 10, "{mode:?}, {os_error}");
        }
    }
}

#[test]
fn a_creation_refused_at_any_call_leaves_what_a_killed_one_left_as_no_namespace() {
    for mode in [Mode::Fast, Mode::Durable] {
        for (os_error, bytes) in [(libc::ENOSPC, b"".as_slice()), (libc::EIO, b""), (libc::ENOSPC, b"short")] {
            let left = || {
                let disk = beside_another();
                disk.write_file("a.log", bytes);
                disk
            };
            assert!(refusals(mode, os_error, left) > 10, "{mode:?}, {os_error}");
        }
    }
}

#[test]
fn a_full_disk_that_has_no_room_for_a_namespace_has_none_afterwards() {
    let mut refusals = 0;
    for free_blocks in 0_u64.. {
        let disk = beside_another();
        let before = names(&disk);
        let used_bytes: u64 = before.iter().map(|name| disk.read_file(name).unwrap().len() as u64).sum();
        disk.set_capacity(used_bytes.next_multiple_of(4096) + (free_blocks + 1) * 4096);
        let Err(error) = open(&disk, Mode::Durable) else { break };
        assert_eq!((error.kind, names(&disk)), (ErrorKind::NoSpace, before), "{free_blocks} blocks free: {error}");
        refusals += 1;
    }
    assert!(refusals > 10, "refused {refusals} times");
}

/// Row O1.
#[test]
fn a_creation_cut_at_any_call_keeps_nobody_from_reading_and_is_finished_by_the_next_writer() {
    for mode in [Mode::Fast, Mode::Durable] {
        let (whole, half) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let work = |disk: &Simulated, (): &()| open(disk, mode).is_ok();
        cut_anywhere(
            || (beside_another(), ()),
            work,
            |cut| {
                let disk = &cut.left;
                let mut named = read_only();
                named.add_namespace("a").unwrap();
                let before = names(disk);
                let scanned = scan_on(disk.storage().as_ref(), &Options::default()).unwrap();
                assert_eq!(names(disk), before, "{}: a scan makes nothing", cut.context);
                let refused = scanned.iter().find(|found| found.name == "a").map(|found| found.refusal.is_some());
                let reading = Log::open_on(disk.storage(), &named).map(drop).map_err(|error| error.kind);
                let all = namespaces(disk);
                if reading.is_ok() {
                    assert_eq!((all, refused), (vec!["a".to_owned(), "b".to_owned()], Some(false)), "{}", cut.context);
                    whole.set(whole.get() + 1);
                } else {
                    assert_eq!(reading, Err(ErrorKind::NotFound), "{}", cut.context);
                    assert_eq!((all, refused.unwrap_or(true)), (vec!["b".to_owned()], true), "{}", cut.context);
                    half.set(half.get() + 1);
                }
                let log = open(disk, mode).unwrap();
                assert!(read_all(&log).unwrap().is_empty(), "{}", cut.context);
                append(&log, &records(0, 1, 300)[0]).unwrap();
                log.shutdown().unwrap();
                let left: Vec<String> = names(disk).into_iter().filter(|name| name.starts_with("a.")).collect();
                assert_eq!(left, ["a.idx", "a.live", "a.log"], "{}", cut.context);
                assert_eq!(namespaces(disk), ["a", "b"], "{}", cut.context);
            },
        );
        assert!(whole.get() > 10 && half.get() > 10, "{whole:?} whole, {half:?} half made");
    }
}

#[test]
fn a_record_file_that_became_too_short_is_no_namespace_half_made() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append(&log, b"synced").unwrap();
    log.shutdown().unwrap();
    let disk = after_kill(&disk);
    for size in 0..8 {
        disk.write_file("a.log", &[0; 8][..size]);
        let refused = Log::open_on(disk.storage(), &read_only()).map(drop).map_err(|error| error.kind);
        assert_eq!(refused, Err(ErrorKind::Truncated), "{size} bytes");
        let scanned = scan_on(disk.storage().as_ref(), &Options::default()).unwrap();
        let refusal = scanned[0].refusal.as_ref().map(|error| error.kind);
        assert_eq!(refusal, Some(ErrorKind::Truncated), "{size} bytes");
    }
}

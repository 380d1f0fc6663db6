//! Readers agree with writers. For files that no process has open, a read-only open and a verification report the same
//! as opening for writing does. They serve the records that such an opening would find in the files. Readers are told
//! of records that they were shown and that no longer exist.

use crate::disk::{CHECKPOINTS, Files, INDEX, LOG, append, append_batch, killed_after, open, records, recover};
use crate::records::{Records, read_all};
use immuta::storage::OpenMode;
use immuta::storage::simulated::Simulated;
use immuta::{ErrorKind, Log, Mode, Next, Options, Outcome, Report, Start, Stream};
use std::time::Duration;

const ENTRIES_AT: usize = 16_384;
const ENTRY_BYTES: usize = 24;
/// The end of a record of `records(.., 300)`, counted from the end of the one before.
const RECORD_BYTES: usize = 308;

fn options() -> Options {
    let mut options = Options { read_only: true, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

fn reader(disk: &Simulated) -> immuta::Result<Log> {
    Log::open_on(disk.storage(), &options())
}

fn verified(disk: &Simulated) -> Report {
    immuta::verify_on(&disk.storage(), "a", &options(), &mut |_, _| true).unwrap()
}

/// What is wrong, and where.
type Told = (Option<ErrorKind>, u64, u64);

fn told(opened: &immuta::Result<Log>) -> Told {
    match opened {
        Ok(log) => told_by(&log.report(0).unwrap()),
        Err(error) => (Some(error.kind), error.number, error.offset),
    }
}

fn told_by(report: &Report) -> Told {
    (report.finding, report.first_bad_number, report.first_bad_offset)
}

/// Records up to the first that cannot be read.
fn readable(log: &Log) -> Records {
    let (mut stream, mut records) = (log.stream(0, Start::Beginning).unwrap(), Vec::new());
    while let Ok(Next::Ready(record)) = stream.next(Some(Duration::ZERO)) {
        records.push(record.data().to_vec());
    }
    records
}

/// Checks that all openers of `files` agree, and returns what they say.
fn agreed(files: &Files, context: &str) -> Told {
    let reading = reader(&files.on_disk());
    let verified = verified(&files.on_disk());
    let writing = open(&files.on_disk(), Mode::Durable);
    assert_eq!(told(&reading), told(&writing), "{context}: reader and writer");
    let expected = told(&writing);
    if verified.bad_records == 0 {
        assert_eq!(told_by(&verified), expected, "{context}: a verification");
    } else {
        assert!(verified.finding.is_some(), "{context}: a verification that finds bad records");
    }
    if let (Ok(reading), Ok(writing)) = (reading, writing) {
        let (seen, all, report) = (readable(&reading), readable(&writing), writing.report(0).unwrap());
        assert!(all.starts_with(&seen), "{context}: {} of {} records", seen.len(), all.len());
        if files.journal.is_none() {
            assert_eq!(seen.len(), all.len(), "{context}: {report:?}");
        }
        let outcome = reading.report(0).unwrap().outcome;
        let is_damaged = report.finding.is_some();
        assert_eq!(outcome, if is_damaged { Outcome::Damaged } else { report.outcome }, "{context}");
    }
    expected
}

/// Five synced records and five more, left by a writer that was killed.
fn killed(mode: Mode) -> Files {
    let disk = killed_after(mode, &records(0, 5, 300), &records(5, 5, 300));
    Files::of(&disk)
}

fn closed(count: usize) -> Files {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, count, 300)).unwrap();
    log.shutdown().unwrap();
    Files::of(&disk)
}

#[test]
fn of_files_that_a_crash_or_somebody_damaged() {
    let files = killed(Mode::Durable);
    assert_eq!(agreed(&files, "as killed"), (None, 0, 0));
    assert_eq!(agreed(&Files { journal: None, ..files.clone() }, "no journal"), (Some(ErrorKind::Missing), 0, 0));
    let mut one_bad = files.clone();
    let newest = one_bad.newest_checkpoint();
    one_bad.index()[newest + 100] ^= 1;
    assert_eq!(agreed(&one_bad, "newest checkpoint bad"), (Some(ErrorKind::Corrupt), 0, 0));
    let mut both_bad = files.clone();
    for at in CHECKPOINTS {
        both_bad.index()[at + 100] ^= 1;
    }
    assert_eq!(agreed(&both_bad, "both checkpoints bad"), (Some(ErrorKind::Corrupt), 0, 0));
    let mut in_journal = both_bad.clone();
    in_journal.log()[8 + 5 * RECORD_BYTES..].fill(0);
    in_journal.index()[ENTRIES_AT + 5 * ENTRY_BYTES..].fill(0);
    let told = agreed(&in_journal, "both checkpoints bad, the rest only in the journal");
    assert_eq!(told, (Some(ErrorKind::Corrupt), 0, 0));
    let mut entries_cut = files.clone();
    entries_cut.index().truncate(ENTRIES_AT + 2 * ENTRY_BYTES);
    assert_eq!(agreed(&entries_cut, "entries cut off").0, Some(ErrorKind::Truncated));

    let mut first_damaged = closed(5);
    first_damaged.log()[8 + 20] ^= 1;
    assert_eq!(agreed(&first_damaged, "record 0 of a closed log damaged"), (Some(ErrorKind::Corrupt), 0, 8));
    let of_another = Files { index: closed(4).index, ..closed(5) };
    assert_eq!(agreed(&of_another, "an index file that knows fewer records"), (None, 0, 0));
}

#[test]
fn of_records_that_no_index_file_knows() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 3, 300)).unwrap();
    let three = Files::of(&disk);
    append_batch(&log, &records(3, 3, 300)).unwrap();
    append(&log, b"").unwrap();
    disk.kill();
    let files = Files { index: None, ..Files::of(&disk) };
    assert_eq!(agreed(&files, "an empty record at the end, which the journal shows"), (None, 0, 0));
    assert_eq!(read_all(&reader(&files.on_disk()).unwrap()).unwrap().len(), 7);
    let in_journal = Files { log: three.log, ..files };
    assert_eq!(agreed(&in_journal, "more in the journal"), (None, 0, 0));
    let log = reader(&in_journal.on_disk()).unwrap();
    assert_eq!((read_all(&log).unwrap(), log.report(0).unwrap().count), (records(0, 3, 300), 3));

    let empty = closed(0);
    let foreign = Files { index: empty.index, ..closed(5) };
    assert_eq!(agreed(&foreign, "the index file of an empty log"), (None, 0, 0));
    let mut appended = closed(5);
    let more = records(5, 1, 300).remove(0);
    appended.log().extend([300_u64.to_le_bytes().as_slice(), &more].concat());
    appended.log()[0] += 1;
    assert_eq!(agreed(&appended, "the original appended"), (None, 0, 0));
}

#[test]
fn of_every_file_with_a_bit_flipped_or_cut_short() {
    let mut count = 0;
    for (name, files) in [
        ("killed, durable", killed(Mode::Durable)),
        ("killed, fast", killed(Mode::Fast)),
        ("closed", closed(5)),
        ("without an index file", Files { index: None, ..killed(Mode::Durable) }),
    ] {
        // Every bit of what is not zero would take minutes: these steps meet every field.
        for at in (0..8 + 10 * RECORD_BYTES).step_by(7) {
            let mut damaged = files.clone();
            let Some(byte) = damaged.log().get_mut(at) else { break };
            *byte ^= 1 << (at % 8);
            agreed(&damaged, &format!("{name}: byte {at} of the record file"));
            count += 1;
            if at >= 8 {
                damaged = files.clone();
                damaged.log().truncate(at);
                agreed(&damaged, &format!("{name}: record file of {at} bytes"));
                count += 1;
            }
        }
        let pages = (0..4).flat_map(|page| (0..72).step_by(5).map(move |at| page * 4096 + at));
        for at in pages.chain((ENTRIES_AT..ENTRIES_AT + 10 * ENTRY_BYTES).step_by(5)) {
            let mut damaged = files.clone();
            let Some(byte) = damaged.index.as_mut().and_then(|index| index.get_mut(at)) else { break };
            *byte ^= 1 << (at % 8);
            agreed(&damaged, &format!("{name}: byte {at} of the index file"));
            damaged = files.clone();
            damaged.index().truncate(at);
            agreed(&damaged, &format!("{name}: index file of {at} bytes"));
            count += 2;
        }
        let halves = [0, 32 << 10].map(|half| half..half + 4096 + 1600);
        for at in halves.into_iter().flatten().step_by(31) {
            let mut damaged = files.clone();
            let Some(byte) = damaged.journal.as_mut().and_then(|journal| journal.get_mut(at)) else { break };
            *byte ^= 1 << (at % 8);
            agreed(&damaged, &format!("{name}: byte {at} of the journal"));
            count += 1;
        }
    }
    assert!(count > 1000);
    println!("agreement: {count} damaged logs");
}

/// Waits for no longer than needed.
const LIMIT: Option<Duration> = Some(Duration::from_mins(2));

fn next(stream: &mut Stream) -> Result<Vec<u8>, Option<ErrorKind>> {
    match stream.next(LIMIT) {
        Ok(Next::Ready(record)) => Ok(record.data().to_vec()),
        Ok(_) => Err(None),
        Err(error) => Err(Some(error.kind)),
    }
}

/// A log whose file system loses its cache without a restart, under a reader that has seen 20 records: 10 and a count
/// are left.
fn rolled_back(count: u64) -> (Simulated, Log, [Stream; 2]) {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    log.sync(0).unwrap();
    let mut before = Files::of(&disk);
    append_batch(&log, &records(10, 10, 300)).unwrap();
    let following = reader(&disk).unwrap();
    let mut streams = [0, 10].map(|start| following.stream(0, Start::Number(start)).unwrap());
    for number in 0..20 {
        assert_eq!(next(&mut streams[0]), Ok(records(number, 1, 300).remove(0)));
    }
    log.shutdown().unwrap();
    before.log()[..8].copy_from_slice(&count.to_le_bytes());
    disk.write_file(LOG, before.log());
    disk.write_file(INDEX, before.index());
    (disk, following, streams)
}

#[test]
fn what_was_shown_and_is_no_more_is_told_to_streams_beyond_it() {
    let (disk, _following, [mut beyond, mut at_the_end]) = rolled_back(20);
    let log = open(&disk, Mode::Fast).unwrap();
    let report = log.report(0).unwrap();
    assert_eq!((report.count, report.header_count), (10, 20));
    append_batch(&log, &records(100, 11, 300)).unwrap();
    assert_eq!(next(&mut beyond), Err(Some(ErrorKind::Replaced)), "it has seen ten that are gone");
    assert_eq!(next(&mut at_the_end), Ok(records(100, 1, 300).remove(0)));
    beyond.seek(10).unwrap();
    assert_eq!(next(&mut beyond), Ok(records(100, 1, 300).remove(0)), "sought to where it goes on");
}

/// Cut anywhere: the count may be lower by then.
#[test]
fn a_rollback_is_told_by_a_recovery_that_is_cut_anywhere() {
    for call in 0.. {
        let (disk, _following, [mut beyond, _]) = rolled_back(20);
        // A kill would end the reader, too; for the writer an error that does not end has the same effect.
        disk.fail_call(disk.calls() + call, libc::EIO, true);
        let done = open(&disk, Mode::Fast).is_ok();
        disk.clear_faults();
        let log = open(&disk, Mode::Fast).unwrap();
        append_batch(&log, &records(100, 11, 300)).unwrap();
        assert_eq!(next(&mut beyond), Err(Some(ErrorKind::Replaced)), "cut at call {call}");
        if done {
            assert!(call > 10);
            break;
        }
    }
}

#[test]
fn a_count_older_than_what_was_shown_is_a_rollback_without_a_word() {
    let (disk, _following, [mut beyond, mut at_the_end]) = rolled_back(10);
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(100, 5, 300)).unwrap();
    assert_eq!(next(&mut beyond), Err(Some(ErrorKind::Replaced)));
    assert_eq!(next(&mut at_the_end), Ok(records(100, 1, 300).remove(0)), "before it nothing is another");
}

/// The visible records suffice for long, so that the reader does not look at the files; the entries that it reads next
/// are those of the next writer.
#[test]
fn a_rollback_is_noticed_where_reading_goes_on_from_what_was_read_before() {
    const READ: usize = 512;
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 300, 30)).unwrap();
    log.sync(0).unwrap();
    let before = Files::of(&disk);
    append_batch(&log, &records(300, 800, 30)).unwrap();
    let following = reader(&disk).unwrap();
    let mut stream = following.stream(0, Start::Beginning).unwrap();
    for number in 0..READ {
        assert_eq!(next(&mut stream), Ok(records(number, 1, 30).remove(0)));
    }
    log.shutdown().unwrap();
    before.on(disk.clone());
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(5000, 900, 30)).unwrap();
    // The held entries no longer fit the bytes; a reader that passes over these records comes to others.
    while next(&mut stream) == Err(Some(ErrorKind::Corrupt)) {
        stream.seek(stream.position() + 1).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(next(&mut stream), Err(Some(ErrorKind::Replaced)), "each time, until it is sought");
    }
    stream.seek(300).unwrap();
    assert_eq!(next(&mut stream), Ok(records(5000, 1, 30).remove(0)));
}

#[test]
fn a_stream_that_was_beyond_the_end_is_told_of_every_rollback() {
    let (disk, following, _streams) = rolled_back(20);
    let mut far_beyond = following.stream(0, Start::Number(30)).unwrap();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(100, 25, 300)).unwrap();
    assert_eq!(next(&mut far_beyond), Err(Some(ErrorKind::Replaced)), "it cannot know how far that went");
}

#[test]
fn what_the_journal_will_bring_back_is_not_taken_for_rolled_back() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Durable).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    let before = Files::of(&disk);
    append_batch(&log, &records(10, 10, 300)).unwrap();
    let journal = Files::of(&disk).journal;
    let following = reader(&disk).unwrap();
    let mut stream = following.stream(0, Start::Beginning).unwrap();
    for number in 0..20 {
        assert_eq!(next(&mut stream), Ok(records(number, 1, 300).remove(0)));
    }
    log.shutdown().unwrap();
    // As after a kill and a file system that lost its cache: half of the records are in the journal only.
    Files { journal, ..before }.on(disk.clone());
    // Longer than a reader relies on its last look.
    let waited = stream.next(Some(Duration::from_millis(100)));
    assert!(matches!(waited, Ok(Next::Timeout)), "no writer has the lock, and nothing is lost: {waited:?}");
    let log = open(&disk, Mode::Durable).unwrap();
    assert_eq!(log.report(0).unwrap().count, 20);
    append_batch(&log, &records(20, 1, 300)).unwrap();
    assert_eq!(next(&mut stream), Ok(records(20, 1, 300).remove(0)));
}

/// While a writer recovers, no reader believes a page that says ready with the epoch of the newest checkpoint.
#[test]
fn a_live_page_that_says_ready_while_a_writer_recovers_shows_nothing_that_does_not_verify() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append_batch(&log, &records(0, 10, 300)).unwrap();
    log.sync(0).unwrap();
    let mut files = Files::of(&disk);
    let live = disk.read_file("a.live").unwrap();
    disk.kill();
    files.log()[..8].copy_from_slice(&20_u64.to_le_bytes());
    let disk = files.on_disk();
    disk.write_file("a.live", &live);
    let recovering = disk.storage().open(LOG, OpenMode::Write).unwrap();
    assert!(recovering.try_lock().unwrap());
    let following = reader(&disk).unwrap();
    assert_eq!(following.stats(0).unwrap().count, 10);
    assert_eq!(read_all(&following).unwrap(), records(0, 10, 300));
    drop(recovering);
}

#[test]
fn a_writer_that_cannot_say_that_it_is_ready_goes_on_and_is_followed_all_the_same() {
    let mut unannounced = 0;
    for call in 0.. {
        let disk = killed(Mode::Fast).on_disk();
        disk.fail_call(disk.calls() + call, libc::ENOLCK, false);
        let opened = open(&disk, Mode::Fast);
        let is_met = disk.faults_met() > 0;
        disk.clear_faults();
        if !is_met {
            break;
        }
        let Ok(log) = opened else { continue };
        unannounced += u32::from(log.report(0).unwrap().live.is_some());
        append_batch(&log, &records(10, 5, 300)).unwrap();
        let following = reader(&disk).unwrap();
        assert_eq!(read_all(&following).unwrap(), records(0, 15, 300), "call {call}");
    }
    assert!(unannounced > 1, "{unannounced}");
}

#[test]
fn a_reader_that_is_refused_a_call_takes_nothing_for_a_rollback_and_gives_no_wrong_figures() {
    let (disk, ..) = rolled_back(20);
    let log = open(&disk, Mode::Durable).unwrap();
    let all = records(0, 10, 300);
    let mut refused = [0, 0];
    for call in 0.. {
        disk.fail_call(disk.calls() + call, libc::EIO, false);
        let (met, opened) = (disk.faults_met(), reader(&disk));
        let is_met = disk.faults_met() > met;
        disk.clear_faults();
        if let Ok(following) = opened {
            assert_eq!(read_all(&following).unwrap(), all, "call {call}");
        } else {
            refused[0] += 1;
        }
        if !is_met {
            break;
        }
    }
    let following = reader(&disk).unwrap();
    for call in 0.. {
        disk.fail_call(disk.calls() + call, libc::EIO, false);
        let (met, stats) = (disk.faults_met(), following.stats(0));
        let is_met = disk.faults_met() > met;
        disk.clear_faults();
        match stats {
            // The size is 0 if the system does not give it.
            Ok(stats) => {
                assert_eq!((stats.mode, stats.durable_count, stats.count), (Mode::Durable, 10, 10), "call {call}");
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Io);
                refused[1] += 1;
            }
        }
        if !is_met {
            break;
        }
    }
    assert!(refused.iter().all(|refused| *refused > 1), "{refused:?}");
    drop(log);
}

#[test]
fn a_lock_just_taken_beside_a_dead_writers_page_rolls_nothing_back() {
    let disk = Simulated::new();
    let log = open(&disk, Mode::Fast).unwrap();
    append(&log, b"counted").unwrap();
    append(&log, b"killed before it was counted").unwrap();
    let live = disk.read_file("a.live").unwrap();
    disk.kill();
    let mut files = Files::of(&disk);
    files.log()[0] = 1;
    let disk = files.on_disk();
    disk.write_file("a.live", &live);
    let mut options = Options { read_only: true, ..Options::default() };
    options.add_namespace("a").unwrap();
    let reader = Log::open_on(disk.storage(), &options).unwrap();
    let mut stream = reader.stream(0, Start::Beginning).unwrap();
    for _ in 0..2 {
        assert!(matches!(stream.next(Some(Duration::ZERO)), Ok(Next::Ready(_))));
    }
    // The next writer has the lock, and has not yet said that it is not ready.
    let next_writer = disk.storage().open(LOG, OpenMode::Write).unwrap();
    assert!(next_writer.try_lock().unwrap());
    let waited = stream.next(Some(Duration::from_millis(100))).map(drop);
    assert!(matches!(waited, Ok(())), "{waited:?}");
    drop(next_writer);
    assert_eq!(recover(&disk, Mode::Fast, "both are there").1.len(), 2);
}

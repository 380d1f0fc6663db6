//! Memory that is refused: every call that needs much of it answers that there is none, loses nothing, and succeeds
//! when there is some again. An allocation that cannot be refused would end this program.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "memory/refusing.rs"]
mod refusing;

use immuta::codec::{Builtin, Codec};
use immuta::{Error, ErrorKind, Io, Log, Mode, Next, Options, Repair, Result, Start, import, repair, verify};
use refusing::{refusing, refusing_all};
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// More than the buffers that files are read through.
const RECORDS: usize = 24;

static PATTERN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..101_000_u32).map(|at| (at / 7 * 31).to_le_bytes()[0]).collect());

/// Payloads that are large, small or empty, all different. They exist before any allocation is refused.
fn payload(number: usize) -> &'static [u8] {
    &PATTERN[number..][..[40_000, 3, 0, 100_000][number % 4]]
}

#[derive(Clone, Copy)]
struct Setup {
    io: Io,
    durable: bool,
}

impl Setup {
    fn options(self) -> Options {
        let mut options = Options {
            io: self.io,
            mode: if self.durable { Mode::Durable } else { Mode::Fast },
            flush_interval: None,
            journal_size_bytes: 1 << 20,
            ..Options::default()
        };
        options.add_namespace("a").unwrap();
        options
    }

    fn open(self, directory: &Path) -> Result<Log> {
        Log::open(directory, &self.options())
    }

    fn open_to_read(self, directory: &Path) -> Result<Log> {
        Log::open(directory, &Options { read_only: true, ..self.options() })
    }
}

fn append(log: &Log, from: usize, count: usize) -> Result<()> {
    for number in from..from + count {
        log.append(0, payload(number))?;
    }
    Ok(())
}

/// How many records there are, each of them compared with what was appended.
fn read(log: &Log) -> Result<usize> {
    let (mut stream, mut count) = (log.stream(0, Start::Beginning)?, 0);
    while let Next::Ready(record) = stream.next(Some(Duration::ZERO))? {
        assert!(record.data() == payload(count), "record {count}");
        count += 1;
    }
    Ok(count)
}

/// The state of the files, and the calls that are made on them.
struct Scenario {
    name: &'static str,
    leave: fn(Setup, &Path),
    act: fn(Setup, &Path) -> Result<()>,
}

const SCENARIOS: [Scenario; 13] = [
    Scenario { name: "create and append", leave: |_, _| (), act: append_some },
    Scenario { name: "append to a closed log", leave: closed, act: append_some },
    Scenario { name: "append a batch", leave: closed, act: append_a_batch },
    Scenario { name: "commit a transaction", leave: closed, act: commit },
    Scenario { name: "read", leave: closed, act: read_all },
    Scenario { name: "read what a kill left", leave: killed, act: read_all },
    Scenario { name: "read without an index file", leave: without_index_file, act: read_all },
    Scenario { name: "recover", leave: killed, act: open_and_close },
    Scenario { name: "recover and salvage", leave: with_bytes_behind, act: open_and_close },
    Scenario { name: "adopt", leave: without_index_file, act: open_and_close },
    Scenario { name: "complete an index file", leave: with_half_an_index_file, act: open_and_close },
    Scenario { name: "verify and repair", leave: with_a_damaged_entry, act: verify_and_repair },
    Scenario { name: "import", leave: without_index_file, act: import_it },
];

fn closed(setup: Setup, directory: &Path) {
    let log = setup.open(directory).unwrap();
    append(&log, 0, RECORDS).unwrap();
    log.shutdown().unwrap();
}

/// The files as they are while a writer has them open.
fn killed(setup: Setup, directory: &Path) {
    let living = tempfile::tempdir().unwrap();
    let log = setup.open(living.path()).unwrap();
    append(&log, 0, RECORDS).unwrap();
    copy(living.path(), directory);
}

fn with_bytes_behind(setup: Setup, directory: &Path) {
    closed(setup, directory);
    let path = directory.join("a.log");
    fs::write(&path, [fs::read(&path).unwrap(), vec![7; 70_000]].concat()).unwrap();
}

fn without_index_file(setup: Setup, directory: &Path) {
    closed(setup, directory);
    fs::remove_file(directory.join("a.idx")).unwrap();
}

fn with_half_an_index_file(setup: Setup, directory: &Path) {
    closed(setup, directory);
    let index = fs::OpenOptions::new().write(true).open(directory.join("a.idx")).unwrap();
    index.set_len(16_384 + 24 * 5).unwrap();
}

fn with_a_damaged_entry(setup: Setup, directory: &Path) {
    closed(setup, directory);
    let path = directory.join("a.idx");
    let mut index = fs::read(&path).unwrap();
    index[16_384 + 24 * 5] ^= 1;
    fs::write(&path, index).unwrap();
}

fn append_some(setup: Setup, directory: &Path) -> Result<()> {
    let log = setup.open(directory)?;
    let count = usize::try_from(log.stats(0)?.count).unwrap();
    append(&log, count, 4)?;
    log.shutdown()
}

fn append_a_batch(setup: Setup, directory: &Path) -> Result<()> {
    let log = setup.open(directory)?;
    let count = usize::try_from(log.stats(0)?.count).unwrap();
    log.append_batch(0, &[payload(count), payload(count + 1), payload(count + 2), payload(count + 3)])?;
    log.shutdown()
}

fn commit(setup: Setup, directory: &Path) -> Result<()> {
    let log = Arc::new(setup.open(directory)?);
    let count = usize::try_from(log.stats(0)?.count).unwrap();
    let mut transaction = log.transaction(0)?;
    for number in count..count + 4 {
        transaction.append(payload(number))?;
    }
    transaction.commit()?;
    log.shutdown()
}

fn read_all(setup: Setup, directory: &Path) -> Result<()> {
    let log = setup.open_to_read(directory)?;
    assert_eq!(read(&log)?, RECORDS);
    Ok(())
}

fn open_and_close(setup: Setup, directory: &Path) -> Result<()> {
    let log = setup.open(directory)?;
    assert_eq!(log.stats(0)?.count, RECORDS as u64);
    log.shutdown()
}

fn verify_and_repair(setup: Setup, directory: &Path) -> Result<()> {
    let options = setup.options();
    verify(directory, "a", &options, &mut |_, _| true)?;
    repair(directory, "a", &options, Repair { apply: true, ..Repair::default() }, &mut |_, _| true).map(drop)
}

/// The import may be done already.
fn import_it(setup: Setup, directory: &Path) -> Result<()> {
    let imported = directory.join("imported");
    match import(directory.join("a.log"), &imported, "a", &setup.options(), &mut |_, _| true) {
        Err(error) if error.kind != ErrorKind::Exists => return Err(error),
        _ => {}
    }
    assert_eq!(read(&setup.open_to_read(&imported)?)?, RECORDS);
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Runs the scenario with one large allocation refused: the first, the second and so on, until a run makes no more.
/// Then the same calls must succeed. Returns how many allocations were refused.
fn refuse_each(scenario: &Scenario, setup: Setup) -> u64 {
    let left = tempfile::tempdir().unwrap();
    (scenario.leave)(setup, left.path());
    for number in 0.. {
        let directory = tempfile::tempdir().unwrap();
        copy(left.path(), directory.path());
        let context = format!("{}, {:?}, durable {}, refusal {number}", scenario.name, setup.io, setup.durable);
        let (outcome, is_met) = refusing(number, || (scenario.act)(setup, directory.path()));
        match outcome {
            Err(error) => assert!(is_met && error.kind == ErrorKind::NoMemory, "{context}: {:?}: {error}", error.kind),
            Ok(()) if !is_met => return number,
            Ok(()) => {}
        }
        (scenario.act)(setup, directory.path()).unwrap_or_else(|error| panic!("{context}: {error}"));
        let count = read(&setup.open_to_read(directory.path()).unwrap()).unwrap();
        assert!(count >= RECORDS || scenario.name == "create and append", "{context}: {count} records");
    }
    unreachable!("a number of 64 bits was not enough")
}

/// Runs `call` with one large allocation refused: the first, the second and so on, until a run makes no more. Returns
/// how many were refused.
fn refuse_each_in(mut call: impl FnMut() -> Result<()>) -> u64 {
    for number in 0.. {
        let (outcome, is_met) = refusing(number, &mut call);
        match outcome {
            Err(error) => assert!(is_met && error.kind == ErrorKind::NoMemory, "refusal {number}: {error}"),
            Ok(()) if !is_met => return number,
            Ok(()) => {}
        }
    }
    unreachable!("a number of 64 bits was not enough")
}

#[test]
fn the_state_of_deflate_may_be_refused() {
    let directory = tempfile::tempdir().unwrap();
    let codecs = vec![Codec::builtin(Builtin::Deflate, 0).unwrap()];
    let options = Options { codecs, ..Setup { io: Io::Auto, durable: false }.options() };
    let log = Log::open(directory.path(), &options).unwrap();
    append(&log, 0, 1).unwrap();
    let refusals = refuse_each_in(|| append(&log, 0, 1));
    assert!(refusals >= 2, "the state and the output: {refusals}");
    assert!(log.stats(0).unwrap().count >= 2, "and the one that was not refused is there");
    let refusals = refuse_each_in(|| {
        let mut stream = log.stream(0, Start::Beginning)?;
        let Next::Ready(record) = stream.next(Some(Duration::ZERO))? else { panic!("there is a record") };
        assert!(record.data() == payload(0));
        Ok(())
    });
    assert!(refusals >= 1, "the output");
}

#[test]
fn every_large_allocation_may_be_refused() {
    assert!(PATTERN.len() > RECORDS + 100_000);
    for scenario in &SCENARIOS {
        let mut refusals = 0;
        for io in [Io::Auto, Io::Syscall] {
            for durable in [false, true] {
                refusals += refuse_each(scenario, Setup { io, durable });
            }
        }
        println!("{}: {refusals} refusals", scenario.name);
    }
}

/// An error says as much as memory allows. A lack of memory for its words never ends the process.
#[test]
fn an_error_needs_no_memory() {
    let (path, full) = (Path::new("/d/a.log"), std::io::Error::from_raw_os_error(28));
    let worded = Error::os("writing", &full).of(path);
    let (without, kept) = refusing_all(|| {
        let without = Error::os(format_args!("writing {}", 7), &full).of(path).about("x").advising("y").at(1, 8);
        (without.clone(), worded.clone())
    });
    assert_eq!((without.kind, without.os_error, without.number, without.offset), (ErrorKind::NoSpace, 28, 1, 8));
    assert_eq!(without.message(), "There is no room; nothing changed, make room and try again.");
    assert_eq!((kept.kind, kept.os_error, kept.message()), (worded.kind, 28, without.message()));
    let kept = refusing_all(|| worded.about("x").advising("y"));
    assert!(kept.message().starts_with("/d/a.log: writing: "), "{kept}");
}

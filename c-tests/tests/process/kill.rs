//! `kill -9` of an appending process at random moments, again and again, while a reader follows: nothing acknowledged is lost,
//! torn or out of order, no batch is seen in part, and the reader sees each new writer's records.
//!
//! The programs are `process/kill_appender.c` and `process/kill_reader.c`; here are the moments, the books, and a last look at the
//! file with nothing of the library between.

use crate::support::{OwnDir, Random, Teller, compile, mix};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const KILLS: u64 = 200;
const KILLS_LONG: u64 = 2000;
/// One kill in so many comes at a moment counted from the start of the process: while it opens and recovers, mostly.
const EARLY_ONE_IN: u64 = 4;
const EARLY_WITHIN_US: u64 = 4000;
const LATE_WITHIN_US: u64 = 20_000;
const APPENDS_AT_THE_END: u64 = 500;
const SIGKILL: i32 = 9;

/// Both engines, as the programs know them.
const ENGINES: [&str; 2] = ["auto", "syscall"];

struct Books {
    appender: PathBuf,
    engine: &'static str,
    directory: OwnDir,
    random: Random,
    /// Records below this number were acknowledged.
    acknowledged: u64,
    /// Kills before the log was open again.
    early_kills: u64,
}

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    let kills = if length == Length::Long { KILLS_LONG } else { KILLS };
    let (appender, reader) = (compile(toolbox, "kill_appender")?, compile(toolbox, "kill_reader")?);
    let mut figures = Vec::new();
    for engine in ENGINES {
        let (random, seed) = Random::seeded();
        let directory = OwnDir::new("kill")?;
        let books = Books { appender: appender.clone(), engine, directory, random, acknowledged: 0, early_kills: 0 };
        let told =
            books.run(&reader, kills).map_err(|why| format!("engine {engine}, IMMUTA_TEST_SEED={seed}: {why}"))?;
        figures.push(format!("engine {engine}, seed {seed}: {told}"));
    }
    Ok(Verdict::Passed(figures))
}

impl Books {
    fn run(mut self, reader: &Path, kills: u64) -> Result<String, String> {
        // The first writer creates the log, so that there is something for the reader to open.
        let first = self.start(None)?;
        first.wait_for(|told| told.first.is_some())?;
        let mut reader =
            Teller::start(Command::new(reader).arg(self.directory.path()).env("IMMUTA_TEST_IO", self.engine))?;
        self.kill_and_count(first)?;
        for kill in 1..kills {
            let survived = self.round().and_then(|()| self.await_reader(&reader));
            survived.map_err(|why| format!("kill {kill}: {why}"))?;
        }
        self.close_cleanly()?;
        self.await_reader(&reader)?;

        reader.ask_to_end();
        let (told, status) = reader.finish()?;
        if !status.success() || told.last != Some(self.acknowledged) {
            return Err(format!("the reader ended with {status} at {:?}", told.last));
        }
        let bytes = check_file(&self.directory.path().join("events.log"), self.acknowledged)?;
        Ok(format!(
            "{kills} kills, {} before the log was open again; {} records, {bytes} bytes, each acknowledged, read, in the file",
            self.early_kills, self.acknowledged
        ))
    }

    fn start(&mut self, appends: Option<u64>) -> Result<Teller, String> {
        let seed = self.random.below(u64::MAX).to_string();
        let appends = appends.map(|appends| appends.to_string());
        let mut command = Command::new(&self.appender);
        command.arg(self.directory.path()).arg(seed).args(appends).env("IMMUTA_TEST_IO", self.engine);
        Teller::start(&mut command)
    }

    /// One life of a writer.
    fn round(&mut self) -> Result<(), String> {
        let writer = self.start(None)?;
        let within_us = if self.random.below(EARLY_ONE_IN) == 0 {
            EARLY_WITHIN_US
        } else {
            writer.wait_for(|told| told.first.is_some())?;
            LATE_WITHIN_US
        };
        // The random moment itself; nothing waits for anything here.
        std::thread::sleep(Duration::from_micros(self.random.below(within_us)));
        self.kill_and_count(writer)
    }

    fn kill_and_count(&mut self, mut writer: Teller) -> Result<(), String> {
        writer.kill()?;
        let (told, status) = writer.finish()?;
        if status.signal() != Some(SIGKILL) {
            return Err(format!("the writer ended by itself: {status}"));
        }
        self.early_kills += u64::from(told.first.is_none());
        self.count(told.first, told.last)
    }

    /// A writer finds everything that was acknowledged; what it acknowledged is added.
    fn count(&mut self, found: Option<u64>, acknowledged: Option<u64>) -> Result<(), String> {
        let (Some(found), Some(acknowledged)) = (found, acknowledged) else { return Ok(()) };
        if found < self.acknowledged {
            return Err(format!("LOST: {} records were acknowledged, {found} are there", self.acknowledged));
        }
        self.acknowledged = acknowledged;
        Ok(())
    }

    /// The reader gets to everything acknowledged, although its writer is dead.
    fn await_reader(&self, reader: &Teller) -> Result<(), String> {
        let seen = reader.wait_for(|told| told.last.unwrap_or(0) >= self.acknowledged)?;
        if seen.ended {
            return Err(format!("the reader gave up at {:?}; what it said stands above", seen.last));
        }
        Ok(())
    }

    fn close_cleanly(&mut self) -> Result<(), String> {
        let writer = self.start(Some(APPENDS_AT_THE_END))?;
        let (told, status) = writer.finish()?;
        if !status.success() {
            return Err(format!("the last writer ended with {status}; what it said stands above"));
        }
        self.count(told.first, told.last)
    }
}

/// Reads the record file as docs/format.md has it and compares every byte; returns its size.
fn check_file(path: &Path, count: u64) -> Result<u64, String> {
    let file = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let word = |at: usize| file.get(at..at + 8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
    if word(0) != Some(count) {
        return Err(format!("the file counts {:?} records, {count} were acknowledged", word(0)));
    }
    let (mut at, mut batch_end) = (8, 0);
    for number in 0..count {
        let size = payload_size(number);
        let payload = file.get(at + 8..at + 8 + size).ok_or_else(|| format!("record {number} at {at} is cut off"))?;
        let (Some(found), Some(batch_first), Some(batch_count)) = (word(at), word(at + 16), word(at + 24)) else {
            return Err(format!("record {number} at {at} is cut off"));
        };
        if found != size as u64 || payload != payload_of(number, batch_first, batch_count) {
            return Err(format!("record {number} at {at} is not what was appended"));
        }
        if batch_first != if number < batch_end { batch_end - batch_count } else { number } {
            return Err(format!("record {number} is of a batch of which a part is missing"));
        }
        batch_end = batch_first + batch_count;
        at += 8 + size;
    }
    if batch_end != count || at != file.len() {
        return Err(format!("the records end at {at}, the file at {}", file.len()));
    }
    Ok(at as u64)
}

/// As `process/payload.h` has it.
fn payload_size(number: u64) -> usize {
    let range = if number.is_multiple_of(97) { 200_000 } else { 600 };
    24 + usize::try_from(mix(number) % range).unwrap_or(0)
}

fn payload_of(number: u64, batch_first: u64, batch_count: u64) -> Vec<u8> {
    let size = payload_size(number);
    let mut payload = Vec::with_capacity(size + 8);
    for word in [number, batch_first, batch_count] {
        payload.extend_from_slice(&word.to_le_bytes());
    }
    let mut word = number;
    while payload.len() < size {
        word = mix(word);
        payload.extend_from_slice(&word.to_le_bytes());
    }
    payload.truncate(size);
    payload
}

//! `kill -9` of an appending process at random moments, again and again, while a reader follows: nothing acknowledged
//! is lost, torn or out of order, no batch is seen in part, and the reader sees each new writer's records. In fast and
//! in durable mode, from one thread and from eight.
//!
//! The programs are `process/kill_appender.c` and `process/kill_reader.c`. This file chooses the moments, notes what
//! was acknowledged, and finally reads the file without the library.

use crate::payload::check_file;
use crate::support::{OwnDir, Random, Teller, compile};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const KILLS: u64 = 200;
/// One kill in this many comes at a moment counted from the start of the process, mostly while it opens and recovers.
const EARLY_ONE_IN: u64 = 4;
const EARLY_WITHIN_US: u64 = 4000;
const LATE_WITHIN_US: u64 = 20_000;
const APPENDS_AT_THE_END: u64 = 500;
const SIGKILL: i32 = 9;

/// The journal of a durable writer: short, so that its halves take turns and some commits are larger than one.
const JOURNAL_BYTES: &str = "131072";
const THREADS_MAX: u64 = 8;

/// How the writers are run.
#[derive(Clone, Copy)]
struct Variant {
    /// As the programs know it.
    engine: &'static str,
    durable: bool,
    threads: u64,
}

const VARIANTS: [Variant; 4] = [
    Variant { engine: "auto", durable: false, threads: 1 },
    Variant { engine: "syscall", durable: false, threads: 1 },
    Variant { engine: "syscall", durable: true, threads: 1 },
    Variant { engine: "auto", durable: true, threads: THREADS_MAX },
];

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.durable { "durable" } else { "fast" };
        write!(f, "{mode} mode, {} threads, engine {}", self.threads, self.engine)
    }
}

struct Books {
    appender: PathBuf,
    variant: Variant,
    directory: OwnDir,
    random: Random,
    lives: u64,
    /// Records below this number were acknowledged.
    acknowledged: u64,
    /// Kills before the log was open again.
    early_kills: u64,
}

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    let (appender, reader) = (compile(toolbox, "kill_appender")?, compile(toolbox, "kill_reader")?);
    let begun = Instant::now();
    let mut figures = Vec::new();
    loop {
        for variant in VARIANTS {
            let (random, seed) = Random::seeded();
            let directory = OwnDir::new("kill")?;
            let appender = appender.clone();
            let books = Books { appender, variant, directory, random, lives: 0, acknowledged: 0, early_kills: 0 };
            let told = books.run(&reader, KILLS).map_err(|why| format!("{variant}, IMMUTA_TEST_SEED={seed}: {why}"))?;
            figures.push(format!("{variant}, seed {seed}: {told}"));
        }
        if !matches!(length, Length::Long(wanted) if begun.elapsed() < wanted) {
            figures.push(format!("{} kills in all", KILLS * figures.len() as u64));
            return Ok(Verdict::Passed(figures));
        }
    }
}

impl Books {
    fn run(mut self, reader: &Path, kills: u64) -> Result<String, String> {
        // The first writer creates the log, so that there is something for the reader to open.
        let first = self.start(None)?;
        first.wait_for(|told| told.first.is_some())?;
        let mut reader =
            Teller::start(Command::new(reader).arg(self.directory.path()).env("IMMUTA_TEST_IO", self.variant.engine))?;
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
            "{kills} kills, {} before the log was open again; {} records, {bytes} bytes, each acknowledged, read, \
             in the file",
            self.early_kills, self.acknowledged
        ))
    }

    fn start(&mut self, appends: Option<u64>) -> Result<Teller, String> {
        let (seed, life) = (self.random.below(u64::MAX), self.lives);
        self.lives += 1;
        let mut command = Command::new(&self.appender);
        command.arg(self.directory.path()).env("IMMUTA_TEST_IO", self.variant.engine);
        command.args([seed, life, self.variant.threads].iter().chain(&appends).map(u64::to_string));
        if self.variant.durable {
            command.env("IMMUTA_TEST_JOURNAL", JOURNAL_BYTES);
        }
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

    /// Checks that a writer found every acknowledged record, and adds the records that it acknowledged.
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

//! Power cuts on real file systems: a host of the real library appends on a loop device, its device is copied at some
//! moment with some of its pages written back and others not, and the host goes on from the copy. In durable mode
//! everything acknowledged is there, in fast mode a prefix with everything synced, whole batches only, right to the
//! last byte.
//!
//! The programs are `process/kill_appender.c` and `process/unplug.c`.

use crate::image::{Disk, KINDS, Kind};
use crate::payload::check_file;
use crate::support::{OwnDir, Random, Teller, compile};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Cuts of one disk; each host goes on with what the one before it lost or kept.
const CUTS: u64 = 4;
/// One cut in this many comes at a moment counted from the start of the process, mostly while it opens and recovers.
const EARLY_ONE_IN: u64 = 4;
const EARLY_WITHIN_US: u64 = 8000;
/// Other cuts come after this many more records.
const LATE_WITHIN_RECORDS: u64 = 1500;
/// After one cut in this many, the log is closed and its file is checked; after the others the next host starts at
/// once.
const CLOSE_ONE_IN: u64 = 2;
const JOURNAL_BYTES: &str = "131072";

struct Variant {
    name: &'static str,
    engine: &'static str,
    durable: bool,
    threads: u64,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "fast, mapping", engine: "auto", durable: false, threads: 1 },
    Variant { name: "fast, system calls", engine: "syscall", durable: false, threads: 1 },
    Variant { name: "durable, mapping, 8 threads", engine: "auto", durable: true, threads: 8 },
    Variant { name: "durable, system calls", engine: "syscall", durable: true, threads: 1 },
];

struct Programs {
    appender: PathBuf,
    unplug: PathBuf,
}

/// What was seen on one kind of file system.
#[derive(Default)]
struct Figures {
    cuts: u64,
    early: u64,
    appended: u64,
    lost: u64,
    checked: u64,
}

/// One disk, and what must be on it.
struct Books<'a> {
    programs: &'a Programs,
    variant: &'a Variant,
    disk: Disk,
    random: Random,
    lives: u64,
    /// Records below this number were acknowledged.
    acknowledged: u64,
    /// Those below this one are on disk.
    safe: u64,
    figures: &'a mut Figures,
}

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    let programs = Programs { appender: compile(toolbox, "kill_appender")?, unplug: compile(toolbox, "unplug")? };
    let directory = OwnDir::new("loop")?;
    let (mut usable, mut reasons) = (Vec::new(), Vec::new());
    for kind in &KINDS {
        match Disk::new(kind, directory.path()) {
            Ok(_) => usable.push((kind, Figures::default())),
            Err(why) => reasons.push(format!("{}: {why}", kind.name)),
        }
    }
    let begun = Instant::now();
    while !usable.is_empty() {
        for (kind, figures) in &mut usable {
            cut_each_variant(&programs, kind, directory.path(), figures)?;
        }
        if !matches!(length, Length::Long(wanted) if begun.elapsed() < wanted) {
            break;
        }
    }
    let told = usable.iter().map(|(kind, figures)| {
        let Figures { cuts, early, appended, lost, checked } = figures;
        format!(
            "{}: {cuts} power cuts, {early} of them early; {appended} records acknowledged, of these {lost} lost in \
             fast mode, none of which was synced; {checked} files read to the last byte",
            kind.name
        )
    });
    Ok(Verdict::Passed(told.chain(reasons.iter().map(|why| format!("SKIPPED: {why}"))).collect()))
}

fn cut_each_variant(programs: &Programs, kind: &Kind, directory: &Path, figures: &mut Figures) -> Result<(), String> {
    for variant in &VARIANTS {
        let (random, seed) = Random::seeded();
        let disk = Disk::new(kind, directory)?;
        let mut books = Books { programs, variant, disk, random, lives: 0, acknowledged: 0, safe: 0, figures };
        for cut in 0..CUTS {
            let survived = books.round();
            survived
                .map_err(|why| format!("{}, {}, IMMUTA_TEST_SEED={seed}, cut {cut}: {why}", kind.name, variant.name))?;
        }
    }
    Ok(())
}

impl Books<'_> {
    fn log(&self) -> PathBuf {
        self.disk.place().join("log")
    }

    fn start(&mut self, appends: Option<u64>) -> Result<Teller, String> {
        let (seed, life) = (self.random.below(u64::MAX), self.lives);
        self.lives += 1;
        let mut command = Command::new(&self.programs.appender);
        command.arg(self.log()).env("IMMUTA_TEST_IO", self.variant.engine).env("IMMUTA_TEST_SYNC", "1");
        command.args([seed, life, self.variant.threads].iter().chain(&appends).map(u64::to_string));
        if self.variant.durable {
            command.env("IMMUTA_TEST_JOURNAL", JOURNAL_BYTES);
        }
        Teller::start(&mut command)
    }

    /// One life of a host, and what the power cut leaves of it.
    fn round(&mut self) -> Result<(), String> {
        let mut host = self.start(None)?;
        if self.random.below(EARLY_ONE_IN) == 0 {
            self.figures.early += 1;
            // The random moment itself; nothing waits for anything here.
            std::thread::sleep(Duration::from_micros(self.random.below(EARLY_WITHIN_US)));
        } else {
            let more = self.random.below(LATE_WITHIN_RECORDS);
            host.wait_for(|told| told.first.zip(told.last).is_some_and(|(first, last)| last >= first + more))?;
        }
        let seed = self.random.below(u64::MAX);
        let arguments = [host.id().to_string(), self.log().display().to_string(), seed.to_string()];
        let unplugged = Command::new(&self.programs.unplug).args(arguments).status().map_err(|e| e.to_string())?;
        if !unplugged.success() {
            return Err(format!("stopping the host: {unplugged}; what it said stands above"));
        }
        let picture = self.disk.picture()?;
        host.kill()?;
        self.count(host, false)?;
        self.disk.return_to(&picture)?;
        self.figures.cuts += 1;
        if self.random.below(CLOSE_ONE_IN) == 0 { self.close_and_look() } else { Ok(()) }
    }

    /// Opens what is there, closes it, and reads its file.
    fn close_and_look(&mut self) -> Result<(), String> {
        let host = self.start(Some(0))?;
        self.count(host, true)?;
        check_file(&self.log().join("events.log"), self.acknowledged)?;
        self.figures.checked += 1;
        Ok(())
    }

    /// Checks that a host found every record that had to be there, and adds the records that it appended.
    fn count(&mut self, host: Teller, is_closed: bool) -> Result<(), String> {
        let (told, status) = host.finish()?;
        if status.success() != is_closed || status.code().is_some_and(|code| code != 0) {
            return Err(format!("the host ended with {status}; what it said stands above"));
        }
        let (Some(found), Some(acknowledged)) = (told.first, told.last) else { return Ok(()) };
        if found < self.safe {
            return Err(format!("LOST: {} records were on disk, {found} are there", self.safe));
        }
        self.figures.lost += self.acknowledged.saturating_sub(found);
        self.figures.appended += acknowledged - found;
        self.acknowledged = acknowledged;
        // Opening makes every record that it finds safe.
        self.safe =
            if self.variant.durable || is_closed { acknowledged } else { told.safe.unwrap_or(found).max(found) };
        Ok(())
    }
}

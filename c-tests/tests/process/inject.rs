//! System calls of a host of the real library that fail, or are its last. Strace refuses the N-th call of a kind, once
//! or from then on, or kills the process at it, for every N until a run meets no fault. Afterwards acknowledged records
//! exist and refused ones do not; a commit with an unknown outcome exists as a whole or not at all. The walker finds as
//! many records in the closed file as the host did.
//!
//! The program is `process/inject.c`.

use crate::support::{OwnDir, Random, compile};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// Calls and their faults, as strace writes them. A signal that only interrupts must come out as nothing at all.
const FAULTS: [(&str, &[&str]); 20] = [
    ("fdatasync", &["error=EIO", "error=ENOSPC", "error=EINTR", "signal=SIGKILL"]),
    ("fsync", &["error=EIO", "error=EINTR", "signal=SIGKILL"]),
    ("pwrite64", &["error=EIO", "error=ENOSPC", "error=EINTR", "retval=0", "signal=SIGKILL"]),
    ("pwritev", &["error=EIO", "error=ENOSPC", "error=EINTR", "retval=0", "signal=SIGKILL"]),
    ("pread64", &["error=EIO", "error=EINTR"]),
    ("ftruncate", &["error=EIO", "error=EINTR", "signal=SIGKILL"]),
    ("fallocate", &["error=ENOSPC", "error=EDQUOT", "error=EOPNOTSUPP", "error=EINTR", "signal=SIGKILL"]),
    ("madvise", &["error=EINVAL", "error=EFAULT", "error=ENOMEM", "error=EINTR", "signal=SIGKILL"]),
    ("renameat", &["error=EIO", "error=ENOSPC", "signal=SIGKILL"]),
    ("unlinkat", &["error=EIO", "signal=SIGKILL"]),
    ("openat", &["error=EMFILE", "error=EIO", "error=EINTR", "signal=SIGKILL"]),
    ("mmap", &["error=ENOMEM", "signal=SIGKILL"]),
    ("statx", &["error=EIO"]),
    ("newfstatat", &["error=EIO"]),
    ("mkdir", &["error=EIO", "error=ENOSPC", "signal=SIGKILL"]),
    ("fcntl", &["error=EIO", "error=ENOLCK", "error=EINTR"]),
    ("fstatfs", &["error=EIO", "error=EINTR"]),
    ("clone3", &["error=EAGAIN"]),
    ("getrandom", &["error=EIO", "error=EINTR"]),
    ("close", &["error=EIO", "signal=SIGKILL"]),
];
const ENGINES: [&str; 2] = ["auto", "syscall"];

/// How long a fault lasts, as strace writes it after the index of the call: this call, or all from then on. An
/// interrupted process would try again without end, and a killed one makes no more calls.
fn forms(fault: &str) -> &'static [&'static str] {
    if ["error=EINTR", "signal=SIGKILL"].contains(&fault) { &[""] } else { &["", "+"] }
}

/// What became of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Begun,
    Acknowledged,
    Refused,
    Unknown,
}

struct Injector {
    program: PathBuf,
    directory: OwnDir,
    runs: u64,
    met: u64,
    /// Calls of [`FAULTS`] that hosts have made.
    made: BTreeSet<&'static str>,
}

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    let program = compile(toolbox, "inject")?;
    let mut injector = Injector { program, directory: OwnDir::new("inject")?, runs: 0, met: 0, made: BTreeSet::new() };
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Ok(Verdict::Skipped(format!("strace may not trace here ({said}); allow ptrace")));
        }
        Err(_) => return Ok(Verdict::Skipped("strace is missing; `apt-get install strace` brings it".to_owned())),
    }
    injector.names_above_are_synced()?;
    let (mut random, seed) = Random::seeded();
    let (begun, mut rounds) = (Instant::now(), 0_u64);
    loop {
        injector.round(length, &mut random)?;
        rounds += 1;
        if !matches!(length, Length::Long(wanted) if begun.elapsed() < wanted) {
            break;
        }
    }
    let Injector { runs, met, made, .. } = injector;
    let kinds: usize = FAULTS.iter().filter(|(call, _)| made.contains(call)).map(|(_, faults)| faults.len()).sum();
    let mut figures = vec![format!(
        "{kinds} kinds of faults of {} calls, {rounds} rounds with each engine: {runs} runs, {met} met a fault; \
         seed {seed}",
        made.len()
    )];
    // Another C library may know them by other names.
    let unmade = FAULTS.iter().filter(|(call, _)| !made.contains(call));
    figures.extend(unmade.map(|(call, _)| format!("NOT HERE: {call}, which no host called")));
    Ok(Verdict::Passed(figures))
}

impl Injector {
    /// A directory that is there already, made by an opener that was killed perhaps, is synced by name, and so is every
    /// one above it on the same file system.
    fn names_above_are_synced(&mut self) -> Result<(), String> {
        let log = self.directory.path().join("log");
        std::fs::create_dir(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).map_err(|e| e.to_string());
        let log = log.canonicalize().map_err(|e| e.to_string())?;
        let (_, trace) = self.trace("auto", &["-f", "-y", "-e", "trace=fsync"])?;
        for parent in log.ancestors().skip(1) {
            if device(parent)? != device(&log)? {
                break;
            }
            if !trace.contains(&format!("<{}>)", parent.display())) {
                return Err(format!("the name of a directory in {} is never made durable:\n{trace}", parent.display()));
            }
        }
        self.check("auto").map(drop)
    }

    /// Every fault with each engine: at one call of its kind, or at every one until a run meets none.
    fn round(&mut self, length: Length, random: &mut Random) -> Result<(), String> {
        for engine in ENGINES {
            let calls = self.calls_of_a_whole_run(engine)?;
            for (call, faults) in FAULTS {
                let Some((loaders, all)) = calls.get(call).filter(|(loaders, all)| all > loaders) else { continue };
                self.made.insert(call);
                for (fault, how_long) in
                    faults.iter().flat_map(|fault| forms(fault).iter().map(move |form| (fault, form)))
                {
                    let strike = |injector: &mut Self, index| {
                        injector.strike(engine, call, &format!("{fault}:when={index}{how_long}"))
                    };
                    if length == Length::Usual {
                        strike(self, loaders + 1 + random.below(all - loaders))?;
                        continue;
                    }
                    let mut index = loaders + 1;
                    while strike(self, index)? {
                        index += 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// One run with a fault. Returns whether the run met it.
    fn strike(&mut self, engine: &str, call: &str, fault: &str) -> Result<bool, String> {
        let inject = format!("{call}:{fault}");
        let is_met = self.suffer(engine, call, &inject).map_err(|why| format!("engine {engine}, {inject}: {why}"))?;
        self.runs += 1;
        self.met += u64::from(is_met);
        Ok(is_met)
    }

    /// How often each call is made by the loader, and in all.
    fn calls_of_a_whole_run(&mut self, engine: &str) -> Result<BTreeMap<String, (u64, u64)>, String> {
        let (_, trace) = self.work(engine, &["-f"])?;
        self.check(engine)?;
        let (mut calls, mut is_loading) = (BTreeMap::<String, (u64, u64)>::new(), true);
        for line in trace.lines() {
            is_loading &= !line.contains("work begins");
            let what = line.split_once(' ').map_or(line, |(_, what)| what.trim_start());
            let Some((name, _)) = what.split_once('(') else { continue };
            let (loaders, all) = calls.entry(name.to_owned()).or_default();
            *loaders += u64::from(is_loading);
            *all += 1;
        }
        Ok(calls)
    }

    /// One run under `inject`, and a check of the files that it left. Returns whether the run met the fault.
    fn suffer(&self, engine: &str, call: &str, inject: &str) -> Result<bool, String> {
        let (output, trace) =
            self.work(engine, &["-f", "-e", &format!("trace={call}"), "-e", &format!("inject={inject}")])?;
        let is_met = trace.contains("INJECTED") || trace.contains("killed by SIGKILL");
        if !output.status.success() && !inject.contains("SIGKILL") {
            return Err(format!("the host ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let outcomes = outcomes(&output.stdout);
        let is_silent = inject.contains("EINTR") || inject.contains("EOPNOTSUPP");
        if is_silent && (outcomes.values().any(|outcome| *outcome != Outcome::Acknowledged) || !said.is_empty()) {
            return Err(format!("it came out as a failure: {outcomes:?}\n{said}"));
        }
        let found = self.check(engine).map_err(|why| format!("{why}\nthe host had said: {said}"))?;
        judge(&outcomes, &found).map_err(|why| format!("{why}\nthe host had said: {said}"))?;
        Ok(is_met)
    }

    /// Runs the host under strace in an empty directory. Returns its output and its trace.
    fn work(&self, engine: &str, options: &[&str]) -> Result<(Output, String), String> {
        let log = self.directory.path().join("log");
        if log.exists() {
            std::fs::remove_dir_all(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        }
        self.trace(engine, options)
    }

    /// Runs the host under strace on the directory as it is.
    fn trace(&self, engine: &str, options: &[&str]) -> Result<(Output, String), String> {
        let (log, trace) = (self.directory.path().join("log"), self.directory.path().join("trace"));
        let mut command = Command::new("strace");
        command.args(options).arg("-o").arg(&trace).arg(&self.program).arg(&log).arg("work");
        let output = command.env("IMMUTA_TEST_IO", engine).output().map_err(|e| format!("strace: {e}"))?;
        let text = std::fs::read(&trace).map_err(|e| format!("{}: {e}", trace.display()))?;
        Ok((output, String::from_utf8_lossy(&text).into_owned()))
    }

    /// The commits that a host without faults finds.
    fn check(&self, engine: &str) -> Result<Vec<u64>, String> {
        let log: &Path = &self.directory.path().join("log");
        let mut command = Command::new(&self.program);
        let output = command.arg(log).arg("check").env("IMMUTA_TEST_IO", engine).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(format!("afterwards: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        let mut told: Vec<u64> = numbers(&output.stdout).collect();
        let count = told.pop().ok_or("afterwards: nothing was told")?;
        let path = log.join("events.log");
        let file = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let walked = immuta_walker::walk_closed(&file)?;
        if walked.count != count {
            return Err(format!("the host found {count} records, the walker {}", walked.count));
        }
        Ok(told)
    }
}

fn numbers(told: &[u8]) -> impl Iterator<Item = u64> + '_ {
    told.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
}

/// The last report about each commit.
fn outcomes(told: &[u8]) -> BTreeMap<u64, Outcome> {
    let kinds = [Outcome::Begun, Outcome::Acknowledged, Outcome::Refused, Outcome::Unknown];
    numbers(told).map(|number| (number >> 2, kinds[usize::from(number.to_le_bytes()[0] & 3)])).collect()
}

/// Every acknowledged commit is there, no refused one is, and all are in order.
fn judge(outcomes: &BTreeMap<u64, Outcome>, found: &[u64]) -> Result<(), String> {
    if !found.is_sorted_by(|left, right| left < right) {
        return Err(format!("out of order: {found:?}"));
    }
    for (commit, outcome) in outcomes {
        let is_there = found.contains(commit);
        match outcome {
            Outcome::Acknowledged if !is_there => {
                return Err(format!("LOST: commit {commit} was acknowledged, {found:?} are there"));
            }
            Outcome::Refused if is_there => return Err(format!("commit {commit} was refused, and is there")),
            _ => {}
        }
    }
    let strange = found.iter().find(|commit| !outcomes.contains_key(commit));
    strange.map_or(Ok(()), |commit| Err(format!("commit {commit} is there, and no process made it")))
}

//! Counts the system calls of appends while no thread sleeps and no event loop is armed. An append may only make room,
//! or ask the flush thread for room. That is about one step for each MiB of either file. Strace counts the calls of the
//! appending thread between two marks of `process/quiet.c`. Reads by number, in the process
//! of the writer, make no system call at all.

use crate::support::{OwnDir, compile};
use crate::{Length, Verdict};
use immuta_c_tests::Toolbox;
use std::collections::BTreeMap;
use std::process::Command;

const APPENDS: u64 = 200_000;
const APPENDS_LONG: u64 = 2_000_000;
/// What making room may take: looking whether the files are in place, at their size and its limit, extending one,
/// moving the mapped window, writing zeros, populating pages; waking the flush thread, which makes room ahead.
const MAKING_ROOM: [&str; 15] = [
    "futex",
    "newfstatat",
    "fstat",
    "statx",
    "prlimit64",
    "getrlimit",
    "fstatfs",
    "fallocate",
    "ftruncate",
    "mmap",
    "munmap",
    "mremap",
    "madvise",
    "pwrite64",
    "pwritev",
];
const STEP_BYTES: u64 = 1 << 20;
/// A request for room wakes the flush thread, and may meet it at a lock, on a loaded machine more than once. There is
/// one request for every two steps.
const WAKES_PER_STEP_MAX: u64 = 8;

pub fn run(toolbox: &Toolbox, length: Length) -> Result<Verdict, String> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Ok(Verdict::Skipped("strace is missing; `apt-get install strace` brings it".to_owned()));
    }
    let program = compile(toolbox, "quiet")?;
    let directory = OwnDir::new("quiet")?;
    let trace = directory.path().join("trace");
    let appends = if length == Length::Usual { APPENDS } else { APPENDS_LONG };
    let output = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(program)
        .arg(directory.path().join("log"))
        .arg(appends.to_string())
        .output()
        .map_err(|e| format!("strace: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("PTRACE") || said.contains("ptrace") {
            return Ok(Verdict::Skipped(format!("strace may not trace here ({}); allow ptrace", said.trim())));
        }
        return Err(format!("{}: {said}", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let [engine, log_bytes, index_bytes] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(format!("the program said {said:?}"));
    };
    if engine != "mmap" {
        return Ok(Verdict::Skipped(
            "mapped stores are not safe on this file system; set IMMUTA_TEST_DIR to a local one".to_owned(),
        ));
    }
    let bytes = |text: &str| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
    let text = std::fs::read_to_string(&trace).map_err(|e| format!("{}: {e}", trace.display()))?;
    let reading = calls_between(&text, "jumps begin", "jumps end")?;
    if !reading.is_empty() {
        return Err(format!("reads by number made system calls: {}", listed(&reading)));
    }
    let appending = calls_between(&text, "quiet begins", "quiet ends")?;
    judge(&appending, appends, &[bytes(log_bytes)?, bytes(index_bytes)?])
}

/// The calls of the marking thread between two marks, and how often it made each.
fn calls_between<'a>(trace: &'a str, begin: &str, end: &str) -> Result<BTreeMap<&'a str, u64>, String> {
    let mut lines = trace.lines().skip_while(|line| !line.contains(begin));
    let mark = lines.next().ok_or_else(|| format!("the mark {begin:?} is not in the trace"))?;
    let thread = mark.split_whitespace().next().unwrap_or_default();
    let mut calls = BTreeMap::new();
    for line in lines {
        if line.contains(end) {
            return Ok(calls);
        }
        let Some((who, what)) = line.split_once(char::is_whitespace) else { continue };
        let (name, _) = what.trim_start().split_once('(').unwrap_or((what, ""));
        if who == thread && !what.contains(" resumed>") {
            *calls.entry(name).or_insert(0) += 1;
        }
    }
    Err(format!("the mark {end:?} is not in the trace"))
}

fn listed(calls: &BTreeMap<&str, u64>) -> String {
    calls.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// Only calls that make room, and no more of them than there are steps to make.
fn judge(calls: &BTreeMap<&str, u64>, appends: u64, bytes: &[u64]) -> Result<Verdict, String> {
    let listed = listed(calls);
    if let Some(other) = calls.keys().find(|name| !MAKING_ROOM.contains(name)) {
        return Err(format!("{other} was called while {appends} records were appended: {listed}"));
    }
    let steps = calls.get("madvise").copied().unwrap_or(0);
    let steps_needed: u64 = bytes.iter().map(|bytes| bytes.div_ceil(STEP_BYTES)).sum();
    let writes = ["pwrite64", "pwritev"].iter().filter_map(|name| calls.get(name)).sum::<u64>();
    // The flush thread may have written the zeros of a step that this thread populates.
    if writes > steps || writes < steps / 2 {
        return Err(format!("{writes} writes of zeros in {steps} steps of room: {listed}"));
    }
    let wakes = calls.get("futex").copied().unwrap_or(0);
    if wakes > WAKES_PER_STEP_MAX * steps_needed {
        return Err(format!("{wakes} wakes for {bytes:?} bytes, which are about {steps_needed} steps: {listed}"));
    }
    if steps > 2 * steps_needed {
        return Err(format!("{steps} steps of room for {bytes:?} bytes, about {steps_needed} are needed: {listed}"));
    }
    Ok(Verdict::Passed(vec![
        format!("{appends} appends of 100 B: {listed}"),
        format!("{steps} populate steps and {wakes} wakes of the appending thread, of some {steps_needed} steps"),
    ]))
}

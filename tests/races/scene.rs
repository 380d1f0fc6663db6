//! A durable log on the gated engine, and threads that go on one at a time: after each step of a test everything has
//! come to rest.
//!
//! At rest every other thread of the process sleeps: at a gate, at a lock, or until another one wakes it. So the next
//! step of a test is the only thing that happens. A thread that still waits when nothing is held waits for good: a hang
//! is a failure at once.

use crate::gated::{Gated, Gates};
use crate::records::{Records, read_all};
use immuta::storage::simulated::Simulated;
use immuta::{Appended, Log, Mode, Options, Outcome, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

type Appending = JoinHandle<Result<Appended>>;

const JOURNAL_BYTES: u64 = 64 << 10;
/// Three frames with as much fill a half of the journal.
const THIRD_OF_HALF_BYTES: usize = 9000;
const POWER_CUTS: u64 = 100;
/// Far beyond what anything here takes; a thread that is not at rest by then never will be.
const HANG_LIMIT: Duration = Duration::from_mins(2);

/// The tests of a process go one after the other, since each looks at all threads.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub struct Scene {
    pub disk: Simulated,
    gates: Arc<Gates>,
    pub log: Arc<Log>,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    pub fn open() -> Scene {
        Scene::open_with(&options())
    }

    pub fn open_fast() -> Scene {
        Scene::open_with(&Options { mode: Mode::Fast, flush_interval: Some(Duration::from_hours(1)), ..options() })
    }

    fn open_with(options: &Options) -> Scene {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (disk, gates) = (Simulated::new(), Arc::<Gates>::default());
        let engine = Gated { inner: disk.storage(), gates: Arc::clone(&gates) };
        let log = Arc::new(Log::open_on(immuta::storage::Arc::new(engine).unwrap().into(), options).unwrap());
        Scene { disk, gates, log, _alone: alone }
    }

    /// Runs `act` on a thread of its own, as far as it comes.
    pub fn start<T: Send + 'static>(&self, act: impl FnOnce(&Log) -> T + Send + 'static) -> JoinHandle<T> {
        let log = Arc::clone(&self.log);
        let started = std::thread::spawn(move || act(&log));
        until_at_rest();
        started
    }

    pub fn append(&self, record: &[u8]) -> Appending {
        let record = record.to_vec();
        self.start(move |log| log.append(0, &record))
    }

    /// Appends `records` one after the other; nothing is in their way.
    pub fn append_all(&self, records: &[Vec<u8>]) {
        for record in records {
            outcome(self.append(record)).unwrap();
        }
    }

    /// Holds the syncs of `file` still from now on.
    pub fn hold(&self, file: &str) {
        self.gates.shut(file);
    }

    /// How many syncs of `file` are held still.
    pub fn held(&self, file: &str) -> usize {
        self.gates.get(file).waiting
    }

    /// How often `file` was written to and synced.
    pub fn writes_and_syncs(&self, file: &str) -> (u64, u64) {
        let gate = self.gates.get(file);
        (gate.writes, gate.syncs)
    }

    /// Lets one sync of `file` succeed.
    pub fn release(&self, file: &str) {
        assert_eq!(self.held(file), 1, "syncs of {file} held still");
        self.gates.let_one_pass(file);
        until_at_rest();
    }

    /// Lets one sync of `file` fail.
    pub fn fail(&self, file: &str) {
        // No other thread makes a call before it.
        self.disk.fail_call(self.disk.calls(), libc::EIO, false);
        self.release(file);
    }

    /// Were the power cut now, the log would open with the first `acknowledged` of `sent` and at most the others.
    pub fn assert_survives(&self, acknowledged: usize, sent: &[Vec<u8>]) {
        for seed in 0..POWER_CUTS {
            let disk = self.disk.copy();
            disk.clear_faults();
            disk.power_loss(seed);
            let (_, found) = reopen(&disk);
            let is_right = found.len() >= acknowledged && sent.starts_with(&found);
            assert!(is_right, "seed {seed}: found {}, acknowledged {acknowledged}, sent {}", found.len(), sent.len());
        }
    }
}

impl Drop for Scene {
    /// Whatever happened, the log can be closed.
    fn drop(&mut self) {
        self.gates.open_all();
        if std::thread::panicking() {
            // After a panic nothing waits for the closing, and the log is never dropped.
            std::mem::forget(Arc::clone(&self.log));
        } else {
            let _ = outcome(self.start(Log::shutdown));
        }
    }
}

fn options() -> Options {
    let mut options = Options { mode: Mode::Durable, journal_size_bytes: JOURNAL_BYTES, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

/// What a new process finds on `disk`.
pub fn reopen(disk: &Simulated) -> (Outcome, Records) {
    let log = Log::open_on(disk.storage(), &options()).unwrap_or_else(|error| panic!("refused: {error}"));
    let found = read_all(&log).unwrap();
    let walked = immuta_walker::walk_open(&disk.read_file("a.log").unwrap()).map(|walked| walked.count);
    assert_eq!(walked, Ok(found.len() as u64), "the walk");
    (log.report(0).unwrap().outcome, found)
}

/// Records of which three fill a half of the journal.
pub fn thirds_of_half(count: u8) -> Records {
    (0..count).map(|number| vec![number; THIRD_OF_HALF_BYTES]).collect()
}

/// The result of a thread, once everything is at rest.
pub fn outcome<T>(thread: JoinHandle<T>) -> T {
    assert!(thread.is_finished(), "it still waits");
    thread.join().unwrap()
}

/// Returns once all other threads of the process sleep, all at the same time.
fn until_at_rest() {
    let started = Instant::now();
    loop {
        // A thread that slept at both looks, with the same number of sleeps so far, slept between them.
        let (before, now) = (sleeps(), sleeps());
        if before.is_some() && before == now {
            return;
        }
        assert!(started.elapsed() < HANG_LIMIT, "somebody goes on and on");
        std::thread::yield_now();
    }
}

/// How often each of the other threads went to sleep; `None` when one of them does not sleep.
fn sleeps() -> Option<BTreeMap<OsString, String>> {
    let own = fs::read_link("/proc/thread-self").unwrap();
    let mut sleeps = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.ok()?;
        let name = task.file_name();
        if own.file_name() == Some(&name) {
            continue;
        }
        // A thread that has just ended has no such file.
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let field = |key| status.lines().find_map(|line: &str| line.strip_prefix(key)).map(str::trim_start);
        if !field("State:")?.starts_with('S') {
            return None;
        }
        sleeps.insert(name, field("voluntary_ctxt_switches:")?.to_owned());
    }
    Some(sleeps)
}

//! What the process tests share: a directory of their own, random numbers with a seed, and processes that report
//! numbers.

use immuta_c_tests::{Toolbox, project_dir};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program that reports nothing for this long hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Compiles `process/NAME.c`.
pub fn compile(toolbox: &Toolbox, name: &str) -> Result<PathBuf, String> {
    toolbox.compile(&project_dir().join("c-tests/process").join(name).with_extension("c"))
}

/// A fresh directory, removed at the end.
pub struct OwnDir {
    path: PathBuf,
}

impl OwnDir {
    pub fn new(name: &str) -> Result<Self, String> {
        let parent = std::env::var_os("IMMUTA_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = parent.join(format!("immuta-process-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnDir {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.path) {
            println!("{} stays: {e}", self.path.display());
        }
    }
}

/// One step of splitmix64, as `process.h` has it.
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Random numbers that a printed seed repeats.
pub struct Random(u64);

impl Random {
    /// From `IMMUTA_TEST_SEED`, or the clock; and the seed, to print.
    pub fn seeded() -> (Self, u64) {
        let given = std::env::var("IMMUTA_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos().into());
        let seed = given.unwrap_or(now);
        (Self(seed), seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % bound
    }
}

/// A number with this bit says up to which record the process knows the log to be on disk.
const SAFE: u64 = 1 << 63;

/// What a process has reported so far: its first number, its last, and whether it has ended.
#[derive(Clone, Copy, Default)]
pub struct Told {
    pub first: Option<u64>,
    pub last: Option<u64>,
    /// The last of those about what is on disk.
    pub safe: Option<u64>,
    pub ended: bool,
}

type Shared = Arc<(Mutex<Told>, Condvar)>;

/// A running process whose standard output is 8-byte numbers. Killed when dropped.
pub struct Teller {
    child: Child,
    told: Shared,
    listener: Option<JoinHandle<()>>,
}

impl Teller {
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {command:?}: {e}"))?;
        let told = Shared::default();
        let output = child.stdout.take().ok_or("no pipe")?;
        let shared = Arc::clone(&told);
        let listener = std::thread::spawn(move || listen(output, &shared));
        Ok(Self { child, told, listener: Some(listener) })
    }

    /// Waits until the reports satisfy `enough`, or the process has ended.
    pub fn wait_for(&self, enough: impl Fn(&Told) -> bool) -> Result<Told, String> {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.told;
        let mut told = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !enough(&told) && !told.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("process {} says nothing: last it told {:?}", self.child.id(), told.last));
            }
            told = changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(*told)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, now.
    pub fn kill(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|e| e.to_string())
    }

    /// Closes the standard input of the process, which then ends.
    pub fn ask_to_end(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for the end; returns all reports, including those still in the pipe.
    pub fn finish(mut self) -> Result<(Told, ExitStatus), String> {
        self.wait_for(|told| told.ended)?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if let Some(listener) = self.listener.take() {
            listener.join().map_err(|_| "the listening thread panicked")?;
        }
        let told = *self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((told, status))
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        // Both fail when the process has ended and was waited for, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notes each whole number until the pipe ends.
fn listen(mut output: ChildStdout, shared: &Shared) {
    let (lock, changed) = &**shared;
    let mut buffer = [0; 8];
    loop {
        let got = output.read_exact(&mut buffer);
        let mut told = lock.lock().unwrap_or_else(PoisonError::into_inner);
        match got {
            Ok(()) => match u64::from_le_bytes(buffer) {
                number if number & SAFE != 0 => told.safe = Some(number & !SAFE),
                number => {
                    told.first.get_or_insert(number);
                    told.last = Some(number);
                }
            },
            Err(_) => told.ended = true,
        }
        let ended = told.ended;
        drop(told);
        changed.notify_all();
        if ended {
            return;
        }
    }
}

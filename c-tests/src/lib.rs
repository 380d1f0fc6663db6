//! The toolbox of the C tests: builds the shared library as a user would, compiles C programs against it with every
//! warning an error, and runs them, plainly or under valgrind; or does the same with the static archive and a
//! sanitizer.
//!
//! The library is built by a nested cargo at run time rather than by a build script: a build script would have to wait
//! for the very build directory that the outer cargo holds. The C side of the harness is `check.h`; what a run prints
//! comes from there.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub mod coverage;
mod sanitizer;
mod target;

pub use sanitizer::Sanitizer;
pub use target::Target;

/// The warnings that no C code of this project may cause.
const STRICT: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// The languages of the suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    C,
    Cpp,
}

impl Language {
    /// By the suffix of a source.
    fn of(source: &Path) -> Language {
        if source.extension().is_some_and(|extension| extension == "cpp") { Language::Cpp } else { Language::C }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Language::C => &["-std=c11", "-Wstrict-prototypes"],
            Language::Cpp => &["-std=c++17"],
        }
    }
}

/// The exit status when valgrind or a sanitizer, rather than the program, has something to report; `check.h` knows it
/// too.
const CHECKER_FOUND_ERRORS: i32 = 99;

/// How a program is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunMode {
    /// Under valgrind's memcheck.
    pub valgrind: bool,
    /// With the system-call engine wherever the program does not choose one itself.
    pub syscall_engine: bool,
    /// Against a library built without the feature `zstd`.
    pub without_zstd: bool,
    /// With the static archive, everything instrumented.
    pub sanitizer: Option<Sanitizer>,
    /// Against the library that was built for a release.
    pub target: Option<Target>,
}

/// The built library and a C compiler that knows where it is.
#[derive(Debug)]
pub struct Toolbox {
    project: PathBuf,
    program_dir: PathBuf,
    /// The arguments that make the linker link a program with the library.
    link: Vec<OsString>,
    sanitizer: Option<Sanitizer>,
    /// What programs are compiled for.
    triple: String,
}

impl Toolbox {
    /// Builds the library into the target directory this test itself was built into: the shared one, release profile. A
    /// different library, if `mode` asks for one, goes into a directory below it.
    ///
    /// # Errors
    /// A message that carries what cargo said.
    pub fn prepare(mode: RunMode) -> Result<Self, String> {
        let project = project_dir();
        let mut target_dir = own_target_dir()?;
        if let Some(sanitizer) = mode.sanitizer {
            target_dir.extend(["sanitizer", sanitizer.name()]);
        } else if mode.without_zstd {
            target_dir.push("without-zstd");
        }
        let link = match (mode.sanitizer, mode.target) {
            (Some(sanitizer), _) => sanitizer.build_archive(&project, &target_dir)?,
            (None, Some(target)) => target.link(&target_dir)?,
            (None, None) => build_shared(&project, &target_dir, mode.without_zstd)?,
        };
        if let Some(target) = mode.target {
            target_dir.push(target.triple());
        }
        let program_dir = target_dir.join("c-tests");
        std::fs::create_dir_all(&program_dir).map_err(|e| format!("{}: {e}", program_dir.display()))?;
        let triple = mode.target.map_or_else(target_triple, |target| target.triple().to_owned());
        Ok(Self { project, program_dir, link, sanitizer: mode.sanitizer, triple })
    }

    /// Compiles one file of C or C++ and links it with the library: in two steps, because a sanitizer's flags are for
    /// the first alone.
    ///
    /// # Errors
    /// A message that carries what the compiler or the linker said.
    pub fn compile(&self, source: &Path) -> Result<PathBuf, String> {
        let program = self.program_dir.join(file_stem(source));
        let object = program.with_extension("o");
        let tests = self.project.join("c-tests");
        let golden = format!("-DCHECK_GOLDEN=\"{}\"", tests.join("golden").display());
        let language = Language::of(source);
        let compiled = compiler(language, &self.triple)?
            .args(STRICT)
            .args(language.flags())
            .args(self.sanitizer.map_or(&[][..], Sanitizer::c_flags))
            .arg(golden)
            .arg("-I")
            .arg(self.project.join("include"))
            .arg("-I")
            .arg(&tests)
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object)
            .output();
        succeeded(&format!("compiling {}", source.display()), compiled)?;
        let linked = compiler(language, &self.triple)?.arg(&object).arg("-o").arg(&program).args(&self.link).output();
        succeeded(&format!("linking {}", program.display()), linked)?;
        Ok(program)
    }

    /// The command that runs `program` in that mode.
    pub fn command(&self, program: &Path, mode: RunMode) -> Command {
        let mut command = match mode.target {
            _ if mode.valgrind => valgrind(program),
            Some(target) => target.command(program),
            None => Command::new(program),
        };
        if mode.valgrind || self.sanitizer.is_some() {
            command.env("IMMUTA_TEST_SLOW", "1");
        }
        if mode.valgrind {
            command.env("IMMUTA_TEST_WARM_UP", "1");
        }
        if mode.syscall_engine {
            command.env("IMMUTA_TEST_IO", "syscall");
        }
        command.envs(self.sanitizer.map(Sanitizer::environment));
        command
    }

    /// Compiles and runs one suite.
    pub fn run_suite(&self, source: &Path, mode: RunMode) -> Outcome {
        let begun = Instant::now();
        let name = file_stem(source);
        if Language::of(source) == Language::Cpp && !has_cpp(&self.triple) {
            let result = Ok(format!("SKIPPED: {name}: no C++ compiler; make tools"));
            return Outcome { name, result, elapsed: begun.elapsed() };
        }
        let result = self.compile(source).and_then(|program| run(self.command(&program, mode)));
        Outcome { name, result, elapsed: begun.elapsed() }
    }

    /// Every `suites/*.c` and `suites/*.cpp`, by name.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn suites(&self) -> Result<Vec<PathBuf>, String> {
        let dir = self.project.join("c-tests/suites");
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut sources: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        sources.retain(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "cpp"));
        sources.sort();
        Ok(sources)
    }

    /// Checks that the golden files are what the original wrote, because suites compare with their bytes.
    ///
    /// # Errors
    /// The files that differ.
    pub fn golden_files_intact(&self) -> Result<String, String> {
        let dir = self.project.join("c-tests/golden");
        let sums = Command::new("sha256sum").current_dir(dir).args(["--check", "SHA256SUMS"]).output();
        succeeded("sha256sum --check", sums).map(|output| format!("{} files", text_of(&output).lines().count()))
    }

    /// The public header.
    pub fn header(&self) -> PathBuf {
        self.project.join("include/immuta.h")
    }
}

/// What became of one program; printed as one line, with the program's output where it failed.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    /// What the program printed, or why it failed.
    pub result: Result<String, String>,
    pub elapsed: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        match &self.result {
            Ok(output) => {
                let checks = output.lines().last().unwrap_or("no output");
                write!(f, "{} ... ok ({seconds:.2} s, {checks})", self.name)?;
                let is_told = |line: &&str| ["SKIPPED: ", "NOT HERE: "].iter().any(|how| line.contains(how));
                output.lines().filter(is_told).try_for_each(|line| write!(f, "\n{line}"))
            }
            Err(why) => write!(f, "{} ... FAILED ({seconds:.2} s)\n{}", self.name, why.trim_end()),
        }
    }
}

/// Whether valgrind can run anything at all here. It may be absent or not know the CPU; that is not a failing test.
///
/// # Errors
/// Why not, and what to do.
pub fn valgrind_usable() -> Result<(), String> {
    let probe = valgrind(Path::new("true")).output();
    succeeded("valgrind on this machine (install it, or a version that knows this CPU)", probe).map(drop)
}

/// Runs a program to its end: what it printed, or that and how it ended.
fn run(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("cannot start {command:?}: {e}"))?;
    let text = text_of(&output);
    if output.status.success() {
        return Ok(text);
    }
    let hint = if text.contains("unhandled instruction bytes") {
        "valgrind does not know an instruction of this CPU; a newer valgrind will"
    } else {
        "failed"
    };
    Err(format!("{text}{hint}: {}\nrun again: {command:?}", output.status))
}

fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    // Reports show no inlined frames: reading the information about them took an eighth of the run.
    command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite", "--read-inline-info=no"]);
    // Valgrind runs one thread at a time. By default the running thread may keep its turn for long, while others wait.
    command.arg("--fair-sched=try");
    command.arg(format!("--error-exitcode={CHECKER_FOUND_ERRORS}"));
    command.arg(program);
    command
}

/// Builds the library as it is installed. Returns the linker arguments of a program, which finds the shared library by
/// its rpath.
fn build_shared(project: &Path, target_dir: &Path, without_zstd: bool) -> Result<Vec<OsString>, String> {
    let library_dir = target_dir.join("stage");
    let mut build = Command::new("python3");
    build.arg(project.join("packaging/library.py")).args(without_zstd.then_some("--licences"));
    build.arg("--target-dir").arg(target_dir).arg(&library_dir);
    if without_zstd {
        // This build is for its answers and its list of licences, not for its speed.
        build.args(["--", "--no-default-features"]).envs([
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        ]);
    }
    succeeded("packaging/library.py", build.output())?;
    Ok(link_arguments(&library_dir))
}

/// The linker arguments of a program that finds the shared library of `library_dir` by its rpath.
fn link_arguments(library_dir: &Path) -> Vec<OsString> {
    let rpath = format!("-Wl,-rpath,{}", library_dir.display());
    vec!["-L".into(), library_dir.into(), rpath.into(), "-limmuta".into(), "-pthread".into()]
}

/// The cargo that runs this test.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// This machine, as compilers call it.
fn target_triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Whether there is a compiler for C++.
fn has_cpp(triple: &str) -> bool {
    compiler(Language::Cpp, triple)
        .and_then(|mut compiler| succeeded("the C++ compiler", compiler.arg("--version").output()))
        .is_ok()
}

/// The system's compiler for a target as `cc` finds it. Outside a build script `cc` must be told both.
fn compiler(language: Language, target: &str) -> Result<Command, String> {
    let tool = cc::Build::new()
        .cargo_metadata(false)
        .cpp(language == Language::Cpp)
        .target(target)
        .host(&target_triple())
        // Not -O1: it inlines every check, and a suite takes several times as long to compile.
        .opt_level_str("g")
        .debug(true)
        .try_get_compiler()
        .map_err(|e| format!("no C compiler: {e}"))?;
    Ok(tool.to_command())
}

/// The directory above this crate, according to cargo at run time if cargo runs this. A tree that was moved or copied
/// together with its target directory is not compiled again, and must not test the place it came from.
pub fn project_dir() -> PathBuf {
    let this_crate = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&this_crate).parent().unwrap_or(Path::new("/")).to_path_buf()
}

/// `TARGET/PROFILE/deps/this-test`: right whatever `CARGO_TARGET_DIR`, a flag or a configuration file says.
fn own_target_dir() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let target_dir = program.ancestors().nth(3).ok_or("this test was not started by cargo")?;
    Ok(target_dir.to_path_buf())
}

fn file_stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn text_of(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    format!("{}{stdout}", String::from_utf8_lossy(&output.stderr))
}

fn succeeded(what: &str, result: std::io::Result<Output>) -> Result<Output, String> {
    let output = result.map_err(|e| format!("{what}: {e}"))?;
    if output.status.success() { Ok(output) } else { Err(format!("{what}: {}\n{}", output.status, text_of(&output))) }
}

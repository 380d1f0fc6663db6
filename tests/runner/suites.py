"""The test programs that cargo builds and runs: Rust tests, C suites, tests with processes."""

from .engine import Run, Skip, Step
from .tools import c_compiler, need, need_std_source


# What an engine's buffers, threads and descriptors come together in.
ENGINE_SUITES = ["append_threads", "durable", "fd_pool", "fork", "record", "stream", "txn", "wait_process"]


# The test of the crate that has a step of its own.
EVERY_FAULT = "every_fault_at_every_call"


def summary(output: str) -> str:
    """The closing line of a test program, which has its counts, and the cases it could not run."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-1:] + [line for line in lines if "SKIPPED" in line])


def count_results(output: str) -> str:
    """Adds up what cargo's test harness says of each test program."""
    counts = [line.split() for line in output.splitlines() if line.startswith("test result:")]
    return f"{sum(int(words[3]) for words in counts)} tests in {len(counts)} programs"


def environment(run: Run) -> dict[str, str]:
    return {"IMMUTA_MINUTES": str(run.minutes)} if run.minutes else {}


def rust_tests(run: Run, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Tests of the crate in their optimised form."""
    return run.command("cargo", "test", "--locked", "--profile", "optimised", *arguments, env=env)


def rust_optimised(run: Run) -> str:
    return count_results(rust_tests(run, "--package", "immuta", "--", "--skip", EVERY_FAULT))


def states(run: Run) -> str:
    """A million of them, or as many as the minutes allow. Large blocks stay with the process, else mapping them takes a third of the time."""
    malloc = "glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=268435456"
    output = rust_tests(run, "--package", "immuta", "--test", "states", "--", "--nocapture",
                        env={"IMMUTA_STATES": "1000000", "GLIBC_TUNABLES": malloc, **environment(run)})
    lines = output[output.index("from life"):].splitlines()
    return "\n" + "\n".join(lines[:lines.index("test every_state_is_opened_right_and_whole ... ok")])


def faults(run: Run) -> str:
    """Every fault at every call, figures by scenario; the long form goes on with pairs of faults."""
    pairs = ["pairs_of_faults"] if run.minutes else []
    output = rust_tests(run, "--package", "immuta", "--test", "faults", "--", "--nocapture", EVERY_FAULT, *pairs,
                        env=environment(run))
    return "\n" + "\n".join(line for line in output.splitlines() if " runs" in line or "pairs" in line)


def c_tests(run: Run, test: str, *arguments: str) -> str:
    c_compiler()
    return run.command("cargo", "test", "--locked", "--release", "--package", "immuta-c-tests", "--test", test,
                       "--", *arguments, env=environment(run))


def c_suites(run: Run, *arguments: str) -> str:
    return summary(c_tests(run, "suites", *arguments))


def valgrind(run: Run) -> str:
    need("valgrind")
    return c_suites(run, "--valgrind")


def models(run: Run) -> str:
    """What each model found out is shown; a mutant that no model notices is a failure."""
    output = run.command("cargo", "test", "--locked", "--package", "immuta-models", "--test", "models")
    results = [line for line in output.splitlines() if "..." in line]
    caught = [line for line in results if "caught by" in line]
    return "\n" + "\n".join(line for line in results if line not in caught) + f"\n{len(caught)} mutants caught"


def sanitizer(run: Run, name: str) -> str:
    """Everything instrumented, the standard library included. The long form runs all suites with the other engine, too."""
    need_std_source()
    usual = c_suites(run, f"--sanitizer={name}")
    chosen = [] if run.minutes else ENGINE_SUITES
    return f"{usual}\nsystem-call engine: {c_suites(run, f'--sanitizer={name}', '--syscall', *chosen)}"


def process(run: Run, name: str) -> str:
    """One of the process tests. What it prints is what it found out, so all of it is shown."""
    output = c_tests(run, "process", name, *(["--minutes", run.minutes] if run.minutes else []))
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    if skipped:
        raise Skip(skipped[0].split(": ", 1)[-1])
    return "\n" + output.rstrip()


def damage(run: Run) -> str:
    """Every place; the long form tries also those in the middle of long runs of zeros."""
    output = rust_tests(run, "--package", "immuta", "--test", "damage", "--", "--nocapture",
                        env={"IMMUTA_DAMAGE": "long" if run.minutes else "every"})
    return "\n" + "\n".join(line for line in output.splitlines() if "harmless" in line)


def fuzz(run: Run) -> str:
    """The corpus, once; the long form fuzzes, all targets together for so many minutes, and then replays what it has grown to."""
    if run.minutes:
        run.command("fuzz/run", "--minutes", run.minutes)
    output = rust_tests(run, "--package", "immuta-fuzz-cases", "--", "--nocapture")
    return ", ".join(line for line in output.splitlines() if line.endswith(" inputs"))


STEPS = [
    Step("rust-optimised", "tests of the crate without those assertions", rust_optimised),
    Step("states", "crash states of the simulated file system: a million opened, judged and walked over", states),
    Step("damage", "every bit flipped, every length, every block zeroed, duplicated, swapped: told or harmless", damage),
    Step("fuzz", "the fuzzer's corpus, replayed; with --minutes the fuzzer itself, under AddressSanitizer", fuzz),
    Step("faults", "every fault at every call of 38 scenarios on the simulated engine", faults),
    Step("models", "waiting, event loops and pool in every order of their threads, and mutants noticed", models),
    Step("c-suites", "C suites, engine chosen by the library", c_suites),
    Step("c-suites-syscall", "C suites, system-call engine", lambda run: c_suites(run, "--syscall")),
    Step("c-suites-valgrind", "C suites under valgrind memcheck", valgrind),
    Step("asan", "C suites under AddressSanitizer", lambda run: sanitizer(run, "address")),
    Step("tsan", "C suites under ThreadSanitizer", lambda run: sanitizer(run, "thread")),
    Step("kill", "kill -9 of a writer 200 times with a reader attached; fast and durable, one thread and eight", lambda run: process(run, "kill")),
    Step("inject", "system calls of a C host refused or its last, one after the other, by strace", lambda run: process(run, "inject")),
    Step("crowd", "10 000 streams waiting in threads, and what waiting costs", lambda run: process(run, "crowd")),
    Step("quiet", "appends with nobody asleep make no system call", lambda run: process(run, "quiet")),
]

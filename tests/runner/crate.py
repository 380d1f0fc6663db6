"""The tests of the crate: Rust tests, crash states, damage, faults, models, the fuzzer."""

import os

from .engine import Run, Step
from .suites import environment

# The test of the crate that has a step of its own.
EVERY_FAULT = "every_fault_at_every_call"


def c_flags(more: str) -> str:
    return f"{os.environ.get('CFLAGS', '')} {more}".strip()


# For programs that are only tests. The Zstandard library takes longer to compile with its own -O3 than the tests take
# to call it, and no test needs debug information: a panic names its line without it.
QUICK_BUILD = {"CFLAGS": c_flags("-O1"), "CARGO_PROFILE_DEV_DEBUG": "0"}
# For programs that take longer to optimise than to run, and for checks that run nothing.
UNOPTIMISED = {**QUICK_BUILD, "CFLAGS": c_flags("-O0"), "CARGO_PROFILE_DEV_OPT_LEVEL": "0"}


def count_results(output: str) -> str:
    """Adds up what cargo's test harness says of each test program."""
    counts = [line.split() for line in output.splitlines() if line.startswith("test result:")]
    return f"{sum(int(words[3]) for words in counts)} tests in {len(counts)} programs"


def rust_tests(run: Run, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Tests of the crate in their optimised form."""
    return run.command("cargo", "test", "--locked", "--profile", "optimised", *arguments,
                       env={**QUICK_BUILD, **(env or {})})


def rust_optimised(run: Run) -> str:
    """Where threads meet, the optimised code counts; the long form runs all that the debug form does."""
    where_threads_meet = [] if run.minutes else ["--test", "races", "--test", "following", "--test", "model"]
    return count_results(rust_tests(run, "--package", "immuta", *where_threads_meet, "--", "--skip", EVERY_FAULT))


def states(run: Run) -> str:
    """A million of them, or as many as the minutes allow."""
    # Large blocks stay with the process, else mapping them takes a third of the time.
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


def models(run: Run) -> str:
    """Shows what each model found out; a mutant that no model notices is a failure."""
    output = run.command("cargo", "test", "--locked", "--package", "immuta-models", "--test", "models", env=UNOPTIMISED)
    results = [line for line in output.splitlines() if "..." in line]
    caught = [line for line in results if "caught by" in line]
    return "\n" + "\n".join(line for line in results if line not in caught) + f"\n{len(caught)} mutants caught"


def damage(run: Run) -> str:
    """Every place; the long form tries also those in the middle of long runs of zeros."""
    output = rust_tests(run, "--package", "immuta", "--test", "damage", "--", "--nocapture",
                        env={"IMMUTA_DAMAGE": "long" if run.minutes else "every"})
    return "\n" + "\n".join(line for line in output.splitlines() if "harmless" in line)


def fuzz(run: Run) -> str:
    """The corpus, once; the long form first lets it grow, fuzzing all targets together for so many minutes."""
    if run.minutes:
        run.command("fuzz/run", "--minutes", run.minutes)
    output = rust_tests(run, "--package", "immuta-fuzz-cases", "--", "--nocapture")
    return ", ".join(line for line in output.splitlines() if line.endswith(" inputs"))


STEPS = [
    Step("rust-optimised", "those that depend on how threads meet, optimised; with --minutes all tests of the crate",
         rust_optimised),
    Step("states", "crash states of the simulated file system: a million opened, judged and walked over", states),
    Step("damage", "every bit flipped, every length, every block zeroed, duplicated, swapped: told or harmless",
         damage),
    Step("fuzz", "the fuzzer's corpus, replayed; with --minutes the fuzzer itself, under AddressSanitizer", fuzz),
    Step("faults", "every fault at every call of some forty scenarios on the simulated engine", faults),
    Step("models", "waiting, event loops and pool in every order of their threads, and mutants noticed", models),
]

"""The tests of the library as it is shipped: C suites, also under valgrind and sanitizers, and tests with processes."""

import shutil

from .engine import LIBRARY, SKIPPED, Run, Skip, Step
from .tools import c_compiler, need, need_std_source


# The suites in which an engine's buffers, threads and descriptors meet.
ENGINE_SUITES = ["append_threads", "durable", "fd_pool", "fork", "record", "stream", "txn", "wait_process"]


def summary(output: str) -> str:
    """The closing line of a test program, which has its counts, and the cases that make no sense here."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-1:] + [line for line in lines if "NOT HERE: " in line])


def environment(run: Run) -> dict[str, str]:
    return {"IMMUTA_MINUTES": str(run.minutes)} if run.minutes else {}


def c_tests(run: Run, test: str, *arguments: str, within: tuple[str, ...] = ()) -> str:
    c_compiler()
    return run.command(*within, "cargo", "test", "--locked", "--package", "immuta-c-tests", "--test", test,
                       "--", *arguments, env=environment(run))


def c_suites(run: Run, *arguments: str) -> str:
    return summary(c_tests(run, "suites", *arguments))


def valgrind(run: Run) -> str:
    need("valgrind")
    return c_suites(run, "--valgrind")


def sanitizer(run: Run, name: str) -> str:
    """Everything instrumented, the standard library too. The long form runs all suites with the other engine, too."""
    need_std_source()
    usual = c_suites(run, f"--sanitizer={name}")
    chosen = [] if run.minutes else ENGINE_SUITES
    return f"{usual}\nsystem-call engine: {c_suites(run, f'--sanitizer={name}', '--syscall', *chosen)}"


def process(run: Run, name: str, within: tuple[str, ...] = ()) -> str:
    """One of the process tests. Its output is its findings, so all of it is shown."""
    output = c_tests(run, "process", name, *(["--minutes", run.minutes] if run.minutes else []), within=within)
    skipped = [line for line in output.splitlines() if line.startswith(SKIPPED)]
    if skipped:
        raise Skip(skipped[0].removeprefix(f"{SKIPPED}{name}: "))
    return "\n" + output.rstrip()


def loop(run: Run) -> str:
    """Mounts in a private namespace vanish with it, however the test ends. The test says so where it may not mount."""
    own_mounts = ("unshare", "--mount")
    _, refused = run.outcome(*own_mounts, "true") if shutil.which("unshare") else ("", 1)
    return process(run, "loop", () if refused else own_mounts)


STEPS = [
    Step("c-suites", "C suites, engine chosen by the library", c_suites, LIBRARY),
    Step("c-suites-syscall", "C suites, system-call engine", lambda run: c_suites(run, "--syscall"), LIBRARY),
    Step("c-suites-valgrind", "C suites under valgrind memcheck", valgrind, LIBRARY),
    Step("asan", "C suites under AddressSanitizer", lambda run: sanitizer(run, "address")),
    Step("tsan", "C suites under ThreadSanitizer", lambda run: sanitizer(run, "thread")),
    Step("kill", "kill -9 of a writer 200 times with a reader attached; fast and durable, one thread and eight",
         lambda run: process(run, "kill"), LIBRARY),
    Step("inject", "system calls of a C host refused or its last, one after the other, by strace",
         lambda run: process(run, "inject"), LIBRARY),
    Step("loop", "power cuts on real file systems: images of loop devices copied under a host, then opened",
         loop, LIBRARY),
    Step("crowd", "10 000 streams waiting in threads, and what waiting costs",
         lambda run: process(run, "crowd"), LIBRARY, alone=True),
    Step("quiet", "appends while no thread sleeps make no system call",
         lambda run: process(run, "quiet"), LIBRARY, alone=True),
]

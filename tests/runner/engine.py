"""Runs named steps, two at a time, each with a log of its own, and says what became of them.

A step is a function that takes a `Run`. It returns nothing or a remark, raises `Skip` when a tool is missing, and
`Failure` when what it checks does not hold.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
TARGET_DIR = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
LOG_DIR = ROOT / "build" / "test-logs"
# How much of a failed step's log is shown where the step ends, and again after the last step.
SHOWN_LINES = 60
SHOWN_LINES_AT_END = 12
SHOWN_CHARACTERS = 400
# What steps share that build the library as it is shipped, and programs that link it.
LIBRARY = "library"
PRINTING = threading.Lock()
PROCESSES: set[subprocess.Popen] = set()
FAILURES: list[tuple["Step", str]] = []
COMMAND_LIMIT_S = 1800  # a hang must end the run, not the patience of the person who waits for it
# Begins what a test program prints about a part that this machine does not allow: a line of its output that the engine
# counts.
SKIPPED = "SKIPPED: "
SKIPPED_INSIDE = "skipped inside a step"


class Skip(Exception):
    """The step cannot run here; the text says how to make it run."""


class Failure(Exception):
    """What the step checks does not hold."""


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise Failure(text)


@dataclass(frozen=True)
class Step:
    name: str
    about: str
    function: Callable[["Run"], str | None]
    # Of steps that share something only one runs at a time.
    shares: str | None = None
    # It measures, so it runs alone, when all others are done.
    alone: bool = False
    # It takes very long, so it runs only when it is named or its flag is given.
    only_when_asked: bool = False


class Run:
    """One step being run: its log file, its scratch directory, and how it starts programs."""

    def __init__(self, log_path: Path, scratch: Path, minutes: int | None):
        self.log_path, self.scratch, self.minutes = log_path, scratch, minutes
        self.log = log_path.open("wb", buffering=0)
        # Builds, one-time work, and work begun before the minutes were over are not counted.
        self.limit_s = COMMAND_LIMIT_S + 60 * (minutes or 0)
        self.skipped: list[str] = []

    def write(self, text: str) -> None:
        self.log.write(text.encode())

    def command(self, *words, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
        """Runs a program to its end and returns its standard output; standard error goes to the log only."""
        output, status = self.outcome(*words, cwd=cwd, env=env)
        expect(status is not None, f"{words[0]} did not end within {self.limit_s} s")
        expect(status == 0, f"{' '.join(map(str, words))}: exit status {status}")
        return output

    def outcome(self, *words, cwd: Path = ROOT, env: dict[str, str] | None = None,
                limit_s: int | None = None) -> tuple[str, int | None]:
        """As `command`, however the program ends: the exit status is None for one that had to be killed."""
        words = [str(word) for word in words]
        self.write(f"$ {' '.join(words)}\n")
        process = subprocess.Popen(
            words, cwd=cwd, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET_DIR), **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        PROCESSES.add(process)
        hung = threading.Event()
        watchdog = threading.Timer(limit_s or self.limit_s, lambda: (hung.set(), kill_group(process)))
        watchdog.start()
        output = []
        try:
            for line in process.stdout:  # line by line, so that the log can be watched
                self.log.write(line)
                output.append(line)
            process.wait()
        finally:
            watchdog.cancel()
            PROCESSES.discard(process)
            if process.returncode is None:
                kill_group(process)
        text = b"".join(output).decode(errors="replace")
        self.skipped += [line.strip() for line in text.splitlines() if SKIPPED in line]
        return text, None if hung.is_set() else process.returncode


def kill_all() -> None:
    for process in list(PROCESSES):
        kill_group(process)


def kill_group(process: subprocess.Popen) -> None:
    """Ends a program and all it started: it was made the leader of a group of its own."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_step(step: Step, minutes: int | None) -> Counter[str]:
    """Runs one step and prints its line.

    Returns whether it passed, failed or was skipped, and what was skipped inside it.
    """
    start = time.monotonic()
    remark, result = None, "passed"
    with tempfile.TemporaryDirectory(prefix="immuta-") as scratch:
        run = Run(LOG_DIR / f"{step.name}.log", Path(scratch), minutes)
        try:
            remark = step.function(run) or ""
            remark = "\n".join([remark, *(line for line in run.skipped if line not in remark)])
        except Skip as reason:
            remark, result = str(reason), "skipped"
        except Failure as reason:
            remark, result = str(reason), "failed"
        except Exception:
            remark, result = traceback.format_exc(), "failed"
    seconds = time.monotonic() - start
    with PRINTING:
        if result == "skipped":
            print(f"SKIPPED {step.name}: {remark}")
        elif result == "failed":
            print(f"{step.name:<18} FAILED  {seconds:7.1f} s\n{remark}")
            show_log(run.log_path, SHOWN_LINES)
            FAILURES.append((step, remark))
        else:
            indented = remark.replace("\n", "\n    ")
            print(f"{step.name:<18} ok      {seconds:7.1f} s  {indented}".rstrip())
        sys.stdout.flush()
    return Counter({result: 1, SKIPPED_INSIDE: len(run.skipped) if result == "passed" else 0})


def run_steps(steps: list[Step], minutes: int | None, jobs: int) -> Counter[str]:
    """Runs the steps in their order, as far as what they share allows; how many passed, failed and were skipped."""
    counts: Counter[str] = Counter({"passed": 0, "failed": 0, "skipped": 0, SKIPPED_INSIDE: 0})
    waiting = sorted(steps, key=lambda step: step.alone)
    running: dict[Future, Step] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                for step in [step for step in waiting if may_start(step, running.values(), jobs)]:
                    if may_start(step, running.values(), jobs):
                        waiting.remove(step)
                        running[pool.submit(run_step, step, minutes)] = step
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[ended]
                    counts.update(ended.result())
        except BaseException:
            kill_all()
            raise
    return counts


def may_start(step: Step, running: Collection[Step], jobs: int) -> bool:
    if step.alone or any(other.alone for other in running):
        return not running
    return len(running) < jobs and not any(step.shares and step.shares == other.shares for other in running)


def show_log(path: Path, shown_lines: int) -> None:
    lines = path.read_text(errors="replace").splitlines()
    if len(lines) > shown_lines:
        print(f"  | ... {len(lines) - shown_lines} lines before these")
    for line in lines[-shown_lines:]:
        print(f"  | {line[:SHOWN_CHARACTERS]}")
    print(f"  | (all of it: {path.relative_to(ROOT)})")


def main(steps: list[Step], arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Runs the tests of libimmuta; without names, all of them.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="steps to run (see --list)")
    parser.add_argument("--list", action="store_true", help="print the steps and end")
    parser.add_argument("--minutes", type=int, metavar="N",
                        help="the long forms of the steps that have one; those without an end go on for N minutes")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many steps run at a time (2)")
    for step in steps:
        if step.only_when_asked:
            parser.add_argument(f"--{step.name}", action="append_const", dest="asked", const=step.name,
                                help=f"also {step.about}")
    parser.add_argument("--strict", action="store_true", help="a skipped step is a failure")
    options = parser.parse_args(arguments)
    if options.minutes is not None and options.minutes < 1:
        parser.error("--minutes: 1 or more")
    if options.jobs < 1:
        parser.error("--jobs: 1 or more")

    unknown = set(options.names) - {step.name for step in steps}
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))} (see --list)")
    if options.list:
        for step in steps:
            print(f"{step.name:<18} {step.about}")
        return 0

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: programs being run are ended, too
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    asked = {*options.names, *(options.asked or [])}
    chosen = [step for step in steps if step.name in asked or not (options.names or step.only_when_asked)]
    try:
        counts = run_steps(chosen, options.minutes, options.jobs)
    except KeyboardInterrupt:
        print("\ninterrupted")
        return 130
    # Again: a reader of only the end of a long output must learn what failed.
    for step, remark in FAILURES:
        print(f"FAILED {step.name}: {remark}")
        show_log(LOG_DIR / f"{step.name}.log", SHOWN_LINES_AT_END)
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    sys.stdout.flush()
    # Tools can be had everywhere; mounts, other users and large files only where the machine allows them.
    return 1 if counts["failed"] or (options.strict and counts["skipped"]) else 0

"""The programs a newcomer runs first: quickstart, tail, the benchmark."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from .engine import ROOT, Run, Step, expect
from .tools import c_compiler, library_dir

RECORD = "size of the record: 11\ncontent: hello world\n"
FIRST_RUN = "created: 0 records\nappended record 0: offset 8, size 11\n" + RECORD
SECOND_RUN = "closed cleanly last time: 1 records\nappended record 1: offset 27, size 11\n" + RECORD * 2
FILE_OF_TWO = (2).to_bytes(8, "little") + ((11).to_bytes(8, "little") + b"hello world") * 2
WATCHDOG_S = 120


def quickstart(run: Run) -> str:
    """Command one of the README, twice, to the letter; and the README shows this program and this output."""
    c_compiler()
    readme = (ROOT / "README.md").read_text()
    expect((ROOT / "examples-c" / "quickstart.c").read_text() in readme, "README.md shows another program")
    expect(FIRST_RUN in readme, "README.md shows another output")
    directory = run.scratch / "log-data"
    for expected in (FIRST_RUN, SECOND_RUN):
        printed = run.command("make", "--silent", "run", f"DIRECTORY={directory}")
        expect(printed == expected, f"printed:\n{printed}expected:\n{expected}")
    expect((directory / "default.log").read_bytes() == FILE_OF_TWO, "default.log is not the two records, byte for byte")
    return "first and second run"


class Lines:
    """A program whose output is read line by line: reading a line is how the test waits for it."""

    def __init__(self, *words):
        self.process = subprocess.Popen([str(word) for word in words], cwd=ROOT, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Only against a program that hangs: its end makes the read return.
        self.watchdog = threading.Timer(WATCHDOG_S, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.watchdog.cancel()

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        return self.read()

    def read(self) -> str:
        return self.process.stdout.readline().rstrip("\n")


def tail(run: Run) -> str:
    """One process writes, tail prints each record in another, and Ctrl-C ends it as a success."""
    libraries = library_dir(run)
    program = Path(run.command("make", "--silent", "print-examples-dir").strip()) / "tail"
    run.command("make", "--silent", "examples")
    directory = run.scratch / "log"
    writer_words = (sys.executable, Path(__file__).with_name("writer.py"), libraries / "libimmuta.so", directory, "live")
    with Lines(*writer_words) as writer:
        expect(writer.ask("before") == "0", "the writer did not append record 0")
        with Lines(program, directory, "live") as follower:
            for number, text in enumerate(["before", "while it waits", "and once more"]):
                if number > 0:
                    expect(writer.ask(text) == str(number), f"the writer did not append record {number}")
                words = follower.read().split(" ", 2)
                expect(words[0] == str(number) and words[-1] == text, f"tail printed {words} for record {number}")
            follower.process.send_signal(signal.SIGINT)
            expect(follower.process.wait() == 0, f"tail ended with {follower.process.returncode} after Ctrl-C")
    return "3 records from a live writer, then Ctrl-C"


def bench(run: Run) -> str:
    """The quick form of `make bench`: it must run and print its figures; how fast is for people to judge."""
    c_compiler()
    output = run.command("make", "--silent", "bench", "QUICK=1")
    expect("ratio" in output, "no ratio was printed")
    return "\n" + output.rstrip()


STEPS = [
    Step("quickstart", "make run, twice, prints exactly what the README says", quickstart),
    Step("tail", "the tail example follows a live writer until Ctrl-C", tail),
    Step("bench", "quick form of the benchmark runs (figures, no verdict)", bench),
]

"""The programs a newcomer runs first: quickstart, the other examples, the benchmark."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from .crate import QUICK_BUILD
from .engine import LIBRARY, ROOT, Run, Step, expect
from .tools import c_compiler, library_dir, need

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


def quickstart_beside_c(run: Run, language: str, program: Callable[[Path], str]) -> str:
    """The same program in another language: it prints the same, and either goes on with the log of the other."""

    def in_c(directory: Path) -> str:
        return run.command("make", "--silent", "run", f"DIRECTORY={directory}")

    c_compiler()
    for name, programs in (("after-c", [in_c, program]), ("before-c", [program, in_c])):
        directory = run.scratch / name
        for program, expected in zip(programs, (FIRST_RUN, SECOND_RUN)):
            printed = program(directory)
            expect(printed == expected, f"{name}: printed:\n{printed}expected:\n{expected}")
        expect((directory / "default.log").read_bytes() == FILE_OF_TWO,
               f"{name}: default.log is not the two records, byte for byte")
    return f"in {language}, after C and before C"


def rust_quickstart(run: Run) -> str:
    words = ["cargo", "run", "--locked", "--quiet", "--profile", "optimised", "--example", "quickstart", "--"]
    return quickstart_beside_c(run, "Rust", lambda directory: run.command(*words, directory, env=QUICK_BUILD))


def cxx_quickstart(run: Run) -> str:
    need("c++")
    program = example(run, "quickstart-cpp")
    return quickstart_beside_c(run, "C++", lambda directory: run.command(program, directory))


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

    def finish(self) -> None:
        """Ends its input, after which it has to end as a success."""
        self.process.stdin.close()
        expect(self.process.wait() == 0, f"the program ended with {self.process.returncode}")

    def read(self) -> str:
        return self.process.stdout.readline().rstrip("\n")


def example(run: Run, name: str) -> Path:
    run.command("make", "--silent", "examples")
    return Path(run.command("make", "--silent", "print-examples-dir").strip()) / name


def tail(run: Run) -> str:
    """One process writes, tail prints each record in another, and Ctrl-C ends it as a success."""
    libraries = library_dir(run)
    program = example(run, "tail")
    directory = run.scratch / "log"
    writer_program = Path(__file__).with_name("writer.py")
    writer_words = (sys.executable, writer_program, libraries / "libimmuta.so", directory, "live")
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


def transaction(run: Run) -> str:
    """Twice: the second run goes on with the balances of the first, and nothing of a rolled back transfer is there."""
    program = example(run, "transaction")
    for balances in ((70, 130), (40, 160)):
        printed = run.command(program, run.scratch / "log").splitlines()
        expected = ["alice has no 1000", f"alice: {balances[0]}", f"bob: {balances[1]}"]
        expect(printed[1:] == expected, f"printed {printed}")
    return "two runs"


def epoll(run: Run) -> str:
    """One process appends lines from its event loop, another follows both namespaces from its own; both print all."""
    program, directory = example(run, "epoll"), run.scratch / "log"
    with Lines(program, "write", directory) as writer:
        for number, text in enumerate(["one", "two", "three", "four"]):
            expected = f"{('left', 'right')[number % 2]} {number // 2} {text}"
            answer = writer.ask(text)
            expect(answer == expected, f"the writer printed {answer!r}, expected {expected!r}")
        with Lines(program, "follow", directory) as follower:
            known = sorted(follower.read() for _ in range(4))
            expect(known == ["left 0 one", "left 1 three", "right 0 two", "right 1 four"],
                   f"the follower printed {known}")
            for number, text in enumerate(["five", "six"]):
                answers = {writer.ask(text), follower.read()}
                expect(answers == {f"{('left', 'right')[number]} 2 {text}"}, f"writer and follower printed {answers}")
            follower.finish()
        writer.finish()
    return "6 records, seen from both processes"


def compress(run: Run) -> str:
    """Lines go in, come back in a second run, take less room, and another codec is refused."""
    program, line = example(run, "compress"), "the quick brown fox " * 50

    def compress_lines(text: str, *arguments: str) -> tuple[int, str]:
        ended = subprocess.run([program, run.scratch / "log", *arguments], input=text, text=True, timeout=WATCHDOG_S,
                               stdout=subprocess.PIPE, stderr=run.log)
        return ended.returncode, ended.stdout

    for text in (f"{line}\n" * 3, ""):
        status, printed = compress_lines(text)
        figures = re.fullmatch(rf"first: {line}\n3 records, 3000 bytes, stored in (\d+)\n", printed)
        expect(status == 0 and figures is not None, f"compress ended with {status} and printed {printed!r}")
        expect(int(figures[1]) < 300, f"3000 bytes are stored in {figures[1]}")
    status, printed = compress_lines("", "lz4")
    expect(status == 1 and printed == "", "a log with another codec was not refused")
    return f"3000 bytes stored in {figures[1]}"


def bench(run: Run) -> str:
    """The quick form of `make bench`: it must run, print its figures and draw; how fast is for people to judge."""
    c_compiler()
    run.command("cargo", "test", "--locked", "--profile", "optimised", "--package", "immuta-bench")
    results, curves = run.scratch / "results.json", run.scratch / "curves.json"
    output = run.command("make", "--silent", "bench", "QUICK=1", f"BENCH_FLAGS=--json {results}")
    run.command("make", "--silent", "curves", "QUICK=1", f"BENCH_FLAGS=--only durable --json {curves}")
    for row in json.loads(results.read_text())["rows"]:
        printed = any(line.startswith(row["row"]) for line in output.splitlines())
        expect(printed and row["results"]["libimmuta"]["median"] is not None, f"{row['row']} has no figure")
    run.command(sys.executable, ROOT / "benches" / "plot.py", run.scratch, results, curves)
    for name in ("speed.svg", "curves.svg"):
        expect("libimmuta" in "".join(ElementTree.parse(run.scratch / name).getroot().itertext()), f"{name} is empty")
    return "\n" + output.rstrip()


STEPS = [
    Step("quickstart", "make run, twice, prints exactly what the README says", quickstart, LIBRARY),
    Step("rust-quickstart", "examples/quickstart.rs prints what the one in C does, also on the log of that one",
         rust_quickstart, LIBRARY),
    Step("cxx-quickstart", "examples-c/quickstart.cpp prints what the one in C does, also on the log of that one",
         cxx_quickstart, LIBRARY),
    Step("tail", "the tail example follows a live writer until Ctrl-C", tail, LIBRARY),
    Step("compress", "the compress example: two codecs, two runs, and a third codec refused", compress, LIBRARY),
    Step("transaction", "the transaction example, twice", transaction, LIBRARY),
    Step("epoll", "the epoll example writes in one process and follows in another", epoll, LIBRARY),
    Step("bench", "quick form of the benchmark runs (figures, no verdict)", bench, LIBRARY, alone=True),
]

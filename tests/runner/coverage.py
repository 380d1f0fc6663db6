"""The tests of the crate with debug assertions, and how much of the core they reach: every line, but for those of
tests/uncovered.txt.
"""

import json
import os
import re
import subprocess
from collections import Counter
from itertools import groupby
from pathlib import Path

from .engine import ROOT, TARGET_DIR, Run, Skip, Step, expect
from .crate import QUICK_BUILD, count_results

# Formats, index, journal, writer, recovery and what it is made of.
CORE = ["format", "files", "writer", "recovery"]
UNCOVERED = ROOT / "tests" / "uncovered.txt"
REGIONS_MIN_PERCENT = 95.0
TELLING_LENGTH = 25


def llvm_tool(name: str) -> Path:
    """Of the Rust toolchain, since it must be of the compiler's own version."""
    asked = subprocess.run(["rustc", "--print", "target-libdir"], capture_output=True, text=True)
    tool = Path(asked.stdout.strip()).parent / "bin" / name
    if not tool.exists():
        raise Skip(f"{name} is not installed; rustup component add llvm-tools")
    return tool


def rust_debug(run: Run) -> str:
    profdata, cov = llvm_tool("llvm-profdata"), llvm_tool("llvm-cov")
    flags = f"{os.environ.get('RUSTFLAGS', '')} -C instrument-coverage".strip()
    env = {"RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(TARGET_DIR / "coverage"),
           "LLVM_PROFILE_FILE": str(run.scratch / "%m-%p.profraw"), **QUICK_BUILD}
    test = ["cargo", "test", "--locked", "--package", "immuta"]
    messages = run.command(*test, "--no-run", "--message-format=json", env=env).splitlines()
    built = [json.loads(message) for message in messages]
    programs = [message["executable"] for message in built if message.get("executable")]
    ran = count_results(run.command(*test, env=env))

    profile = run.scratch / "all.profdata"
    run.command(profdata, "merge", "-sparse", *run.scratch.glob("*.profraw"), "-o", profile)
    objects = [word for program in programs for word in ("-object", program)]
    exported = run.command(cov, "export", *objects, "-instr-profile", profile, "--skip-functions",
                           "--sources", *(ROOT / "src" / name for name in CORE))
    return f"{ran}\n{judge(json.loads(exported)['data'][0])}"


def judge(exported: dict) -> str:
    """Compares the lines that were reached with the list of those that need not be."""
    files = [file for file in exported["files"] if not Path(file["filename"]).stem.endswith("tests")]
    missed = Counter(stretch for file in files for stretch in missed_stretches(file))
    excused = Counter((name, text) for name, text, _reason in excuses())
    listing = "\n".join(f"{name} | {text}" for name, text in sorted((missed - excused).elements()))
    expect(missed <= excused, f"reached by no test, and not in {UNCOVERED.name}:\n{listing}")
    # Some lines are reached only now and then, depending on thread timing: only lines that no longer exist must leave
    # the list.
    gone = "\n".join(f"{name} | {text}" for name, text in sorted(excused)
                     if text not in one_line((ROOT / name).read_text()))
    expect(not gone, f"in {UNCOVERED.name}, but not in the source:\n{gone}")
    regions = [file["summary"]["regions"] for file in files]
    percent = 100 * sum(region["covered"] for region in regions) / sum(region["count"] for region in regions)
    expect(percent >= REGIONS_MIN_PERCENT,
           f"{percent:.2f} % of the regions are reached, {REGIONS_MIN_PERCENT} % are wanted")
    lines = sum(file["summary"]["lines"]["count"] for file in files)
    return f"core: {percent:.2f} % of the regions, {lines} lines, all but {missed.total()} stretches that are listed"


def one_line(text: str) -> str:
    return " ".join(text.split())


def missed_stretches(file: dict) -> list[tuple[str, str]]:
    """The lines of the core whose code never ran, consecutive ones as one: (file, text). Tests at the end of a file are
    not part of the core: whether a loop that waits for another thread runs at all depends on that thread.
    """
    path = Path(file["filename"])
    source = path.read_text().splitlines()
    counts: dict[int, int] = {}
    # A segment: line, column, count, has count, begins a region, is a gap. It holds up to the next one.
    segments = file["segments"]
    for (line, _, count, counted, _, gap), (next_line, next_column, *_) in zip(segments, segments[1:]):
        if counted and not gap:
            for covered in range(line, next_line + (next_column > 1)):
                counts[covered] = max(counts.get(covered, 0), count)
    name = str(path.relative_to(ROOT))
    core_end = source.index("mod tests {") if "mod tests {" in source else len(source)
    missed = sorted(line for line, count in counts.items() if count == 0 and line <= core_end)
    # Lines that follow each other have the same distance from their place in the list.
    stretches = groupby(enumerate(missed), key=lambda place: place[1] - place[0])
    numbers = [[line for _, line in stretch] for _, stretch in stretches]
    return [(name, telling(source, stretch[0], stretch[-1])) for stretch in numbers]


def telling(source: list[str], first: int, last: int) -> str:
    """The text of these lines, with as many lines before as are needed to tell it from any other brace or break."""
    text = one_line(" ".join(source[first - 1:last]))
    return telling(source, first - 1, last) if len(text) < TELLING_LENGTH and first > 1 else text


def excuses() -> list[list[str]]:
    # A line that begins with white space goes on with the row before.
    lines = re.sub(r"\n[ \t]+", " ", UNCOVERED.read_text()).splitlines()
    parsed = [re.fullmatch(r"(\S+) \| (.+) \| (.+)", line) for line in lines if line and not line.startswith("#")]
    expect(all(parsed), f"{UNCOVERED.name}: FILE | LINES | REASON in every row")
    return [list(match.groups()) for match in parsed]


STEPS = [Step("rust-debug", "tests of the crate with overflow checks and debug assertions; what of the core they reach",
              rust_debug)]

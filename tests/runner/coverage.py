"""The tests of the crate with debug assertions, and how much of the core they reach: every line, but for those of tests/uncovered.txt."""

import json
import os
import subprocess
from pathlib import Path

from .engine import ROOT, TARGET_DIR, Run, Skip, Step, expect
from .crate import count_results

# Formats, index, journal, writer, recovery and what it is made of.
CORE = ["format", "index.rs", "journal", "writer", "recovery", "layout.rs", "rebuild.rs", "salvage.rs", "scan.rs"]
UNCOVERED = ROOT / "tests" / "uncovered.txt"
REGIONS_MIN_PERCENT = 95.0


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
           "LLVM_PROFILE_FILE": str(run.scratch / "%m-%p.profraw")}
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
    """Holds what was reached against the list of what need not be."""
    files = [file for file in exported["files"] if not Path(file["filename"]).stem.endswith("tests")]
    missed = {place for file in files for place in missed_lines(file)}
    excused = {(name, text) for name, text, _reason in excuses()}
    listing = "\n".join(f"{name} | {text}" for name, text in sorted(missed - excused))
    expect(missed <= excused, f"reached by no test, and not in {UNCOVERED.name}:\n{listing}")
    # Some are reached now and then, as threads happen to meet: only what is gone must leave the list.
    gone = "\n".join(f"{name} | {text}" for name, text in sorted(excused) if text not in (ROOT / name).read_text())
    expect(not gone, f"in {UNCOVERED.name}, but not in the source:\n{gone}")
    regions = [file["summary"]["regions"] for file in files]
    percent = 100 * sum(region["covered"] for region in regions) / sum(region["count"] for region in regions)
    expect(percent >= REGIONS_MIN_PERCENT, f"{percent:.2f} % of the regions are reached, {REGIONS_MIN_PERCENT} % are wanted")
    lines = sum(file["summary"]["lines"]["count"] for file in files)
    return f"core: {percent:.2f} % of the regions, {lines} lines, all but {len(missed)} that are listed"


def missed_lines(file: dict) -> set[tuple[str, str]]:
    """The lines that only code lies on which never ran, as (file, text)."""
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
    return {(name, source[line - 1].strip()) for line, count in counts.items() if count == 0}


def excuses() -> list[list[str]]:
    lines = UNCOVERED.read_text().splitlines()
    parsed = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    for words in parsed:
        expect(len(words) == 3, f"{UNCOVERED.name}: FILE | LINE | REASON, not {' | '.join(words)}")
    return parsed


STEPS = [Step("rust-debug", "tests of the crate with overflow checks and debug assertions; what of the core they reach",
              rust_debug)]

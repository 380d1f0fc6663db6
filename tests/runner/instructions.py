"""Counts the instructions of an append and a read, and compares the counts with recorded ones.

Valgrind emulates one CPU for every x86-64 machine that has AVX2, so that the counts do not depend on the CPU. They do
depend on the Rust compiler, and a little on the C library, whose memcpy they contain.
"""

import json
import os
import platform
import re

from .engine import LIBRARY, ROOT, Run, Step, expect
from .tools import c_compiler, library_dir, need

RECORDED = ROOT / "benches" / "instructions.json"
# Of each kind of work, done a few times and many times: the difference is free of what opening and closing cost.
COUNTS = {"append": (1000, 11000), "durable": (100, 1100), "next": (1000, 11000), "next_batch": (1000, 11000)}
# What a file system gets where mappings are not safe; no counts are recorded for it.
OTHER_ENGINE = "system-call"


def instructions(run: Run) -> str:
    need("valgrind")
    program = run.scratch / "instructions"
    libraries = library_dir(run)
    run.command(c_compiler(), "-std=c11", "-O2", f"-I{ROOT / 'include'}", ROOT / "benches" / "instructions.c",
                f"-L{libraries}", "-limmuta", f"-Wl,-rpath,{libraries}", "-o", program)
    counted, engine = {}, ""
    for work, counts in COUNTS.items():
        few, many = (instructions_of(run, program, work, count) for count in counts)
        engine = many[1]
        counted[work] = round((many[0] - few[0]) / (counts[1] - counts[0]))
    here = {"rustc": run.command("rustc", "--version").strip(), "libc": " ".join(platform.libc_ver()),
            "machine": platform.machine()}
    recorded = json.loads(RECORDED.read_text())
    if os.environ.get("IMMUTA_BLESS") == "1":
        expect(engine != OTHER_ENGINE, f"{run.scratch}: the {engine} engine is used here; set TMPDIR to another place")
        text = json.dumps({**recorded, **here, "instructions": counted}, indent=2)
        RECORDED.write_text(text + "\n")
        return f"recorded: {as_text(counted)}"
    differing = [f"{recorded[name]}, not {value}" for name, value in here.items() if recorded[name] != value]
    if differing or engine == OTHER_ENGINE:
        why = f"recorded with {'; '.join(differing)}" if differing else f"{engine} engine"
        return f"{as_text(counted)} (not compared: {why})"
    drift = recorded["allowed_drift"]
    wrong = [f"{work}: {count} instructions, recorded {recorded['instructions'][work]}"
             for work, count in counted.items() if abs(count / recorded["instructions"][work] - 1) > drift]
    expect(not wrong, "\n".join([*wrong, f"more than {drift:.0%} apart; if that is meant, record it: "
                                         "IMMUTA_BLESS=1 tests/run instructions"]))
    return as_text(counted)


def instructions_of(run: Run, program, work: str, count: int) -> tuple[int, str]:
    """The instructions of a whole run, and the engine that it used."""
    report = run.scratch / f"{work}-{count}.callgrind"
    printed = run.command("valgrind", "--tool=callgrind", f"--callgrind-out-file={report}", program, work, count,
                          run.scratch / f"{work}-{count}")
    totals = re.search(r"^(?:totals|summary): (\d+)", report.read_text(), re.M)
    expect(totals is not None, f"{report.name} has no total")
    return int(totals[1]), printed.strip()


def as_text(counted: dict[str, int]) -> str:
    return ", ".join(f"{work} {count}" for work, count in counted.items())


STEPS = [
    Step("instructions", "instructions of an append, a durable append, next and next_batch, beside recorded counts",
         instructions, LIBRARY),
]

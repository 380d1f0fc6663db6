"""The guard of the interface: what callers of an earlier patch were compiled for is still there, and so are old files.

`tests/abi/immuta.abi` describes functions, structs and codes as abidw found them. They are those of a C program that
defines every function of immuta.h and does nothing. The debug information of the library itself would not do. It has
some 900 types of Rust, which callers do not see and which change with each compiler, it has paths of the machine, and
it has no constants. That the library exports the functions of the header is for the step `symbols`.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

from .library import soname as expected_soname
from .engine import ROOT, Failure, Run, Step, expect
from .header import HEADER
from .tools import c_compiler, need

BASELINE = ROOT / "tests" / "abi" / "immuta.abi"
GOLDEN = ROOT / "c-tests" / "golden"
SUMS = "SHA256SUMS"
OTHER_FILES = {SUMS, "make.py"}  # beside the golden files
BLESS = "IMMUTA_BLESS=1 tests/run abi"
SHOWN_LINES = 40  # of what abidiff says
# These may grow at the end: their functions are told the size that the caller knows.
GROWING = ("immuta_stats", "immuta_report")
# The variables that bring enums into the debug information; `codes` compares the enums.
SUPPRESSED = """[suppress_variable]
  name_regexp = ^value_of_
"""
# What the guard must notice: a change of the header, and what the message names.
REFUSED = [
    ("    uint64_t count;\n} immuta_appended;", "    uint64_t count;\n    uint64_t more;\n} immuta_appended;",
     "uint64_t more"),  # a field added to a frozen struct
    ("    uint32_t poisoned;", "    uint32_t more;\n    uint32_t poisoned;", "uint32_t more"),  # inside a growing one
    ("    const void *data;\n    /// In bytes.\n    size_t size;", "    size_t size;\n    const void *data;", "size"),
    ("    uint64_t appends;\n    /// Commits: single records and whole batches.\n    uint64_t commits;",
     "    uint64_t commits;\n    uint64_t appends;", "appends"),
    ("    uint64_t readers;\n", "    uint64_t descriptors;\n", "descriptors"),
    ("    uint32_t read_only;\n}", "    int64_t read_only;\n}", "read_only"),
    ("uint32_t immuta_version_number(void);", "", "immuta_version_number"),
    ("uint32_t immuta_namespace_count(const immuta_log *log);",
     "uint32_t immuta_namespace_count(immuta_log *log);", "immuta_namespace_count"),
    ("uint64_t done, uint64_t total);", "uint64_t done);", "immuta_progress_fn"),
    ("IMMUTA_E_PANIC = -35,", "IMMUTA_E_PANIC = -36,", "IMMUTA_E_PANIC was -35 and is -36"),
    ("    IMMUTA_E_PANIC = -35,\n", "", "IMMUTA_E_PANIC is gone"),
]
# What it must allow, and count.
ALLOWED = [
    ("uint32_t immuta_version_number(void);", "uint32_t immuta_version_number(void);\nint immuta_more(void);",
     "immuta_more"),
    ("    uint32_t read_only;\n}", "    uint32_t read_only;\n    uint64_t more;\n}", "immuta_stats.more"),
    ("IMMUTA_E_PANIC = -35,", "IMMUTA_E_PANIC = -35,\n    IMMUTA_E_MORE = -36,", "IMMUTA_E_MORE"),
]


def describe(run: Run, header: str, name: str) -> Path:
    """What abidw finds in a program that defines the functions of `header`."""
    directory = run.scratch / name
    directory.mkdir()
    (directory / HEADER.name).write_text(header)
    code = re.sub(r"^\s*(?:/| \*|#).*$|IMMUTA_MUST_USE", "", header, flags=re.M)
    functions = re.findall(r"^(\w[\w *]*?\bimmuta_\w+\([^()]*\));", code, re.M)
    enums = re.findall(r"^enum (\w+)", code, re.M)
    (directory / "immuta.c").write_text("\n".join([
        "#include <immuta.h>", *(f"{function} {{ __builtin_trap(); }}" for function in functions),
        *(f"enum {enum} value_of_{enum};" for enum in enums)]) + "\n")
    run.command(c_compiler(), "-std=c11", "-gdwarf-4", "-fPIC", "-shared", "-I.", f"-Wl,-soname,{expected_soname()}",
                "immuta.c", "-o", "libimmuta.so", cwd=directory)
    # No paths and nothing of this machine.
    run.command(need("abidw"), "--no-architecture", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                "--no-show-locs", "--type-id-style", "hash", "--out-file", "immuta.abi", "libimmuta.so", cwd=directory)
    return directory / "immuta.abi"


def codes(abi: Path) -> dict[str, int]:
    found = ElementTree.parse(abi).iter("enumerator")
    return {enumerator.get("name"): int(enumerator.get("value")) for enumerator in found}


def names(abi: Path) -> set[str]:
    """Functions, fields and codes."""
    root = ElementTree.parse(abi).getroot()
    fields = {f"{struct.get('name')}.{field.get('name')}"
              for struct in root.iter("class-decl") for field in struct.iter("var-decl")}
    return fields | codes(abi).keys() | {function.get("name") for function in root.iter("function-decl")}


def without_growth(old: Path, new: Path) -> Path:
    """`new` with as many fields of the growing structs as `old` has. A suppression of abidiff's would hide more."""
    known = {struct.get("name"): struct for struct in ElementTree.parse(old).iter("class-decl")}
    tree = ElementTree.parse(new)
    for struct in tree.iter("class-decl"):
        name = struct.get("name")
        if name in GROWING and len(struct) > len(known[name]):
            for field in struct[len(known[name]):]:
                struct.remove(field)
            struct.set("size-in-bits", known[name].get("size-in-bits"))
    cut = new.with_suffix(".cut.abi")
    tree.write(cut)
    return cut


def faults(run: Run, old: Path, new: Path) -> list[str]:
    """What callers compiled for `old` do not find in `new` as they know it."""
    was, now = codes(old), codes(new)
    found = [f"{name} is gone" if name not in now else f"{name} was {value} and is {now[name]}"
             for name, value in was.items() if now.get(name) != value]
    suppressions = run.scratch / "allowed.suppr"
    suppressions.write_text(SUPPRESSED)
    # Changes that abidiff calls harmless are those of names and of const: they break the source of callers.
    report, status = run.outcome(need("abidiff"), "--harmless", "--no-added-syms", "--suppressions", suppressions,
                                 old, without_growth(old, new))
    expect(status is not None and status & 3 == 0, f"abidiff ended with {status}")
    if status:
        found += [line for line in report.splitlines() if line.strip() and "changes summary" not in line]
    return found


def check_guard(run: Run, header: str, unchanged: Path) -> None:
    """Each change of a list is refused, each addition of another is allowed."""
    for number, (text, changed, named) in enumerate([*REFUSED, *ALLOWED]):
        expect(header.count(text) == 1, f"{Path(__file__).name} changes what immuta.h does not have once: {text}")
        abi = describe(run, header.replace(text, changed), f"change-{number}")
        said, added = "\n".join(faults(run, unchanged, abi)), sorted(names(abi) - names(unchanged))
        if number < len(REFUSED):
            expect(named in said, f"the guard does not notice {changed!r} in place of {text!r}, but says: {said!r}")
        else:
            expect(not said and named in added, f"the guard refuses {changed!r}, or adds {added}: {said!r}")


def abi(run: Run) -> str:
    now, soname = describe(run, HEADER.read_text(), "now"), expected_soname()
    blessed = os.environ.get("IMMUTA_BLESS") == "1"
    old = BASELINE if BASELINE.exists() else now
    expect(blessed or old is BASELINE, f"there is no {BASELINE.relative_to(ROOT)}; to make it: {BLESS}")
    of = ElementTree.parse(old).getroot().get("soname")
    found = faults(run, old, now) if of == soname else []
    expect(not found, "\n".join([
        f"callers of {soname} would break:", *found[:SHOWN_LINES],
        *([f"... {len(found) - SHOWN_LINES} lines more"] if len(found) > SHOWN_LINES else []),
        "Take this back. Or raise the minor version in Cargo.toml, say in CHANGELOG.md what callers have to do,",
        f"and then: {BLESS}"]))
    expect(blessed or of == soname, f"{BASELINE.relative_to(ROOT)} is of {of}, and this is {soname}. If CHANGELOG.md "
                                    f"says what callers have to do: {BLESS}")
    check_guard(run, HEADER.read_text(), now)
    added = ", ".join(sorted(names(now) - names(old)))
    if blessed:
        BASELINE.parent.mkdir(exist_ok=True)
        shutil.copy(now, BASELINE)
        return f"recorded for {soname}; new: {added or 'nothing'}"
    checked = f"{len(names(old))} functions, fields and codes; {len(REFUSED)} breaking changes are refused"
    return checked + (f"\nnew: {added}; to guard them, too: {BLESS}" if added else "")


def golden_faults(directory: Path) -> list[str]:
    """Files that are not what they were when they were written down."""
    lines = (directory / SUMS).read_text().splitlines()
    recorded = {name: checksum for checksum, name in (line.split(maxsplit=1) for line in lines)}
    files = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    found = [f"{name} is gone" for name in recorded if name not in files]
    found += [f"{name} has other bytes" for name, checksum in recorded.items()
              if name in files and hashlib.sha256(files[name].read_bytes()).hexdigest() != checksum]
    return found + [f"{name} is not in {SUMS}" for name in files if name not in recorded and name not in OTHER_FILES]


def golden(run: Run) -> str:
    found = golden_faults(GOLDEN)
    expect(not found, "\n".join([f"{GOLDEN.relative_to(ROOT)}:", *found,
                                 "These files stand for logs that users have, so they stay as they are. "
                                 f"What a new layout needs is a file of its own, with a line in {SUMS}."]))
    copy = Path(shutil.copytree(GOLDEN, run.scratch / "golden"))
    damaged = next(copy.rglob("*.log"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    expect(golden_faults(copy) == [f"{damaged.relative_to(copy)} has other bytes"], "a changed byte is not noticed")
    return f"{len((GOLDEN / SUMS).read_text().splitlines())} files"


STEPS = [
    Step("abi", "functions, structs and codes are those that callers were compiled for; additions are allowed", abi),
    Step("golden", "the log files that stand for those of users have the bytes they had", golden),
]

"""The guard of the interface: what callers of an earlier patch were compiled for is still there, and so are old files.

`tests/abi/immuta.abi` describes functions, structs and codes as abidw found them. They are those of a C program that
defines every function of immuta.h and does nothing. The debug information of the library itself would not do. It has
some 900 types of Rust, which callers do not see and which change with each compiler, it has paths of the machine, and
it has no constants. That the library exports the functions of the header is for the step `symbols`.

`tests/abi/names.txt` has the names that abidw does not see, or that abidiff does not compare.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

from .library import soname as expected_soname
from .engine import ROOT, Failure, Run, Step, expect
from .header import CDEF, HEADER, declarations, for_parsers
from .tools import c_compiler, need

BASELINE = ROOT / "tests" / "abi"
ABI = "immuta.abi"
NAMES = "names.txt"  # macros, structs and typedefs, one a line
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
# What the guard must notice: a change of the header, and what the message names. A single name changes wherever it is.
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
    ("IMMUTA_MUST_USE immuta_status immuta_close(immuta_log *log, immuta_error *err);",
     "IMMUTA_MUST_USE immuta_status immuta_close(immuta_log *log);", "immuta_close"),
    ("IMMUTA_MUST_USE immuta_status immuta_sync(immuta_log *log, uint32_t ns, immuta_error *err);", "", "immuta_sync"),
    ("immuta_status_code", "immuta_status_number", "enum immuta_status_code is gone"),
    ("immuta_status", "immuta_answer", "typedef immuta_status is gone"),
    ("immuta_read_fn", "immuta_reader_fn", "typedef immuta_read_fn is gone"),
    ("typedef struct immuta_slice {", "typedef struct immuta_piece {", "struct immuta_slice is gone"),
    ("IMMUTA_VERSION_NUMBER", "IMMUTA_VERSION_IN_ONE", "macro IMMUTA_VERSION_NUMBER is gone"),
]
# What it must allow, and count.
ALLOWED = [
    ("uint32_t immuta_version_number(void);", "uint32_t immuta_version_number(void);\nint immuta_more(void);",
     "immuta_more"),
    ("    uint32_t read_only;\n}", "    uint32_t read_only;\n    uint64_t more;\n}", "immuta_stats.more"),
    ("IMMUTA_E_PANIC = -35,", "IMMUTA_E_PANIC = -35,\n    IMMUTA_E_MORE = -36,", "IMMUTA_E_MORE"),
    ("typedef int32_t immuta_status;", "typedef int32_t immuta_status;\ntypedef int32_t immuta_more;",
     "typedef immuta_more"),
]


def describe(run: Run, header: str, name: str) -> Path:
    """A directory with the names in `header`, and with what abidw finds in a program that defines its functions."""
    directory = run.scratch / name
    directory.mkdir()
    (directory / HEADER.name).write_text(header)
    code = for_parsers(run, directory / HEADER.name)
    statements = [" ".join(text.split()) for text in re.sub(r"\{[^{}]*\}", "", code).split(";")]
    prototypes = [text for text in statements if re.fullmatch(r"\w[\w *]*\bimmuta_\w+\([^()]*\)", text)]
    enums = re.findall(r"\benum (\w+)", code)
    typedefs = [re.search(r"\(\*(\w+)\)|(\w+)$", text) for text in statements if text.startswith("typedef ")]
    found = {*(f"macro {macro}" for macro in re.findall(r"^# *define (\w+)", header, re.M)),
             *(f"struct {struct}" for struct in re.findall(r"\bstruct (\w+)", code)),
             *(f"typedef {typedef[1] or typedef[2]}" for typedef in typedefs)}
    (directory / NAMES).write_text("".join(f"{line}\n" for line in sorted(found)))
    (directory / "immuta.c").write_text("\n".join([
        "#include <immuta.h>", *(f"{prototype} {{ __builtin_trap(); }}" for prototype in prototypes),
        *(f"enum {enum} value_of_{enum};" for enum in enums)]) + "\n")
    run.command(c_compiler(), "-std=c11", "-gdwarf-4", "-fPIC", "-shared", "-I.", f"-Wl,-soname,{expected_soname()}",
                "immuta.c", "-o", "libimmuta.so", cwd=directory)
    # No paths and nothing of this machine.
    run.command(need("abidw"), "--no-architecture", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                "--no-show-locs", "--type-id-style", "hash", "--out-file", ABI, "libimmuta.so", cwd=directory)
    return directory


def codes(root: ElementTree.Element) -> dict[str, dict[str, int]]:
    """The enums, each with its codes and their values."""
    return {enum.get("name"): {code.get("name"): int(code.get("value")) for code in enum.iter("enumerator")}
            for enum in root.iter("enum-decl")}


def functions(root: ElementTree.Element) -> set[str]:
    return {function.get("name") for function in root.iter("function-decl")}


def lines(description: Path) -> set[str]:
    return set((description / NAMES).read_text().splitlines())


def names(description: Path) -> set[str]:
    """Functions, fields, enums and codes, and what is in names.txt."""
    root = ElementTree.parse(description / ABI).getroot()
    fields = {f"{struct.get('name')}.{field.get('name')}"
              for struct in root.iter("class-decl") for field in struct.iter("var-decl")}
    enums = codes(root)
    return {*functions(root), *fields, *(f"enum {enum}" for enum in enums),
            *(code for enum in enums.values() for code in enum), *lines(description)}


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
    """What callers compiled for the description `old` do not find in `new` as they know it."""
    now = codes(ElementTree.parse(new / ABI).getroot())
    found = [f"{name} is gone" for name in sorted(lines(old) - lines(new))]
    for enum, was in codes(ElementTree.parse(old / ABI).getroot()).items():
        if enum not in now:
            found.append(f"enum {enum} is gone")
            continue
        found += [f"{name} is gone" if name not in now[enum] else f"{name} was {value} and is {now[enum][name]}"
                  for name, value in was.items() if now[enum].get(name) != value]
    suppressions = run.scratch / "allowed.suppr"
    suppressions.write_text(SUPPRESSED)
    # Changes that abidiff calls harmless are those of names and of const: they break the source of callers.
    report, status = run.outcome(need("abidiff"), "--harmless", "--no-added-syms", "--suppressions", suppressions,
                                 old / ABI, without_growth(old / ABI, new / ABI))
    expect(status is not None and status & 3 == 0, f"abidiff ended with {status}")
    if status:
        found += [line for line in report.splitlines() if line.strip() and "changes summary" not in line]
    return found


def check_guard(run: Run, header: str, unchanged: Path) -> None:
    """Each change of a list is refused, each addition of another is allowed."""
    for number, (text, changed, named) in enumerate([*REFUSED, *ALLOWED]):
        expect(text.isidentifier() or header.count(text) == 1,
               f"{Path(__file__).name} changes what immuta.h does not have once: {text}")
        other = re.sub(rf"\b{text}\b", changed, header) if text.isidentifier() else header.replace(text, changed)
        described = describe(run, other, f"change-{number}")
        said, added = "\n".join(faults(run, unchanged, described)), sorted(names(described) - names(unchanged))
        if number < len(REFUSED):
            expect(named in said, f"the guard does not notice {changed!r} in place of {text!r}, but says: {said!r}")
        else:
            expect(not said and named in added, f"the guard refuses {changed!r}, or adds {added}: {said!r}")


def abi(run: Run) -> str:
    now, soname = describe(run, HEADER.read_text(), "now"), expected_soname()
    missing = sorted(declarations().keys() ^ functions(ElementTree.parse(now / ABI).getroot()))
    expect(not missing, f"the description and {CDEF.name} do not both have {', '.join(missing)}")
    blessed = os.environ.get("IMMUTA_BLESS") == "1"
    old = BASELINE if all((BASELINE / name).exists() for name in (ABI, NAMES)) else now
    expect(blessed or old is BASELINE, f"{BASELINE.relative_to(ROOT)} is not complete; to make it: {BLESS}")
    of = ElementTree.parse(old / ABI).getroot().get("soname")
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
        BASELINE.mkdir(exist_ok=True)
        for name in (ABI, NAMES):
            shutil.copy(now / name, BASELINE)
        return f"recorded for {soname}; new: {added or 'nothing'}"
    checked = f"{len(names(old))} names; {len(REFUSED)} breaking changes are refused"
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
    Step("abi", "functions, types, codes and macros are those that callers were compiled for; additions are allowed",
         abi),
    Step("golden", "the log files that stand for those of users have the bytes they had", golden),
]

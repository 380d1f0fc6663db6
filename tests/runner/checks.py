"""Checks of the source: lints, documentation, header."""

import re
import shutil
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import ROOT, Failure, Run, Skip, Step, expect
from .tools import need_cargo_command, texts_of_tree

HEADER = ROOT / "include" / "immuta.h"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
C_STANDARDS = [("c99",), ("c11",), ("c23", "c2x")]  # the last under either of its names
# The files whose lines may be of any width, as git takes them.
ANY_WIDTH = [
    "fuzz/corpus",  # inputs that the fuzzer made; some of them happen to be text
    "tests/mutations/*.patch",  # lines of the source, and a sign before each
    "benches/peers/go/go.sum",  # made by Go
]


def rustfmt(run: Run) -> None:
    need_cargo_command("fmt")
    run.command("cargo", "fmt", "--all", "--check")


def width(run: Run) -> str:
    """No line of code or documents is wider than rustfmt.toml says; rustfmt leaves comments and strings alone."""
    limit = int(re.search(r"^max_width = (\d+)$", (ROOT / "rustfmt.toml").read_text(), re.M)[1])
    texts = texts_of_tree(excluded=ANY_WIDTH)
    wide = [f"{name}:{number}: {len(line)} characters" for name, text in texts
            for number, line in enumerate(text.split("\n"), 1) if len(line) > limit and not is_row(name, line)]
    expect(not wide, "\n".join([f"wider than {limit} characters:", *wide]))
    return f"{len(texts)} files, {limit} characters"


def is_row(name: str, line: str) -> bool:
    """Whether it is a row of a table in Markdown, which must be one line."""
    return name.endswith(".md") and line.startswith("|")


def clippy(run: Run) -> None:
    need_cargo_command("clippy")
    run.command("cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings",
                env=UNOPTIMISED)


def rustdoc(run: Run) -> None:
    run.command("cargo", "doc", "--locked", "--workspace", "--no-deps", "--document-private-items",
                env={**UNOPTIMISED, "RUSTDOCFLAGS": "--deny warnings"})


def header_drift(run: Run) -> None:
    run.command("cargo", "test", "--locked", "--package", "immuta-header", env=UNOPTIMISED)


def accepts(run: Run, compiler: str, standard: str) -> bool:
    """Whether the compiler knows a language standard at all, asked with an empty program."""
    empty = run.scratch / "empty.c"
    empty.write_text("typedef int not_empty;\n")
    try:
        run.command(compiler, f"-std={standard}", "-fsyntax-only", empty)
    except Failure:
        return False
    return True


def compile_header(run: Run, compiler: str, standard: str, suffix: str, *flags: str) -> None:
    for name, text in (("alone", "#include <immuta.h>\n"), ("twice", "#include <immuta.h>\n" * 2)):
        source = run.scratch / f"{name}.{suffix}"
        source.write_text(text)
        run.command(compiler, f"-std={standard}", *WARNINGS, *flags, f"-I{HEADER.parent}", "-fsyntax-only", source)


def header_clean(run: Run) -> str:
    c_compilers = [name for name in ("gcc", "clang") if shutil.which(name)]
    cxx_compilers = [name for name in ("g++", "clang++") if shutil.which(name)]
    if not c_compilers or not cxx_compilers:
        raise Skip("no gcc or clang with its C++ compiler; make tools")
    for compiler in c_compilers:
        for names in C_STANDARDS:
            known = [name for name in names if accepts(run, compiler, name)]
            expect(bool(known), f"{compiler} knows none of {', '.join(names)}")
            compile_header(run, compiler, known[0], "c", "-Wstrict-prototypes")
    for compiler in cxx_compilers:
        compile_header(run, compiler, "c++17", "cpp")
    return ", ".join(c_compilers + cxx_compilers)


FORMALITIES = [
    Step("rustfmt", "Rust sources formatted", rustfmt),
    Step("width", "no line wider than rustfmt.toml says, whatever the language", width),
    Step("clippy", "lints, every warning an error", clippy),
    Step("rustdoc", "documentation builds, every warning an error", rustdoc),
]

STEPS = [
    Step("header-drift", "include/immuta.h is what the Rust source generates", header_drift),
    Step("header-clean", "the header in C99, C11, C23, C++17, every warning an error", header_clean),
]

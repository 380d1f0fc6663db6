"""Checks of the source: lints, documentation."""

import re

from .crate import UNOPTIMISED
from .engine import ROOT, Run, Step, expect
from .tools import need_cargo_command, texts_of_tree

# The files whose lines may be of any width, as git takes them.
ANY_WIDTH = [
    "fuzz/corpus",  # inputs that the fuzzer made; some of them happen to be text
    "tests/mutations/*.patch",  # lines of the source, and a sign before each
    "benches/peers/go/go.sum",  # made by Go
    "tests/abi/*.abi",  # made by abidw
    "man/*.3",  # made by docs/reference/man.py
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


STEPS = [
    Step("rustfmt", "Rust sources formatted", rustfmt),
    Step("width", "no line wider than rustfmt.toml says, whatever the language", width),
    Step("clippy", "lints, every warning an error", clippy),
    Step("rustdoc", "documentation builds, every warning an error", rustdoc),
]

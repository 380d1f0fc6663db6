"""Plants one bug at a time, from the patches of tests/mutations/, and checks that the test meant for it notices.

A patch begins with what it breaks and who notices: `Caught by: PROGRAM TEST`, PROGRAM being one of tests/*.rs or
`--lib`.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import ROOT, TARGET_DIR, Run, Step, expect
from .tools import need

PATCHES = ROOT / "tests" / "mutations"
# The patches of the quick form: one about a loss of power, one about a concurrent thread.
QUICK = ["header-trusted", "half-reused-before-it-is-covered"]
# What a test of the crate is built from.
SOURCES = {"Cargo.toml", "Cargo.lock", "build.rs", "src", "tests", "include", "c-tests", "models", "fuzz", "benches"}
# A bug may well be a hang, or a loop that eats the memory.
TEST_LIMIT_S = 300


@dataclass(frozen=True)
class Mutation:
    patch: Path
    about: str
    program: list[str]  # as cargo test selects it
    test: str  # or what the names of several have in them

    @staticmethod
    def read(patch: Path) -> "Mutation":
        head = re.match(r"(.+)\nCaught by: (\S+) (\S+)\n", patch.read_text())
        expect(head is not None, f"{patch.name}: says not what it breaks and who notices")
        about, program, test = head.groups()
        return Mutation(patch, about, ["--lib"] if program == "--lib" else ["--test", program], test)


def applied(run: Run, tree: Path, mutation: Mutation, *flags: str) -> None:
    run.command("git", "apply", *flags, mutation.patch, cwd=tree)


def fits(run: Run, tree: Path, mutation: Mutation) -> bool:
    """Its context must match to the letter, perhaps some lines away; only a run shows that it breaks something."""
    _output, status = run.outcome("git", "apply", "--check", mutation.patch, cwd=tree)
    return status == 0


def mutations(run: Run) -> str:
    """All patches must apply; the quick form runs two of them, the long form all."""
    need("git")
    known = [Mutation.read(patch) for patch in sorted(PATCHES.glob("*.patch"))]
    tree = run.scratch / "tree"
    # Times are not copied: the last build may have a bug in it, and cargo would take it for newer than these sources.
    shutil.copytree(ROOT, tree, copy_function=shutil.copyfile,
                    ignore=lambda folder, names: set(names) - SOURCES if Path(folder) == ROOT else set())
    misfits = [mutation.patch.name for mutation in known if not fits(run, tree, mutation)]
    expect(not misfits, f"these patches do not apply: {', '.join(misfits)}")
    chosen = known if run.minutes else [mutation for mutation in known if mutation.patch.stem in QUICK]
    lines = [f"{len(known)} patches apply, {len(chosen)} run"]
    failures = 0
    expect_to_pass(run, tree, chosen)
    for mutation in chosen:
        applied(run, tree, mutation)
        is_caught, how = noticed(run, tree, mutation)
        applied(run, tree, mutation, "--reverse")
        failures += not is_caught
        lines.append(f"{mutation.patch.stem}: {how}")
    expect(failures == 0, "\n".join(lines))
    return "\n".join(lines)


def cargo_test(run: Run, tree: Path, words: list[str], limit_s: int | None = None) -> tuple[str, int | None]:
    return run.outcome("cargo", "test", "--locked", "--package", "immuta", "--no-default-features", *words, cwd=tree,
                       env={"CARGO_TARGET_DIR": str(TARGET_DIR / "mutations"), **UNOPTIMISED}, limit_s=limit_s)


def results(output: str, result: str) -> list[str]:
    return re.findall(rf"^test (\S+) \.\.\. {result}$", output, re.MULTILINE)


def expect_to_pass(run: Run, tree: Path, chosen: list[Mutation]) -> None:
    """A test that does not exist, or fails anyway, notices nothing."""
    programs = {" ".join(mutation.program): mutation.program for mutation in chosen}
    words = [word for program in programs.values() for word in program]
    output, status = cargo_test(run, tree, [*words, "--", *sorted({mutation.test for mutation in chosen})])
    expect(status == 0, "without a patch, the tests that are to notice fail")
    passed = results(output, "ok")
    missing = [mutation.test for mutation in chosen if not any(mutation.test in test for test in passed)]
    expect(not missing, f"no test has this name: {', '.join(missing)}")


def noticed(run: Run, tree: Path, mutation: Mutation) -> tuple[bool, str]:
    """A failed test counts, or one that does not end; not a build that fails, nor a program that could not be run."""
    _output, status = cargo_test(run, tree, [*mutation.program, "--no-run"])
    if status != 0:
        return False, "NOT TESTED: it does not compile"
    output, status = cargo_test(run, tree, [*mutation.program, mutation.test], TEST_LIMIT_S)
    if status is None:
        return True, f"caught by {mutation.test}, which does not end"
    failed = results(output, "FAILED")
    if status == 0 or not failed:
        return False, f"NOT CAUGHT by {mutation.test}, exit status {status}: {mutation.about}"
    return True, f"caught by {', '.join(failed)}"


STEPS = [Step("mutations", "planted bugs are noticed: two of them, with --minutes all", mutations)]

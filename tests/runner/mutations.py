"""Plants a bug at a time, from the patches of tests/mutations/, and has the test that is meant for it notice.

A patch begins with what it breaks and who notices: `Caught by: PROGRAM TEST`, PROGRAM being one of tests/*.rs or `--lib`.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .engine import ROOT, TARGET_DIR, Run, Step, expect
from .tools import need

PATCHES = ROOT / "tests" / "mutations"
# Of the quick form: what power takes, and what a thread does meanwhile.
QUICK = ["header-trusted", "half-reused-before-it-is-covered"]
# What a test of the crate is built from.
SOURCES = {"Cargo.toml", "Cargo.lock", "build.rs", "src", "tests", "include", "c-tests", "models", "fuzz"}
# A bug may well be a hang, or a loop that eats the memory.
TEST_LIMIT_S = 300


@dataclass(frozen=True)
class Mutation:
    patch: Path
    about: str
    caught_by: list[str]

    @staticmethod
    def read(patch: Path) -> "Mutation":
        head = re.match(r"(.+)\nCaught by: (\S+) (\S+)\n", patch.read_text())
        expect(head is not None, f"{patch.name}: says not what it breaks and who notices")
        about, program, test = head.groups()
        return Mutation(patch, about, ["--lib", test] if program == "--lib" else ["--test", program, test])


def applied(run: Run, tree: Path, mutation: Mutation, *flags: str) -> None:
    run.command("git", "apply", *flags, mutation.patch, cwd=tree)


def fits(run: Run, tree: Path, mutation: Mutation) -> bool:
    """Exactly: a patch that fits elsewhere may plant nothing."""
    _output, status = run.outcome("git", "apply", "--check", mutation.patch, cwd=tree)
    return status == 0


def mutations(run: Run) -> str:
    """All patches must apply; the quick form runs two of them, the long form all."""
    need("git")
    known = [Mutation.read(patch) for patch in sorted(PATCHES.glob("*.patch"))]
    tree = run.scratch / "tree"
    shutil.copytree(ROOT, tree, ignore=lambda folder, names: set(names) - SOURCES if Path(folder) == ROOT else set())
    misfits = [mutation.patch.name for mutation in known if not fits(run, tree, mutation)]
    expect(not misfits, f"these patches do not apply: {', '.join(misfits)}")
    chosen = known if run.minutes else [mutation for mutation in known if mutation.patch.stem in QUICK]
    lines = [f"{len(known)} patches apply, {len(chosen)} run"]
    failures = 0
    for mutation in chosen:
        applied(run, tree, mutation)
        is_caught, how = noticed(run, tree, mutation)
        applied(run, tree, mutation, "--reverse")
        failures += not is_caught
        lines.append(f"{mutation.patch.stem}: {how}")
    expect(failures == 0, "\n".join(lines))
    return "\n".join(lines)


def noticed(run: Run, tree: Path, mutation: Mutation) -> tuple[bool, str]:
    test = ["cargo", "test", "--locked", "--package", "immuta", "--no-default-features", *mutation.caught_by]
    env = {"CARGO_TARGET_DIR": str(TARGET_DIR / "mutations")}
    _output, status = run.outcome(*test, "--no-run", cwd=tree, env=env)
    if status != 0:
        return False, "NOT TESTED: it does not compile"
    output, status = run.outcome(*test, cwd=tree, env=env, limit_s=TEST_LIMIT_S)
    failed = re.findall(r"^test (\S+) \.\.\. FAILED$", output, re.MULTILINE)
    if status == 0:
        return False, f"NOT CAUGHT by {' '.join(mutation.caught_by)}: {mutation.about}"
    return True, f"caught by {', '.join(failed) or 'a test that did not end well'}"


STEPS = [Step("mutations", "planted bugs are noticed: two of them, with --minutes all", mutations)]

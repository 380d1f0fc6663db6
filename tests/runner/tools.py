"""What the steps share: the programs they need, with how to get one that is missing, and the texts of the tree."""

import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

from .engine import ROOT, Failure, Run, Skip, expect

REQUIREMENTS = ROOT / "tests" / "requirements.txt"
WHEELS = ROOT / ".venv"
VENV_PYTHON = WHEELS / "bin" / "python"
# What was installed there.
INSTALLED = WHEELS / "installed.txt"
PIP_INSTALL = ["-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
INSTALLING = threading.Lock()


def need(name: str, hint: str = "make tools") -> str:
    """The path of a program, or the step is skipped with the hint."""
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} not found; {hint}")
    return path


def need_cargo_command(name: str) -> None:
    need(f"cargo-{name}", f"rustup component add {'rustfmt' if name == 'fmt' else name}")


@functools.cache
def c_compiler() -> str:
    return need("cc", "install a C compiler, for example apt-get install gcc")


@functools.cache
def need_std_source() -> None:
    """For sanitizers, which want Rust's standard library instrumented, too."""
    asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    if not (Path(asked.stdout.strip()) / "lib/rustlib/src/rust/library/Cargo.lock").exists():
        raise Skip("the source of Rust's standard library is not installed; rustup component add rust-src")


def need_wheel(name: str) -> str:
    """cmake or ninja: the one on PATH, else that of the pinned Python wheel."""
    path = shutil.which(name)
    if path is not None:
        return path
    install_wheels()
    return str(WHEELS / "bin" / name)


def need_module(name: str) -> str:
    """A Python that has the pinned wheel `name`."""
    install_wheels()
    python = str(VENV_PYTHON) if VENV_PYTHON.exists() else sys.executable
    if subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode != 0:
        raise Skip(f"the wheel {name} is not in {WHEELS.name}; make clean, then again")
    return python


def install_wheels() -> None:
    """Into the project's own .venv, once: a virtual environment or, where Python has only pip, a directory it fills."""
    with INSTALLING:
        if not INSTALLED.exists() or INSTALLED.read_text() != REQUIREMENTS.read_text():
            shutil.rmtree(WHEELS, ignore_errors=True)
            failure = first_failure([sys.executable, "-m", "venv", WHEELS], [VENV_PYTHON, *PIP_INSTALL])
            if failure is not None:
                shutil.rmtree(WHEELS, ignore_errors=True)
                failure = first_failure([sys.executable, *PIP_INSTALL, "--target", WHEELS])
            if failure is not None:
                raise Skip(f"the wheels of {REQUIREMENTS.relative_to(ROOT)} could not be installed; "
                           f"make tools ({failure})")
            INSTALLED.write_text(REQUIREMENTS.read_text())
        if not VENV_PYTHON.exists():
            os.environ["PYTHONPATH"] = str(WHEELS)


def first_failure(*commands: list) -> str | None:
    for words in commands:
        result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip().splitlines()
            return said[-1] if said else f"{words[0]} ended with {result.returncode}"
    return None


def files_of_tree(excluded: Collection[str] = ()) -> list[str]:
    """Names of the files that are tracked, or new and not ignored, except those that match `excluded`."""
    need("git", "apt-get install git")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".",
                             *(f":(exclude){pattern}" for pattern in excluded)],
                            cwd=ROOT, capture_output=True, text=True)
    if not listed.stdout:
        raise Skip(f"git lists no files here; run it in a clone of your own ({listed.stderr.strip()})")
    return sorted(name for name in set(listed.stdout.split("\0")) if (ROOT / name).is_file())


def texts_of_tree(excluded: Collection[str]) -> list[tuple[str, str]]:
    """Names and texts of those files."""
    return [(name, text) for name in files_of_tree(excluded) if (text := text_of(ROOT / name)) is not None]


def text_of(path: Path) -> str | None:
    """The text of a file, or nothing if it is binary."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return None


def both_outputs(run: Run, *words, **options) -> tuple[str, int | None]:
    """As `Run.outcome`, for standard output and standard error together, in the order of the writes."""
    return run.outcome("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words, **options)


def must_refuse(run: Run, name: str, *words, said_by: tuple[str, ...], env: dict[str, str] | None = None) -> None:
    """Runs a program that has to fail and to say why, wherever its lines are broken."""
    output, status = both_outputs(run, *words, env=env)
    text = " ".join(output.split())
    missing = [part for part in said_by if part not in text]
    expect(status not in (0, None), f"{name}: not refused")
    expect(not missing, f"{name}: does not say {missing}: {output}")


def library_dir(run: Run) -> Path:
    """Builds the library as it is installed. Returns where its files are."""
    run.command("make", "--silent", "lib")
    directory = Path(run.command("make", "--silent", "print-lib-dir").strip())
    if not (directory / "libimmuta.so").exists():
        raise Failure(f"no libimmuta.so in {directory}")
    return directory

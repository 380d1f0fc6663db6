"""Finds the programs the tests need, and says how to get one that is missing."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

from .engine import ROOT, Failure, Skip

VENV_BIN = ROOT / ".venv" / "bin"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"


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


@functools.cache
def need_wheel(name: str) -> str:
    """cmake or ninja: the one on PATH, else the pinned Python wheel, installed into the project's own .venv."""
    path = shutil.which(name)
    if path is not None:
        return path
    if not (VENV_BIN / name).exists():
        install_wheels()
    return str(VENV_BIN / name)


@functools.cache
def need_module(name: str) -> str:
    """The Python of the project's own .venv, which has the pinned wheel `name`."""
    python = VENV_BIN / "python"
    if not python.exists() or subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode != 0:
        install_wheels()
    return str(python)


def install_wheels() -> None:
    hint = f"{REQUIREMENTS.relative_to(ROOT)} could not be installed into .venv; make tools"
    for words in ([sys.executable, "-m", "venv", VENV_BIN.parent],
                  [VENV_BIN / "python", "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]):
        result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        if result.returncode != 0:
            raise Skip(f"{hint} ({(result.stderr or result.stdout).strip().splitlines()[-1:]})")


def library_dir(run) -> Path:
    """Builds the library and puts the SONAME link beside it, as `make lib` does. Returns where both are."""
    run.command("make", "--silent", "lib")
    directory = Path(run.command("make", "--silent", "print-lib-dir").strip())
    if not (directory / "libimmuta.so").exists():
        raise Failure(f"no libimmuta.so in {directory}")
    return directory

"""The programs that build the library: how they are run, and which cargo and which rustc they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# Where programs run unless it is said: there cargo and rustc find their configuration.
SOURCE = Path(__file__).resolve().parents[1]


class Failure(Exception):
    """Why the library cannot be built, and what to do about it."""


def run(*words, env: dict[str, str] | None = None, cwd: Path = SOURCE) -> str:
    """Runs a program to its end. Returns its standard output; standard error goes where ours does."""
    words = [str(word) for word in words]
    try:
        return subprocess.run(words, cwd=cwd, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    except FileNotFoundError:
        advice = "install Rust (https://rustup.rs)" if Path(words[0]).name in ("cargo", "rustc") else "install it"
        raise Failure(f"{words[0]}: there is no such program; {advice}, or put it on PATH")
    except subprocess.CalledProcessError as error:
        raise Failure(f"{words[0]} ended with {error.returncode}; it was run as: {' '.join(words)}")


def cargo() -> str:
    return os.environ.get("CARGO", "cargo")


def rustc_of(cargo_path: str) -> str:
    """The compiler that this cargo calls. A toolchain has both in one directory."""
    beside = Path(cargo_path).with_name("rustc")
    return os.environ.get("RUSTC") or (str(beside) if beside.exists() else "rustc")

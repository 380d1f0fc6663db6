#!/usr/bin/env python3
"""Builds libimmuta as it is installed for one target or several, for a C library of glibc 2.28 or later.

    packaging/cross.py TARGET...

The files of library.py go to TARGET/stage in cargo's target directory. The compiler of the C code and the linker are
Zig's, which knows the symbols of each version of glibc (packaging/requirements.txt).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from library import SEPARATOR, SHOWN_SOURCE

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "packaging"
REQUIREMENTS = HERE / "requirements.txt"
BUILD = ROOT / "build" / "cross"
GLIBC_MIN = (2, 28)


def main(targets: list[str]) -> None:
    if not targets:
        sys.exit(__doc__)
    if re.search(r"\s", str(ROOT)):
        sys.exit(f"packaging/cross.py: the name of the directory {ROOT} has a space, after which clang would begin "
                 "another flag; move the sources to another directory")
    tools = install_tools()
    for target in targets:
        check_target(target)
        library = build(target, tools)
        newest = check(library)
        print(f"{target}: needs glibc {dotted(newest)} or later; {library.parent}")


def install_tools() -> Path:
    """The programs of the wheels, in an environment of their own, installed once for each requirement."""
    environment = BUILD / "tools"
    installed = environment / "installed.txt"
    python = environment / "bin" / "python"
    if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(environment, ignore_errors=True)
        run(sys.executable, "-m", "venv", environment)
        run(python, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS)
        installed.write_text(REQUIREMENTS.read_text())
    return python.parent


def check_target(target: str) -> None:
    libraries = run("rustc", "--print", "target-libdir", "--target", target).strip()
    if not list(Path(libraries).glob("libstd-*.rlib")):
        sys.exit(f"Rust's standard library for {target} is not installed; rustup target add {target}")


def build(target: str, tools: Path) -> Path:
    """The shared library as it is installed; the archive is beside it."""
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
    stage = target_dir / target / "stage"
    # gcc asks its linker for a build id, Zig does not.
    linking = [f"-Clink-arg={unwinder(target, tools)}", "-Clink-arg=-Wl,--build-id=sha1"]
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        **parts_of_libc(target, tools),
        "CARGO_ENCODED_RUSTFLAGS": SEPARATOR.join([*os.environ.get("RUSTFLAGS", "").split(), *linking]),
    }
    run(sys.executable, HERE / "library.py", "--zig", "--licences", "--target", f"{target}.{dotted(GLIBC_MIN)}",
        "--target-dir", target_dir, stage, env=environment)
    return stage / "libimmuta.so"


def parts_of_libc(target: str, tools: Path) -> dict[str, str]:
    """The environment in which Zig links with parts of the C library that do not depend on where they were compiled.

    Zig compiles them when it first links, into its cache, and they bring debug information. No flag changes that, but
    clang takes flags from the environment. The directory in which Zig runs is written into them, too, so they are
    compiled here. In the cache of other builds they would have other directories.
    """
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(BUILD / "zig"), "ZIG_LOCAL_CACHE_DIR": str(BUILD / "zig"),
                   "CCC_OVERRIDE_OPTIONS": f"# +-ffile-prefix-map={ROOT}={SHOWN_SOURCE}"}
    library = BUILD / target / "empty.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    run(tools / "python", "-m", "ziglang", "cc", "-g", "-target", triple_of_zig(target), "-shared", "-x", "c",
        os.devnull, "-o", library, env={**os.environ, **environment})
    return environment


def triple_of_zig(target: str) -> str:
    return f"{target.split('-')[0]}-linux-gnu.{dotted(GLIBC_MIN)}"


def unwinder(target: str, tools: Path) -> Path:
    """A stand-in for libgcc_s.so.1, linked before Zig's own unwinder, which would become a part of the library.

    A process must have one unwinder: exceptions of C++ and the cancellation of threads go through the frames of the
    library, and each unwinder only understands its own.
    """
    library = BUILD / target / "libgcc_s.so.1"
    library.parent.mkdir(parents=True, exist_ok=True)
    run(tools / "python", "-m", "ziglang", "cc", "-target", triple_of_zig(target), "-shared", "-nostdlib",
        f"-Wl,-soname,{library.name}", f"-Wl,--version-script={HERE / 'libgcc_s.map'}", "-o", library,
        HERE / "libgcc_s.c")
    return library


def check(library: Path) -> tuple[int, ...]:
    """The newest version of glibc that the library asks for, which must not be newer than it may be."""
    dynamic = run("readelf", "--dynamic", "--wide", library)
    if "[libgcc_s.so.1]" not in dynamic:
        sys.exit(f"{library} does not need libgcc_s.so.1: it contains an unwinder of its own")
    needed = glibc_needed(library)
    newest = max(needed)
    if newest > GLIBC_MIN:
        sys.exit(f"{library}: {needed[newest]} needs glibc {dotted(newest)}; {dotted(GLIBC_MIN)} has to be enough")
    return newest


def glibc_needed(library: Path) -> dict[tuple[int, ...], str]:
    """The versions of glibc that the library asks for, each with a symbol that has it."""
    symbols = run("readelf", "--dyn-syms", "--wide", library)
    return {tuple(map(int, version.split("."))): name
            for name, version in re.findall(r" UND (\S+?)@GLIBC_([\d.]+)", symbols)}


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def run(*words: object, env: dict[str, str] | None = None) -> str:
    """Runs a program to its end and returns its standard output. Its standard error is that of this program."""
    try:
        ended = subprocess.run([str(word) for word in words], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env)
    except FileNotFoundError:
        sys.exit(f"{words[0]} not found; make tools")
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: exit status {ended.returncode}")
    return ended.stdout


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
"""Builds libimmuta as it is installed: cargo compiles it, and of what cargo leaves this makes

    libimmuta.so.VERSION    the shared library, and libimmuta.so.ABI and libimmuta.so, the links to it that the loader
                            and the linker look for
    libimmuta.a             the static archive, linked to one object (archive.py)
    .debug/                 the debug information of the shared library, where debuggers look for it;
                            and the archive with its debug information, to link a program that is to be debugged
    THIRD-PARTY-LICENSES    with --licences: the licences of what is linked in (licences.py)

in one directory. The files do not depend on where anything lies: two builds of one source by the same compilers are
the same, bit for bit.

The environment may have what cargo and the C compiler take from it: CARGO, CC, CFLAGS, RUSTFLAGS, CARGO_HOME and
others.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import archive
import binutils
import licences
from binutils import Binutils
from programs import SOURCE, Failure, cargo, run, rustc_of

# Where debuggers are told that the sources are.
SHOWN_SOURCE, SHOWN_CARGO_HOME = "/usr/src/immuta", "/usr/src/cargo"
SEPARATOR = "\x1f"  # of CARGO_ENCODED_RUSTFLAGS
STAMP = ".made-of"
LICENCES = "THIRD-PARTY-LICENSES"
WRAPPERS = {"ccache", "distcc", "icecc", "sccache"}
# Flags whose code needs a library that rustc does not link.
PROFILING = re.compile(r"--coverage$|-f(profile|test-coverage|coverage|cs-profile)")


def version() -> str:
    return re.search(r'^version = "(.*)"', (SOURCE / "Cargo.toml").read_text(), re.M)[1]


def shown_places(cargo_home: Path, target_dir: Path) -> dict[str, str]:
    """What is written into the files instead of a directory of this machine."""
    rustc = rustc_of(shutil.which(cargo()) or cargo())
    sysroot = Path(run(rustc, "--print", "sysroot").strip())
    about = dict(re.findall(r"^([\w-]+): (.*)$", run(rustc, "--version", "--verbose"), re.M))
    compiler = about["release"] if about["commit-hash"] == "unknown" else about["commit-hash"]
    places = {
        SOURCE: SHOWN_SOURCE,
        cargo_home: SHOWN_CARGO_HOME,
        target_dir: f"{SHOWN_SOURCE}/target",
        # The compiled standard library names its sources so. What is compiled of them here would name the copy that
        # rustup has installed, if there is one.
        sysroot / "lib/rustlib/src/rust": f"/rustc/{compiler}",
    }
    # One may lie in another. Of several that fit, compilers take the last.
    named = {name: shown for place, shown in places.items() for name in (str(place), str(place.resolve()))}
    return dict(sorted(named.items(), key=lambda item: len(item[0])))


def environment(options: argparse.Namespace, places: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment of cargo, and arguments for it, so that no place is written into the files."""
    env, arguments = dict(os.environ), []
    rust_flags = [*(f"-Clink-arg={argument}" for argument in options.link_arg),
                  *(f"--remap-path-prefix={place}={shown}" for place, shown in places.items())]
    if "CARGO_ENCODED_RUSTFLAGS" in env or "RUSTFLAGS" in env:
        given = env.get("CARGO_ENCODED_RUSTFLAGS", SEPARATOR.join(env.get("RUSTFLAGS", "").split()))
        env["CARGO_ENCODED_RUSTFLAGS"] = SEPARATOR.join(filter(None, [given, *rust_flags]))
    else:
        # Not in the environment, which would replace the flags of cargo's configuration files.
        arguments = ["--config", f"build.rustflags={json.dumps(rust_flags, ensure_ascii=False)}"]

    # Distributors set -flto, which leaves code that neither rustc's linker nor `ld -r` can read. Warnings help
    # only the authors of that code. With tracing, our Zstandard library would call the hooks of another one in the
    # program.
    c_flags = ["-fno-lto", "-w", "-DZSTD_TRACE=0",
               *(f"-ffile-prefix-map={place}={shown}" for place, shown in places.items())]
    if any(shlex.quote(flag) != flag for flag in c_flags):
        env["CC_SHELL_ESCAPED_FLAGS"] = "1"
        c_flags = [shlex.quote(flag) for flag in c_flags]
    given = [flag for flag in env.get("CFLAGS", "").split() if not PROFILING.match(flag)]
    env["CFLAGS"] = " ".join([*given, *c_flags])

    if options.target and "CC" in env:
        # Else rustc links with the compiler for this machine.
        env.setdefault(f"CARGO_TARGET_{options.target.upper().replace('-', '_')}_LINKER", compiler_of(env["CC"]))
    elif is_usual_compiler(env.get("CC")):
        del env["CC"]  # the same as if nothing had been said, and cargo need not compile again
    return env, arguments


def compiler_of(command: str) -> str:
    """The compiler in a command. A wrapper may stand before the compiler, and flags after it."""
    if shutil.which(command):
        return command
    words = shlex.split(command)
    return next((word for word in words if Path(word).name not in WRAPPERS), command)


def is_usual_compiler(name: str | None) -> bool:
    found, usual = (shutil.which(program) for program in (name or "", "cc"))
    return None not in (found, usual) and os.path.samefile(found, usual)


def cargo_build(options: argparse.Namespace) -> tuple[dict[str, Path], list[str]]:
    """Has cargo compile the library. Returns its files by their names, and its features."""
    cargo_home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").absolute()
    env, arguments = environment(options, shown_places(cargo_home, options.target_dir))
    messages = run(
        cargo(), "zigbuild" if options.zig else "build", *arguments, "--locked", "--package", "immuta", "--lib",
        "--profile", "dev" if options.debug else "release", *(["--target", options.target] if options.target else []),
        "--target-dir", options.target_dir, "--message-format", "json-render-diagnostics", *options.more, env=env)
    built = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    ours = [message for message in built if message.get("target", {}).get("name") == "immuta"]
    by_name = {Path(name).name: Path(name) for message in ours for name in message.get("filenames", [])}
    if not {"libimmuta.so", "libimmuta.a"} <= by_name.keys():
        raise Failure(f"cargo made only {', '.join(sorted(by_name))}: the target has no shared libraries")
    return by_name, next(message["features"] for message in ours if "features" in message)


def split_shared(tools: Binutils, cargo_library: Path, work: Path, name: str) -> tuple[Path, Path]:
    """Parts the shared library from its debug information. The symbols stay, so that profilers can name functions."""
    library, debug = work / name, work / f"{name}.debug"
    tools.objcopy("--only-keep-debug", "--compress-debug-sections", cargo_library, debug)
    tools.objcopy("--strip-debug", f"--add-gnu-debuglink={debug}", cargo_library, library)
    return library, debug


def package(options: argparse.Namespace, built: dict[str, Path]) -> None:
    """Makes the files of the package of those of cargo, and puts them in their places when all are made."""
    shared, static = built["libimmuta.so"], built["libimmuta.a"]
    tools = binutils.find(shared, options.binutils)
    soname = re.search(r"SONAME.*\[(.*)\]", tools.readelf("--dynamic", "--wide", shared))[1]
    exported = tools.nm("--dynamic", "--defined-only", shared)
    (options.output / ".debug").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=options.output) as work:
        library, library_debug = split_shared(tools, shared, Path(work), f"libimmuta.so.{version()}")
        plain, plain_debug = archive.prelink(tools, static, exported, Path(work))
        links = [Path(work) / soname, Path(work) / "libimmuta.so"]
        for link, leads_to in zip(links, (library.name, soname)):
            link.symlink_to(leads_to)
        for path in (library_debug, plain_debug):
            path.replace(options.output / ".debug" / path.name)
        for path in (library, plain, *links):
            path.replace(options.output / path.name)
    made = {library.name, library_debug.name, *(link.name for link in links)}
    for path in options.output.rglob("libimmuta.so*"):
        if path.name not in made:
            path.unlink()  # of another version


def identity(options: argparse.Namespace, built: dict[str, Path]) -> str:
    """Changes when one of the files does that the package is made by, made of, or has."""
    paths = [*Path(__file__).parent.glob("*.py"), *built.values(), *options.output.rglob("libimmuta*")]
    statuses = [(path, path.lstat()) for path in sorted(paths)]
    return "".join(f"{path} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n" for path, status in statuses)


def write_licences(options: argparse.Namespace, features: list[str]) -> None:
    """Each time, so that a toolchain that lacked a text may have it now. A text that is missing is no failure: the
    library is complete, and a distributor may have the texts from elsewhere."""
    target = options.target or licences.host()
    if options.zig:
        target = re.sub(r"\.[\d.]+$", "", target)
    for one in licences.write(options.output / LICENCES, SOURCE / "Cargo.toml", target, features):
        print(f"packaging/library.py: {LICENCES} has no text of {one}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the directory")
    parser.add_argument("--target-dir", type=Path, required=True, help="where cargo works")
    parser.add_argument("--debug", action="store_true", help="cargo's profile `dev` instead of `release`")
    parser.add_argument("--target", help="Rust's target triple of the machine to compile for; else this machine")
    parser.add_argument("--zig", action="store_true", help="compile by cargo-zigbuild, for the glibc that the target "
                        "names: aarch64-unknown-linux-gnu.2.28")
    parser.add_argument("--binutils", metavar="PREFIX", help="what the names of GNU ld and objcopy begin with, if they "
                        "are not found by themselves: /opt/bin/aarch64-linux-gnu-")
    parser.add_argument("--link-arg", action="append", default=[], help="of the linker of the shared library")
    parser.add_argument("--licences", action="store_true", help=f"write {LICENCES}, too")
    parser.add_argument("more", nargs="*", help="more arguments for cargo build, after --")
    options = parser.parse_args()
    options.target_dir, options.output = options.target_dir.absolute(), options.output.absolute()

    if {"--offline", "--frozen"} & set(options.more):
        os.environ["CARGO_NET_OFFLINE"] = "true"  # for every cargo that runs here

    try:
        built, features = cargo_build(options)
        stamp = options.output / STAMP
        if not stamp.exists() or stamp.read_text() != identity(options, built):
            stamp.unlink(missing_ok=True)
            package(options, built)
            stamp.write_text(identity(options, built))
        if options.licences:
            write_licences(options, features)
        else:
            (options.output / LICENCES).unlink(missing_ok=True)
    except Failure as failure:
        sys.exit(f"packaging/library.py: {failure}")


if __name__ == "__main__":
    main()

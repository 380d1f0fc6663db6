"""What is said to a user who lacks a file, a component, a tool, or asks for another version."""

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Step, expect
from .library import LICENCES, soname, version
from .package import configure, library_directory, moved_prefix
from .tools import c_compiler, library_dir, must_refuse, need, need_wheel


def refusals(run: Run) -> str:
    """What is missing is named, with the way to get it."""
    prefix, said, cpack = moved_prefix(run), [], Path(need_wheel("cmake")).with_name("cpack")

    def refused(name: str, *words, said_by: tuple[str, ...], env: dict[str, str] | None = None) -> None:
        must_refuse(run, name, *words, said_by=said_by, env=env)
        said.append(name)

    def find(name: str, asked: str, *said_by: str, without: str | None = None) -> None:
        directory = run.scratch / name.replace(" ", "-")
        where = prefix
        if without is not None:
            where = Path(shutil.copytree(prefix, directory / "prefix", symlinks=True))
            (library_directory(where) / without).unlink()
        directory.mkdir(exist_ok=True)
        (directory / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.21)\nproject(asks LANGUAGES NONE)\n"
            f"find_package(immuta {asked})\n")
        refused(name, *configure(directory, directory / "build", f"-DCMAKE_PREFIX_PATH={where}"), said_by=said_by)

    major, minor, _ = map(int, version().split("."))
    find("version too new", f"{major}.{minor + 1} CONFIG REQUIRED", f"version: {version()}", f'"{major}.{minor + 1}"')
    find("component not installed", "CONFIG REQUIRED COMPONENTS static", "no component static", "libimmuta.a",
         "immuta_dev has the static one", without="libimmuta.a")
    find("runtime not installed", "CONFIG REQUIRED COMPONENTS cxx shared", "no component shared",
         f"libimmuta.so.{version()}", "immuta_runtime has the shared library", without=f"libimmuta.so.{version()}")
    find("no such component", "CONFIG REQUIRED COMPONENTS statik", "no component statik", "Its components are shared")

    refused("missing .pc", need("pkg-config"), "--libs", "immuta", env={"PKG_CONFIG_PATH": str(run.scratch)},
            said_by=("immuta.pc", "PKG_CONFIG_PATH"))
    cross = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"]
    refused("cross build without a target", *configure(ROOT, run.scratch / "cross", *cross),
            said_by=("Linux on aarch64", "-DIMMUTA_CARGO_TARGET=aarch64-unknown-linux-gnu", "rustup target add"))
    refused("no cargo", *configure(ROOT, run.scratch / "cargo", "-DIMMUTA_CARGO="),
            said_by=("rustup.rs", "-DIMMUTA_CARGO="))
    refused("no Python", *configure(ROOT, run.scratch / "python", "-DIMMUTA_PYTHON="), said_by=("-DIMMUTA_PYTHON=",))

    old = run.scratch / "old-python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what it answers to the question for its version
    old.chmod(0o755)
    refused("old Python", *configure(ROOT, run.scratch / "old", f"-DIMMUTA_PYTHON={old}"),
            said_by=("Python 3.9 or later", str(old), "-DIMMUTA_PYTHON="))
    refused("prebuilt elsewhere", *configure(ROOT, run.scratch / "prebuilt", f"-DIMMUTA_PREBUILT={run.scratch}"),
            said_by=(f"libimmuta.so.{version()}", "packaging/cross.py"))
    prebuilt = f"-DIMMUTA_PREBUILT={library_dir(run)}"
    refused("prebuilt without licences", *configure(ROOT, run.scratch / "bare", prebuilt),
            said_by=(LICENCES, "packaging/library.py --licences"))
    for name, generator, arguments, build_it in (
            ("packed before built", "Ninja", [], ""),
            ("packed before one of several is built", "Ninja Multi-Config", [], "--config Release"),
            ("packed before Debug is built", "Ninja Multi-Config", ["-C", "Debug"], "--config Debug")):
        unbuilt = run.scratch / name.replace(" ", "-")
        run.command(*configure(ROOT, unbuilt, "-DIMMUTA_BUILD_EXAMPLES=OFF", generator=generator))
        refused(name, cpack, "-G", "DEB", "-B", run.scratch, *arguments, "--config", unbuilt / "CPackConfig.cmake",
                said_by=("to pack", f"cmake --build {unbuilt} {build_it}".strip()))
    packages(run, refused)
    archives(run, refused)
    spaced = Path(shutil.copytree(ROOT / "packaging", run.scratch / "with a space" / "packaging"))
    refused("release from a directory with a space", spaced / "cross.py", "x86_64-unknown-linux-gnu",
            said_by=(str(spaced.parent), "has a space"))

    few = run.scratch / "few-programs"
    few.mkdir()
    for program in ("cargo", "rustc", "python3"):
        (few / program).symlink_to(need(program))
    library_dir(run)  # built, so that cargo needs no compiler
    refused("no binutils", need("python3"), ROOT / "packaging" / "library.py", "--target-dir", TARGET_DIR,
            run.scratch / "stage", env={"PATH": str(few)},
            said_by=("ld was not found", "Debian: binutils-", "--binutils"))
    (few / "cargo").unlink()
    refused("no Rust", need("python3"), ROOT / "packaging" / "library.py", "--target-dir", TARGET_DIR,
            run.scratch / "stage", env={"PATH": str(few)}, said_by=("cargo: there is no such program", "rustup.rs"))
    return ", ".join(said)


def packages(run: Run, refused: Callable[..., None]) -> None:
    """Libraries that packaging/debian.py makes no packages of."""
    processors = ["amd64", "arm64"]
    if platform.machine() == "aarch64":
        processors.reverse()

    def debian(name: str, *said_by: str, architecture: str = processors[0], of_version: str = version(),
               link: tuple[str, ...] = ("-Wl,--build-id=sha1",)) -> None:
        stage = run.scratch / name.replace(" ", "-")
        (stage / ".debug").mkdir(parents=True)
        run.command(c_compiler(), "-shared", "-x", "c", "/dev/null", f"-Wl,-soname,{soname()}", *link,
                    "-o", stage / "libimmuta.so")
        (stage / ".debug" / "libimmuta.so.debug").touch()
        (stage / LICENCES).touch()
        refused(name, need("python3"), ROOT / "packaging" / "debian.py", run.scratch, "--stage", stage, "--version",
                f"{of_version}-1", "--maintainer", "n <n@example.org>", "--architecture", architecture, said_by=said_by)

    debian("packages for another processor", "-DIMMUTA_CARGO_TARGET=", architecture=processors[1])
    debian("library without build id", "no build id", "--build-id=sha1", link=("-Wl,--build-id=none",))
    other = run.scratch / "libother.so.1"
    run.command(c_compiler(), "-shared", "-x", "c", "/dev/null", f"-Wl,-soname,{other.name}", "-o", other)
    debian("library that needs more", other.name, "PACKAGES in packaging/debian.py",
           link=("-Wl,--build-id=sha1", "-Wl,--no-as-needed", "-x", "none", str(other)))
    debian("symbols from 1.0 on", "which release has added each function", of_version="1.0.0")


def archives(run: Run, refused: Callable[..., None]) -> None:
    """Builds that cpack makes no archive of."""
    prebuilt = Path(shutil.copytree(library_dir(run), run.scratch / "built-before", symlinks=True))
    (prebuilt / LICENCES).write_text("of a test\n")

    def pack(name: str, *definitions: str, said_by: tuple[str, ...]) -> None:
        build = run.scratch / name.replace(" ", "-")
        run.command(*configure(ROOT, build, f"-DIMMUTA_PREBUILT={prebuilt}", "-DIMMUTA_BUILD_EXAMPLES=OFF",
                               *definitions))
        refused(name, Path(need_wheel("cmake")).with_name("cpack"), "-G", "TGZ", "-B", run.scratch / "packed",
                "--config", build / "CPackConfig.cmake", said_by=said_by)

    pack("archive of a build for /usr", "-DCMAKE_INSTALL_PREFIX=/usr", said_by=("cpack -G DEB",))
    absolute = run.scratch / "absolute"
    pack("archive of an absolute directory", f"-DCMAKE_INSTALL_LIBDIR={absolute}",
         said_by=("ABSOLUTE", str(absolute)))
    expect(not absolute.exists(), "cpack has installed what it was to pack")

    (prebuilt / LICENCES).write_text("bare 1.2.3\n  texts:   missing\n")
    pack("archive without the text of a licence", said_by=(f"{LICENCES} lacks texts", "A build says which"))

    other = {"x86_64": ("aarch64", 183), "aarch64": ("x86_64", 62)}[platform.machine()]
    stage = run.scratch / "of-another-processor"
    stage.mkdir()
    (stage / f"libimmuta.so.{version()}").write_bytes(bytes(18) + other[1].to_bytes(2, "little"))
    (stage / LICENCES).touch()
    refused("prebuilt for another processor", *configure(ROOT, run.scratch / "other", f"-DIMMUTA_PREBUILT={stage}"),
            said_by=(f"is for {other[0]}", f"-DIMMUTA_CARGO_TARGET={other[0]}-unknown-linux-gnu"))
    refused("no date", need("python3"), ROOT / "packaging" / "source_date.py", env={"SOURCE_DATE_EPOCH": "today"},
            said_by=("SOURCE_DATE_EPOCH is 'today'", "seconds"))


STEPS = [
    Step("refusals", "missing files, components and tools, and versions too new: what is said", refusals, LIBRARY),
]

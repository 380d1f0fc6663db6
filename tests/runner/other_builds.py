"""The library built in other ways than the one that is installed: elsewhere, and by cargo-c."""

import json
import os
import re
import shutil
from pathlib import Path

from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Step, expect
from .library import private_libraries, soname, version
from .package import cmake, copy_consumer, files_below, library_directory, moved_prefix, run_consumers
from .tools import files_of_tree, library_dir, need


def reproducible(run: Run) -> str:
    """The files are the same, bit for bit, when a copy of the sources is built elsewhere: fetched by CMake, without a
    network, with another CARGO_HOME and another target directory."""
    expected = files_below(library_dir(run))
    source, home = run.scratch / "elsewhere" / "source", run.scratch / "elsewhere" / "cargo home"
    for name in files_of_tree():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    copy_cargo_home(run, home)
    environment = {"CARGO_HOME": str(home), "CARGO_TARGET_DIR": str(run.scratch / "elsewhere" / "target")}
    build = run.scratch / "build"
    cmake(run, copy_consumer(run), build, f"-DIMMUTA_SOURCE={source}", "-DFETCH=ON", "-DIMMUTA_CARGO_FLAGS=--offline",
          env=environment)
    run_consumers(run, build)
    built = files_below(build / "_deps" / "immuta-build" / "stage" / "release")
    differ = sorted(name for name in expected | built if expected.get(name) != built.get(name) and name != ".made-of")
    expect(not differ, f"these differ: {', '.join(differ)}")
    return f"{len(expected) - 1} files are the same: {', '.join(sorted(name for name in expected if '/' not in name))}"


def copy_cargo_home(run: Run, home: Path) -> None:
    """Makes another CARGO_HOME, which cargo works with offline."""
    run.command("cargo", "fetch", "--locked")
    usual = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    shutil.copytree(usual, home, ignore=lambda _, names: {"bin", "src", "git"} & set(names), dirs_exist_ok=True)


def cargo_c(run: Run) -> str:
    """cargo-c, which some distributors use, installs a library of the same name, interface and .pc file."""
    need("cargo-cinstall", "cargo install --locked cargo-c, which takes minutes; if Rust is too old for it, cargo "
                           "names a version to install")
    run.command("cargo", "cinstall", "--locked", "--prefix=/usr", "--libdir=/usr/lib", "--destdir", run.scratch,
                "--target-dir", TARGET_DIR / "cargo-c")
    ours, theirs = files_below(moved_prefix(run)), files_below(run.scratch / "usr")
    headers = {name: text for name, text in ours.items() if name.startswith("include/")}
    expect({name: theirs.get(name) for name in headers} == headers, f"its headers are others: {sorted(theirs)}")
    shared = run.scratch / "usr" / "lib" / "libimmuta.so"
    expect(f"[{soname()}]" in run.command("readelf", "--dynamic", "--wide", shared), f"its SONAME is not {soname()}")
    names = {name for name in theirs if name.startswith("lib/libimmuta")}
    expect(names >= {f"lib/{name}" for name in ("libimmuta.a", "libimmuta.so", soname(), f"libimmuta.so.{version()}")},
           f"its libraries are {sorted(names)}")
    text = theirs["lib/pkgconfig/immuta.pc"].decode()
    fields = dict(re.findall(r"^([A-Z][\w.]*): (.*)$", text, re.M))
    of_ours = dict(re.findall(r"^([A-Z][\w.]*): (.*)$", ours[f"{library_directory(moved_prefix(run)).name}"
                                                             "/pkgconfig/immuta.pc"].decode(), re.M))
    for key in ("Name", "Description", "Version", "Libs", "Cflags"):
        expect(fields.get(key) == of_ours[key], f"{key} is {fields.get(key)!r}, ours is {of_ours[key]!r}")
    expect(set(private_libraries()) <= set(fields["Libs.private"].split()), f"Libs.private: {fields['Libs.private']}")
    return f"{len(theirs)} files, {soname()}"


def cargo_c_metadata(run: Run) -> str:
    """What cargo-c takes from Cargo.toml gives the names that everything else here has."""
    told = json.loads(run.command("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))
    crate = next(package for package in told["packages"] if package["name"] == "immuta")
    metadata = crate["metadata"]["capi"]
    expect("capi" in crate["features"], "there is no feature capi, without which cargo-c fails")
    name, package = metadata["library"]["name"], metadata["pkg_config"]
    pc = (ROOT / "cmake" / "immuta.pc.in").read_text()
    expect(f"lib{name}.so.{'.'.join(sover(crate['version']))}" == soname(), f"its library is {name}")
    expect("version" not in metadata["library"] and "version" not in package, "it has a version of its own")
    expect(f"\nName: {package['name']}\n" in pc and package["filename"] == "immuta", f"its .pc file is {package}")
    expect("\nDescription: @PROJECT_DESCRIPTION@\n" in pc and "description" not in package, "two descriptions")
    expect(metadata["header"] == {"name": "immuta", "generation": False, "subdirectory": False},
           f"its header is {metadata['header']}")
    return f"{soname()}, {package['filename']}.pc"


def sover(of_version: str) -> list[str]:
    """The parts of a version that cargo-c puts into a SONAME: up to the first that is not 0."""
    parts = of_version.split(".")
    return parts[:next((index for index, part in enumerate(parts) if part != "0"), 2) + 1]


STEPS = [
    Step("cargo-c-metadata", "what cargo-c would install has the names that we install", cargo_c_metadata),
    Step("cargo-c", "what cargo-c installs, compared; over a minute", cargo_c, LIBRARY, only_when_asked=True),
    Step("reproducible", "a second build elsewhere, compared bit for bit; over a minute", reproducible, LIBRARY,
         only_when_asked=True),
]

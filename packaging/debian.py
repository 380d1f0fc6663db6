#!/usr/bin/env python3
"""Makes what only Debian's packages have, in the directory that cpack packs from (cmake/packages.cpack.cmake.in):

    debian_runtime/, debian_dev/    copyright, change logs, compressed manual pages, overrides of lintian
    debian_debug/                   the debug information of the shared library, named by its build id
    control/                        shlibs and symbols, by which programs get their dependencies; triggers for ldconfig

Prints what the shared library depends on, and its build id.
"""

from __future__ import annotations

import argparse
import datetime
import email.utils
import gzip
import re
import shutil
import sys
from pathlib import Path

import binutils
from cross import GLIBC_MIN, dotted, glibc_needed
from library import LICENCES
from programs import SOURCE, Failure
from source_date import source_date

COMPONENTS = ["debian_runtime", "debian_dev", "debian_debug"]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# The package of each library that ours may need. Before glibc 2.34 its functions are in several libraries. Debian 10
# has libgcc1, and later releases libgcc-s1.
GLIBC = ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"]
PACKAGES = {**dict.fromkeys(GLIBC, "libc6 (>= {glibc})"), "libgcc_s.so.1": "libgcc-s1 | libgcc1 (>= 1:4.2)"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("output", type=Path, help="the directory")
    parser.add_argument("--stage", type=Path, required=True, help="what packaging/library.py --licences has made")
    parser.add_argument("--architecture", required=True, choices=MACHINES)
    parser.add_argument("--version", required=True, help="of the packages")
    parser.add_argument("--binutils", metavar="PREFIX", help="as for packaging/library.py")
    parser.add_argument("--maintainer", required=True, help="NAME <ADDRESS>")
    options = parser.parse_args()
    for name in [*COMPONENTS, "control"]:
        shutil.rmtree(options.output / name, ignore_errors=True)

    library = options.stage / "libimmuta.so"
    tools = binutils.find(library, options.binutils)
    machine = MACHINES[options.architecture]
    if machine != binutils.machine_of(library):
        sys.exit(f"{library} is for {binutils.machine_of(library)}, and the packages are for {machine}; "
                 f"set -DIMMUTA_CARGO_TARGET={binutils.machine_of(library)}-unknown-linux-gnu")
    dynamic = tools.readelf("--dynamic", "--wide", library)
    soname = re.search(r"SONAME.*\[(.*)\]", dynamic)[1]
    runtime = soname.replace(".so.", "")
    build_id = re.search(r"Build ID: ([0-9a-f]+)", tools.readelf("--notes", "--wide", library))
    if build_id is None:
        sys.exit(f"{library} has no build id, by which debuggers find its debug information; "
                 "link it with --build-id=sha1")

    names = dict(zip(COMPONENTS, (runtime, "libimmuta-dev", f"{runtime}-dbgsym")))
    for component in COMPONENTS[:2]:
        documents(options, component, names[component])
    manual_pages(options.output / "debian_dev")
    debug_information(options, names, build_id[1])
    exported = sorted(tools.nm("--dynamic", "--defined-only", library))
    control(options.output / "control", soname, runtime, exported, options.version.rpartition("-")[0])
    print(f"depends: {depends(library, dynamic)}\nbuild id: {build_id[1]}")


def documents(options: argparse.Namespace, component: str, package: str) -> None:
    """Copyright, the change log of the release, that of its packages, and what lintian is not to report."""
    directory = options.output / component / "share" / "doc" / package
    directory.mkdir(parents=True)
    licence, others = (SOURCE / "LICENSE").read_text(), (options.stage / LICENCES).read_text(encoding="utf-8")
    (directory / "copyright").write_text(f"libimmuta\n\n{licence}\n\n{others}", encoding="utf-8")
    compress(directory / "changelog.gz", (SOURCE / "CHANGELOG.md").read_bytes())
    date = email.utils.format_datetime(datetime.datetime.fromtimestamp(source_date(), datetime.timezone.utc))
    compress(directory / "changelog.Debian.gz", (
        f"libimmuta ({options.version}) unstable; urgency=medium\n\n"
        f"  * Packages of this release. The file changelog.gz says what is new in it.\n\n"
        f" -- {options.maintainer}  {date}\n").encode())
    overrides = options.output / component / "share" / "lintian" / "overrides" / package
    overrides.parent.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("lintian-overrides"), overrides)


def manual_pages(directory: Path) -> None:
    for page in (SOURCE / "man").glob("*.3"):
        compressed = directory / "share" / "man" / "man3" / f"{page.name}.gz"
        compressed.parent.mkdir(parents=True, exist_ok=True)
        compress(compressed, page.read_bytes())


def compress(path: Path, content: bytes) -> None:
    """As gzip -9n does, which puts neither a date nor a name into the file."""
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def debug_information(options: argparse.Namespace, names: dict[str, str], build_id: str) -> None:
    directory = options.output / "debian_debug"
    named = directory / "lib" / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
    # Debian has the documents of such a package in the one that it depends on.
    link = directory / "share" / "doc" / names["debian_debug"]
    for path in (named, link):
        path.parent.mkdir(parents=True)
    library = (options.stage / "libimmuta.so").resolve()
    shutil.copyfile(options.stage / ".debug" / f"{library.name}.debug", named)
    link.symlink_to(names["debian_runtime"])


def control(directory: Path, soname: str, runtime: str, exported: list[str], version: str) -> None:
    """What a program needs that is linked with the library. All functions of one SONAME came with its first release,
    as long as each release that adds functions gets a new SONAME (docs/compatibility.md)."""
    major, minor, _ = version.split(".")
    if major != "0":
        sys.exit("packaging/debian.py: from 1.0 on releases add functions to a SONAME that exists. The file symbols "
                 "has to say which release has added each function, so keep a list of that.")
    first = f"{major}.{minor}.0"
    directory.mkdir()
    name, _, number = soname.partition(".so.")
    (directory / "shlibs").write_text(f"{name} {number} {runtime} (>= {first})\n")
    (directory / "symbols").write_text("".join(
        [f"{soname} {runtime} #MINVER#\n* Build-Depends-Package: libimmuta-dev\n",
         *(f" {symbol}@Base {first}\n" for symbol in exported)]))
    (directory / "triggers").write_text("activate-noawait ldconfig\n")


def depends(library: Path, dynamic: str) -> str:
    """The packages of what the library needs. No glibc is stated that is older than those the library is made for."""
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    unknown = sorted(set(needed) - PACKAGES.keys())
    if unknown:
        sys.exit(f"{library} needs {', '.join(unknown)}; PACKAGES in packaging/debian.py has to name the package")
    glibc = dotted(max([GLIBC_MIN, *glibc_needed(library)]))
    return ", ".join(sorted({PACKAGES[name].format(glibc=glibc) for name in needed}))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"packaging/debian.py: {failure}")

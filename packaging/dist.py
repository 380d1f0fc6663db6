#!/usr/bin/env python3
"""Makes what the page of a release has, in one directory, of what is committed:

    libimmuta-VERSION.tar.xz                         the sources of libimmuta and of all crates
    libimmuta-VERSION-PROCESSOR-linux-gnu.tar.gz     what cmake --install installs, to be unpacked anywhere
    libimmuta0.MINOR_*.deb, libimmuta-dev_*.deb,     the packages for Debian and its relatives
    libimmuta0.MINOR-dbgsym_*.deb
    SHA256SUMS

    packaging/dist.py [DIRECTORY]    a new or empty directory; default: build/dist, which is emptied first

The sources build without a network. The libraries are those of packaging/cross.py, which run with glibc 2.28 or later.
The same source gives the same files, bit for bit, by the same tools.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import binutils
from cross import ROOT, run
from library import version
from programs import Failure
from source_date import source_date

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
DIST = ROOT / "build" / "dist"
# In the sources of a release cargo takes the crates from the directory `vendor`, and asks no registry.
CARGO_CONFIG = """[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", default=DIST)
    directory = parser.parse_args().directory.absolute()
    changed = run("git", "-C", ROOT, "status", "--porcelain").splitlines()
    if changed:
        sys.exit(f"packaging/dist.py: a release is made of what is committed; commit or stash: {', '.join(changed)}")
    if directory == DIST:
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        sys.exit(f"packaging/dist.py: {directory} is not empty")
    os.environ["SOURCE_DATE_EPOCH"] = str(source_date())
    os.chdir(ROOT)
    os.umask(0o022)  # packages have the permissions that cpack and debian.py give to files and directories they make

    with tempfile.TemporaryDirectory(prefix="immuta-dist-") as work:
        sources(Path(work) / "vendor", directory)
        print(run(sys.executable, ROOT / "packaging" / "cross.py", *TARGETS), end="")
        for target in TARGETS:
            packages(target, Path(work) / target, directory)
    files = sorted(directory.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (directory / "SHA256SUMS").write_text("".join(sums))
    for path in files:
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path}")
    if not os.environ.get("IMMUTA_MAINTAINER"):
        print("The Debian packages name a placeholder as their maintainer: see IMMUTA_MAINTAINER in docs/packaging.md.",
              file=sys.stderr)


def sources(vendor: Path, directory: Path) -> None:
    """The tracked files and the crates in one archive."""
    run("cargo", "vendor", "--quiet", "--locked", "--versioned-dirs", vendor)
    config = vendor.parent / "config.toml"
    config.write_text(CARGO_CONFIG)
    files = {name: ROOT / name for name in run("git", "-C", ROOT, "ls-files", "-z").split("\0") if name}
    files[".cargo/config.toml"] = config
    files |= {f"vendor/{path.relative_to(vendor)}": path for path in vendor.rglob("*") if path.is_file()}
    top = f"libimmuta-{version()}"
    with tarfile.open(directory / f"{top}.tar.xz", "w:xz") as archive:
        for name, path in sorted(files.items()):
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mtime = path.stat().st_size, source_date()
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            info.uname = info.gname = "root"
            with path.open("rb") as content:
                archive.addfile(info, content)


def packages(target: str, work: Path, directory: Path) -> None:
    """What cpack makes of the libraries of one target."""
    stage = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute() / target / "stage"
    strip = f"{binutils.find(stage / 'libimmuta.so', None).prefix}strip"
    maintainer = os.environ.get("IMMUTA_MAINTAINER")
    run("cmake", "-S", ROOT, "-B", work, f"-DIMMUTA_PREBUILT={stage}", f"-DIMMUTA_CARGO_TARGET={target}",
        f"-DCMAKE_STRIP={shutil.which(strip)}", "-DCMAKE_INSTALL_LIBDIR=lib", "-DIMMUTA_BUILD_EXAMPLES=OFF",
        *([f"-DIMMUTA_MAINTAINER={maintainer}"] if maintainer else []))
    run("cpack", "--config", work / "CPackConfig.cmake", "-B", work / "packed", "-G", "TGZ;DEB")
    for path in (work / "packed").glob("*.deb"):
        shutil.move(path, directory)
    for path in (work / "packed").glob("*.tar.gz"):
        repack(path, directory / path.name)


def repack(packed: Path, archive: Path) -> None:
    """cpack leaves the files in the order of the file system, and names the user who packs as their owner."""
    with tarfile.open(packed) as source, archive.open("wb") as raw, \
            gzip.GzipFile("", "wb", 9, raw, mtime=source_date()) as compressed, \
            tarfile.open(fileobj=compressed, mode="w") as made:
        for member in sorted(source, key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            made.addfile(member, source.extractfile(member) if member.isfile() else None)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"packaging/dist.py: {failure}")

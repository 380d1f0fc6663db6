"""The files of a release: made in two places, the sources built without a network, the packages of both processors
used."""

import hashlib
import platform
import re
import tarfile
from pathlib import Path

from .engine import ROOT, Run, Step, expect
from .library import LICENCES, check_stage, version
from .other_builds import copy_cargo_home
from .package import CONSUMER, DOCUMENTS, cmake, copy_consumer, files_below, install, run_consumers
from .packages import RUNTIME, check_lintian
from .release import (
    AARCH64, EMULATOR, EMULATOR_HINT, OBJCOPIES, X86_64, check_licences, linked_crates, need_target,
)
from .tools import must_refuse, need, need_std_source, need_wheel

# Processors as archives and as Debian name them; what compiles for them, and what runs their programs here.
PROCESSORS = {"x86_64": ("amd64", "gcc", []),
              "aarch64": ("arm64", "aarch64-linux-gnu-gcc", EMULATOR)}
SOURCES = f"libimmuta-{version()}"
MAINTAINER = "A Packager <packager@example.net>"


def dist(run: Run) -> str:
    for program in ("qemu-aarch64", "aarch64-linux-gnu-gcc"):
        need(program, EMULATOR_HINT)
    for program in ("dpkg-deb", "readelf"):
        need(program)
    for target in (AARCH64, X86_64):
        need_target(run, target)
    need_std_source()
    made, again, crates = run.scratch / "made", run.scratch / "again", linked_crates(run)
    clone, target_dir = run.scratch / "clone", run.scratch / "target"
    run.command("git", "clone", "--quiet", ROOT, clone)
    refuse(run, clone, made)
    run.command(clone / "packaging" / "dist.py", made, cwd=clone,
                env={"CARGO_TARGET_DIR": str(target_dir), "IMMUTA_MAINTAINER": MAINTAINER})
    check_files(made)
    for target, objcopy in OBJCOPIES.items():
        check_stage(run, target_dir / target / "stage", objcopy)
    make_elsewhere(run, clone, again)
    check_files(again)
    twice = files_below(again)
    differ = sorted(name for name, content in files_below(made).items() if twice.get(name) != content)
    expect(not differ, f"made again elsewhere, these differ: {', '.join(differ)}")
    build_sources(run, made, crates)
    for processor in PROCESSORS:
        use_packages(run, made, processor, crates)
    # Multi-Arch: same, so that the packages of both processors are installed in one system.
    ours, theirs = (files_below(run.scratch / processor / "usr") for processor in PROCESSORS)
    differ = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    expect(not differ, f"the packages of both processors have different {', '.join(differ)}")
    for package in made.glob("*.deb"):
        expect(run.command("dpkg-deb", "--field", package, "Maintainer").strip() == MAINTAINER, package.name)
    check_lintian(run, sorted(made.glob("*.deb")))
    return "\n" + "\n".join(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB" for path in sorted(made.iterdir()))


def make_elsewhere(run: Run, original: Path, made: Path) -> None:
    """The same release, compiled again by the same compilers, where nothing is in its old place: another clone, target
    directory, CARGO_HOME, and other caches of Zig and cargo-zigbuild. The umask and the time zone are others, too."""
    place = run.scratch / "a-longer-path" / "elsewhere"
    clone, home = place / "sources", place / "cargo-home"
    copy_cargo_home(run, home)
    run.command("git", "clone", "--quiet", original, clone)
    run.command("/bin/sh", "-c", 'umask 077 && exec "$@"', "sh", clone / "packaging" / "dist.py", made, cwd=clone,
                env={"CARGO_TARGET_DIR": str(place / "target"), "CARGO_HOME": str(home), "TZ": "Asia/Kathmandu",
                     "XDG_CACHE_HOME": str(place / "caches"), "IMMUTA_MAINTAINER": MAINTAINER})
    caches = {path.name for path in (place / "caches").iterdir()}
    expect("cargo-zigbuild" in caches, f"XDG_CACHE_HOME does not move the cache of cargo-zigbuild: {sorted(caches)}")


def refuse(run: Run, clone: Path, directory: Path) -> None:
    """Neither what is not committed goes into a release, nor what was in the directory before."""
    def refused(*said_by: str) -> None:
        must_refuse(run, "make dist", clone / "packaging" / "dist.py", directory, said_by=said_by)

    (clone / "new").touch()
    refused("commit or stash", "new")
    (clone / "new").unlink()
    directory.mkdir()
    (directory / "other").touch()
    refused(f"{directory} is not empty")
    (directory / "other").unlink()


def check_files(made: Path) -> None:
    expected = {"SHA256SUMS", f"{SOURCES}.tar.xz"}
    for processor, (architecture, *_) in PROCESSORS.items():
        expected.add(f"{SOURCES}-{processor}-linux-gnu.tar.gz")
        expected |= {f"{name}_{version()}-1_{architecture}.deb"
                     for name in (RUNTIME, "libimmuta-dev", f"{RUNTIME}-dbgsym")}
    names = {path.name for path in made.iterdir()}
    expect(names == expected, f"more or less than expected: {sorted(names ^ expected)}")
    recorded = dict(line.split("  ")[::-1] for line in (made / "SHA256SUMS").read_text().splitlines())
    found = {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in expected - {"SHA256SUMS"}}
    expect(recorded == found, "SHA256SUMS is not that of the files")


def unpack(path: Path, place: Path) -> None:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        archive.extractall(place)
    names = [member.name for member in members]
    expect(names == sorted(names), f"{path.name}: its files are in no order")
    owners = {(member.uid, member.gid, member.uname, member.gname) for member in members}
    expect(owners == {(0, 0, "root", "root")}, f"{path.name}: its files belong to {sorted(owners)}")
    expect(len({member.mtime for member in members}) == 1, f"{path.name}: its files have several dates")


def build_sources(run: Run, made: Path, crates: set[str]) -> None:
    """With no crate beside those of the archive, and no network asked for one."""
    unpack(made / f"{SOURCES}.tar.xz", run.scratch)
    home = run.scratch / "empty"
    environment = {"CARGO_HOME": str(home), "CARGO_NET_OFFLINE": "true",
                   "CARGO_TARGET_DIR": str(run.scratch / "target-of-sources")}
    build = run.scratch / "build-of-sources"
    cmake(run, run.scratch / SOURCES, build, env=environment)
    prefix = install(run, build, run.scratch / "installed")
    consumer = run.scratch / "consumer-of-sources"
    cmake(run, copy_consumer(run), consumer, f"-DCMAKE_PREFIX_PATH={prefix}")
    run_consumers(run, consumer)
    # The texts of the crates are in the archive. Those of Rust's standard library are not, and packages have them.
    listed = (prefix / DOCUMENTS / LICENCES).read_text()
    check_licences(listed, crates)
    expect(listed.count("texts:   missing") == 1, "not only the texts of Rust's standard library are missing")
    cpack = [Path(need_wheel("cmake")).with_name("cpack"), "-G", "TGZ", "--config", build / "CPackConfig.cmake",
             "-B", run.scratch / "packed-of-sources"]
    must_refuse(run, "packages without licences", *cpack, said_by=(f"{LICENCES} lacks texts",))
    # The texts of the standard library are in its crates. The build may use a network, to fetch those that are missing.
    copy_cargo_home(run, home)
    run.command(need_wheel("cmake"), "--build", build, env={**environment, "CARGO_NET_OFFLINE": "false"})
    run.command(*cpack)
    expect((cpack[-1] / f"{SOURCES}-{platform.machine()}-linux-gnu.tar.gz").exists(), "cpack makes no archive of them")


def use_packages(run: Run, made: Path, processor: str, crates: set[str]) -> None:
    """Programs with the archive and with the packages, on their processor or in an emulator."""
    architecture, compiler, emulator = PROCESSORS[processor]
    root = run.scratch / processor
    archive = root / f"{SOURCES}-{processor}-linux-gnu"
    unpack(made / f"{archive.name}.tar.gz", root)
    for path in made.glob(f"*_{architecture}.deb"):
        run.command("dpkg-deb", "--extract", path, root)
        fields = dict(re.findall(r"^([\w-]+): (.*)$", run.command("dpkg-deb", "--field", path), re.M))
        expect(fields["Architecture"] == architecture, f"{path.name} is for {fields['Architecture']}")
        if fields["Package"] == RUNTIME:
            expect("libc6 (>= 2.28)" in fields["Depends"], f"{path.name} depends on {fields['Depends']}")
    for text in (archive / DOCUMENTS / LICENCES, *(root / "usr" / "share" / "doc").glob("*/copyright")):
        check_licences(text.read_text(), crates)
        expect("texts:   missing" not in text.read_text(), f"{text.relative_to(root)} lacks texts")
    libraries = {"archive": archive / "lib",
                 "debian": root / "usr" / "lib" / f"{processor}-linux-gnu"}
    for name, directory in libraries.items():
        program = root / f"program-of-{name}"
        include = directory.parent / "include" if name == "archive" else root / "usr" / "include"
        run.command(compiler, CONSUMER / "consumer.c", f"-I{include}", f"-L{directory}", "-limmuta",
                    f"-Wl,-rpath,{directory}", "-o", program)
        printed = run.command(*emulator, program, root / f"log-of-{name}")
        expect(printed == f"{version()} packaged\n", f"{program.name} for {processor} printed {printed!r}")


STEPS = [
    Step("dist", "make dist in two places, the sources built without a network, and the packages of both processors; "
                 "15 to 25 minutes", dist, only_when_asked=True),
]

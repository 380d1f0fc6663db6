"""The files of a release: made twice from a clone, the sources built without a network, the packages of both processors
used."""

import hashlib
import platform
import re
import tarfile
from pathlib import Path

from .engine import ROOT, Run, Step, expect
from .library import version
from .package import CONSUMER, cmake, copy_consumer, files_below, install, run_consumers
from .packages import RUNTIME, check_lintian
from .release import AARCH64, EMULATOR, EMULATOR_HINT, X86_64, need_target
from .tools import need, need_std_source, need_wheel

# Processors as archives and as Debian name them; what compiles for them, and what runs their programs here.
PROCESSORS = {"x86_64": ("amd64", "gcc", []),
              "aarch64": ("arm64", "aarch64-linux-gnu-gcc", EMULATOR)}
SOURCES = f"libimmuta-{version()}"


def dist(run: Run) -> str:
    for program in ("qemu-aarch64", "aarch64-linux-gnu-gcc"):
        need(program, EMULATOR_HINT)
    for program in ("dpkg-deb", "readelf"):
        need(program)
    for target in (AARCH64, X86_64):
        need_target(run, target)
    need_std_source()
    run.command("cargo", "fetch", "--locked")
    clone, made = run.scratch / "clone", run.scratch / "made"
    environment = {"CARGO_TARGET_DIR": str(run.scratch / "target")}
    run.command("git", "clone", "--quiet", ROOT, clone)
    refuse(run, clone, made)
    for directory in (made, run.scratch / "again"):
        run.command(clone / "packaging" / "dist.py", directory, cwd=clone, env=environment)
    check_files(made)
    again = files_below(run.scratch / "again")
    differ = sorted(name for name, content in files_below(made).items() if again.get(name) != content)
    expect(not differ, f"made again, these differ: {', '.join(differ)}")
    build_sources(run, made)
    for processor in PROCESSORS:
        use_packages(run, made, processor)
    # Multi-Arch: same, so that the packages of both processors are installed in one system.
    ours, theirs = (files_below(run.scratch / processor / "usr") for processor in PROCESSORS)
    differ = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    expect(not differ, f"the packages of both processors have different {', '.join(differ)}")
    check_lintian(run, sorted(made.glob("*.deb")))
    return "\n" + "\n".join(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB" for path in sorted(made.iterdir()))


def refuse(run: Run, clone: Path, directory: Path) -> None:
    """Neither what is not committed goes into a release, nor what was in the directory before."""
    def refused(*said_by: str) -> None:
        said, status = run.outcome("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", clone / "packaging" / "dist.py", directory)
        missing = [part for part in said_by if part not in said]
        expect(status == 1 and not missing, f"exit status {status}, and it does not say {missing}: {said}")

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


def build_sources(run: Run, made: Path) -> None:
    """With no crate beside those of the archive, and no network asked for one."""
    unpack(made / f"{SOURCES}.tar.xz", run.scratch)
    environment = {"CARGO_HOME": str(run.scratch / "empty"), "CARGO_NET_OFFLINE": "true",
                   "CARGO_TARGET_DIR": str(run.scratch / "target-of-sources")}
    build = run.scratch / "build-of-sources"
    cmake(run, run.scratch / SOURCES, build, env=environment)
    prefix = install(run, build, run.scratch / "installed")
    consumer = run.scratch / "consumer-of-sources"
    cmake(run, copy_consumer(run), consumer, f"-DCMAKE_PREFIX_PATH={prefix}")
    run_consumers(run, consumer)
    # The licences of the crates come from there, too. Those of Rust's standard library are not in the archive.
    work = run.scratch / "packed-of-sources"
    run.command(Path(need_wheel("cmake")).with_name("cpack"), "-G", "TGZ", "--config", build / "CPackConfig.cmake",
                "-B", work, cwd=build)
    expect((work / f"{SOURCES}-{platform.machine()}-linux-gnu.tar.gz").exists(), "cpack makes no archive of them")


def use_packages(run: Run, made: Path, processor: str) -> None:
    """Programs with the archive and with the packages, on their processor or in an emulator."""
    architecture, compiler, emulator = PROCESSORS[processor]
    root = run.scratch / processor
    unpack(made / f"{SOURCES}-{processor}-linux-gnu.tar.gz", root)
    for path in made.glob(f"*_{architecture}.deb"):
        run.command("dpkg-deb", "--extract", path, root)
        fields = dict(re.findall(r"^([\w-]+): (.*)$", run.command("dpkg-deb", "--field", path), re.M))
        expect(fields["Architecture"] == architecture, f"{path.name} is for {fields['Architecture']}")
        if fields["Package"] == RUNTIME:
            expect("libc6 (>= 2.28)" in fields["Depends"], f"{path.name} depends on {fields['Depends']}")
    libraries = {"archive": root / f"{SOURCES}-{processor}-linux-gnu" / "lib",
                 "debian": root / "usr" / "lib" / f"{processor}-linux-gnu"}
    for name, directory in libraries.items():
        program = root / f"program-of-{name}"
        include = directory.parent / "include" if name == "archive" else root / "usr" / "include"
        run.command(compiler, CONSUMER / "consumer.c", f"-I{include}", f"-L{directory}", "-limmuta",
                    f"-Wl,-rpath,{directory}", "-o", program)
        printed = run.command(*emulator, program, root / f"log-of-{name}")
        expect(printed == f"{version()} packaged\n", f"{program.name} for {processor} printed {printed!r}")


STEPS = [
    Step("dist", "make dist twice, the sources built without a network, and the packages of both processors; "
                 "about 10 minutes", dist, only_when_asked=True),
]

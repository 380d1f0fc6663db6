"""Who takes part: how each peer is built and started, what it promises, and which works it does not have.

A promise says what a kill of the process and a loss of power leave of the records whose append returned.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "peers"
PROGRAMS = BUILD / "programs"
BUILD_LIMIT_S = 300
C_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror",
           "-O3", "-pthread"]


class BuildError(Exception):
    """Its text is why a peer is skipped."""


class Build:
    """The commands of one build share its time, and its log."""

    def __init__(self, name: str):
        self.log_path = BUILD / "logs" / f"{re.sub(r'[^a-z0-9.]+', '-', name.lower())}.log"
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log_path.write_text("")

    def command(self, *words, cwd: Path = HERE) -> str:
        try:
            done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True,
                                  timeout=BUILD_LIMIT_S)
        except FileNotFoundError as error:
            raise BuildError(f"{words[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"was not built within {BUILD_LIMIT_S} s") from error
        with self.log_path.open("a") as log:
            log.write(f"$ {' '.join(map(str, words))}\n{done.stdout}{done.stderr}\n")
        if done.returncode != 0:
            raise BuildError(f"{telling_line(done.stderr + done.stdout)} ({self.log_path.relative_to(ROOT)})")
        return done.stdout


def telling_line(output: str) -> str:
    """The first line that speaks of an error; else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    return next((line for line in lines if re.search(r"\berror\b|forbidden|fatal|panicked|exception", line, re.I)),
                lines[-1])


@dataclass
class Peer:
    name: str
    build: Callable[[Build], list[str]]  # returns the command of its program
    version: Callable[[], str]
    fast: str  # what it promises in each row of that group
    durable: str = "kill, power: all survive"
    sustained: str = "power: loses 1 s at most"
    read: str = "checksums verified"
    lacks: dict[str, str] = field(default_factory=dict)  # works it does not have, and why
    only: set[str] = field(default_factory=set)  # works it is there for; none: all
    arguments: list[str] = field(default_factory=list)  # for its program

    def promise(self, work: str) -> str:
        return {"durable": self.durable, "threads": self.durable, "sustained": self.sustained,
                "read": self.read}.get(work, self.fast)


# ---- Builds ----------------------------------------------------------------------------------------------------------

def c_program(build: Build, name: str, *more) -> list[str]:
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    program = PROGRAMS / name
    build.command(os.environ.get("CC", "cc"), *C_FLAGS, HERE / "c" / "harness.c", HERE / "c" / f"{name}.c", *more,
                  "-o", program)
    return [str(program)]


def libimmuta(build: Build) -> list[str]:
    build.command("make", "lib", cwd=ROOT)
    directory = build.command("make", "--silent", "--no-print-directory", "print-lib-dir", cwd=ROOT).strip()
    return c_program(build, "immuta", f"-I{ROOT / 'include'}", f"-L{directory}", "-limmuta", "-Xlinker", "-rpath",
                     "-Xlinker", directory)


def bare(build: Build) -> list[str]:
    checksum = next(path for path in (ROOT / "benches").glob("**/crc32c.c"))
    return c_program(build, "bare", checksum)


def rocksdb(build: Build) -> list[str]:
    try:
        return c_program(build, "rocksdb", "-lrocksdb")
    except BuildError as error:
        raise BuildError(f"{error}; apt-get install librocksdb-dev") from error


def crate(name: str) -> Callable[[Build], list[str]]:
    def build_crate(build: Build) -> list[str]:
        target = BUILD / "rust"
        build.command("cargo", "build", "--quiet", "--locked", "--release", "--package", f"peer-{name}",
                      "--target-dir", target, cwd=HERE / "rust")
        return [str(target / "release" / f"peer-{name}")]
    return build_crate


def go(name: str) -> Callable[[Build], list[str]]:
    def build_go(build: Build) -> list[str]:
        build.command("go", "build", "-o", PROGRAMS / name, f"./{name}", cwd=HERE / "go")
        return [str(PROGRAMS / name)]
    return build_go


def original(version: str, solid_version: str, module_file: str, *flags: str) -> Callable[[Build], list[str]]:
    """From clones in IMMUTA_ORIGINAL, or from the module proxy."""
    def build_original(build: Build) -> list[str]:
        directory, program = HERE / "go" / "original", PROGRAMS / f"original-{version}"
        clones = os.environ.get("IMMUTA_ORIGINAL")
        modules = directory / module_file
        if clones:
            modules = with_clones(build, Path(clones).resolve(), modules, version, solid_version)
        try:
            build.command("go", "build", "-modfile", modules, *flags, "-o", program, ".", cwd=directory)
        except BuildError as error:
            if clones:
                raise
            raise BuildError(f"{error}; IMMUTA_ORIGINAL=DIRECTORY takes it from clones there, immuta and solid"
                             ) from error
        return [str(program)]
    return build_original


def with_clones(build: Build, clones: Path, modules: Path, version: str, solid_version: str) -> Path:
    """Copies both sources out of the clones. Returns a module file that uses these copies."""
    copies = BUILD / "original" / version
    shutil.rmtree(copies, ignore_errors=True)
    replaced = []
    for name, tag in (("immuta", version), ("solid", solid_version)):
        copy, archive = copies / name, copies / f"{name}.tar"
        copy.mkdir(parents=True)
        build.command("git", "-C", clones / name, "archive", "--output", archive, tag)
        build.command("tar", "--extract", "--file", archive, "--directory", copy)
        replaced.append(f"replace ella.to/{name} => {copy}\n")
    text = modules.read_text().replace("../harness", str(HERE / "go" / "harness"))
    (copies / "copies.mod").write_text(text + "".join(replaced))
    shutil.copy(modules.with_suffix(".sum"), copies / "copies.sum")
    return copies / "copies.mod"


def chronicle(build: Build) -> list[str]:
    output = BUILD / "java"
    build.command("mvn", "--quiet", "--batch-mode", "compile", f"-Dpeers.build={output}", cwd=HERE / "java")
    return ["java", f"@{HERE / 'java' / 'jvm.options'}", "-cp", f"{output / 'classes'}:{output / 'lib'}/*",
            "peers.Chronicle"]


# ---- Versions --------------------------------------------------------------------------------------------------------

def found(path: str, pattern: str) -> Callable[[], str]:
    def find() -> str:
        file = Path(path) if path.startswith("/") else HERE / path
        match = re.search(pattern, file.read_text(), re.M) if file.exists() else None
        return ".".join(match.groups()) if match else "unknown"
    return find


def of_crate(name: str) -> Callable[[], str]:
    return found(f"rust/{name}/Cargo.toml", r'"=([\d.]+)"')


def of_module(module: str) -> Callable[[], str]:
    return found("go/go.mod", rf"^\t{re.escape(module)} v(\S+)$")


def fixed(version: str) -> Callable[[], str]:
    return lambda: version


VERSION_OF_LIBIMMUTA = found("../../Cargo.toml", r'^version = "(.*)"')

# ---- The peers -------------------------------------------------------------------------------------------------------

NO_BATCHES = "it has no batches"
ONE_WRITER = "one writer at a time; threads would only wait for each other"
NUMBERS = "callers give the numbers, in order"
KILL_ONLY = "kill: all survive; power: no promise"
PREFIX = "kill: all survive; power: a prefix does"
UNCHECKED = "there are no checksums"
UNSYNCED = "power: no promise, it syncs nothing"

PEERS = [
    Peer("libimmuta", libimmuta, VERSION_OF_LIBIMMUTA, fast=PREFIX),
    Peer("libimmuta next_batch", libimmuta, VERSION_OF_LIBIMMUTA, fast=PREFIX, only={"read next"},
         arguments=["--variant", "next_batch"]),
    Peer("bare", bare, fixed("C"), fast=KILL_ONLY, sustained="power: loses 1 s at most, in no order"),
    Peer("bare pwrite", bare, fixed("C"), fast=KILL_ONLY, sustained="power: loses 1 s at most, in no order",
         only={"sustained"}, arguments=["--variant", "pwrite"]),
    Peer("original", original("v0.2.0", "v0.1.0", "go.mod"), fixed("0.2.0"), fast=KILL_ONLY, sustained=UNSYNCED,
         read=UNCHECKED, lacks={"threads": ONE_WRITER}),
    Peer("original v0.0.8", original("v0.0.8", "v0.0.3", "v0.0.8.mod", "-tags", "v008"), fixed("0.0.8"),
         fast=KILL_ONLY, sustained=UNSYNCED, read=UNCHECKED, lacks={"threads": ONE_WRITER, "batch": NO_BATCHES}),
    Peer("wal-db", crate("wal-db"), of_crate("wal-db"), fast=PREFIX, lacks={"batch": NO_BATCHES}),
    Peer("open-wal", crate("open-wal"), of_crate("open-wal"), fast="kill, power: lose 999 records at most",
         sustained="kill, power: lose 999 records at most",
         lacks={"threads": ONE_WRITER, "batch": "a commit of several records is not atomic"}),
    Peer("logdb", crate("logdb"), of_crate("logdb"), fast="kill: loses 8192 records at most; power: a prefix survives",
         sustained="power: loses 1 s at most; kill: 8192 records"),
    Peer("okaywal", crate("okaywal"), of_crate("okaywal"), fast="",
         lacks=dict.fromkeys(["append", "batch", "headline", "sustained"], "no fast mode, it syncs every commit")),
    Peer("raft-engine", crate("raft-engine"), of_crate("raft-engine"), fast=PREFIX),
    Peer("fjall", crate("fjall"), of_crate("fjall"), fast=PREFIX),
    Peer("commitlog", crate("commitlog"), of_crate("commitlog"), fast=KILL_ONLY, sustained=UNSYNCED,
         lacks=dict.fromkeys(["durable", "threads"], "its flush does not sync the records")),
    Peer("walrus", crate("walrus"), of_crate("walrus"), fast=KILL_ONLY),
    Peer("SQLite", crate("sqlite"), of_crate("sqlite"), fast="kill: all survive; power: up to its last checkpoint",
         sustained="power: loses what came after its last checkpoint", read=UNCHECKED, lacks={"threads": ONE_WRITER}),
    Peer("LMDB", crate("lmdb"), of_crate("lmdb"), fast="kill: all survive; power: may lose all",
         sustained="power: loses 1 s, or all", read=UNCHECKED, lacks={"threads": ONE_WRITER}),
    Peer("RocksDB", rocksdb, found("/usr/include/rocksdb/version.h",
                                   r"MAJOR (\d+)\n.*MINOR (\d+)\n.*PATCH (\d+)"), fast=PREFIX),
    Peer("tidwall/wal", go("tidwall"), of_module("github.com/tidwall/wal"), fast=KILL_ONLY, read=UNCHECKED,
         lacks={"threads": NUMBERS}),
    Peer("etcd wal", go("etcd"), of_module("go.etcd.io/etcd/server/v3"), fast=KILL_ONLY, sustained=UNSYNCED,
         lacks={"threads": NUMBERS, "batch": "a save of several entries is not atomic"}),
    Peer("NATS JetStream", go("nats"), of_module("github.com/nats-io/nats-server/v2"), fast=KILL_ONLY),
    Peer("Chronicle Queue", chronicle, found("java/pom.xml", r"chronicle-queue</artifactId>\s*<version>(.*)</version>"),
         fast=KILL_ONLY, read=UNCHECKED, lacks={"batch": NO_BATCHES}),
]

"""What a release needs beside the library's own tests: other processors, older C libraries, licences."""

import re
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import ROOT, TARGET_DIR, Run, Skip, Step, expect
from .library import HEADER, PROGRAMS, check_stage, private_libraries
from .suites import c_tests, summary
from .tools import must_refuse, need, need_cargo_command, need_std_source

AARCH64, X86_64 = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"
# What the emulator runs: the log, its maintenance, the C code inside, threads that are cancelled. Forked children and
# limits on memory are not what they are on a machine (docs/porting.md).
EMULATED_SUITES = ["layout", "append", "stream", "durable", "maintenance", "codec", "record", "wait", "wait_process",
                   "cancel", "import", "repair", "damage", "index_file", "killed", "golden"]
# What depends on how the library is linked: exceptions and cancelled threads cross its frames.
LINKAGE_SUITES = ["about", "layout", "exceptions", "cancel"]
EMULATOR = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
OBJCOPIES = {AARCH64: "aarch64-linux-gnu-objcopy", X86_64: "x86_64-linux-gnu-objcopy"}
EMULATOR_HINT = "apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"


def need_target(run: Run, target: str) -> None:
    libraries = run.command("rustc", "--print", "target-libdir", "--target", target).strip()
    if not list(Path(libraries).glob("libstd-*.rlib")):
        raise Skip(f"Rust's standard library for {target} is not installed; rustup target add {target}")


def aarch64_lints(run: Run) -> None:
    """Without zstd, whose C code would need a compiler for aarch64."""
    need_cargo_command("clippy")
    need_target(run, AARCH64)
    run.command("cargo", "clippy", "--locked", "--package", "immuta", "--lib", "--no-default-features",
                "--target", AARCH64, "--", "--deny", "warnings", env=UNOPTIMISED)


def cross(run: Run) -> str:
    need("readelf")
    need("qemu-aarch64", EMULATOR_HINT)
    compiler = need("aarch64-linux-gnu-gcc", EMULATOR_HINT)
    for target in (AARCH64, X86_64):
        need_target(run, target)
    built = run.command("make", "--silent", "cross", f"TARGET={AARCH64} {X86_64}")
    for target, objcopy in OBJCOPIES.items():
        check_stage(run, TARGET_DIR / target / "stage", objcopy)
    # The Rust tests of what has code of its own for a processor.
    as_linker = f"CARGO_TARGET_{AARCH64.upper().replace('-', '_')}"
    run.command("cargo", "test", "--locked", "--package", "immuta", "--lib", "--target", AARCH64, "--",
                "format::", "ffi::tests::",
                env={**UNOPTIMISED, f"{as_linker}_LINKER": compiler,
                     f"{as_linker}_RUNNER": " ".join(EMULATOR)})
    aarch64_archive(run, compiler)
    remarks = [summary(c_tests(run, "suites", f"--target={target}", *suites))
               for target, suites in ((AARCH64, EMULATED_SUITES), (X86_64, LINKAGE_SUITES))]
    return "\n" + "\n".join([built.strip(), *remarks])


def aarch64_archive(run: Run, compiler: str) -> None:
    """Programs with the static archive work."""
    archive = TARGET_DIR / AARCH64 / "stage" / "libimmuta.a"
    for name, link in (("static", ["-static", archive]),
                       ("whole", ["-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"])):
        program = run.scratch / name
        run.command(compiler, PROGRAMS / "host.c", f"-I{HEADER.parent}", "-o", program, *link, *private_libraries())
        printed = run.command(*EMULATOR, program, run.scratch / f"log-of-{name}")
        expect(printed == "immuta\n", f"{name}: printed {printed!r}")


def licences(run: Run) -> str:
    """Each crate that cargo links is in the file, and what comes from elsewhere; nothing passes without a text."""
    need_std_source()
    script = ROOT / "packaging" / "licences.py"
    file = run.scratch / "licences.txt"
    run.command(script, file)
    text = file.read_text()
    linked = linked_crates(run)
    check_licences(text, {*linked, "addr2line"})
    for words in ("Copyright (c) Meta Platforms", "Permission is hereby granted", "Apache License"):
        expect(words in text, f"no text has: {words}")
    for target in (AARCH64, X86_64):
        need_target(run, target)
        run.command(script, run.scratch / target, "--target", target)
        expect((run.scratch / target).read_text() == text, f"the licences for {target} are others")
    refuse_without_text(run, script)
    refuse_without_standard_library(run, script, linked)
    return f"{len(linked)} crates, {len(text) // 1024} KiB"


def check_licences(text: str, crates: set[str]) -> None:
    missing = sorted(title for title in {*crates, "Zstandard, the C library", "Rust's standard library"}
                     if re.search(rf"^{re.escape(title)}\b", text, re.M) is None)
    expect(not missing, f"no licence of {', '.join(missing)}")


def linked_crates(run: Run) -> set[str]:
    """What cargo links into the library, as the files of licences name it: a crate and its version."""
    tree = run.command("cargo", "tree", "--locked", "--package", "immuta", "--edges", "normal,no-proc-macro",
                       "--prefix", "none", "--format", "{p}")
    linked = {" ".join(line.replace(" v", " ", 1).split()[:2]) for line in tree.splitlines() if line}
    return {name for name in linked if not name.startswith("immuta ")}


def refuse_without_text(run: Run, script: Path) -> None:
    """A package that links a crate which comes without the text of its licence."""
    package = run.scratch / "package"
    for name, dependencies in (("bare", ""), ("root", 'bare = { path = "../bare" }')):
        source = package / name
        (source / "src").mkdir(parents=True)
        (source / "src" / "lib.rs").touch()
        (source / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "1.2.3"\nlicense = "MIT"\n'
                                           f'edition = "2024"\n[dependencies]\n{dependencies}\n')
    manifest = package / "root" / "Cargo.toml"
    run.command("cargo", "generate-lockfile", "--offline", "--manifest-path", manifest)
    must_refuse(run, "a crate without a text", script, run.scratch / "none.txt", "--manifest-path", manifest,
                said_by=("bare 1.2.3: no text of its licence",))
    expect("bare 1.2.3\n  licence: MIT\n  source:  the crate bare\n  texts:   missing\n" in
           (run.scratch / "none.txt").read_text(), "the file does not say that a text is missing")
    (package / "bare" / "COPYING").write_text("Do what you like.\n")
    run.command(script, run.scratch / "some.txt", "--manifest-path", manifest)
    expect("Do what you like." in (run.scratch / "some.txt").read_text(), "a text that is there is not in the file")


def refuse_without_standard_library(run: Run, script: Path, linked: set[str]) -> None:
    """A toolchain without the source of Rust's standard library. Everything else is in the file."""
    rustc = run.scratch / "rustc"
    rustc.write_text(f'#!/bin/sh\n[ "$*" = "--print sysroot" ] && exec echo {run.scratch}\nexec {need("rustc")} "$@"\n')
    rustc.chmod(0o755)
    file = run.scratch / "without-std.txt"
    must_refuse(run, "no source of the standard library", script, file, env={"RUSTC": str(rustc)},
                said_by=("Rust's standard library", "rustup component add rust-src"))
    text = file.read_text()
    check_licences(text, linked)
    expect(re.search(r"^Rust's standard library .*\n(  .*\n)*  texts:   missing$", text, re.M) is not None,
           "the file does not say that the texts of the standard library are missing")


STEPS = [
    Step("aarch64-lints", "the library compiles for aarch64, every warning an error", aarch64_lints),
    Step("licences", "the licences of everything that is linked into the library, with their texts", licences),
    Step("cross", "the libraries for aarch64 and x86-64 with glibc 2.28, and C suites of them, aarch64 in an emulator; "
                  "about 5 minutes", cross, only_when_asked=True),
]

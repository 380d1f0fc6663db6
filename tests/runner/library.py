"""The files that packaging/library.py makes: what the libraries export and need, what is in them and what is not, and
programs in which the static archive is not alone."""

import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Skip, Step, expect
from .header import declarations
from .tools import c_compiler, library_dir, need, need_module

HEADER = ROOT / "include" / "immuta.h"
PROGRAMS = ROOT / "packaging" / "test"
# Before glibc 2.34 libdl and libpthread have functions of their own.
SYSTEM_LIBRARIES = {"libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0",
                    "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
LICENCES = "THIRD-PARTY-LICENSES"
ARCHIVE_SIZE_MAX = 6_000_000  # bytes; it has about 4.7 million


def version() -> str:
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def soname() -> str:
    major, minor, _ = version().split(".")
    return f"libimmuta.so.0.{minor}" if major == "0" else f"libimmuta.so.{major}"


def private_libraries() -> list[str]:
    """What a program needs beside the archive."""
    return re.search(r"^Libs\.private: (.*)$", (ROOT / "cmake" / "immuta.pc.in").read_text(), re.M)[1].split()


def of_this_machine(check: Callable[..., str]) -> Callable[[Run], str]:
    """The step that makes a check of the libraries for this machine."""
    return lambda run: check(run, library_dir(run))


def check_stage(run: Run, directory: Path, objcopy: str) -> None:
    """What must hold for the libraries in a directory, whatever machine they are for. `objcopy` knows that machine."""
    for check in (symbols, hardened, debug_information):
        check(run, directory)
    path_independent(run, directory, objcopy)
    _, _, defined = visible_symbols(run, directory / "libimmuta.a")
    expect(defined == set(declarations()), f"{directory / 'libimmuta.a'} shows not only the interface, or not all: "
                                           f"{sorted(defined ^ set(declarations()))}")


def symbols(run: Run, directory: Path) -> str:
    need("nm")
    need("readelf")
    library = directory / "libimmuta.so"
    exported = {line.split()[-1] for line in run.command("nm", "-D", "--defined-only", library).splitlines()}
    declared = set(declarations())
    expect(exported == declared, f"exported, not in the header: {sorted(exported - declared)}; "
                                 f"in the header, not exported: {sorted(declared - exported)}")
    dynamic = run.command("readelf", "--dynamic", "--wide", library)
    found = re.search(r"SONAME.*\[(.*)\]", dynamic)
    expect(found is not None and found[1] == soname(), f"SONAME is {found and found[1]}, expected {soname()}")
    expect(re.search(r"FLAGS_1.*\bNODELETE\b", dynamic) is not None, "not linked with -z nodelete")
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    expect(needed <= SYSTEM_LIBRARIES, f"needs {sorted(needed - SYSTEM_LIBRARIES)}")
    return f"{len(exported)} functions, {found[1]}"


def hardened(run: Run, directory: Path) -> str:
    """What the loader makes read-only, and that nothing is writable and executable."""
    need("readelf")
    library = directory / "libimmuta.so"
    dynamic = run.command("readelf", "--dynamic", "--wide", library)
    segments = run.command("readelf", "--segments", "--wide", library)
    expect("GNU_RELRO" in segments, "no RELRO")
    expect(re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic) is not None, "not linked with -z now, so RELRO is partial")
    expect(re.search(r"GNU_STACK.* RW +0", segments) is not None, "the stack is executable")
    expect("TEXTREL" not in dynamic, "text relocations")
    expect(re.search(r"LOAD.* RWE +0x", segments) is None, "a segment is writable and executable")
    return "full RELRO, BIND_NOW, no executable stack, no text relocations"


def debug_information(run: Run, directory: Path) -> str:
    """It is in files of its own, which debuggers find, and it is complete: it has types, not only lines."""
    need("readelf")
    library = (directory / "libimmuta.so").resolve()
    for path in (library, directory / "libimmuta.a"):
        sections = run.command("readelf", "--sections", "--wide", path)
        inside = re.findall(r" (\.z?debug\w*|\.llvm\w+) ", sections)
        expect(not inside, f"{path.name} has {', '.join(inside)}")
    links = run.command("readelf", "--debug-dump=links", library)
    link = re.search(r"Separate debug info file: (\S+)\s+CRC value: (0x[0-9a-f]+)", links)
    expect(link is not None, f"{library.name} names no file with its debug information")
    name, checksum = link[1], int(link[2], 16)
    debug = directory / ".debug" / name
    expect(debug.is_file(), f".gnu_debuglink names {name}, which is not in .debug")
    expect(zlib.crc32(debug.read_bytes()) == checksum, f"{name} is not the debug information of {library.name}")
    dies = run.command("readelf", "--debug-dump=info", "--dwarf-depth=2", debug)
    expect("DW_TAG_structure_type" in dies or "DW_TAG_namespace" in dies, f"{name} has no types")
    return f"{name}, {debug.stat().st_size / 1e6:.1f} MB; the library {library.stat().st_size / 1e6:.1f} MB"


def places_of_machine(run: Run) -> set[str]:
    """Directories of this machine that compilers see. Tests build in directories of their own, too."""
    sysroot = run.command("rustc", "--print", "sysroot").strip()
    return {str(ROOT), str(TARGET_DIR), str(run.scratch), sysroot,
            os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")}


def path_independent(run: Run, directory: Path, objcopy: str = "objcopy") -> str:
    """No directory of this machine is written into the files, or they would differ between machines."""
    need(objcopy)
    places = places_of_machine(run)
    files = [path for path in directory.rglob("libimmuta*") if path.is_file() and not path.is_symlink()]
    expect(len(files) == 4, f"these files are there: {sorted(path.name for path in files)}")
    plain = run.scratch / "decompressed"
    for path in files:
        run.command(objcopy, "--decompress-debug-sections", path, plain)
        content = plain.read_bytes()
        plain.unlink()
        found = sorted(place for place in places if place.encode() in content)
        expect(not found, f"{path.relative_to(directory)} has {', '.join(found)}")
        if path.parent.name == ".debug":
            expect(b"/usr/src/immuta" in content, f"{path.name} names no source: this test sees too little")
    return f"{len(files)} files, without {len(places)} directories"


def archive(run: Run) -> str:
    """Only the interface is visible to a linker, and only what the libraries of the system have is asked for."""
    need("nm")
    need("readelf")
    directory = library_dir(run)
    path = directory / "libimmuta.a"
    exported = {line.split()[-1] for line in
                run.command("nm", "-D", "--defined-only", directory / "libimmuta.so").splitlines()}
    members = run.command("ar", "t", path).split()
    expect(members == ["immuta.o"], f"it has the members {members}")
    weak, strong, defined = visible_symbols(run, path)
    expect(defined == exported, f"visible, not exported: {sorted(defined - exported)}; "
                                f"exported, not visible: {sorted(exported - defined)}")
    weak_of_cargo, strong_of_cargo, _ = visible_symbols(run, TARGET_DIR / "release" / "libimmuta.a")
    # A program may lack what is weak. A strong name of it would be an undefined reference.
    became_strong = strong & weak_of_cargo - strong_of_cargo
    expect(not became_strong, f"weak in cargo's archive, and now strong: {sorted(became_strong)}")
    of_zstd = sorted(name for name in weak | strong if name.startswith("ZSTD_"))
    expect(not of_zstd, f"a program's own Zstandard library may answer for {of_zstd}")
    expect(bool(weak), "no weak name is left: readelf shows too little")
    size = path.stat().st_size
    expect(size <= ARCHIVE_SIZE_MAX, f"it has {size} bytes, more than {ARCHIVE_SIZE_MAX}")
    return f"{len(defined)} functions, {size / 1e6:.1f} MB"


def visible_symbols(run: Run, path: Path) -> tuple[set[str], set[str], set[str]]:
    """The symbols of an archive that linkers see: weak undefined, strong undefined, defined."""
    lines = [line.split() for line in run.command("readelf", "--symbols", "--wide", path).splitlines()]
    found = {(words[4], words[6] == "UND", words[7]) for words in lines if len(words) == 8 and words[4] != "LOCAL"}
    weak = {name for bind, undefined, name in found if bind == "WEAK" and undefined}
    strong = {name for bind, undefined, name in found if bind == "GLOBAL" and undefined}
    return weak, strong, {name for bind, undefined, name in found if not undefined and bind in ("GLOBAL", "WEAK")}


def archive_hosts(run: Run) -> str:
    """Programs with another Zstandard library, another Rust library, and every way a linker may treat the archive."""
    need("nm")
    directory = library_dir(run)
    ours = directory / "libimmuta.a"
    cc, said = c_compiler(), []

    def host(name: str, *link, defines: tuple[str, ...] = (), prints: str = "immuta") -> None:
        program = run.scratch / name
        run.command(cc, PROGRAMS / "host.c", *defines, f"-I{HEADER.parent}", "-o", program, *link, *private_libraries())
        printed = run.command(program, run.scratch / f"log-of-{name}")
        expect(printed == f"{prints}\n", f"{name}: printed {printed!r}, expected {prints!r}")
        said.append(name)

    host("static", "-static", ours)
    host("static-pie", "-static-pie", "-fPIE", ours)
    host("whole-archive", "-Wl,--whole-archive", ours, "-Wl,--no-whole-archive")
    host("gc-sections", "-Wl,--gc-sections", ours)
    host("lld", ours, *lld(run))
    host("with-debug-information", directory / ".debug" / "libimmuta.a")
    expect("/usr/src/immuta" in run.command("readelf", "--debug-dump=info", "--dwarf-depth=1",
                                            run.scratch / "with-debug-information"), "there is no debug information")

    run.command(cc, "-shared", "-fPIC", "-Wl,-z,defs,-z,text", PROGRAMS / "host.c", f"-I{HEADER.parent}",
                "-o", run.scratch / "libhost.so", ours, *private_libraries())
    said.append("in a shared library")

    second = run.scratch / "libsecond.a"
    run.command("rustc", "--edition=2024", "--crate-type=staticlib", PROGRAMS / "second.rs", "-o", second)
    rust = {"defines": ("-DHOST_RUST",), "prints": "immuta rust"}
    host("before-rust", ours, second, **rust)
    host("after-rust", second, ours, **rust)
    host("rust-whole", "-Wl,--whole-archive", ours, second, "-Wl,--no-whole-archive", **rust)

    hostile = hostile_object(run, ours.with_name(".debug") / ours.name)
    host("before-hostile", ours, hostile)
    host("after-hostile", hostile, ours)

    zstd = run.command(cc, "-print-file-name=libzstd.a").strip()
    if not Path(zstd).is_absolute():
        raise Skip("libzstd.a not found; make tools")
    host("before-zstd", ours, zstd, defines=("-DHOST_ZSTD",), prints="immuta zstd")
    host("after-zstd", zstd, ours, defines=("-DHOST_ZSTD",), prints="immuta zstd")
    return ", ".join(said)


def lld(run: Run) -> list[str]:
    """The flags that have the C compiler take the linker of LLVM that comes with Rust."""
    libraries = Path(run.command("rustc", "--print", "target-libdir").strip())
    return ["-fuse-ld=lld", "-B", str(libraries.with_name("bin") / "gcc-ld")]


def hostile_object(run: Run, archive_with_symbols: Path) -> Path:
    """An object with the functions of the Zstandard library, each of which ends the program: none may be called."""
    listed = run.command("nm", "--defined-only", "--format=just-symbols", archive_with_symbols).split()
    names = sorted({name for name in listed if re.fullmatch(r"(ZSTD|HUF|FSE|HIST)_\w+", name)})
    expect(len(names) > 50, f"the archive has only these functions of Zstandard: {names}")
    source = run.scratch / "hostile.c"
    source.write_text("void abort(void);\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in names))
    run.command(c_compiler(), "-c", source, "-o", source.with_suffix(".o"))
    return source.with_suffix(".o")


def zig(run: Run) -> str:
    """Zig links without libgcc, so that its own library for unwinding is named."""
    python = need_module("ziglang")
    program = run.scratch / "consumer"
    run.command(python, "-m", "ziglang", "build-exe", PROGRAMS / "consumer.zig", library_dir(run) / "libimmuta.a",
                "-lc", "-lunwind", f"-femit-bin={program}", "--global-cache-dir", TARGET_DIR / "zig",
                "--cache-dir", run.scratch / "cache")
    printed = run.command(program, run.scratch / "log")
    expect(printed == f"{version()} packaged\n", f"printed {printed!r}")
    return run.command(python, "-m", "ziglang", "version").strip()


def without_zstd(run: Run) -> str:
    """The feature can be left out: no function of it is there, and the other codecs are as they were."""
    need("nm")
    c_compiler()
    suites = sorted(path.stem for path in (ROOT / "c-tests" / "suites").glob("codec*.c"))
    run.command("cargo", "test", "--locked", "--package", "immuta-c-tests", "--test", "suites",
                "--", "--without-zstd", *suites)
    # The suites have built it.
    names = run.command("nm", "--format=just-symbols", TARGET_DIR / "without-zstd" / "stage" / "libimmuta.a").split()
    found = sorted(name for name in names if name.startswith("ZSTD_"))
    expect("immuta_open" in names and not found, f"it has {found}")
    listed = re.findall(r"^(\S.*)\n  licence: ", (TARGET_DIR / "without-zstd" / "stage" / LICENCES).read_text(), re.M)
    zstd = [title for title in listed if "zstd" in title.lower() or "Zstandard" in title]
    expect(any(title.startswith("lz4_flex ") for title in listed) and not zstd, f"its licences are of {listed}")
    run.command("cargo", "test", "--locked", "--package", "immuta", "--lib", "--no-default-features", "codec",
                env=UNOPTIMISED)
    return f"{', '.join(suites)} pass"


def static_libraries(run: Run) -> str:
    """The README, the .pc file and the CMake target must say what rustc says the archive needs, optimised or not."""
    run.command("cargo", "rustc", "--locked", "--package", "immuta", "--lib", "--crate-type", "staticlib",
                "--", "--print", f"native-static-libs={run.scratch / 'libraries'}", env=UNOPTIMISED)
    flags = (run.scratch / "libraries").read_text().split()
    # gcc adds libc and libgcc by itself, and an explicit -lgcc_s would break -static.
    private = [flag for flag in flags if flag not in ("-lc", "-lgcc_s")]
    expect(" ".join(private) in (ROOT / "README.md").read_text(), f"README.md does not say: {' '.join(private)}")
    expect(private_libraries() == private, f"immuta.pc.in: Libs.private is not {' '.join(private)}")
    target = re.search(r'INTERFACE_LINK_LIBRARIES "(util.*)"', (ROOT / "cmake" / "immutaTargets.cmake").read_text())
    linked = [f"-l{name}" for name in target[1].split(";")]
    expect(linked == private, f"immutaTargets.cmake: links {linked}")
    return " ".join(private)


STEPS = [
    Step("symbols", "exported symbols, SONAME, nodelete, needed libraries", of_this_machine(symbols), LIBRARY),
    Step("hardened", "the shared library: RELRO, BIND_NOW, no executable stack, no text relocations",
         of_this_machine(hardened), LIBRARY),
    Step("debug-information", "it is in files of its own, and debuggers find them", of_this_machine(debug_information),
         LIBRARY),
    Step("path-independent", "no directory of this machine is in the files", of_this_machine(path_independent),
         LIBRARY),
    Step("archive", "what of the static archive linkers see, and its size", archive, LIBRARY),
    Step("archive-hosts", "the static archive beside other Zstandard and Rust libraries, whole, in static programs",
         archive_hosts, LIBRARY),
    Step("zig", "a program in Zig with the static archive", zig, LIBRARY),
    Step("without-zstd", "a build without the feature zstd", without_zstd),
    Step("static-libraries", "system libraries of the static archive are those written down", static_libraries,
         LIBRARY),
]

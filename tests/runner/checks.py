"""Checks of the source and of what the compiler made of it: lints, exported symbols, needed libraries."""

import re
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Step, expect
from .header import declarations
from .tools import c_compiler, library_dir, need, need_cargo_command, texts_of_tree

# What libimmuta.a may have of the Zstandard library; the shared library hides it, and a build without zstd has none of
# it.
ZSTD_PREFIXES = {"ZSTD_", "ZSTDMT_", "HUF_", "_HUF_", "FSE_", "HIST_", "POOL_", "ERR_", "g_"}
# The files whose lines may be of any width, as git takes them.
ANY_WIDTH = [
    "fuzz/corpus",  # inputs that the fuzzer made; some of them happen to be text
    "tests/mutations/*.patch",  # lines of the source, and a sign before each
    "benches/peers/go/go.sum",  # made by Go
    "tests/abi/*.abi",  # made by abidw
]
SYSTEM_LIBRARIES = {"libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def rustfmt(run: Run) -> None:
    need_cargo_command("fmt")
    run.command("cargo", "fmt", "--all", "--check")


def width(run: Run) -> str:
    """No line of code or documents is wider than rustfmt.toml says; rustfmt leaves comments and strings alone."""
    limit = int(re.search(r"^max_width = (\d+)$", (ROOT / "rustfmt.toml").read_text(), re.M)[1])
    texts = texts_of_tree(excluded=ANY_WIDTH)
    wide = [f"{name}:{number}: {len(line)} characters" for name, text in texts
            for number, line in enumerate(text.split("\n"), 1) if len(line) > limit and not is_row(name, line)]
    expect(not wide, "\n".join([f"wider than {limit} characters:", *wide]))
    return f"{len(texts)} files, {limit} characters"


def is_row(name: str, line: str) -> bool:
    """Whether it is a row of a table in Markdown, which must be one line."""
    return name.endswith(".md") and line.startswith("|")


def clippy(run: Run) -> None:
    need_cargo_command("clippy")
    run.command("cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings",
                env=UNOPTIMISED)


def rustdoc(run: Run) -> None:
    run.command("cargo", "doc", "--locked", "--workspace", "--no-deps", "--document-private-items",
                env={**UNOPTIMISED, "RUSTDOCFLAGS": "--deny warnings"})


def symbols(run: Run) -> str:
    need("nm")
    need("readelf")
    library = library_dir(run) / "libimmuta.so"
    exported = {line.split()[-1] for line in run.command("nm", "-D", "--defined-only", library).splitlines()}
    declared = set(declarations())
    expect(exported == declared, f"exported, not in the header: {sorted(exported - declared)}; "
                                 f"in the header, not exported: {sorted(declared - exported)}")
    dynamic = run.command("readelf", "--dynamic", "--wide", library)
    soname = re.search(r"SONAME.*\[(.*)\]", dynamic)
    expect(soname is not None and soname[1] == expected_soname(), f"SONAME is {soname and soname[1]}, "
                                                                  f"expected {expected_soname()}")
    expect(re.search(r"FLAGS_1.*\bNODELETE\b", dynamic) is not None, "not linked with -z nodelete")
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    expect(needed <= SYSTEM_LIBRARIES, f"needs {sorted(needed - SYSTEM_LIBRARIES)}")
    return f"{len(exported)} functions, {soname[1]}"


def expected_soname() -> str:
    major, minor = re.search(r'^version = "(\d+)\.(\d+)\.', (ROOT / "Cargo.toml").read_text(), re.M).groups()
    return f"libimmuta.so.0.{minor}" if major == "0" else f"libimmuta.so.{major}"


def foreign_symbols(run: Run, archive: Path) -> set[str]:
    """The global symbols of the archive that are neither the interface nor Rust's, each cut at its first underscore."""
    # Not nm: with a plugin of LLVM it lists nothing of what Rust compiled. A weak symbol clashes with none.
    lines = [line.split() for line in run.command("readelf", "--symbols", "--wide", archive).splitlines()]
    names = {words[7] for words in lines if len(words) == 8 and words[4] == "GLOBAL" and words[6] != "UND"}
    # Rust mangles its own; two underscores begin what the compiler's runtime has (__addvdi3) and Rust's allocator
    # shims; LLVM puts a hash into the names of constants (anon.1f...1.llvm.23).
    ours = r"immuta_|_ZN|_R|__|rust_eh_personality$|anon\.[0-9a-f]{32}\.\d+\.llvm\.\d+$"
    foreign = {name for name in names if not re.match(ours, name)}
    return {re.match(r"_?[^_]+_?", name)[0] for name in foreign}


def archive_symbols(run: Run) -> str:
    """Two archives in one program clash where they define the same names, so what ours brings along is listed."""
    need("readelf")
    c_compiler()
    found = with_zstd = foreign_symbols(run, library_dir(run) / "libimmuta.a")
    # Not each of them is on every machine: _HUF_ is assembly of x86-64.
    expect(found <= ZSTD_PREFIXES, f"prefixes not listed: {sorted(found - ZSTD_PREFIXES)}")
    expect("ZSTD_" in found, "nothing of the Zstandard library is there: readelf shows too little")
    suites = sorted(path.stem for path in (ROOT / "c-tests" / "suites").glob("codec*.c"))
    run.command("cargo", "test", "--locked", "--package", "immuta-c-tests", "--test", "suites",
                "--", "--without-zstd", *suites)
    # The suites have built it.
    found = foreign_symbols(run, TARGET_DIR / "without-zstd" / "release" / "libimmuta.a")
    expect(not found, f"without zstd there are still {sorted(found)}")
    run.command("cargo", "test", "--locked", "--package", "immuta", "--lib", "--no-default-features", "codec",
                env=UNOPTIMISED)
    return f"{', '.join(sorted(with_zstd))}; without zstd none, and {', '.join(suites)} pass"


def static_libraries(run: Run) -> str:
    """The README, the .pc file and the CMake target must say what rustc says the archive needs, optimised or not."""
    run.command("cargo", "rustc", "--locked", "--package", "immuta", "--lib", "--crate-type", "staticlib",
                "--", "--print", f"native-static-libs={run.scratch / 'libraries'}", env=UNOPTIMISED)
    flags = (run.scratch / "libraries").read_text().split()
    expect(" ".join(flags) in (ROOT / "README.md").read_text(), f"README.md does not say: {' '.join(flags)}")

    # gcc adds libc and libgcc by itself, and an explicit -lgcc_s would break -static.
    private = [flag for flag in flags if flag not in ("-lc", "-lgcc_s")]
    package = (ROOT / "cmake" / "immuta.pc.in").read_text()
    expect(f"Libs.private: {' '.join(private)}\n" in package, f"immuta.pc.in: Libs.private is not {' '.join(private)}")

    target = re.search(r'INTERFACE_LINK_LIBRARIES "(util.*)"', (ROOT / "cmake" / "immutaTargets.cmake").read_text())
    named = {"Threads::Threads": "pthread", "${CMAKE_DL_LIBS}": "dl"}
    linked = {"-l" + named.get(item, item) for item in target[1].split(";")}
    expect(linked == set(private), f"immutaTargets.cmake: links {sorted(linked)}")
    return " ".join(flags)


FORMALITIES = [
    Step("rustfmt", "Rust sources formatted", rustfmt),
    Step("width", "no line wider than rustfmt.toml says, whatever the language", width),
    Step("clippy", "lints, every warning an error", clippy),
    Step("rustdoc", "documentation builds, every warning an error", rustdoc),
]

STEPS = [
    Step("symbols", "exported symbols, SONAME, nodelete, needed libraries", symbols, LIBRARY),
    Step("archive-symbols", "what else the static archive defines; a build without zstd", archive_symbols),
    Step("static-libraries", "system libraries of the static archive are those written down", static_libraries,
         LIBRARY),
]

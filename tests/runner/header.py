"""The header as compilers of C and C++ take it, and as other tools do: cffi, cgo, Zig."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import LIBRARY, ROOT, Failure, Run, Skip, Step, expect
from .tools import c_compiler, library_dir, need, need_module

HEADER = ROOT / "include" / "immuta.h"
CDEF = ROOT / "include" / "immuta.cdef"
CALLERS = ROOT / "c-tests" / "callers"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-compare", "-Wshadow", "-Werror"]
C_STANDARDS = [("c99",), ("c11",), ("c23", "c2x")]  # the last under either of its names
CXX_STANDARDS = ["c++11", "c++17", "c++20"]
# The functions whose status the compiler wants to be looked at: those where ignoring it can lose data.
MUST_USE = {"immuta_open", "immuta_sync", "immuta_shutdown", "immuta_close", "immuta_append", "immuta_appendv",
            "immuta_append_from", "immuta_append_batch", "immuta_append_packed", "immuta_append_at",
            "immuta_txn_append", "immuta_txn_appendv", "immuta_txn_commit", "immuta_verify", "immuta_repair",
            "immuta_import"}
# As clang names targets; what the header says of one that it refuses.
TARGETS = {"x86_64-linux-gnu": None, "aarch64-linux-gnu": None, "riscv64-linux-gnu": None,
           "i686-linux-gnu": "64-bit", "x86_64-linux-gnux32": "64-bit", "s390x-linux-gnu": "little-endian",
           "aarch64-apple-macos": "Linux", "x86_64-pc-windows-msvc": "Linux"}


def header_drift(run: Run) -> None:
    run.command("cargo", "test", "--locked", "--package", "immuta-header", env=UNOPTIMISED)


def compilers() -> tuple[list[str], list[str]]:
    """Those of C and those of C++."""
    c = [name for name in ("gcc", "clang") if shutil.which(name)]
    cxx = [name for name in ("g++", "clang++") if shutil.which(name)]
    if not c or not cxx:
        raise Skip("no gcc or clang with its C++ compiler; make tools")
    return c, cxx


def accepts(run: Run, compiler: str, standard: str) -> bool:
    """Whether the compiler knows a language standard at all, asked with an empty program."""
    empty = run.scratch / "empty.c"
    empty.write_text("typedef int not_empty;\n")
    try:
        run.command(compiler, f"-std={standard}", "-fsyntax-only", empty)
    except Failure:
        return False
    return True


def compile_header(run: Run, compiler: list, standard: str, suffix: str, *flags: str) -> None:
    """The header alone, the header twice, and a caller that compares, combines and switches."""
    texts = {"alone": "#include <immuta.h>\n", "twice": "#include <immuta.h>\n" * 2,
             "caller": (CALLERS / "values.c").read_text()}
    for name, text in texts.items():
        source = run.scratch / f"{name}.{suffix}"
        source.write_text(text)
        # Without -fsyntax-only, with which GCC does not look for all that it warns of.
        run.command(*compiler, f"-std={standard}", *WARNINGS, *flags, f"-I{HEADER.parent}", "-c", source,
                    "-o", run.scratch / f"{name}.o")


def header_clean(run: Run) -> str:
    c, cxx = compilers()
    for compiler in c:
        for names in C_STANDARDS:
            known = [name for name in names if accepts(run, compiler, name)]
            expect(bool(known), f"{compiler} knows none of {', '.join(names)}")
            compile_header(run, [compiler], known[0], "c", "-Wstrict-prototypes")
    for compiler in cxx:
        for standard in CXX_STANDARDS:
            compile_header(run, [compiler], standard, "cpp")
    return ", ".join(c + cxx)


def declarations() -> dict[str, int]:
    """The functions of the header, and how many parameters each has."""
    found = re.findall(r"^\w[\w *]*?\b(immuta_\w+)\(([^()]*)\);", CDEF.read_text(), re.M)
    return {name: 0 if parameters == "void" else parameters.count(",") + 1 for name, parameters in found}


def header_must_use(run: Run) -> str:
    """A program that ignores what every function returns is warned of some of them."""
    c, cxx = compilers()
    calls = {name: f"{name}({', '.join(['0'] * count)})" for name, count in declarations().items()}
    source = run.scratch / "ignore.c"
    source.write_text("\n".join(["#include <immuta.h>", "void ignore(void);", "void ignore(void) {",
                                 *(f"  {call};" for call in calls.values()), "}\n"]))
    for compiler, language, standard in [*((name, "c", "c11") for name in c),
                                         *((name, "c++", standard) for name in cxx for standard in ("c++11", "c++17"))]:
        for flags, expected in (([], MUST_USE), (["-DIMMUTA_PARSER"], set())):
            words = [compiler, "-x", language, f"-std={standard}", "-Wunused-result", *flags, f"-I{HEADER.parent}",
                     "-c", str(source), "-o", str(run.scratch / "ignore.o")]
            compiled = subprocess.run(words, capture_output=True, text=True)
            run.write(f"$ {' '.join(words)}\n{compiled.stderr}")
            expect(compiled.returncode == 0, f"{compiler} -std={standard} does not compile calls of all functions")
            lines = re.findall(rf"^{re.escape(str(source))}:(\d+):\d+: warning:", compiled.stderr, re.M)
            warned = {list(calls)[int(line) - 4] for line in lines}
            expect(warned == expected, f"{compiler} -std={standard} {' '.join(flags)}: warned of {sorted(warned)}, "
                                       f"expected {sorted(expected)}")
    return f"{len(MUST_USE)} of {len(calls)} functions"


def header_targets(run: Run) -> str:
    """What cannot work is refused by the header, with the reason, and not by an error further down."""
    clang = need("clang")
    source = run.scratch / "target.c"
    source.write_text("#include <immuta.h>\n")
    for target, reason in TARGETS.items():
        # Freestanding: the system's own headers are not there for other targets.
        words = [clang, f"--target={target}", "-ffreestanding", "-std=c11", f"-I{HEADER.parent}", "-fsyntax-only",
                 str(source)]
        compiled = subprocess.run(words, capture_output=True, text=True)
        run.write(f"$ {' '.join(words)}\n{compiled.stderr}")
        errors = re.findall(r"error: (.*)", compiled.stderr)
        if reason is None:
            expect(not errors, f"{target}: {errors}")
        else:
            expect(len(errors) == 1 and "libimmuta needs" in errors[0] and reason in errors[0], f"{target}: {errors}")
    return ", ".join(TARGETS)


def for_parsers(run: Run, header: Path) -> str:
    """What the preprocessor makes of a header's own lines for a tool that knows no attributes."""
    source = run.scratch / "parser.c"
    source.write_text(f"#include <{HEADER.name}>\n")
    output = run.command(c_compiler(), "-std=c99", "-E", "-DIMMUTA_PARSER", f"-I{header.parent}", source)
    own, inside = [], False
    for line in output.splitlines():
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            inside = Path(marker[1]).name == HEADER.name
        elif inside:
            own.append(line)
    return "\n".join(own)


def header_cdef(run: Run) -> str:
    """immuta.cdef is what the preprocessor makes of the header, token by token."""
    texts = (for_parsers(run, HEADER), CDEF.read_text())
    preprocessed, written = (re.findall(r"\w+|[^\w\s]", text) for text in texts)
    same = sum(1 for _ in os.path.commonprefix([preprocessed, written]))
    expect(preprocessed == written, f"after {' '.join(written[max(0, same - 8):same])}: the header goes on with "
                                    f"{' '.join(preprocessed[same:same + 8])}, the cdef with "
                                    f"{' '.join(written[same:same + 8])}")
    return f"{len(written)} tokens"


def header_cffi(run: Run) -> str:
    python = need_module("cffi")
    run.command(python, CALLERS / "log.py", CDEF, library_dir(run) / "libimmuta.so", run.scratch / "log")
    return "immuta.cdef in ABI mode: open, append, read, names of statuses"


def header_zig(run: Run) -> str:
    """translate-c, whose output a program imports; and C23, which no other compiler here knows in its final form."""
    zig = [need_module("ziglang"), "-m", "ziglang"]
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(ROOT / "build" / "zig"), "ZIG_LOCAL_CACHE_DIR": str(run.scratch / "zig")}
    translated = run.command(*zig, "translate-c", "-lc", f"-I{HEADER.parent}", HEADER, env=caches)
    # Short names of functions, which translate-c adds to the types, may be keywords: no program needs them.
    quoted = [line for line in translated.splitlines()
              if '@"' in line and "immuta" in line.lower() and not line.strip().startswith('pub const @"')]
    expect(not quoted, f"a name is a keyword in Zig: {quoted}")
    (run.scratch / "immuta.zig").write_text(translated)
    shutil.copy(CALLERS / "log.zig", run.scratch)
    libraries = library_dir(run)
    run.command(*zig, "build-exe", "log.zig", "-lc", f"-L{libraries}", "-limmuta", "-rpath", libraries,
                cwd=run.scratch, env=caches)
    run.command(run.scratch / "log", run.scratch / "log-of-zig")
    compile_header(run, [*zig, "cc"], "c23", "c", "-Wstrict-prototypes")
    return "translate-c, a log opened, appended to and read; C23"


def header_cgo(run: Run) -> str:
    go, libraries = need("go"), library_dir(run)
    environment = {"CGO_ENABLED": "1", "CGO_CFLAGS": f"-I{HEADER.parent}", "GOTOOLCHAIN": "local",
                   "CGO_LDFLAGS": f"-L{libraries} -limmuta -Wl,-rpath,{libraries}"}
    shutil.copy(CALLERS / "log.go", run.scratch)
    run.command(go, "build", "-o", "log", "log.go", cwd=run.scratch, env=environment)
    run.command(run.scratch / "log", run.scratch / "log-of-go")
    return "a log opened, appended to and read"


def header_version(run: Run) -> str:
    """The check that docs/c-api.md shows, with this header and with headers of other versions."""
    blocks = re.findall(r"^```c\n(.*?)^```", (ROOT / "docs" / "c-api.md").read_text(), re.M | re.S)
    shown = [block for block in blocks if "IMMUTA_VERSION_NUMBER" in block]
    expect(len(shown) == 1, f"docs/c-api.md shows {len(shown)} checks of the version")
    source, libraries = run.scratch / "version.c", library_dir(run)
    source.write_text("#include <immuta.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
                      f"int main(void) {{\n{shown[0]}  return EXIT_SUCCESS;\n}}\n")
    text = HEADER.read_text()
    version = re.search(r'IMMUTA_VERSION_STRING "(.*)"', text)[1]
    major, minor, patch = map(int, version.split("."))
    refused = [(major, minor + 1, 0), (major + 1, 0, 0), (major, minor, patch + 1), (major, minor - 1, 9)]
    for numbers in [(major, minor, patch), *refused]:
        other = ".".join(map(str, numbers))
        (run.scratch / other).mkdir()
        changed = text.replace(f'"{version}"', f'"{other}"')
        for part, number in zip(("MAJOR", "MINOR", "PATCH"), numbers):
            changed = re.sub(rf"(#define IMMUTA_VERSION_{part}) \d+", rf"\1 {number}", changed)
        (run.scratch / other / HEADER.name).write_text(changed)
        program = run.scratch / f"version-{other}"
        run.command(c_compiler(), "-std=c99", *WARNINGS, f"-I{run.scratch / other}", source, f"-L{libraries}",
                    "-limmuta", f"-Wl,-rpath,{libraries}", "-o", program)
        ended = subprocess.run([program], capture_output=True, text=True)
        run.write(ended.stderr)
        if numbers not in refused:
            expect(ended.returncode == 0 and not ended.stderr, f"the header of this library is refused: {ended.stderr}")
        else:
            expect(ended.returncode == 1 and other in ended.stderr and version in ended.stderr,
                   f"a header of {other} with a library of {version}: {ended.returncode}, {ended.stderr!r}")
    return f"headers of {', '.join('.'.join(map(str, numbers)) for numbers in refused)} are refused"


STEPS = [
    Step("header-drift", "immuta.h and immuta.cdef are what the Rust source generates", header_drift),
    Step("header-clean", "the header in C99, C11, C23, C++11, C++17, C++20, every warning an error", header_clean),
    Step("header-must-use", "which ignored results the compilers warn of, and none of them for parsers",
         header_must_use),
    Step("header-targets", "the header refuses targets that cannot work, and says why", header_targets),
    Step("header-cdef", "immuta.cdef is the header after preprocessing", header_cdef),
    Step("header-version", "the check of the version that docs/c-api.md shows", header_version, LIBRARY),
    Step("header-cffi", "a log through immuta.cdef and cffi", header_cffi, LIBRARY),
    Step("header-cgo", "a log through cgo", header_cgo, LIBRARY),
    Step("header-zig", "a log through Zig's translate-c; the header in C23", header_zig, LIBRARY),
]

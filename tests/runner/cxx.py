"""The C++ interface: clean in every standard, misuse refused by compilers, mixed settings. guides.py has its guide."""

import re
import shutil
from pathlib import Path

from .engine import LIBRARY, ROOT, Run, Skip, Step, expect
from .tools import library_dir

INCLUDE = ROOT / "include"
TESTS = ROOT / "c-tests"
SUITE = TESTS / "suites" / "cxx.cpp"
PROGRAMS = TESTS / "cxx" / "programs"
SETTINGS = ["-fno-exceptions", "-fno-rtti"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wold-style-cast",
            "-Wzero-as-null-pointer-constant", "-Werror"]
INCLUDES = [f"-I{INCLUDE}", f"-I{TESTS}"]


def compilers() -> list[str]:
    found = [name for name in ("g++", "clang++") if shutil.which(name)]
    if not found:
        raise Skip("no C++ compiler; make tools")
    return found


def warnings(compiler: str) -> list[str]:
    return [*WARNINGS, *(["-Wuseless-cast"] if compiler == "g++" else [])]


def parts() -> list[Path]:
    return [INCLUDE / "immuta.hpp", *sorted((INCLUDE / "immuta").glob("*.hpp"))]


def clean(run: Run) -> str:
    """The suite has every function and template of the headers in it. `programs` compiles it as C++23."""
    for compiler in compilers():
        for flags in (["-std=c++17"], ["-std=c++20"], *(["-std=c++17", setting] for setting in SETTINGS)):
            run.command(compiler, *flags, *warnings(compiler), *INCLUDES, "-fsyntax-only", SUITE)
    return f"{', '.join(compilers())}: C++17, C++20, {', '.join(SETTINGS)}"


def functions_of_c() -> set[str]:
    """What immuta.h declares: names before a parenthesis, outside comments."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", (INCLUDE / "immuta.h").read_text(), flags=re.S)
    return set(re.findall(r"\b(immuta_\w+)\(", text))


def complete(run: Run) -> str:
    """Each function of immuta.h is called, and each status has a name."""
    text = "\n".join(part.read_text() for part in parts())
    functions = functions_of_c()
    # Also what is passed to a helper that calls it.
    missing = {name for name in functions if not re.search(rf"\b{name}\b[(,]", text)}
    expect(len(functions) > 50, "few functions are found in immuta.h")
    expect(not missing, f"include/immuta/*.hpp does not call: {', '.join(sorted(missing))}")
    header = (INCLUDE / "immuta.h").read_text()
    statuses = set(re.findall(r"\bIMMUTA_(?:OK|TIMEOUT|INTERRUPTED|READY|E_[A-Z_]+[A-Z])\b", header))
    named = set(re.findall(r"= (IMMUTA_\w+),", (INCLUDE / "immuta" / "status.hpp").read_text()))
    expect(len(statuses) > 30 and statuses <= named, f"immuta::status has no name for {sorted(statuses - named)}")
    return f"{len(functions)} functions, {len(statuses)} statuses"


def refused(run: Run) -> str:
    """The compiler says something about each marked line of refused.cpp, with the words of the mark, and about no other
    line."""
    source = TESTS / "cxx" / "refused.cpp"
    marks = {number: mark[1] for number, line in enumerate(source.read_text().splitlines(), 1)
             if (mark := re.search(r"// refused: (.*)$", line))}
    for compiler in compilers():
        every = "-ferror-limit=0" if compiler == "clang++" else "-fmax-errors=0"
        said, status = run.outcome("sh", "-c", 'exec "$@" 2>&1', "sh", compiler, "-std=c++17", "-Wall", every,
                                   "-Wno-unused-variable", "-Wno-unused-but-set-variable", *INCLUDES, "-fsyntax-only",
                                   source)
        expect(status != 0, f"{compiler} compiles refused.cpp")
        about = diagnostics(said, source.name)
        expect(about.keys() == marks.keys(), f"{compiler}: lines {sorted(about.keys() ^ marks.keys())}")
        for number, mark in marks.items():
            expect(mark in about[number], f"{compiler}: line {number} is not refused for {mark!r}:\n{about[number]}")
    return f"{len(marks)} lines, {', '.join(compilers())}"


def diagnostics(said: str, name: str) -> dict[int, str]:
    """The errors and warnings of a compiler, by the line of the source that led to them."""
    about: dict[int, str] = {}
    leading: set[int] = set()  # lines that the next diagnostics are about, as g++ says before them
    latest = ""
    for line in said.splitlines():
        here = {int(number) for number in re.findall(rf"^\S*\b{re.escape(name)}:(\d+):", line)}
        if re.search(r": In |: At ", line):
            leading = set()
        elif "required from" in line:
            leading |= here
        elif re.search(r": (?:error|warning): ", line):
            latest = line + "\n"
            for number in here or leading:
                about[number] = about.get(number, "") + latest
        elif "requested here" in line:  # as clang++ says after them
            for number in here:
                about[number] = about.get(number, "") + latest
    return about


def build(run: Run, name: str, compiler: str, *arguments) -> Path:
    """Compiles and links one program with the shared library."""
    libraries = library_dir(run)
    program = run.scratch / name
    run.command(compiler, *warnings(compiler), *INCLUDES, *arguments, f"-L{libraries}", f"-Wl,-rpath,{libraries}",
                "-limmuta", "-pthread", "-o", program)
    return program


def last_line(output: str) -> str:
    return output.splitlines()[-1]


def programs(run: Run) -> str:
    """The suite as the newest standard, with the warnings that optimisation adds; answers that are hard to get from the
    library; files with exceptions beside files without them."""
    results = []
    for compiler, flags in (("g++", ["-std=c++2b", "-O2"]), ("clang++", ["-std=c++2b", "-O0"])):
        if compiler in compilers():
            results.append(last_line(run.command(build(run, f"suite-{compiler}", compiler, *flags, SUITE))))
    compiler = compilers()[0]
    run.command(build(run, "replaced", compiler, "-std=c++17", PROGRAMS / "replaced.cpp", "-ldl"))
    objects = []
    for name, flags in (("settings", []), ("settings_off", SETTINGS)):
        objects.append(run.scratch / f"{name}.o")
        run.command(compiler, "-std=c++17", *flags, *warnings(compiler), *INCLUDES, "-c", PROGRAMS / f"{name}.cpp",
                    "-o", objects[-1])
    # The linker takes a function that both files have from the first of them.
    for order in (objects, objects[::-1]):
        run.command(build(run, "settings", compiler, *order))
    return f"suite: {', '.join(results)}; other versions; with and without exceptions"


STEPS = [
    Step("cxx-clean", "immuta.hpp in C++17 and 20, without exceptions, without RTTI, every warning an error", clean),
    Step("cxx-complete", "immuta.hpp has every function and every status of immuta.h", complete),
    Step("cxx-refused", "what must not compile in C++ does not", refused),
    Step("cxx-programs", "the C++ suite in C++23; another version of the library; settings mixed in one program",
         programs, LIBRARY),
]

"""The C++ interface: clean in every standard, misuse refused by compilers, mixed settings. guides.py has its guide."""

import re
import shutil
from pathlib import Path

from .engine import LIBRARY, ROOT, Run, Skip, Step, expect
from .tools import library_dir, need

INCLUDE = ROOT / "include"
TESTS = ROOT / "c-tests"
SUITE = TESTS / "suites" / "cxx.cpp"
PROGRAMS = TESTS / "cxx" / "programs"
# Two files of a program, and what both begin with.
PARAMETERS = """#include <immuta.hpp>
inline namespace IMMUTA_CXX_NAMESPACE {
struct own {
  immuta::log log;
};
}
void f(immuta::log &log);
void g(own &has);
"""
TAKES = "void f(immuta::log &) {}\nvoid g(own &) {}\n"
GIVES = "int main() {\n  own has;\n  f(has.log);\n  g(has);\n}\n"
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


def all_output(run: Run, *words) -> tuple[str, int | None]:
    """What a program prints, errors included, and its exit status."""
    return run.outcome("sh", "-c", 'exec "$@" 2>&1', "sh", *words)


def refused(run: Run) -> str:
    """The compiler says something about each marked line of refused.cpp, with the words of the mark, and about no other
    line."""
    source = TESTS / "cxx" / "refused.cpp"
    marks = {number: mark[1] for number, line in enumerate(source.read_text().splitlines(), 1)
             if (mark := re.search(r"// refused: (.*)$", line))}
    for compiler in compilers():
        every = "-ferror-limit=0" if compiler == "clang++" else "-fmax-errors=0"
        said, status = all_output(run, compiler, "-std=c++17", "-Wall", every, "-Wno-unused-variable",
                                  "-Wno-unused-but-set-variable", *INCLUDES, "-fsyntax-only", source)
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


def libraries(run: Run, compiler: str) -> None:
    """A program and two shared libraries that hide what they can. Then the same, kept apart by a version script."""
    flags = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fvisibility-inlines-hidden"]
    objects = {name: run.scratch / f"{name}.o" for name in ("one", "two", "program")}
    for name, compiled in objects.items():
        source = PROGRAMS / ("libraries.cpp" if name == "program" else "library.cpp")
        run.command(compiler, *flags, *warnings(compiler), *INCLUDES, f"-DLIBRARY={name}", "-c", source, "-o", compiled)
    script = run.scratch / "apart.map"
    script.write_text('{ global: extern "C++" { one::*; two::*; }; local: *; };\n')
    for name, linked in (("together", []), ("apart", [f"-Wl,--version-script={script}"])):
        made = [build(run, f"{name}-{library}.so", compiler, "-shared", *linked, objects[library])
                for library in ("one", "two")]
        run.command(build(run, name, compiler, objects["program"], *made), name)
    # libstdc++ also catches by the name of a type, other libraries only by this symbol.
    shared = run.command(need("nm"), "-D", "--demangle", "--defined-only", run.scratch / "together-one.so")
    expect(re.search(r"typeinfo for immuta::\w+::error$", shared, re.M) is not None, "immuta::error is hidden")


def unlike_parameters(run: Run, compiler: str) -> None:
    """The linker refuses parameters of other settings: objects of the header, and types that use its namespace."""
    objects = []
    for name, text, flags in (("takes", TAKES, []), ("gives", GIVES, ["-fno-exceptions"])):
        (run.scratch / f"{name}.cpp").write_text(PARAMETERS + text)
        objects.append(run.scratch / f"{name}.o")
        run.command(compiler, "-std=c++17", *flags, *INCLUDES, "-c", run.scratch / f"{name}.cpp", "-o", objects[-1])
    linked = (*objects, f"-L{library_dir(run)}", "-limmuta", "-o", run.scratch / "unlike")
    said, status = all_output(run, compiler, *linked)
    log, own = (re.search(rf"\b{function}", said) for function in (r"f\(immuta::\w+::log ?&\)", r"g\(\w+::own ?&\)"))
    expect(status != 0 and log is not None and own is not None, f"the linker does not name the parameters:\n{said}")
    expect(f"`{log[0]}`" in (ROOT / "docs" / "cxx.md").read_text(), f"docs/cxx.md does not have {log[0]}")


def programs(run: Run) -> str:
    """The suite as the newest standard, with the warnings that optimisation adds; answers that are hard to get from the
    library; codecs that throw in another shared library; files with exceptions beside files without them."""
    results = []
    for compiler, flags in (("g++", ["-std=c++2b", "-O2"]), ("clang++", ["-std=c++2b", "-O0"])):
        if compiler in compilers():
            results.append(last_line(run.command(build(run, f"suite-{compiler}", compiler, *flags, SUITE))))
    compiler = compilers()[0]
    run.command(build(run, "replaced", compiler, "-std=c++17", PROGRAMS / "replaced.cpp", "-ldl"))
    libraries(run, compiler)
    unlike_parameters(run, compiler)
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

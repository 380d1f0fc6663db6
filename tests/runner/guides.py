"""The guides: the code in them is taken from the text, compiled and run, and prints what the text says.

A piece is a fenced block. A block `text` after it is what it prints. What becomes of it depends on its language:

    c, cpp    a whole program, or a part of a function
    cmake     a whole CMakeLists.txt, in a directory of its own beside the program of the README
    sh        commands of a user, which run there
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import cxx
from .engine import LIBRARY, ROOT, Run, Step, expect
from .header import HEADER, WARNINGS
from .package import moved_prefix
from .tools import c_compiler, library_dir, need, need_wheel

README_HEADING = "Your program in five lines"
# What the parts of functions in docs/cxx.md and in the comments of the headers take for granted.
PRELUDE_OF_CXX = """#include <immuta.hpp>
#include <poll.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>
using namespace std::chrono_literals;
"""


@dataclass(frozen=True)
class Piece:
    language: str
    code: str
    output: str


def pieces(path: str, heading: str = "") -> list[Piece]:
    """Those of a document, or of what it has under a heading."""
    text = (ROOT / path).read_text()
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.M | re.S)
    expect(bool(found), f"{path} has no code")
    return [Piece(*parts) for parts in found if parts[0] != "text"]


def check_output(path: str, piece: Piece, printed: str) -> None:
    expect(printed == piece.output, f"{path}:\n{piece.code}prints:\n{printed}and not:\n{piece.output}")


# Programs and parts of functions.

@dataclass(frozen=True)
class Language:
    """How its pieces become programs."""

    name: str
    # What parts of functions take for granted; the function that a part is in, with its number and code.
    prelude: Callable[[], str]
    function: str
    # Compiles a source into a program; the flags are for parts only.
    build: Callable[..., Path]
    flags_of_parts: tuple[str, ...] = ()


def check_function() -> str:
    """The function `check` that docs/c.md shows. Its parts and those of docs/bindings.md call it."""
    program = pieces("docs/c.md")[0].code
    shown = re.search(r"^static void check\(.*?^}\n", program, re.M | re.S)
    expect(shown is not None, "the first program of docs/c.md has no function check")
    return shown[0]


def prelude_of_c() -> str:
    includes = ["immuta.h", "inttypes.h", "poll.h", "stdio.h", "stdlib.h", "sys/wait.h", "unistd.h"]
    return "".join(f"#include <{name}>\n" for name in includes) + check_function() + """
static immuta_log *open_events(const char *directory) {
  immuta_error error = {0};
  immuta_options *options = immuta_options_new();
  immuta_log *log = NULL;
  immuta_options_add_namespace(options, "events");
  check(immuta_options_error(options, &error), &error);
  check(immuta_open(directory, options, &log, &error), &error);
  immuta_options_free(options);
  return log;
}
"""


def build_c(run: Run, name: str, source: Path, *flags: str) -> Path:
    libraries, program = library_dir(run), run.scratch / name
    run.command(c_compiler(), "-std=c11", *WARNINGS, "-Wstrict-prototypes", *flags, f"-I{HEADER.parent}", source,
                f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-limmuta", "-pthread", "-o", program)
    return program


def build_cxx(run: Run, name: str, source: Path, *flags: str) -> Path:
    return cxx.build(run, name, cxx.compilers()[0], "-std=c++17", *flags, source)


C = Language("c", prelude_of_c, """static void part{number}(const char *directory) {{
  immuta_error error = {{0}};
  immuta_log *log = open_events(directory);
  {{
{code}
  }}
  if (log != NULL) check(immuta_close(log, &error), &error);
}}
""", build_c)
# The examples declare variables for the reader, and again the names that they are given here.
CXX = Language("cpp", lambda: PRELUDE_OF_CXX, """static void part{number}(const std::string &directory) {{
  immuta::options how_events;
  how_events.namespaces = {{"events"}};
  immuta::log log = immuta::log::open(directory, how_events).value();
  {{
{code}
  }}
}}
""", build_cxx, ("-Wno-unused", "-Wno-shadow", "-Wno-old-style-cast"))


def run_pieces(run: Run, path: str, language: Language, more: str = "") -> str:
    """Whole programs run alone. Parts run one by one, each with a log of its own; `more` is compiled with them."""
    name = Path(path).stem
    found = [piece for piece in pieces(path) if piece.language == language.name]
    whole = [piece for piece in found if "int main" in piece.code]
    parts = [piece for piece in found if piece not in whole]
    for number, piece in enumerate(whole):
        source = run.scratch / f"{name}-program{number}.{language.name}"
        source.write_text(piece.code)
        program = language.build(run, source.stem, source)
        check_output(path, piece, run.command(program, run.scratch / f"log-of-{source.stem}"))
    source = run.scratch / f"{name}-parts.{language.name}"
    functions = [language.function.format(number=number, code=piece.code) for number, piece in enumerate(parts)]
    cases = "".join(f"case {number}: part{number}(argv[2]); break;\n" for number in range(len(parts)))
    source.write_text(language.prelude() + "".join(functions) + more + "int main(int argc, char **argv) {\n"
                      "if (argc != 3) return 1;\nswitch (atoi(argv[1])) {\n" + cases + "default: return 1;\n}\n}\n")
    program = language.build(run, source.stem, source, *language.flags_of_parts)
    for number, piece in enumerate(parts):
        check_output(path, piece, run.command(program, number, run.scratch / f"log-of-{source.stem}{number}"))
    return f"{len(whole)} programs and {len(parts)} parts of {path}"


def c_guides(run: Run) -> str:
    return ", ".join(run_pieces(run, path, C) for path in ("docs/c.md", "docs/bindings.md"))


def examples_of_headers() -> Iterator[str]:
    for part in cxx.parts():
        for code in re.findall(r"@code\{\.cpp\}\n(.*?)@endcode", part.read_text(), re.S):
            yield re.sub(r"^\s*///(?: |$)", "", code.rpartition("\n")[0], flags=re.M) + "\n"


def cxx_guide(run: Run) -> str:
    """docs/cxx.md; and the examples in the headers compile."""
    examples = list(examples_of_headers())
    more = ""
    for number, code in enumerate(examples):
        parameters = "(const std::string &directory, immuta::log &log, immuta::stream &stream)"
        more += f"void example{number}{parameters};\nvoid example{number}{parameters} {{\n"
        more += f"(void)directory, (void)log, (void)stream;\n{{\n{code}}}\n}}\n"
    return f"{run_pieces(run, 'docs/cxx.md', CXX, more)}, {len(examples)} examples in the headers"


# What a user types.

def run_commands(run: Run, path: str, found: list[Piece]) -> None:
    """Runs the commands, in a new directory after each CMakeLists.txt. `P` is where the library is installed, `SOURCE`
    its source."""
    program = next(piece for piece in pieces("README.md", README_HEADING) if piece.language == "c").code
    programs = Path(need_wheel("cmake")).parent
    environment = {"P": str(moved_prefix(run)), "SOURCE": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"}
    directories = (run.scratch / f"{Path(path).stem}{number}" for number in itertools.count())
    directory = begin(next(directories), program)
    for piece in found:
        if piece.language == "cmake":
            directory = begin(next(directories), program)
            (directory / "CMakeLists.txt").write_text(piece.code)
        elif piece.language == "sh":
            printed = run.command("sh", "-euc", piece.code, cwd=directory, env=environment)
            expect(piece.output != "" and printed.endswith(piece.output),
                   f"{path}:\n{piece.code}prints:\n{printed}which does not end with:\n{piece.output}")


def begin(directory: Path, program: str) -> Path:
    directory.mkdir()
    (directory / "program.c").write_text(program)
    return directory


def readme(run: Run) -> str:
    """The program of the README: clean, and linked by hand, with pkg-config and with CMake."""
    need("pkg-config")
    found = pieces("README.md", README_HEADING)
    source = run.scratch / "five.c"
    source.write_text(found[0].code)
    build_c(run, "five", source)
    run_commands(run, "README.md", found[1:])
    return "cc, pkg-config, CMake"


def cmake_guide(run: Run) -> str:
    found = pieces("docs/cmake.md")
    run_commands(run, "docs/cmake.md", found)
    return f"{sum(piece.language == 'cmake' for piece in found)} projects"


STEPS = [
    Step("c-guides", "the code in docs/c.md and docs/bindings.md runs and prints what they say", c_guides, LIBRARY),
    Step("cxx-guide", "the code in docs/cxx.md runs and prints what the guide says", cxx_guide, LIBRARY),
    Step("readme", "the program in five lines of the README, compiled and run as the README says", readme, LIBRARY),
    Step("cmake-guide", "the projects in docs/cmake.md, built, installed and run as it says", cmake_guide, LIBRARY),
]

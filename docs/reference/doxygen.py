#!/usr/bin/env python3
"""Writes the reference of include/immuta.h and of the headers of C++ as HTML: `make reference`.

    doxygen.py DIRECTORY [INCLUDE]

doxygen reads copies of the headers in its own notation: DIRECTORY/immuta.h, of which this file makes the notation, and
those of C++ beside it, of which cxx.py does. Its warnings are errors. INCLUDE is where the headers are.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.dont_write_bytecode = True

import cxx  # noqa: E402
import header as headers  # noqa: E402
from comments import Bullets, Lines, Note, Paragraph, Parameters, Returns, Table  # noqa: E402
from header import Header, Item, Section  # noqa: E402


class Notation:
    """Blocks as doxygen reads them."""

    def __init__(self, header: Header):
        linked = {item.name for item in header.items() if item.kind == "function"} | header.constants().keys()
        self.linked = re.compile(rf"\b(?:{'|'.join(sorted(linked, key=len, reverse=True))})\b")

    def text(self, text: str) -> str:
        """Without commands and markup, and with links to functions and constants."""
        text = re.sub(r'[\\@&<>#%"]', r"\\\g<0>", text)
        return self.linked.sub(r"#\g<0>", text)

    def rows(self, rows: list[tuple[str, str]]) -> Iterator[str]:
        yield "<dl>"
        for term, text in rows:
            yield f"<dt>{term}</dt><dd>{text}</dd>"
        yield "</dl>"

    def blocks(self, blocks: list) -> Iterator[str]:
        for block in blocks:
            yield ""
            match block:
                case Paragraph(text):
                    yield self.text(text)
                case Bullets(texts):
                    yield f"<ul>{''.join(f'<li>{self.text(text)}</li>' for text in texts)}</ul>"
                case Table(rows):
                    yield from self.rows([(self.text(term), self.text(text)) for term, text in rows])
                case Lines(lines):
                    yield from ["@verbatim", *lines, "@endverbatim"]
                case Parameters(rows):
                    yield from (f"@param {name} {self.text(text)}" for name, text in rows)
                case Returns(rows):
                    yield from self.returns(rows)
                case Note(name, text):
                    yield f"@par {name}\n{self.text(text)}"

    def returns(self, rows: list[tuple[list[str], str, str]]) -> Iterator[str]:
        statuses, _, text = rows[0]
        if len(rows) == 1:
            yield f"@return {self.text(': '.join(filter(None, [', '.join(statuses), text])))}"
            return
        yield "@return"
        yield from self.rows([(self.text(f"{', '.join(statuses)} {case}".strip()), self.text(text))
                              for statuses, case, text in rows])

    def comment(self, blocks: list, command: str = "@brief") -> Iterator[str]:
        first, *others = blocks
        summary = headers.first_sentence(first.text)
        yield f"/** {command} {self.text(summary)}"
        rest = first.text[len(summary):].strip()
        yield from self.blocks(([Paragraph(rest)] if rest else []) + others)
        yield "*/"


def group_name(section: Section) -> str:
    return section.heading.lower().replace(" ", "_")


def notated(header: Header) -> str:
    notation = Notation(header)
    lines = [*front_page(header, notation), "/** @file immuta.h */", "#include <stddef.h>", "#include <stdint.h>"]
    for section in header.sections:
        lines += [f"/** @defgroup {group_name(section)} {section.heading}", notation.text(section.sentence), "@{ */"]
        if section is header.sections[0]:
            for name, value in header.macros:
                lines += [f"/** {notation.text(header.macros_about)} */", f"#define {name} {value}"]
        for item in section.items:
            lines += [*notation.comment(item.blocks), *declaration(item, notation)]
        lines.append("/** @} */")
    return "\n".join(lines) + "\n"


def declaration(item: Item, notation: Notation) -> Iterator[str]:
    """The code of an item, with the comments of its members."""
    if not item.members:
        yield item.code
        return
    first, *_, last = (line for line in item.code.splitlines() if not line.strip().startswith("///"))
    yield first
    for member in item.members:
        yield from notation.comment(member.blocks)
        yield member.code + ("," if item.kind == "enum" else ";")
    yield last


def front_page(header: Header, notation: Notation) -> Iterator[str]:
    yield f"/** @mainpage libimmuta {header.version}"
    yield notation.text(f"libimmuta is {header.title}")
    yield from notation.blocks(header.introduction)
    yield "@section groups Groups"
    for section in header.sections:
        yield f"- @ref {group_name(section)} : {notation.text(section.sentence)}"
    yield "@section cxx C++"
    yield 'The interface for C++17 is the @ref immuta "namespace immuta" of immuta.hpp.'
    yield "@section use How the main objects are used"
    yield from notation.blocks([header.steps])
    yield "@section conventions Conventions"
    for topic in header.topics:
        yield f"@subsection {re.sub(r'[^a-z]', '_', topic.name.lower())} {notation.text(topic.name)}"
        yield from notation.blocks(topic.blocks)
    yield "@section caveats Caveats"
    yield from notation.rows([(notation.text(name), notation.text(text)) for name, text in header.caveats])
    yield "*/"


def main(directory: str, include: str = str(headers.HEADER.parent)) -> int:
    if shutil.which("doxygen") is None:
        print("doxygen was not found: install it (Debian: apt-get install doxygen)", file=sys.stderr)
        return 1
    folder, sources = Path(directory).absolute(), Path(include).absolute()
    shutil.rmtree(folder / "immuta", ignore_errors=True)
    (folder / "immuta").mkdir(parents=True)
    try:
        header = headers.read(sources / "immuta.h")
        (folder / "immuta.h").write_text(notated(header))
        for path in cxx.files(sources):
            (folder / path.relative_to(sources)).write_text(cxx.notated(path))
    except headers.HeaderError as error:
        print(error, file=sys.stderr)
        return 1
    settings = (Path(__file__).parent / "Doxyfile").read_text()
    settings += (f'INPUT = "{folder}/immuta.h" "{folder}/immuta.hpp" "{folder}/immuta"\n'
                 f'STRIP_FROM_PATH = "{folder}"\nOUTPUT_DIRECTORY = "{folder}"\nPROJECT_NUMBER = {header.version}\n')
    return subprocess.run(["doxygen", "-"], input=settings.encode(), cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

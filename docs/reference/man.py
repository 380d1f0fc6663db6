#!/usr/bin/env python3
"""Writes the manual pages of include/immuta.h: immuta.3, a page for each section, and a page that leads there for each
function and type.

    man.py DIRECTORY    (man/ of the project)

A page says when it was changed last, so the date of a page that says the same as before stays.
"""

import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

sys.dont_write_bytecode = True

import header as headers  # noqa: E402
from header import Header, Item, Section  # noqa: E402
from roff import Page, bold, escaped  # noqa: E402

PROTOTYPE_WIDTH = 72  # of a line that a terminal of 80 columns shows, beside its margin
MADE = '.\\" Made by docs/reference/man.py from include/immuta.h, docs/c.md and README.md: edit those.\n'
UNDATED = re.compile(r'^(\.TH \w+ 3 )"[^"]*"', re.M)
# Topics of the first page that a manual page has sections for.
SECTIONS_OF_TOPICS = {"Threads": "THREADS", "Files": "FILES", "Variables": "ENVIRONMENT"}


def page_name(section: Section) -> str:
    """A page has the name of its first function."""
    return section.functions()[0].name


def begin(header: Header, name: str, names: list[str], summary: str) -> Page:
    page = Page(header)
    page.add(f'.TH {name.upper()} 3 "" "libimmuta {header.version}" "libimmuta"')
    page.add(".nh", ".ad l")  # a name must not be divided
    page.heading("NAME")
    page.add(f"{', '.join(names)} \\- {escaped(summary)}")
    page.heading("LIBRARY")
    page.add(r"libimmuta (\fI\-limmuta\fP)")
    page.heading("SYNOPSIS")
    page.add(".nf", bold("#include <immuta.h>"), "")
    return page


def prototype(item: Item) -> list[str]:
    """The declaration of a function, its parameters in italics and the rest bold."""
    code = re.sub(r"\s+", " ", item.code)
    if len(code) > PROTOTYPE_WIDTH:
        begin = code.rindex("(") + 1
        indent = "\n" + " " * (begin if begin <= PROTOTYPE_WIDTH / 2 else 8)
        code = code[:begin] + (indent if begin > PROTOTYPE_WIDTH / 2 else "") + code[begin:].replace(", ", "," + indent)
    if item.parameters:
        code = re.sub(rf"\b({'|'.join(item.parameters)})(?=[,)])", r"\\fI\1\\fB", code)
    return [rf"\fB{line}\fP" for line in code.split("\n")]


def heading(item: Item) -> str:
    return {"function": f"{item.name}()", "callback": f"Function type {item.name}", "struct": f"struct {item.name}",
            "enum": f"enum {item.name}", "type": f"Type {item.name}"}[item.kind]


def describe(page: Page, item: Item) -> None:
    page.subheading(heading(item))
    if item.kind == "callback":
        page.add(".nf", *prototype(item), ".fi")
    page.blocks(item.blocks)
    for member in item.members:
        page.row(term(member.name, member.value) if item.kind == "enum" else bold(escaped(member.code)), member.blocks)


def term(name: str, value: str) -> str:
    return f"{bold(name)} ({bold(escaped(value))})"


def examples(heading: str) -> list[list[str]]:
    """The pieces of code that the guide has under a heading. The tests compile and run them."""
    guide = (headers.ROOT / "docs" / "c.md").read_text()
    part = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", guide, re.M | re.S)
    return [code.splitlines() for code in re.findall(r"^```c\n(.*?)^```", part[1], re.M | re.S)] if part else []


def section_page(header: Header, section: Section) -> str:
    name = page_name(section)
    page = begin(header, name, [item.name for item in section.functions()], f"libimmuta: {section.heading.lower()}")
    for item in section.functions():
        page.add(*prototype(item))
    page.add(".fi")
    page.heading("DESCRIPTION")
    page.text(section.sentence)
    for item in section.items:
        describe(page, item)
    if section is header.sections[0]:
        page.subheading("Macros")
        page.text(header.macros_about)
        page.rows([(bold(macro), value) for macro, value in header.macros])
    if pieces := examples(section.heading):
        page.heading("EXAMPLES")
        page.text("In these pieces, log is an open log, and check ends the program if a status is an error.")
        for piece in pieces:
            page.code(piece)
    page.heading("SEE ALSO")
    owners = {item.name: page_name(other) for other in header.sections for item in other.items}
    page.add(*see_also(["immuta", *sorted({owners[each] for each in page.mentioned & owners.keys()} - {name})]))
    return MADE + "\n".join(page.lines) + "\n"


def see_also(names: list[str]) -> list[str]:
    return [f".BR {name} (3){',' if name != names[-1] else ''}" for name in names]


def overview(header: Header) -> str:
    page = begin(header, "immuta", ["immuta"], header.title.partition(".")[0])
    page.add(r"\fBcc\fP \fIprogram.c\fP \fB$(pkg\-config \-\-cflags \-\-libs immuta)\fP", "",
             bold("find_package(immuta CONFIG REQUIRED)"),
             r"\fBtarget_link_libraries(\fP\fIprogram\fP \fBPRIVATE immuta::immuta)\fP", ".fi")
    page.heading("DESCRIPTION")
    page.text("libimmuta is " + header.title)
    page.blocks(header.introduction)
    page.subheading("How the main objects are used")
    page.code(header.steps.lines)
    page.subheading("Pages")
    for section in header.sections:
        page.rows([(f"{bold(page_name(section))}(3)", section.sentence)])
        if others := section.functions()[1:]:
            page.text(f"Also {', '.join(item.name for item in others)}.")
    page.heading("CONVENTIONS")
    for topic in header.topics:
        if topic.name not in SECTIONS_OF_TOPICS:
            page.row(bold(escaped(topic.name)), topic.blocks)
    page.heading("STATUSES")
    statuses = next(item for item in header.items() if item.name == "immuta_status_code")
    page.blocks(statuses.blocks)
    page.rows([(term(status.name, status.value), status.blocks[0].text) for status in statuses.members])
    for topic in header.topics:
        if topic.name in SECTIONS_OF_TOPICS:
            page.heading(SECTIONS_OF_TOPICS[topic.name])
            page.blocks(topic.blocks)
    page.heading("CAVEATS")
    page.rows([(bold(name), text) for name, text in header.caveats])
    page.heading("EXAMPLES")
    page.text("This program opens a log in the working directory, adds a namespace and appends a record.")
    page.code(five_lines())
    page.heading("SEE ALSO")
    page.add(*see_also([page_name(section) for section in header.sections]))
    return MADE + "\n".join(page.lines) + "\n"


def five_lines() -> list[str]:
    """The program of the README, which the tests compile and run."""
    part = (headers.ROOT / "README.md").read_text().partition("## Your program in five lines\n")[2]
    return re.search(r"^```c\n(.*?)^```", part, re.M | re.S)[1].splitlines()


def pages(header: Header) -> Iterator[tuple[str, str]]:
    """The name and the text of each page, without a date."""
    yield "immuta.3", overview(header)
    for section in header.sections:
        name = page_name(section)
        yield f"{name}.3", section_page(header, section)
        for item in section.items:
            if item.name != name:
                yield f"{item.name}.3", f".so man3/{name}.3\n"


def dated(text: str, before: str, today: str) -> str:
    """The page with the date of the page before, if that says the same."""
    found = re.search(r'^\.TH \w+ 3 "([^"]*)"', before, re.M)
    same = found is not None and UNDATED.sub(r'\1""', before) == text
    return UNDATED.sub(rf'\1"{found[1] if same else today}"', text)


def main(directory: str) -> None:
    folder = Path(directory)
    folder.mkdir(exist_ok=True)
    made = dict(pages(headers.read()))
    for path in folder.glob("*.3"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        path.write_text(dated(text, path.read_text() if path.exists() else "", date.today().isoformat()))


if __name__ == "__main__":
    main(*sys.argv[1:])

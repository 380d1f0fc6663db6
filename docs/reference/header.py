"""Reads include/immuta.h: what doxygen.py and man.py write pages of.

Its comments have one form (comments.py). What has another form, and what is missing, is an error that names the line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from comments import HeaderError, Lines, Note, Paragraph, Parameters, Returns, blocks, split_at, table, trimmed

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "immuta.h"
# The part of the first page whose line breaks are kept. The rest of the page is prose.
STEPS = "How the main objects are used:"
MARGIN = 10  # characters before the text of a topic of the first page, in which its name is


@dataclass(frozen=True)
class Member:
    """A field of a struct, or a constant of an enum with its value."""

    name: str
    code: str
    value: str
    blocks: list


@dataclass(frozen=True)
class Item:
    kind: str  # function, callback, struct, enum or type
    name: str
    line: int
    code: str
    blocks: list
    parameters: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    heading: str
    sentence: str
    items: list[Item]

    def functions(self) -> list[Item]:
        return [item for item in self.items if item.kind == "function"]


@dataclass(frozen=True)
class Topic:
    """A part of the first page: what is said under one word in the margin."""

    name: str
    blocks: list


@dataclass(frozen=True)
class Header:
    path: str
    title: str
    introduction: list
    topics: list[Topic]
    steps: Lines
    caveats: list[tuple[str, str]]
    version: str
    macros_about: str
    macros: list[tuple[str, str]]
    sections: list[Section]

    def items(self) -> Iterator[Item]:
        for section in self.sections:
            yield from section.items

    def constants(self) -> dict[str, Member]:
        return {member.name: member for item in self.items() if item.kind == "enum" for member in item.members}

    def names(self) -> set[str]:
        """Everything that a page can refer to."""
        return {item.name for item in self.items()} | self.constants().keys() | {name for name, _ in self.macros}


def read(path: Path = HEADER) -> Header:
    lines = path.read_text().splitlines()
    page_end = lines.index(next(line for line in lines if line.endswith("*/")))
    title, introduction, topics, steps, caveats = first_page([line[3:] for line in lines[1:page_end + 1]])
    begin, end = lines.index('extern "C" {'), lines.index('}  // extern "C"')
    about, macros = version_macros(lines)
    shown = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    version = dict(macros)["IMMUTA_VERSION_STRING"].strip('"')
    header = Header(shown, title, introduction, topics, steps, caveats, version, about, macros,
                    sections(lines, begin, end, shown))
    for item in header.items():
        check(header, item)
    check_names(header, lines)
    return header


# The first page.

def first_page(lines: list[str]) -> tuple[str, list, list[Topic], Lines, list[tuple[str, str]]]:
    # Its last paragraph is for those who edit it.
    generated = next(number for number, line in enumerate(lines) if line.startswith("Generated from"))
    parts = split_at(lines[:generated], lambda line: line == STEPS or line == "Caveats:")
    title, *text = parts[0]
    opening = next(number for number, line in enumerate(text) if re.match(r"\w+ {2,}", line))
    topics = []
    for topic in split_at(text[opening:], lambda line: not line.startswith(" ") and line != ""):
        if topic:
            topics.append(Topic(topic[0][:MARGIN].strip(), blocks([line[MARGIN:] for line in topic])))
    steps = Lines([line[2:] for line in trimmed(parts[1][1:])])
    caveats = table([line[2:] for line in trimmed(parts[2][1:])])
    return title.removeprefix("libimmuta: "), blocks(trimmed(text[:opening])), topics, steps, caveats


# Declarations.

def version_macros(lines: list[str]) -> tuple[str, list[tuple[str, str]]]:
    begin = lines.index(next(line for line in lines if line.startswith("#define IMMUTA_VERSION_MAJOR")))
    macros = []
    for line in lines[begin:]:
        if not (found := re.fullmatch(r"#define (IMMUTA_VERSION_\w+) (.*)", line)):
            break
        macros.append(found.groups())
    return lines[begin - 1].removeprefix("// "), macros


def sections(lines: list[str], begin: int, end: int, path: str) -> list[Section]:
    found: list[Section] = []
    number = begin + 1
    while number < end:
        if lines[number].startswith("/* ===="):
            heading, sentence = (lines[number + step].removeprefix(" * ") for step in (1, 3))
            found.append(Section(heading.capitalize(), sentence, []))
            number += 5
        elif lines[number].startswith("///"):
            last = next(after for after in range(number, end) if lines[after] == "")
            found[-1].items.append(item(lines[number:last], number + 1, path))
            number = last
        elif lines[number] in ("", "#endif // __cplusplus", "#ifdef __cplusplus"):
            number += 1
        else:
            raise HeaderError(f"{path}:{number + 1}: without a comment, or outside a section: {lines[number]}")
    return found


def item(lines: list[str], line: int, path: str) -> Item:
    comment = [text[4:] for text in lines if text.startswith("///")]
    code = [text for text in lines if not text.startswith("///")]
    code = [text.removeprefix("IMMUTA_MUST_USE").lstrip() if "IMMUTA_MUST_USE" in text else text for text in code]
    code = [text.replace(" IMMUTA_INT32", "") for text in code if text]
    declaration = "\n".join(code)
    try:
        if code[0].startswith("enum ") or code[0].endswith("{"):
            kind = "enum" if code[0].startswith("enum ") else "struct"
            name = code[0].removeprefix("typedef ").split()[1]
            return Item(kind, name, line, declaration, blocks(comment), members=members(code[1:-1], kind))
        if found := re.fullmatch(r"typedef .*\(\*(\w+)\)\((.*)\);", declaration):
            names = names_of(found[2])
            return Item("callback", found[1], line, declaration, blocks(comment, names), names)
        if code[0].startswith("typedef "):
            return Item("type", declaration.split()[-1].rstrip(";"), line, declaration, blocks(comment))
        found = re.fullmatch(r"[\w *]*?\b(\w+)\((.*)\);", " ".join(map(str.strip, code)))
        names = names_of(found[2])
        return Item("function", found[1], line, declaration, blocks(comment, names), names)
    except HeaderError as error:
        raise HeaderError(f"{path}:{line}: {error}") from None


def names_of(parameters: str) -> list[str]:
    return [] if parameters == "void" else [each.split("[")[0].split("*")[-1].split()[-1]
                                            for each in parameters.split(",")]


def members(code: list[str], kind: str) -> list[Member]:
    found, comment = [], []
    for line in map(str.strip, code):
        if line.startswith("///"):
            comment.append(line[4:])
            continue
        if kind == "enum":
            name, value = line.rstrip(",").split(" = ")
        else:
            name, value = re.search(r"\(\*(\w+)\)|(\w+)(?:\[\d+\])?;$", line).group(1, 2)
            name, value = name or value, ""
        found.append(Member(name, line.rstrip(",;"), value, blocks(comment)))
        comment = []
    return found


# What must be there.

def check(header: Header, item: Item) -> None:
    def expect(condition: bool, text: str) -> None:
        if not condition:
            raise HeaderError(f"{header.path}:{item.line}: {item.name}: {text}")

    described = [name for block in item.blocks if isinstance(block, Parameters) for name, _ in block.rows]
    said = [block for block in item.blocks if isinstance(block, Returns)]
    notes = [block.name for block in item.blocks if isinstance(block, Note)]
    expect(isinstance(item.blocks[0], Paragraph) if item.blocks else False, "no purpose in its first paragraph")
    expect(described == item.parameters, f"the parameters {item.parameters} are described as {described}")
    if item.kind in ("function", "callback"):
        is_void = re.match(r"(?:typedef )?void [^*]", item.code) is not None
        expect(len(said) == (0 if is_void else 1), "does not say what it returns")
    if item.kind == "function":
        expect(notes.count("Threads") == 1, "has no line Threads")
    for member in item.members:
        expect(bool(member.blocks), f"{member.name} is not described")


def check_names(header: Header, lines: list[str]) -> None:
    """No comment names a constant that does not exist. (Those in quotation marks are texts.)"""
    known = header.names() | set(re.findall(r"(?:#define |defined\()(\w+)", "\n".join(lines)))
    for number, line in enumerate(lines, 1):
        named = re.findall(r'(?<!")\bIMMUTA_[A-Z_]*[A-Z]\b(?!_?\*)', line) if re.match(r"\s*(?:/[/*]|\*)", line) else []
        for name in set(named) - known:
            raise HeaderError(f"{header.path}:{number}: names {name}, which the header does not have")


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:]) ", text)[0]


def summary(item: Item | Member) -> str:
    """The first sentence about it."""
    return first_sentence(item.blocks[0].text).rstrip(":")

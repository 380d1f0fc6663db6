"""The comments of include/immuta.h, of which header.py makes blocks: paragraphs, lists, tables, parameters, rows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

NOTES = ("Ownership", "Threads", "Frozen")


class HeaderError(Exception):
    pass


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    texts: list[str]


@dataclass(frozen=True)
class Table:
    """Rows of a term and its explanation."""

    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Lines:
    """Text whose line breaks mean something."""

    lines: list[str]


@dataclass(frozen=True)
class Parameters:
    """The name and the explanation of each parameter of a function."""

    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Returns:
    """What a function returns: statuses and when. A row without statuses is a sentence."""

    rows: list[tuple[list[str], str, str]]  # statuses, which of their cases, text


@dataclass(frozen=True)
class Note:
    """Ownership, Threads or Frozen."""

    name: str
    text: str


def blocks(lines: list[str], parameters: list[str] = ()) -> list:
    """The blocks of a comment, whose marks are gone. `parameters` are those of the function that it describes."""
    found = []
    for paragraph in re.split(r"\n\n+", "\n".join(lines).strip("\n")):
        # A list or a table may follow its paragraph without an empty line.
        for indented, part in runs(paragraph.split("\n")):
            if indented:
                found.append(list_or_table([line[2:] for line in part]))
            else:
                found.append(block(part, parameters))
    return [each for each in found if each is not None]


def runs(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """Divides a paragraph into what is indented and what is not. What `Returns` and parameters indent is theirs."""
    if re.match(r"Returns |\w+: ", lines[0]):
        return [(False, lines)]
    parts: list[tuple[bool, list[str]]] = []
    for line in lines:
        indented = line.startswith("  ")
        if not parts or parts[-1][0] != indented:
            parts.append((indented, []))
        parts[-1][1].append(line)
    return parts


def list_or_table(lines: list[str]):
    if lines[0].startswith("- "):
        parts = split_at(lines, lambda line: line.startswith("- "))[1:]
        return Bullets([" ".join(line.strip() for line in part)[2:] for part in parts])
    return Table(table(lines))


def table(lines: list[str]) -> list[tuple[str, str]]:
    parts = split_at(lines, lambda line: not line.startswith(" "))
    rows = [re.fullmatch(r"(.+?) {2,}(.*)", " ".join([part[0], *map(str.strip, part[1:])])) for part in parts if part]
    if None in rows:
        raise HeaderError(f"no table, and no list either: {lines[0]!r}")
    return [row.groups() for row in rows]


def block(lines: list[str], parameters: list[str]):
    text = " ".join(line.strip() for line in lines)
    if not text:
        return None
    if text.startswith("Returns "):
        return returns(lines)
    word = text.partition(": ")[0]
    if word in NOTES:
        return Note(word, text.partition(": ")[2])
    if parameters and re.match(r"\w+: ", text) and re.match(r"\w+: +\S", lines[0]):
        rows = split_at(lines, lambda line: not line.startswith(" "))[1:]
        return Parameters([re.fullmatch(r"(\w+): +(.*)", " ".join(map(str.strip, row))).groups() for row in rows])
    return Paragraph(text)


def returns(lines: list[str]) -> Returns:
    if any(not line.startswith(" " * 8) for line in lines[1:]):  # prose, which goes on at the margin
        return Returns([([], "", " ".join(lines).removeprefix("Returns "))])
    lines = [lines[0].removeprefix("Returns "), *(line[8:] for line in lines[1:])]
    parts = split_at(lines, lambda line: not line.startswith(" "))[1:]
    return Returns([row(" ".join(map(str.strip, part))) for part in parts])


def row(text: str) -> tuple[list[str], str, str]:
    found = re.fullmatch(r"(IMMUTA_\w+(?:, IMMUTA_\w+)*)(?: (also|with [^:]+))?(?:[:,] (.*)|\.?)", text)
    if found is None:
        return [], "", text
    return found[1].split(", "), found[2] or "", found[3] or ""


def split_at(lines: Iterable[str], begins) -> list[list[str]]:
    """Parts of `lines`, each of which but the first begins with a line that `begins` accepts."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if begins(line):
            parts.append([])
        parts[-1].append(line)
    return parts


def trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")

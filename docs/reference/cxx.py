"""The headers of C++ as doxygen.py gives them to doxygen: copies that have only what is public, and no Markdown.

Each line stays where it is, so that a warning names the line of the header. What is added comes after the last line.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from comments import HeaderError

# What is not public, and what doxygen does not take for what it is.
LEFT_OUT = re.compile(r"""
    ^namespace\ detail\ \{\n .*? ^\}\ \ //\ namespace\ detail\n
    | ^inline\ namespace\ IMMUTA_CXX_NAMESPACE\ \{\n | ^\}\ \ //\ namespace\ IMMUTA_CXX_NAMESPACE\n
    | ^\#define\ IMMUTA_CXX_(?:JOIN|NAME|EXCEPTIONS|TYPES)\b .*? \n
    | ^static_assert\( .*? \);\n
    | \[\[ [^\]]* \]\]\ ?
    """, re.M | re.S | re.X)
CODE = re.compile(r"(@code.*?@endcode)", re.S)
ENUM = re.compile(r"^enum class (\w+).*?\{\n(.*?)^\};", re.M | re.S)


def files(include: Path) -> list[Path]:
    return [include / "immuta.hpp", *sorted((include / "immuta").glob("*.hpp"))]


def notated(path: Path) -> str:
    text = path.read_text()
    check_values(path, text)
    parts = CODE.split(LEFT_OUT.sub(lambda part: "\n" * part[0].count("\n"), text))
    parts[::2] = [re.sub(r"(?<=///)(<?)(.*)", lambda line: line[1] + plain(line[2]), part) for part in parts[::2]]
    about = [re.sub(r"^ \* ?", "", line) for line in re.match(r"/\* (.*?) ?\*/", text, re.S)[1].split("\n")]
    return "".join(parts) + "\n".join(of_namespace(about) if path.name == "immuta.hpp" else of_file(about)) + "\n"


def check_values(path: Path, text: str) -> None:
    """Each value of an enum has a description. (Doxygen before 1.9.6 does not miss one.)"""
    for name, values in ENUM.findall(text):
        for line in values.splitlines():
            if "///<" not in line:
                raise HeaderError(f"{path.name}: {name}: no description: {line.strip()}")


def plain(text: str) -> str:
    """What stands between backticks as code, and nothing that is a tag of HTML by accident."""
    pieces = [html.escape(piece, quote=False) for piece in text.split("`")]
    if len(pieces) % 2 == 0:
        raise HeaderError(f"a backtick without its other one: {text}")
    pieces[1::2] = [f"<code>{piece}</code>" for piece in pieces[1::2]]
    return "".join(pieces)


def of_file(about: list[str]) -> Iterator[str]:
    """The first comment of a header, as the description of the file."""
    yield "/** @file"
    yield from map(plain, about)
    yield "*/"


def of_namespace(about: list[str]) -> Iterator[str]:
    """The overview in immuta.hpp, as the description of the namespace. It has tables, whose line breaks are kept."""
    summary, *others = about
    yield "/** @file"
    yield f"{plain(summary)} */"
    yield "/** @namespace immuta"
    yield plain(summary)
    yield from ["@verbatim", *others, "@endverbatim", "*/"]

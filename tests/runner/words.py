"""A check of the language: short sentences in headers, README and guides, and no turns that make readers stumble."""

import re
from collections.abc import Iterator

from .engine import ROOT, Run, Step, expect
from .tools import texts_of_tree

WORDS_MAX = 30
# Turns to avoid, each with plainer words to take instead. "behind" and "tell" have right uses, too, so that they are
# sought only where a user reads.
STUMBLES = {"anew": "again", "whoever": "the noun", "nobody": "no thread, no user"}
STUMBLES_OF_MANUALS = {"behind": "after", "tell": "show, say", "tells": "shows, says"}
MANUALS = r"include/|src/ffi/|.*\.md$"
# What others wrote, what is compared byte by byte, and this list.
UNREAD = ["LICENSE", "*.lock", "c-tests/golden", "fuzz/corpus", "tests/mutations", "tests/runner/words.py"]


def header(text: str) -> Iterator[str]:
    """The texts in the comments of a header: paragraphs, rows of `Returns`, descriptions of parameters."""
    for paragraph in re.split(r"\n\n+", "\n".join(comment(line) for line in text.splitlines())):
        if paragraph.startswith("  ") and not paragraph.endswith("."):
            continue  # a drawing or a table
        if paragraph.startswith("Returns "):
            yield from re.split(r"\n {8}(?! )", paragraph)
        elif re.match(r"\w+: ", paragraph):
            yield from re.split(r"\n(?=\w+: )", paragraph)
        else:
            yield paragraph


def cxx_header(text: str) -> Iterator[str]:
    """The texts in the comments of a C++ header without their code: paragraphs, parameters, what is returned."""
    text = re.sub(r"@code.*?@endcode", "", text, flags=re.S)
    yield from re.findall(r"///< (.*)", text)
    for paragraph in header(text):
        for piece in re.split(r"\n(?=@)", paragraph):
            # The statuses after @return are rows, with semicolons between them.
            yield from piece.split(";") if piece.startswith("@return") else [piece]


def comment(line: str) -> str:
    """A line of a header without the marks of its comment; nothing if it is code or a rule."""
    marked = re.match(r"\s*(?:///?|/\*| \*)(?: (.*?))?(?: ?\*/)?$", line)
    return "" if marked is None or re.fullmatch(r"=+", marked[1] or "") else (marked[1] or "").rstrip()


def markdown(text: str) -> Iterator[str]:
    """The texts of a document without its code: headings, paragraphs, list items, cells of tables."""
    text = re.sub(r"^(?:```[\s\S]*?\n```|    .*)$", "", text, flags=re.M)
    return iter(re.split(r"\||\n\n+|\n(?= *(?:[-*#]|\d+\.) )", text))


def sentences_of_statuses(text: str) -> Iterator[str]:
    """The strings of `ErrorKind::sentence`."""
    function = re.search(r"fn sentence\(self\).*?\n    }\n", text, re.S)
    expect(function is not None, "src/error/kind.rs: there is no ErrorKind::sentence")
    return iter(re.findall(r'c"(.*?)"', function[0]))


TEXTS = {"include/immuta.h": header, "README.md": markdown,
         **{f"docs/{guide}.md": markdown for guide in ("c", "cxx", "cmake", "bindings")},
         "src/error/kind.rs": sentences_of_statuses, "include/immuta.hpp": cxx_header,
         **{f"include/immuta/{path.name}": cxx_header for path in (ROOT / "include" / "immuta").glob("*.hpp")}}


def sentences() -> Iterator[tuple[str, list[str]]]:
    """Each sentence: its file and its words. Neither a semicolon nor an ellipsis ends one."""
    for path, texts in TEXTS.items():
        for text in texts((ROOT / path).read_text()):
            for sentence in re.split(r"(?<=[^.][.?!])[)\"'`*]*\s", text):
                if words_of := [word for word in sentence.split() if re.search(r"\w", word)]:
                    yield path, words_of


def stumbles() -> Iterator[str]:
    for path, text in texts_of_tree(excluded=UNREAD):
        plainer = {**STUMBLES, **(STUMBLES_OF_MANUALS if re.match(MANUALS, path) else {})}
        turn = re.compile(rf"\b(?:{'|'.join(plainer)})\b", re.I)
        for number, line in enumerate(text.splitlines(), 1):
            for word in turn.findall(line):
                yield f"{path}:{number}: {word}; plainer: {plainer[word.lower()]}; in: {line.strip()[:60]}"


def words(run: Run) -> str:
    found = list(sentences())
    faults = [f"{path}: {len(words_of)} words, {WORDS_MAX} are allowed: {' '.join(words_of[:8])} ..."
              for path, words_of in found if len(words_of) > WORDS_MAX] + list(stumbles())
    missing = TEXTS.keys() - {path for path, _ in found}
    expect(not missing, f"no sentence was found in {', '.join(sorted(missing))}")
    expect(not faults, "\n".join(faults))
    return f"{len(found)} sentences"


STEPS = [
    Step("words", f"no sentence of over {WORDS_MAX} words in headers, README and guides; no hard turns", words),
]

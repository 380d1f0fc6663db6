"""The source of one manual page: what roff reads."""

import re
import textwrap

import header as headers
from comments import Bullets, Lines, Note, Paragraph, Parameters, Returns, Table
from header import Header

WIDTH = 100  # of a line of the source


def escaped(text: str) -> str:
    """As roff takes it: no escapes, and no characters that it prints as others."""
    text = text.replace("\\", "\\e").replace("^", "\\(ha").replace("~", "\\(ti").replace("`", "\\(ga")
    text = re.sub(r"'(.)'", r"\\(aq\1\\(aq", text)
    return re.sub(r"(?<![A-Za-z])-|-(?=[>K])", r"\\-", text)  # a minus, not a hyphen


def bold(text: str) -> str:
    return rf"\fB{text}\fP"


class Page:
    """The lines of a page, in which the names of the header are bold."""

    def __init__(self, header: Header):
        names = "|".join(sorted(header.names(), key=len, reverse=True))
        self.names = re.compile(rf"\b(?:{names})\b|\bIMMUTA_[A-Z_]*[A-Z]\b(?:_\*)?")
        self.constants = header.constants()
        self.lines: list[str] = []
        self.mentioned: set[str] = set()

    def add(self, *lines: str) -> None:
        self.lines += lines

    def heading(self, text: str) -> None:
        self.add(f".SH {text}")

    def subheading(self, text: str) -> None:
        self.add(f".SS {text}")

    def text(self, text: str) -> None:
        """Each sentence begins a line, and no line begins with what roff takes for a request."""
        for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", text):
            for line in textwrap.wrap(escaped(sentence), WIDTH, break_long_words=False, break_on_hyphens=False):
                self.add(guarded(self.emphasised(line)))

    def emphasised(self, text: str) -> str:
        self.mentioned |= set(self.names.findall(text))
        return self.names.sub(lambda found: bold(found[0]), text)

    def begin_paragraph(self) -> None:
        if not self.lines[-1].startswith((".SH", ".SS")):
            self.add(".PP")

    def paragraph(self, text: str) -> None:
        self.begin_paragraph()
        self.text(text)

    def code(self, lines: list[str]) -> None:
        self.begin_paragraph()
        self.add(".RS 4", ".nf", *(guarded(escaped(line)) for line in lines), ".fi", ".RE")

    def rows(self, rows: list[tuple[str, str]]) -> None:
        """Terms, as roff takes them, and their explanations."""
        for term, text in rows:
            self.add(".TP", term)
            self.text(text)

    def row(self, term: str, blocks: list) -> None:
        """A term whose explanation may be of several blocks."""
        first, *others = blocks
        self.rows([(term, first.text)])
        if others:
            self.add(".RS")
            self.blocks(others)
            self.add(".RE")

    def blocks(self, blocks: list) -> None:
        for block in blocks:
            match block:
                case Paragraph(text):
                    self.paragraph(text)
                case Bullets(texts):
                    for text in texts:
                        self.add(r".IP \(bu 2")
                        self.text(text)
                case Table(rows):
                    self.rows([(self.emphasised(escaped(term)), text) for term, text in rows])
                case Lines(lines):
                    self.code(lines)
                case Parameters(rows):
                    self.rows([(rf"\fI{name}\fP", text) for name, text in rows])
                case Returns(rows):
                    self.returns(rows)
                case Note(name, text):
                    self.paragraph(f"{name}: {text}")

    def returns(self, rows: list[tuple[list[str], str, str]]) -> None:
        if len(rows) == 1:
            statuses, _, text = rows[0]
            self.paragraph(f"Returns {': '.join(filter(None, [', '.join(statuses), text]))}".rstrip(".") + ".")
            return
        self.paragraph("Returns")
        for statuses, case, text in rows:
            # A sentence stands where the names of others stand.
            term = f"{', '.join(statuses)} {case}".strip() or text
            text = text or headers.summary(self.constants[statuses[0]])
            self.rows([(self.emphasised(escaped(term)), text if statuses else r"")])


def guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line

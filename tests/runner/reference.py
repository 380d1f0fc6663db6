"""The reference of the headers and the manual pages, which docs/reference makes of the headers' comments."""

import os
import re
import shutil
import sys
from pathlib import Path

from .engine import ROOT, Run, Step, expect
from .header import declarations
from .tools import both_outputs, need

SOURCES = ROOT / "docs" / "reference"
INCLUDE = ROOT / "include"
MAN = ROOT / "man"
# A header of which everything is described.
WHOLE = '''/** @file
@brief A header. */
/** @brief A function.
@param first  One number.
@param second  Another one.
@return their sum. */
int sum(int first, int second);
/// A class.
class counter {
 public:
  int count;  ///< How often.
};
'''
# Parts of it, without each of which doxygen has one warning.
PARTS_OF_WHOLE = ["@param second  Another one.\n", "@return their sum.", "/// A class.\n", "  ///< How often."]
# Changes that leave something of a header without a description: file, part, what replaces it, what is said. These are
# found when the header is read, before doxygen runs.
GAPS = [
    ("immuta.h", "/// stream_out: the stream, for immuta_stream_done.\n", "", "immuta_stream_open: the parameters"),
    ("immuta.h", "/// Threads: any; appends happen one after the other.\n", "", "immuta_append: has no line Threads"),
    ("immuta.h", "IMMUTA_E_READ_ONLY: the log was opened read-only", "IMMUTA_E_READONLY: so it is",
     "names IMMUTA_E_READONLY"),
    ("immuta.h", "    /// Records appended.\n", "", "immuta_appended: count is not described"),
    ("immuta.h", "/// Returns major << 16 | minor << 8 | patch.\n", "",
     "immuta_version_number: does not say what it returns"),
    ("immuta/options.hpp", "  ///< Mappings where the file system allows it, else system calls.", "",
     "io: no description"),
]
# The same, found by doxygen, all in one run.
DOXYGEN_GAPS = [
    ("immuta/log.hpp", "  /// @param ns    number of the namespace.\n", "", "parameter 'ns'"),
    ("immuta/record.hpp", "@return the payload as text", "The payload as text", "member immuta::record_view::text"),
    ("immuta/stream.hpp", "  /// An input iterator: one pass, one element at a time.\n", "",
     "immuta::lent_range::iterator is not"),
    ("immuta/report.hpp", "  ///< Records in the log.", "", "struct immuta::report is not"),
]


def reference(run: Run) -> str:
    """Everything is on a page. A gap in a header is an error, and so is a warning of doxygen."""
    need("doxygen")
    expect_one_warning_for_one_gap(run)
    run.command("make", "--silent", "reference")
    html = ROOT / "build" / "reference" / "html"
    pages = [page.read_text() for page in html.glob("group__*.html")]
    missing = [name for name in declarations() if not any(f"{name}()</h2>" in page for page in pages)]
    expect(not missing, f"not in the reference: {', '.join(missing)}")
    classes = cxx_classes()
    missing = [name for name in classes if not list(html.glob(f"*immuta_1_1{name.replace('_', '__')}.html"))]
    expect(len(classes) > 20 and not missing, f"of {len(classes)} classes, not in the reference: {', '.join(missing)}")
    expect_gaps_are_errors(run)
    gaps = len(GAPS) + len(DOXYGEN_GAPS)
    return f"{len(declarations())} functions of C, {len(classes)} classes of C++; {gaps} gaps are errors"


def cxx_classes() -> list[str]:
    """The classes in the headers of C++ that have a description, and so are for users."""
    text = "".join(path.read_text() for path in (INCLUDE / "immuta").glob("*.hpp"))
    found = re.findall(r"^///.*\n(?:template .*\n)?(?:class|struct) (?:\[\[.*?\]\] )?(\w+)", text, re.M)
    return sorted(set(found))


def expect_one_warning_for_one_gap(run: Run) -> None:
    """The settings do what the rest of this step relies on: no gap, no warning; a gap, one warning, and an error."""
    (run.scratch / "Doxyfile").write_text((SOURCES / "Doxyfile").read_text() + "INPUT = small.hpp\n")

    def warned(text: str) -> tuple[list[str], int | None]:
        (run.scratch / "small.hpp").write_text(text)
        output, status = both_outputs(run, "doxygen", "Doxyfile", cwd=run.scratch)
        return re.findall(r"^.*: (?:warning|error): .*", output, re.M), status

    found, status = warned(WHOLE)
    expect(not found and status == 0, f"a header without a gap: status {status}, {found}")
    for part in PARTS_OF_WHOLE:
        expect(WHOLE.count(part) == 1, f"{part!r} is not once in the header")
        found, status = warned(WHOLE.replace(part, ""))
        expect(len(found) == 1 and status not in (0, None), f"without {part!r}: status {status}, {found}")


def expect_gaps_are_errors(run: Run) -> None:
    """In copies of the headers of this library."""
    def changed(name: str, part: str, other: str) -> None:
        text = (INCLUDE / name).read_text()
        expect(part in text, f"{name} does not have: {part}")
        (copy / name).write_text(text.replace(part, other, 1))

    def made() -> tuple[str, int | None]:
        return both_outputs(run, sys.executable, SOURCES / "doxygen.py", run.scratch / "gap", copy)

    copy = Path(shutil.copytree(INCLUDE, run.scratch / "include"))
    for name, part, other, said in GAPS:
        changed(name, part, other)
        output, status = made()
        expect(status == 1 and said in output, f"without {part!r}: status {status}, {output}")
        shutil.copy(INCLUDE / name, copy / name)
    for name, part, other, _ in DOXYGEN_GAPS:
        changed(name, part, other)
    output, status = made()
    unsaid = [f"{name}: {said}" for name, _, _, said in DOXYGEN_GAPS if said not in output]
    expect(status not in (0, None) and not unsaid, f"status {status}, and nothing is said of {unsaid}: {output}")


def man_drift(run: Run) -> str:
    """The pages in man/ are those that the header makes. IMMUTA_BLESS=1 writes them."""
    if os.environ.get("IMMUTA_BLESS") == "1":
        run.command(sys.executable, SOURCES / "man.py", MAN)
    made = Path(shutil.copytree(MAN, run.scratch / "man"))
    run.command(sys.executable, SOURCES / "man.py", made)
    there, now = ({path.name: path.read_text() for path in folder.iterdir()} for folder in (MAN, made))
    different = sorted(name for name in there.keys() | now.keys() if there.get(name) != now.get(name))
    expect(not different, f"not what the header makes: {', '.join(different)}\n"
                          "If the change is meant: IMMUTA_BLESS=1 tests/run man-drift")
    return f"{len(there)} pages"


def man_lint(run: Run) -> str:
    """mandoc and groff have nothing to say; each function has a page, and a page that leads elsewhere leads to it."""
    mandoc, groff = need("mandoc"), need("groff")
    root = run.scratch / "man"
    shutil.copytree(MAN, root / "man3")
    pages = sorted(path for path in (root / "man3").iterdir() if not path.read_text().startswith(".so "))
    for words in ([mandoc, "-T", "lint", "-W", "warning"], [groff, "-man", "-ww", "-z", "-Tutf8"]):
        output, status = both_outputs(run, *words, *pages)
        expect(status == 0 and not output, output)
    for name in declarations():
        page = run.command(mandoc, "-T", "ascii", f"man3/{name}.3", cwd=root)
        expect(re.search(rf"^ +{name}\(\)$", re.sub(r".\x08", "", page), re.M) is not None,
               f"man {name} does not describe {name}")
    return f"{len(pages)} pages, {len(declarations())} functions"


STEPS = [
    Step("reference", "the reference of the headers by doxygen, every warning an error", reference),
    Step("man-drift", "the manual pages are what the header makes", man_drift),
    Step("man-lint", "the manual pages are clean, and every function has one", man_lint),
]

"""The reference of the header and the manual pages, which docs/reference makes of the header's comments."""

import os
import re
import shutil
import sys
from pathlib import Path

from .engine import ROOT, Run, Step, expect
from .header import HEADER, declarations
from .tools import need

SOURCES = ROOT / "docs" / "reference"
MAN = ROOT / "man"
# Changes that leave something of the header without a description; what is said of them.
GAPS = {
    "/// stream_out: the stream, for immuta_stream_done.\n": ("", "immuta_stream_open: the parameters"),
    "/// Threads: any; appends happen one after the other.\n": ("", "immuta_append: has no line Threads"),
    "IMMUTA_E_READ_ONLY: the log was opened read-only": ("IMMUTA_E_READONLY: so it is", "names IMMUTA_E_READONLY"),
    "    /// Records appended.\n": ("", "immuta_appended: count is not described"),
    "/// Returns major << 16 | minor << 8 | patch.\n": ("", "immuta_version_number: does not say what it returns"),
}


def reference(run: Run) -> str:
    """Every function is on a page of its group. A gap in the header is an error, and so is a warning of doxygen."""
    need("doxygen")
    run.command("make", "--silent", "reference")
    pages = [page.read_text() for page in (ROOT / "build" / "reference" / "html").glob("group__*.html")]
    missing = [name for name in declarations() if not any(f"{name}()</h2>" in page for page in pages)]
    expect(not missing, f"not in the reference: {', '.join(missing)}")

    text = HEADER.read_text()
    for part, (changed, said) in GAPS.items():
        expect(part in text, f"the header does not have: {part}")
        copy = run.scratch / "immuta.h"
        copy.write_text(text.replace(part, changed, 1))
        output, status = said_by(run, sys.executable, SOURCES / "doxygen.py", run.scratch / "gap", copy)
        expect(status == 1 and said in output, f"without {part!r}: status {status}, {output}")

    (run.scratch / "warned.h").write_text("/** @file */\n/** @brief A function.\n@param a Its parameter. */\n"
                                          "void function(int a, int b);\n")
    (run.scratch / "Doxyfile").write_text((SOURCES / "Doxyfile").read_text() + "INPUT = warned.h\n")
    _, status = run.outcome("doxygen", "Doxyfile", cwd=run.scratch)
    expect(status not in (0, None), "a warning of doxygen is no error")
    return f"{len(declarations())} functions; {len(GAPS)} gaps are errors"


def said_by(run: Run, *words) -> tuple[str, int | None]:
    """As `outcome`, with what the program writes to standard error."""
    return run.outcome("/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words)


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
        output, status = said_by(run, *words, *pages)
        expect(status == 0 and not output, output)
    for name in declarations():
        page = run.command(mandoc, "-T", "ascii", f"man3/{name}.3", cwd=root)
        expect(re.search(rf"^ +{name}\(\)$", re.sub(r".\x08", "", page), re.M) is not None,
               f"man {name} does not describe {name}")
    return f"{len(pages)} pages, {len(declarations())} functions"


STEPS = [
    Step("reference", "the reference of the header by doxygen, every warning an error", reference),
    Step("man-drift", "the manual pages are what the header makes", man_drift),
    Step("man-lint", "the manual pages are clean, and every function has one", man_lint),
]

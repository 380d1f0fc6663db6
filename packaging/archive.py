"""The static archive as it is installed: one object, which shows nothing but the interface.

cargo's archive has some hundred objects: the library, Rust's standard library, the C code of Zstandard. Each defines
symbols that other objects of a program see, and so it clashes or mixes with a second Rust archive, or with the
Zstandard library of the program. Linked to one object beforehand, all that is bound already, and its names become
local. What no exported function reaches is left out.
"""

from __future__ import annotations

from pathlib import Path

from binutils import Binutils

# Bitcode, and a table of clang's that names symbols by their numbers, which change here.
OF_LLVM = [f"--remove-section=.llvm{name}" for name in ("bc", "cmd", "_addrsig")]


def prelink(tools: Binutils, cargo_archive: Path, exported: set[str], work: Path) -> tuple[Path, Path]:
    """Makes the archive in the directory `work`, of what the functions in `exported` need.

    Returns the archive, and the same archive with debug information.
    """
    linked, names, full, plain = (work / name for name in ("linked.o", "names", "full/immuta.o", "plain/immuta.o"))
    # A group of sections (COMDAT) is identified by a symbol, and another archive may have the same group. The linker
    # would take one of them, although ours is bound to its own already; so the groups are dissolved.
    tools.ld("-r", "--gc-sections", "--force-group-allocation", *(f"--undefined={name}" for name in sorted(exported)),
             "-o", linked, cargo_archive)
    tools.objcopy(*OF_LLVM, linked)
    # The linker keeps the undefined symbols of what it left out. objcopy would make of them requests to the program,
    # and strong ones of those that were weak.
    names.write_text("\n".join(sorted(tools.nm("--undefined-only", linked))))
    for path in (full, plain):
        path.parent.mkdir()
    tools.objcopy("--wildcard", "--keep-global-symbol=immuta_*", f"--strip-unneeded-symbols={names}", linked, full)
    tools.objcopy("--strip-debug", full, plain)
    tools.objcopy("--compress-debug-sections", full)
    for path in (full, plain):
        tools.ar("rcsD", path.with_name("libimmuta.a"), path)
    return plain.with_name("libimmuta.a"), full.with_name("libimmuta.a")

#!/usr/bin/env python3
"""Prints the date of the sources, in seconds since 1970. Whatever is packed bears this date, and so two packings of
one source give the same bytes.

It is SOURCE_DATE_EPOCH of the environment, or the date of the commit, or, in the sources of a release, that of a file.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def source_date() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given) if given.isdecimal() else sys.exit(f"SOURCE_DATE_EPOCH is {given!r}; set it to seconds")
    if (ROOT / ".git").exists():
        asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        try:
            return int(subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"git does not tell the date of the sources ({error}); set SOURCE_DATE_EPOCH, in seconds")
    return int((ROOT / "Cargo.toml").stat().st_mtime)


if __name__ == "__main__":
    print(source_date())

#!/usr/bin/env python3
"""Prints the date of the sources, in seconds since 1970. Whatever is packed bears this date, and so two packings of
one source give the same bytes.

It is SOURCE_DATE_EPOCH of the environment, or the date of the commit, or, in the sources of a release, that of a file.
"""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def source_date() -> int:
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if (ROOT / ".git").exists():
        asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        return int(subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return int((ROOT / "Cargo.toml").stat().st_mtime)


if __name__ == "__main__":
    print(source_date())

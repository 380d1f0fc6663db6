"""The README's two commands on fresh machines.

These are minimal Debian roots with gcc, make, Python, git and Rust, and nothing else. They are built by debootstrap.
Rust and the crates are those of this machine, mounted read-only.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from .engine import ROOT, Run, Skip, Step, expect
from .tools import need

PACKAGES = "gcc,libc6-dev,make,python3,git"
MAKE_TEST_LIMIT_S = 7200
USER = "someone"


@dataclass(frozen=True)
class Machine:
    release: str  # of Debian, as debootstrap takes it
    user: str
    # Of the clone, in the user's home, which other users may not enter.
    place: str

    @property
    def home(self) -> str:
        return "/root" if self.user == "root" else f"/home/{self.user}"

    @property
    def clone(self) -> str:
        return f"{self.home}/{self.place}"


MACHINES = [
    Machine("bookworm", "root", "with a space"),
    Machine("bookworm", USER, "größer"),
    Machine("trixie", "root", "größer"),
    Machine("trixie", USER, "with a space"),
]


def machines(run: Run) -> str:
    """Each release is built once, each user has a clone of what is committed here."""
    need("debootstrap")
    need("unshare")
    if os.geteuid() != 0:
        raise Skip("debootstrap and chroot need root")
    run.command("cargo", "fetch", "--locked")
    lines, root = [], run.scratch / "root"
    for machine in MACHINES:
        if not (root / machine.release).exists():
            shutil.rmtree(root, ignore_errors=True)
            build_root(run, root / machine.release, machine.release, PACKAGES)
        lines.append(two_commands(run, root / machine.release, machine))
    return "\n" + "\n".join(lines)


def build_root(run: Run, root: Path, release: str, packages: str, mirror: str | None = None) -> None:
    """A minimal system with these packages, from debootstrap's own mirror of Debian or another one."""
    root.parent.mkdir(exist_ok=True)
    run.command("debootstrap", "--variant=minbase", f"--include={packages}", release, root,
                *([mirror] if mirror else []))
    run.command("chroot", root, "useradd", "--create-home", USER)


def two_commands(run: Run, root: Path, machine: Machine) -> str:
    begun = time.monotonic()
    clone = root / machine.clone.removeprefix("/")
    clone.parent.chmod(0o700)
    run.command("git", "clone", "--quiet", ROOT, clone)
    run.command("chroot", root, "chown", "-R", f"{machine.user}:", machine.clone)
    sysroot = run.command("rustc", "--print", "sysroot").strip()
    cargo_home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", Path(__file__).with_name("machine.sh"), root,
             machine.user, machine.home, sysroot, cargo_home / "registry",
             "make", "--silent", "--directory", machine.clone]
    name = f"Debian {machine.release}, {machine.user}, {machine.clone}"
    for command in ("run", "test"):
        output, status = run.outcome(*words, command, limit_s=MAKE_TEST_LIMIT_S)
        expect(status == 0, f"{name}: make {command} ended with {status}\n{output}")
    counts = re.findall(r"^\d+ passed, .*$", output, re.MULTILINE)
    expect(bool(counts), f"{name}: make test says not how many steps passed")
    shutil.rmtree(clone)
    return f"{name}: {counts[-1]} ({time.monotonic() - begun:.0f} s)"


STEPS = [Step("machines", "the README's two commands in fresh Debian 12 and 13, as root and as a user; "
                          "about 20 minutes each", machines, alone=True, only_when_asked=True)]

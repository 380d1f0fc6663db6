"""GNU ld and its companions, of one set that knows the machine the library is for.

Not the linkers of LLVM: they refuse `-r --gc-sections`, by which archive.py makes the static archive.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from programs import Failure, run

# What GNU tools call a machine in their names, and what GNU ld calls it.
MACHINES = {"x86_64": "elf_x86_64", "aarch64": "aarch64linux", "riscv64": "elf64lriscv", "powerpc64le": "elf64lppc",
            "loongarch64": "elf64loongarch"}
# e_machine of ELF: where it is, and its values.
E_MACHINE = slice(18, 20)
E_MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64", 21: "powerpc64le", 258: "loongarch64"}


@dataclass(frozen=True)
class Binutils:
    prefix: str  # of the names of the programs, which may begin with a directory
    linker: str
    emulation: str

    def ld(self, *words) -> None:
        run(self.linker, "-m", self.emulation, *words)

    def objcopy(self, *words) -> None:
        run(f"{self.prefix}objcopy", *words)

    def ar(self, *words) -> None:
        run(f"{self.prefix}ar", *words)

    def nm(self, *words) -> set[str]:
        """The names of the symbols that nm lists."""
        return set(run(f"{self.prefix}nm", "--format=just-symbols", *words).split())

    def readelf(self, *words) -> str:
        return run(f"{self.prefix}readelf", *words)


def machine_of(library: Path) -> str:
    """The machine that a library is for, by the name that GNU tools have for it."""
    number = int.from_bytes(library.read_bytes()[E_MACHINE], "little")
    if number not in E_MACHINES:
        raise Failure(f"{library}: the machine has number {number} in ELF; libimmuta is packaged for "
                      f"{' and '.join(MACHINES)}")
    return E_MACHINES[number]


def find(library: Path, prefix: str | None) -> Binutils:
    """The first set that knows the machine of `library`: that of `prefix`, of this machine, of that machine."""
    machine = machine_of(library)
    emulation = MACHINES[machine]
    refused = []
    for prefix in [*([prefix] if prefix else []), "", f"{machine}-linux-gnu-"]:
        # `ld` may be a link to another linker.
        for linker in (f"{prefix}ld.bfd", f"{prefix}ld"):
            reason = why_not(linker, f"{prefix}objcopy", emulation)
            if reason is None:
                return Binutils(prefix, linker, emulation)
            refused.append(reason)
    package = f"binutils-{machine.replace('_', '-')}-linux-gnu"
    raise Failure(f"libimmuta.a is made with GNU binutils that know {machine}, and there are none: "
                  f"{'; '.join(refused)}. Install them (Debian: {package}), or pass --binutils PREFIX, in CMake "
                  f"-DIMMUTA_BINUTILS=PREFIX: what their names begin with, for example /opt/bin/{machine}-")


def why_not(linker: str, objcopy: str, emulation: str) -> str | None:
    """Why these two cannot be used."""
    for program, name in ((linker, "GNU ld"), (objcopy, "GNU objcopy")):
        if shutil.which(program) is None:
            return f"{program} was not found"
        if not run(program, "--version").startswith(name):
            return f"{program} is not {name}"
    return None if emulation in run(linker, "-V").split() else f"{linker} does not know {emulation}"

#!/usr/bin/env python3
"""Writes one file with the licences of everything that is linked into the library: crates, the C code that they
compile, and Rust's standard library.

    packaging/licences.py OUTPUT [--target TARGET] [--manifest-path Cargo.toml]

It fails, with the name, if the text of a licence is not found. Crates that only build or test the library are left out.
The environment may have CARGO and RUSTC.
"""

from __future__ import annotations

import argparse
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from library import cargo, rustc_of

ROOT = Path(__file__).resolve().parents[1]
TEXT_NAME = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)([.\-_].*)?", re.I)
# C code in a crate, which has a licence of its own: the directory, the name, the licence, the home.
C_CODE = {"zstd-sys": ("zstd", "Zstandard, the C library", "BSD-3-Clause OR GPL-2.0-only",
                       "https://github.com/facebook/zstd")}
RULE = "=" * 79
# The packages of all these have the same file, because they may be installed beside each other.
RELEASE_TARGETS = {"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"}


@dataclass(frozen=True)
class Component:
    name: str
    version: str
    licence: str  # an SPDX expression
    home: str
    texts: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--target", default=host(), help="the target of the library (this machine's)")
    parser.add_argument("--manifest-path", type=Path, default=ROOT / "Cargo.toml", help="of the package (this one's)")
    options = parser.parse_args()
    linked = {one for target in RELEASE_TARGETS | {options.target}
              for one in crates(options.manifest_path.absolute(), target)}
    found = [*sorted(linked, key=lambda one: one.title), *standard_library(options.target)]
    # Once each: the library and the standard library may link the same version of a crate.
    options.output.write_text(document(list(dict.fromkeys(found))))


def crates(manifest: Path, target: str) -> list[Component]:
    """The crates that the package links, without the package itself."""
    asked = ["metadata", "--format-version", "1", "--locked", "--filter-platform", target, "--manifest-path", manifest]
    # Where cargo finds the configuration of the package.
    metadata = json.loads(output(cargo(), *asked, cwd=manifest.parent))
    packages = {package["id"]: package for package in metadata["packages"]}
    root = metadata["resolve"]["root"]
    found = []
    for identity in reached(metadata["resolve"]["nodes"], packages, root) - {root}:
        package = packages[identity]
        directory = Path(package["manifest_path"]).parent
        found.append(component(package["name"], package["version"], package["license"], directory))
        compiles_c = any(needed["kind"] == "build" and needed["name"] == "cc" for needed in package["dependencies"])
        if package["name"] in C_CODE:
            below, name, licence, home = C_CODE[package["name"]]
            version = package["version"].rpartition("+zstd.")[2]
            found.append(component(name, version, licence, directory / below, home))
        elif compiles_c:
            sys.exit(f"{package['name']} compiles C code whose licence C_CODE of packaging/licences.py does not name")
    return found


def reached(nodes: list[dict], packages: dict[str, dict], root: str) -> set[str]:
    """What is reached from `root` by normal dependencies. A procedural macro runs in the compiler only."""
    dependencies = {node["id"]: node["deps"] for node in nodes}
    found, left = set(), [root]
    while left:
        identity = left.pop()
        is_macro = any("proc-macro" in made["kind"] for made in packages[identity]["targets"])
        if identity in found or is_macro:
            continue
        found.add(identity)
        left += [one["pkg"] for one in dependencies[identity] if any(kind["kind"] is None for kind in one["dep_kinds"])]
    return found


def standard_library(target: str) -> list[Component]:
    """Rust's standard library, and the crates that it links."""
    sysroot = Path(output(rustc(), "--print", "sysroot").strip())
    source = sysroot / "lib" / "rustlib" / "src" / "rust" / "library"
    if not (source / "Cargo.lock").exists():
        sys.exit("the source of Rust's standard library is not installed; rustup component add rust-src")
    locked = locked_packages((source / "Cargo.lock").read_text())
    libraries = Path(output(rustc(), "--print", "target-libdir", "--target", target).strip())
    compiled = {path.name.removeprefix("lib").rpartition("-")[0] for path in libraries.glob("lib*.rlib")}
    if not compiled:
        sys.exit(f"the standard library for {target} is not installed; rustup target add {target}")
    # The lock file names what any target needs; what this target needs was compiled for it.
    names, left = set(), ["std"]
    while left:
        name = left.pop()
        if name not in names and name.replace("-", "_") in compiled:
            names.add(name)
            left += locked[name].needs
    found = [of_rust(sysroot, source)]
    for name in sorted(name for name in names if locked[name].is_from_registry):
        directory = registry_source(name, locked[name].version, source, target)
        licence = re.search(r'^license = "(.*)"$', (directory / "Cargo.toml").read_text(), re.M)
        found.append(component(name, locked[name].version, licence and licence[1], directory))
    return found


@dataclass(frozen=True)
class Locked:
    """A package of a lock file, and the names of what it needs on any target."""

    version: str
    is_from_registry: bool
    needs: tuple[str, ...]


def locked_packages(lock: str) -> dict[str, Locked]:
    found = {}
    for block in lock.split("[[package]]")[1:]:
        fields = dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M))
        needs = tuple(re.findall(r'^ "([^" ]+)', block, re.M))
        found[fields["name"]] = Locked(fields["version"], "source" in fields, needs)
    return found


def of_rust(sysroot: Path, source: Path) -> Component:
    """The files of the Rust project itself: its notice, the texts that the notice names, those beside the source."""
    documents = sysroot / "share" / "doc" / "rust"
    notice = documents / "COPYRIGHT-library.html"
    if not notice.exists():
        sys.exit(f"Rust's standard library: there is no {notice}")
    in_tree = text_of_page(notice.read_text()).split("Out-of-tree dependencies\nThe following")[0]
    named = {word for line in re.findall(r"License: (.*)", in_tree) for word in re.findall(r"[\w.\-]+", line)}
    texts = [documents / "licenses" / f"{name}.txt" for name in sorted(named - {"AND", "OR", "WITH"})]
    missing = [text.name for text in texts if not text.exists()]
    if missing:
        sys.exit(f"Rust's standard library: no text of {', '.join(missing)} in {documents}")
    texts += sorted(path for path in source.glob("*/*") if TEXT_NAME.fullmatch(path.name) and path.is_file())
    version = output("rustc", "--version").split()[1]
    home = "https://github.com/rust-lang/rust"
    return Component("Rust's standard library", version, "MIT OR Apache-2.0, and others that the first text names",
                     home, (in_tree, *(text.read_text() for text in texts)))


def registry_source(name: str, version: str, library: Path, target: str) -> Path:
    """Where cargo has unpacked a crate of the standard library. Only a build with -Zbuild-std fetches it otherwise."""
    registry = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry" / "src"
    for _ in range(2):
        for directory in registry.glob(f"*/{name}-{version}"):
            return directory
        output(cargo(), "fetch", "--locked", "--target", target, "--manifest-path", library / "Cargo.toml",
               env={**os.environ, "RUSTC_BOOTSTRAP": "1"}, cwd=library)
    sys.exit(f"{name} {version} of Rust's standard library is not in {registry}")


def component(name: str, version: str, licence: str | None, directory: Path, home: str | None = None) -> Component:
    texts = [path for path in sorted(directory.iterdir()) if path.is_file() and TEXT_NAME.fullmatch(path.name)]
    if not texts:
        sys.exit(f"{name} {version}: no text of its licence in {directory}")
    if not licence:
        sys.exit(f"{name} {version}: its Cargo.toml names no licence")
    home = home or f"the crate {name}"
    return Component(name, version, licence, home, tuple(path.read_text() for path in texts))


def document(components: list[Component]) -> str:
    """A list of the components, and after it each text once."""
    numbers: dict[str, int] = {}
    rows = []
    for one in components:
        used = sorted({numbers.setdefault(plain(text), len(numbers) + 1) for text in one.texts})
        rows.append(f"{one.title}\n  licence: {one.licence}\n  source:  {one.home}\n"
                    f"  texts:   {', '.join(map(str, used))}\n")
    texts = [f"{RULE}\nText {number}\n{RULE}\n\n{text}\n" for text, number in numbers.items()]
    opening = ("libimmuta is under the MIT licence. It contains the software listed here, which has licences of its\n"
               "own. The numbers are those of the texts after the list.\n")
    return "\n".join([opening, *rows, *texts])


def plain(text: str) -> str:
    """Without differences that mean nothing."""
    return "\n".join(line.rstrip() for line in text.expandtabs().strip("\n\f").splitlines())


def text_of_page(page: str) -> str:
    class Texts(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_data(self, data: str) -> None:
            self.found.append(data)

    texts = Texts()
    texts.feed(page)
    return re.sub(r"\n\s*\n+", "\n", "".join(texts.found)).strip()


def rustc() -> str:
    return rustc_of(shutil.which(cargo()) or cargo())


def host() -> str:
    return re.search(r"^host: (.*)$", output(rustc(), "--version", "--verbose"), re.M)[1]


def output(*words: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    made = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=env, cwd=cwd)
    if made.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {made.stderr.strip()}")
    return made.stdout


if __name__ == "__main__":
    main()

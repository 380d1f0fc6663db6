#!/usr/bin/env python3
"""Writes one file with the licences of everything that is linked into the library: crates, the C code that they
compile, and Rust's standard library.

    packaging/licences.py OUTPUT [--target TARGET] [--features LIST] [--manifest-path Cargo.toml]

If a text is not found, the file says `texts:   missing` there, and the program fails with the name and the reason.
Crates that only build or test the library are left out. The environment may have CARGO and RUSTC.
"""

from __future__ import annotations

import argparse
import html.parser
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from programs import SOURCE, Failure, cargo, run, rustc_of

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
    lacks: str = ""  # why there is no text

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--target", default=host(), help="the target of the library (this machine's)")
    parser.add_argument("--features", help="those the package was built with, with commas between (the default ones)")
    parser.add_argument("--manifest-path", type=Path, default=SOURCE / "Cargo.toml", help="of the package (this one's)")
    options = parser.parse_args()
    features = None if options.features is None else options.features.split(",")
    lacking = write(options.output, options.manifest_path.absolute(), options.target, features)
    if lacking:
        raise Failure("\n".join(["no text was found of", *lacking]))


def write(output: Path, manifest: Path, target: str, features: list[str] | None) -> list[str]:
    """Writes the file. Returns the names of those without a text, each with the reason."""
    linked = {one for each in RELEASE_TARGETS | {target} for one in crates(manifest, each, features)}
    found = [*sorted(linked, key=lambda one: one.title), *standard_library(target)]
    # Once each: the library and the standard library may link the same version of a crate.
    output.write_text(document(list(dict.fromkeys(found))), encoding="utf-8")
    return [f"{one.title}: {one.lacks}" for one in found if one.lacks]


def crates(manifest: Path, target: str, features: list[str] | None) -> list[Component]:
    """The crates that the package links, without the package itself. Its features are its default ones, or those."""
    asked = ["--locked", "--manifest-path", manifest]
    where = manifest.parent  # there cargo finds the configuration of the package
    chosen = [] if features is None else ["--no-default-features", "--features", ",".join(features)]
    # A procedural macro runs in the compiler only.
    tree = run(cargo(), "tree", *asked, *chosen, "--target", target, "--edges", "normal,no-proc-macro",
               "--prefix", "none", "--format", "{p}", cwd=where)
    names = [tuple(line.replace(" v", " ", 1).split()[:2]) for line in tree.splitlines() if line]
    metadata = json.loads(run(cargo(), "metadata", "--format-version", "1", *asked, "--filter-platform", target,
                              cwd=where))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    found = []
    for name in set(names) - {names[0]}:  # the first is the package itself
        package = packages[name]
        directory = Path(package["manifest_path"]).parent
        found.append(component(package["name"], package["version"], package["license"], directory))
        compiles_c = any(needed["kind"] == "build" and needed["name"] == "cc" for needed in package["dependencies"])
        if package["name"] in C_CODE:
            below, title, licence, home = C_CODE[package["name"]]
            version = package["version"].rpartition("+zstd.")[2]
            found.append(component(title, version, licence, directory / below, home))
        elif compiles_c:
            raise Failure(f"{package['name']} compiles C code whose licence C_CODE of packaging/licences.py does not "
                          "name")
    return found


def standard_library(target: str) -> list[Component]:
    """Rust's standard library, and the crates that it links. Not every toolchain comes with their texts."""
    try:
        return parts_of_standard_library(target)
    except Failure as failure:
        return [of_rust(lacks=str(failure))]


def of_rust(*texts: str, lacks: str = "") -> Component:
    version = run(rustc(), "--version").split()[1]
    return Component("Rust's standard library", version, "MIT OR Apache-2.0, and others that its notice names",
                     "https://github.com/rust-lang/rust", texts, lacks)


def parts_of_standard_library(target: str) -> list[Component]:
    sysroot = Path(run(rustc(), "--print", "sysroot").strip())
    source = sysroot / "lib" / "rustlib" / "src" / "rust" / "library"
    if not (source / "Cargo.lock").exists():
        raise Failure("its source is not installed; rustup component add rust-src")
    locked = locked_packages((source / "Cargo.lock").read_text(encoding="utf-8"))
    libraries = Path(run(rustc(), "--print", "target-libdir", "--target", target).strip())
    compiled = {path.name.removeprefix("lib").rpartition("-")[0] for path in libraries.glob("lib*.rlib")}
    if not compiled:
        raise Failure(f"it is not installed for {target}; rustup target add {target}")
    # The lock file names what any target needs; what this target needs was compiled for it.
    names, left = set(), ["std"]
    while left:
        name = left.pop()
        if name not in names and name.replace("-", "_") in compiled:
            names.add(name)
            left += locked[name].needs
    found = [of_rust(*texts_of_rust(sysroot, source))]
    for name in sorted(name for name in names if locked[name].is_from_registry):
        directory = registry_source(name, locked[name].version, source, target)
        licence = re.search(r'^license = "(.*)"$', (directory / "Cargo.toml").read_text(encoding="utf-8"), re.M)
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


def texts_of_rust(sysroot: Path, source: Path) -> list[str]:
    """The files of the Rust project itself: its notice, the texts that the notice names, those beside the source."""
    documents = sysroot / "share" / "doc" / "rust"
    notice = documents / "COPYRIGHT-library.html"
    if not notice.exists():
        raise Failure(f"there is no {notice}, which toolchains of rustup have")
    page = text_of_page(notice.read_text(encoding="utf-8"))
    in_tree = page.split("Out-of-tree dependencies\nThe following")[0]
    named = {word for line in re.findall(r"License: (.*)", in_tree) for word in re.findall(r"[\w.\-]+", line)}
    texts = [documents / "licenses" / f"{name}.txt" for name in sorted(named - {"AND", "OR", "WITH"})]
    missing = [text.name for text in texts if not text.exists()]
    if missing:
        raise Failure(f"there is no {', '.join(missing)} in {documents}, which toolchains of rustup have")
    texts += sorted(path for path in source.glob("*/*") if TEXT_NAME.fullmatch(path.name) and path.is_file())
    return [in_tree, *map(text_of, texts)]


def registry_source(name: str, version: str, library: Path, target: str) -> Path:
    """Where cargo has unpacked a crate of the standard library. Only a build with -Zbuild-std fetches it otherwise."""
    registry = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry" / "src"
    for _ in range(2):
        for directory in registry.glob(f"*/{name}-{version}"):
            return directory
        run(cargo(), "fetch", "--locked", "--target", target, "--manifest-path", library / "Cargo.toml",
            env={**os.environ, "RUSTC_BOOTSTRAP": "1"}, cwd=library)
    raise Failure(f"the source of its crate {name} {version} is not in {registry}")


def component(name: str, version: str, licence: str | None, directory: Path, home: str | None = None) -> Component:
    texts = [path for path in sorted(directory.iterdir()) if path.is_file() and TEXT_NAME.fullmatch(path.name)]
    lacks = "" if texts and licence else (
        f"no text of its licence in {directory}" if licence else f"the Cargo.toml in {directory} names no licence")
    return Component(name, version, licence or "not named", home or f"the crate {name}",
                     () if lacks else tuple(map(text_of, texts)), lacks)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def document(components: list[Component]) -> str:
    """A list of the components, and after it each text once."""
    numbers: dict[str, int] = {}
    rows = []
    for one in components:
        used = sorted({numbers.setdefault(plain(text), len(numbers) + 1) for text in one.texts})
        rows.append(f"{one.title}\n  licence: {one.licence}\n  source:  {one.home}\n"
                    f"  texts:   {', '.join(map(str, used)) or 'missing'}\n")
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
    return re.search(r"^host: (.*)$", run(rustc(), "--version", "--verbose"), re.M)[1]


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"packaging/licences.py: {failure}")

"""The packages that cpack makes, as their users meet them: unpacked elsewhere."""

import gzip
import platform
import re
import tarfile
from pathlib import Path

from .engine import LIBRARY, ROOT, Run, Step, expect
from .header import declarations
from .library import places_of_machine, soname, version
from .package import (
    CONSUMER, STAGED, cmake, copy_consumer, files_below, library_directory, moved_prefix,
    needs_shared, run_consumer, run_consumers,
)
from .release import check_licences, linked_crates
from .tools import c_compiler, need, need_std_source, need_wheel

RUNTIME = soname().replace(".so.", "")
MULTIARCH = f"{platform.machine()}-linux-gnu"
# debian/control of a program, without which dpkg-shlibdeps does not run.
PROGRAM = "Source: program\n\nPackage: program\nArchitecture: any\n"


def packed(run: Run) -> list[Path]:
    """Packs what moved_prefix has built, once for all steps: the archive, and the packages for Debian."""
    need("dpkg-deb", "the packages of Debian are looked at where there is dpkg")
    need("readelf")
    need_std_source()
    moved_prefix(run)
    build, work, made = (Path(STAGED.name) / name for name in ("build", "cpack", "packed"))
    if not made.exists():
        run.command(Path(need_wheel("cmake")).with_name("cpack"), "--config", build / "CPackConfig.cmake", "-B", work)
        made.mkdir()
        for path in work.glob("libimmuta*"):
            path.rename(made / path.name)
    return sorted(made.iterdir())


def debian(made: list[Path]) -> dict[str, Path]:
    """The packages by their names."""
    return {path.name.split("_")[0]: path for path in made if path.suffix == ".deb"}


def use(run: Run, name: str, consumer: Path, prefix: Path) -> None:
    """Programs that find the package below `prefix` by CMake and by pkg-config."""
    build, libraries = run.scratch / f"built-with-{name}", library_directory(prefix)
    cmake(run, consumer, build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run_consumers(run, build)
    for kind, flags in (("shared", []), ("static", ["--static"])):
        program = run.scratch / f"{kind}-with-{name}"
        found = run.command(need("pkg-config"), f"--define-variable=prefix={prefix}", *flags, "--cflags", "--libs",
                            "immuta", env={"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}).split()
        run.command(c_compiler(), CONSUMER / "consumer.c", "-o", program, *(["-static"] if flags else []), *found)
        expect(needs_shared(run, program) == (kind == "shared"), f"{program.name} is linked the wrong way")
        run_consumer(run, program, libraries)


def check_archive(run: Run, made: list[Path], consumer: Path) -> None:
    """It has what cmake --install installs."""
    top = f"libimmuta-{version()}-{MULTIARCH}"
    archive = next(path for path in made if path.name == f"{top}.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(run.scratch / "archive")
    prefix = run.scratch / "moved-archive"
    (run.scratch / "archive" / top).rename(prefix)
    files, installed = files_below(prefix), files_below(moved_prefix(run))
    differ = sorted(name for name in files | installed if files.get(name) != installed.get(name))
    expect(not differ, f"{archive.name} and what is installed differ in {', '.join(differ)}")
    use(run, "archive", consumer, prefix)


def crates_inside(run: Run) -> set[str]:
    """The crates whose code the library has, by the names of their sources in its debug information. Unlike cargo, it
    knows those of Rust's standard library."""
    debug = run.scratch / "debug-information"
    run.command(need("objcopy"), "--decompress-debug-sections",
                Path(STAGED.name) / "build" / "stage" / "release" / ".debug" / f"libimmuta.so.{version()}.debug", debug)
    found = re.findall(rb"(?:registry/src/[^/\0]+|/rust/deps)/([\w-]+?)-(\d[^/\0]*)/", debug.read_bytes())
    crates = {f"{name.decode()} {of_version.decode()}" for name, of_version in found}
    for name in ("crc-fast", "zstd-safe", "hashbrown"):
        expect(any(crate.startswith(f"{name} ") for crate in crates), f"no {name} in {sorted(crates)}")
    return crates


def expected_files(build_id: str) -> dict[str, set[str]]:
    """What each package for Debian has, below /usr."""
    libraries = f"lib/{MULTIARCH}"
    include = {str(path.relative_to(ROOT)) for path in (ROOT / "include").rglob("*") if path.is_file()}
    manual = {f"share/man/man3/{path.name}.gz" for path in (ROOT / "man").glob("*.3")}
    found = {
        RUNTIME: {f"{libraries}/{name}" for name in (soname(), f"libimmuta.so.{version()}")},
        "libimmuta-dev": {*include, *manual, f"{libraries}/pkgconfig/immuta.pc",
                          *(f"{libraries}/libimmuta{suffix}" for suffix in (".so", ".a")),
                          *(f"{libraries}/cmake/immuta/immuta{name}.cmake"
                            for name in ("Config", "ConfigVersion", "Targets"))},
    }
    for name, files in found.items():
        documents = {f"share/doc/{name}/{text}" for text in ("copyright", "changelog.gz", "changelog.Debian.gz")}
        files |= {*documents, f"share/lintian/overrides/{name}"}
    return {**found, f"{RUNTIME}-dbgsym": {f"lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug",
                                           f"share/doc/{RUNTIME}-dbgsym"}}


def check_debian(run: Run, packages: dict[str, Path], consumer: Path, crates: set[str]) -> None:
    root = run.scratch / "debian"
    unpacked = {name: root / name for name in packages}
    root.mkdir()
    for name, path in packages.items():
        run.command("dpkg-deb", "--raw-extract", path, unpacked[name])
        run.command("dpkg-deb", "--extract", path, root / "all")
    library = unpacked[RUNTIME] / "usr" / "lib" / MULTIARCH / f"libimmuta.so.{version()}"
    build_id = re.search(r"Build ID: (\w+)", run.command("readelf", "--notes", library))[1]
    expected, places = expected_files(build_id), places_of_machine(run)
    expect(packages.keys() == expected.keys(), f"the packages are {sorted(packages)}")
    for name, directory in unpacked.items():
        files = files_below(directory / "usr")
        expect(files.keys() == expected[name], f"{name}: more or less than expected: "
                                               f"{', '.join(sorted(files.keys() ^ expected[name]))}")
        sums = (directory / "DEBIAN" / "md5sums").read_text().split("\n")
        summed = {line.split(maxsplit=1)[1].removeprefix("usr/") for line in sums if line}
        links = {path for path in files if (directory / "usr" / path).is_symlink()}
        expect(summed == files.keys() - links, f"{name}: md5sums has {sorted(summed)}")
        for path, content in files.items():
            content = gzip.decompress(content) if path.endswith(".gz") else content
            named = sorted(place for place in [*places, STAGED.name] if place.encode() in content)
            expect(not named, f"{name}: {path} names {', '.join(named)}")
            if path.endswith("/copyright"):
                check_licences(content.decode(), crates)
    check_fields(run, packages, build_id)
    check_control(unpacked[RUNTIME] / "DEBIAN")
    sections = run.command("readelf", "--sections", "--wide", library)
    expect(" .symtab " not in sections, f"{library.name} is not stripped")
    # The compiler looks in these directories by itself.
    flags = run.command("pkg-config", "--cflags", "--libs", "immuta",
                        env={"PKG_CONFIG_PATH": str(library_directory(root / "all") / "pkgconfig")}).split()
    expect(flags == ["-limmuta"], f"installed, pkg-config would say {flags}")
    use(run, "debian", consumer, root / "all" / "usr")
    check_dependencies(run, packages[RUNTIME], library, unpacked[RUNTIME])


def check_fields(run: Run, packages: dict[str, Path], build_id: str) -> None:
    release = f"{version()}-1"
    same = {"Version": release, "Source": "libimmuta", "Multi-Arch": "same", "Priority": "optional",
            "Architecture": run.command("dpkg", "--print-architecture").strip()}
    of_each = {
        RUNTIME: {"Section": "libs"},
        "libimmuta-dev": {"Section": "libdevel", "Depends": f"{RUNTIME} (= {release}), libc6-dev"},
        f"{RUNTIME}-dbgsym": {"Section": "debug", "Depends": f"{RUNTIME} (= {release})", "Build-Ids": build_id,
                              "Auto-Built-Package": "debug-symbols"},
    }
    for name, path in packages.items():
        expect(path.name == f"{name}_{release}_{same['Architecture']}.deb", f"the file of {name} is {path.name}")
        fields = dict(re.findall(r"^([\w-]+): (.*)$", run.command("dpkg-deb", "--field", path), re.M))
        wanted = {"Package": name, **same, **of_each[name]}
        differ = {key: fields.get(key) for key in wanted if fields.get(key) != wanted[key]}
        expect(not differ, f"{name}: expected {wanted}, but these are {differ}")


def check_control(directory: Path) -> None:
    """By these files programs get their dependencies, and the loader its cache."""
    first = f"{version().rpartition('.')[0]}.0"
    expect((directory / "shlibs").read_text() == f"libimmuta {soname().partition('.so.')[2]} {RUNTIME} (>= {first})\n",
           "shlibs is not what is expected")
    expect((directory / "triggers").read_text() == "activate-noawait ldconfig\n", "triggers is not what is expected")
    head, *fields = (directory / "symbols").read_text().splitlines()
    expect(head == f"{soname()} {RUNTIME} #MINVER#", f"symbols begins with {head}")
    symbols = {line for line in fields if line.startswith(" ")}
    expected = {f" {name}@Base {first}" for name in declarations()}
    expect(symbols == expected, f"symbols and the header differ: {sorted(symbols ^ expected)}")


def check_dependencies(run: Run, package: Path, library: Path, unpacked: Path) -> None:
    """What Debian's own tool says that the library needs is stated, and programs get the library as a dependency."""
    def found(*words) -> dict[str, str]:
        said = run.command(need("dpkg-shlibdeps"), "-O", *words, cwd=directory)
        return dict(re.findall(r"([\w.+-]+) \(>= ([^)]*)\)", said))

    directory = run.scratch / "shlibdeps"
    (directory / "debian").mkdir(parents=True)
    (directory / "debian" / "control").write_text(PROGRAM)
    stated = run.command("dpkg-deb", "--field", package, "Depends")
    needed = found(library)
    expect("libc6" in needed, f"dpkg-shlibdeps finds only {needed}")
    for name in needed:
        expect(re.search(rf"\b{re.escape(name)}\b", stated) is not None, f"{name} is not stated: {stated}")
    glibc = re.search(r"libc6 \(>= ([\d.]+)\)", stated)[1]
    run.command("dpkg", "--compare-versions", glibc, "ge", needed["libc6"])
    program = directory / "program"
    run.command(c_compiler(), CONSUMER / "consumer.c", f"-I{ROOT / 'include'}", library, "-o", program)
    of_program = found(f"-S{unpacked}", program)
    expect(of_program.get(RUNTIME) == f"{version().rpartition('.')[0]}.0", f"a program would need {of_program}")


def packages(run: Run) -> str:
    made, consumer, crates = packed(run), copy_consumer(run), linked_crates(run) | crates_inside(run)
    check_archive(run, made, consumer)
    check_debian(run, debian(made), consumer, crates)
    check_lintian(run, list(debian(made).values()))
    return "\n" + "\n".join(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB" for path in made)


def check_lintian(run: Run, paths: list[Path]) -> None:
    """Neither an error nor a warning that packaging/lintian-overrides does not explain, and no override too many."""
    said, status = run.outcome(need("lintian"), "--allow-root", "--tag-display-limit", "0", "--display-info",
                               "--fail-on", "error,warning", *paths)
    unused = [line for line in said.splitlines() if "unused-override" in line or "mismatched-override" in line]
    expect(status == 0 and not unused, said)


STEPS = [
    Step("packages", "what cpack makes, unpacked: programs with it, the files, control files, lintian", packages,
         LIBRARY),
]

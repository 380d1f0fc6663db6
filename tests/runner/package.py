"""The package as its users meet it: installed, moved to another place, found by CMake and by pkg-config; and the
sources as a part of another project."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from .crate import UNOPTIMISED
from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Step, expect
from .library import LICENCES, soname, version
from .release import check_licences, linked_crates
from .tools import c_compiler, need, need_wheel

STAGED = tempfile.TemporaryDirectory(prefix="immuta-package-")  # removed when the runner ends
CONSUMER = ROOT / "cmake" / "test"
DOCUMENTS = "share/doc/immuta"


def configure(source: Path, build: Path, *definitions: str, generator: str = "Ninja") -> list:
    """The command that configures a project."""
    ninja = [f"-DCMAKE_MAKE_PROGRAM={need_wheel('ninja')}"] if generator.startswith("Ninja") else []
    return [need_wheel("cmake"), "-S", source, "-B", build, "-G", generator, *ninja, *definitions]


def cmake(run: Run, source: Path, build: Path, *definitions: str, generator: str = "Ninja", config: str | None = None,
          env: dict[str, str] | None = None) -> None:
    """Configures and builds."""
    run.command(*configure(source, build, *definitions, generator=generator), env=env)
    run.command(need_wheel("cmake"), "--build", build, "--parallel", "2", *(["--config", config] if config else []),
                env=env)


def install(run: Run, build: Path, prefix: Path, *arguments: str) -> Path:
    run.command(need_wheel("cmake"), "--install", build, "--prefix", prefix, *arguments)
    return prefix


def moved_prefix(run: Run) -> Path:
    """Installs the package into one place and moves it to another, once for all steps. Returns the second place."""
    c_compiler()
    top = Path(STAGED.name)
    if not (top / "moved").exists():
        cmake(run, ROOT, top / "build")
        install(run, top / "build", top / "first").rename(top / "moved")
    return top / "moved"


def library_directory(prefix: Path) -> Path:
    return next(prefix.rglob("immuta.pc")).parents[1]


def files_below(prefix: Path) -> dict[str, bytes]:
    """Every file and link, with its content; a link has the name it leads to."""
    return {str(path.relative_to(prefix)): os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            for path in prefix.rglob("*") if path.is_symlink() or path.is_file()}


def check_contents(run: Run, prefix: Path) -> None:
    """The whole list of files, and no trace of where they were first installed."""
    libraries, names = library_directory(prefix), files_below(prefix)
    expect((libraries / "libimmuta.so").resolve().name == f"libimmuta.so.{version()}", "libimmuta.so leads elsewhere")
    expect((libraries / "libimmuta.so").readlink() == Path(soname()), f"libimmuta.so is no link to {soname()}")
    of_libraries = {"libimmuta.a", "libimmuta.so", soname(), f"libimmuta.so.{version()}", "pkgconfig/immuta.pc",
                    *(f"cmake/immuta/immuta{name}.cmake" for name in ("Config", "ConfigVersion", "Targets"))}
    expected = {*(f"{libraries.relative_to(prefix)}/{name}" for name in of_libraries),
                *(str(path.relative_to(ROOT)) for path in (ROOT / "include").rglob("*") if path.is_file()),
                *(f"share/man/man3/{path.name}" for path in (ROOT / "man").glob("*.3")),
                f"{DOCUMENTS}/LICENSE", f"{DOCUMENTS}/{LICENCES}"}
    expect(names.keys() == expected, f"installed are more or less than expected: {sorted(names.keys() ^ expected)}")
    check_licences(names[f"{DOCUMENTS}/{LICENCES}"].decode(), linked_crates(run))
    for path in prefix.rglob("*"):
        if path.suffix in (".cmake", ".pc", ".h", ".hpp") or path.name == LICENCES:
            expect(STAGED.name not in path.read_text(), f"{path.name} names the directory it was built in")


def copy_consumer(run: Run) -> Path:
    """The consumer project, out of the tree."""
    return Path(shutil.copytree(CONSUMER, run.scratch / "consumer"))


def run_consumer(run: Run, program: Path, libraries: Path | None = None) -> None:
    """The program is given a new log; what it prints shows that header, library and version belong together."""
    environment = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    log = Path(tempfile.mkdtemp(dir=run.scratch)) / "log"
    printed = run.command(program, log, env=environment)
    expect(printed == f"{version()} packaged\n", f"{program.name} printed {printed!r}")


def run_consumers(run: Run, build: Path) -> None:
    """Every program of the consumer project, each linked with the library that its target means."""
    shared = {"immuta": True, "shared": True, "static": False, **({"cxx": True} if shutil.which("c++") else {})}
    for kind, expected in shared.items():
        program = build / f"consumer_{kind}"
        expect(needs_shared(run, program) == expected, f"{program.name} is linked the wrong way")
        run_consumer(run, program)


def run_shipped(run: Run, build: Path) -> None:
    """What the consumer project ships starts where nothing else is: the library's file and the name it is asked for."""
    shipped = install(run, build, run.scratch / "shipped", "--component", "shipped")
    moved = shipped.rename(run.scratch / f"shipped-from-{build.name}")
    listed = sorted(path.name for path in (moved / "lib").iterdir())
    expect(listed == [soname(), f"libimmuta.so.{version()}"], f"lib has {listed}")
    run_consumer(run, moved / "bin" / "consumer_shared")


def needs_shared(run: Run, program: Path) -> bool:
    return "libimmuta.so" in run.command(need("readelf"), "--dynamic", program)


def cmake_package(run: Run) -> str:
    prefix = moved_prefix(run)
    check_contents(run, prefix)
    consumer, found = copy_consumer(run), f"-DCMAKE_PREFIX_PATH={prefix}"
    asked = f"-DIMMUTA_VERSION={version().rpartition('.')[0]}"
    build = run.scratch / "build"
    cmake(run, consumer, build, found, asked, generator="Unix Makefiles")
    run_consumers(run, build)
    run_shipped(run, build)
    plain = run.scratch / "plain-is-static"
    cmake(run, consumer, plain, found, "-DBUILD_SHARED_LIBS=OFF")
    expect(not needs_shared(run, plain / "consumer_immuta"), "BUILD_SHARED_LIBS=OFF did not make immuta::immuta static")
    cmake(run, ROOT / "examples-c", run.scratch / "examples", found)
    return "find_package from a moved prefix: immuta, shared, static, cxx, examples; a program shipped with the library"


def cmake_install(run: Run) -> str:
    """The ways to install that packagers use. What is installed is always the same."""
    expected = files_below(moved_prefix(run))
    build = Path(STAGED.name) / "build"

    programs = Path(need_wheel("cmake")).parent
    destination = {"DESTDIR": str(run.scratch / "destination"), "PATH": f"{programs}:{os.environ['PATH']}"}
    run.command("make", "install", "PREFIX=/opt/immuta", env=destination)
    installed = run.scratch / "destination" / "opt" / "immuta"
    expect(files_below(installed) == expected, "make install installs something else than cmake --install")
    run.command("make", "uninstall", env=destination)
    expect(not files_below(installed), f"make uninstall leaves {sorted(files_below(installed))}")

    stripped = library_directory(install(run, build, run.scratch / "stripped", "--strip")) / f"libimmuta.so.{version()}"
    sections = [run.command(need("readelf"), "--sections", "--wide", path) for path in
                (library_directory(moved_prefix(run)) / "libimmuta.so", stripped)]
    expect([" .symtab " in text for text in sections] == [True, False], "--strip does not strip the library, or always")

    debug = files_below(install(run, build, run.scratch / "debug", "--component", "immuta_debug"))
    names = sorted(Path(name).name for name in debug)
    expect(names == ["libimmuta.a", f"libimmuta.so.{version()}.debug"] and all("/.debug/" in name for name in debug),
           f"the component immuta_debug has {sorted(debug)}")

    prefix, absolute = run.scratch / "prefix", run.scratch / "libraries" / "of-a-machine"
    cmake(run, ROOT, run.scratch / "build", f"-DCMAKE_INSTALL_PREFIX={prefix}", f"-DCMAKE_INSTALL_LIBDIR={absolute}",
          "-DIMMUTA_BUILD_EXAMPLES=OFF")
    of_other_version = run.scratch / "build" / "stage" / "release" / "libimmuta.so.0.0.1"
    of_other_version.touch()
    run.command(need_wheel("cmake"), "--build", run.scratch / "build")
    expect(not of_other_version.exists(), "a library of another version stays beside the one that was built")
    install(run, run.scratch / "build", prefix)
    environment = {"PKG_CONFIG_PATH": str(absolute / "pkgconfig")}
    flags = run.command(need("pkg-config"), "--cflags", "--libs", "immuta", env=environment).split()
    run.command(c_compiler(), CONSUMER / "consumer.c", "-o", run.scratch / "program", *flags)
    run_consumer(run, run.scratch / "program", absolute)
    consumer = run.scratch / "consumer-of-absolute"
    cmake(run, CONSUMER, consumer, f"-Dimmuta_DIR={absolute}/cmake/immuta")
    run_consumers(run, consumer)
    return "make install and uninstall with DESTDIR, --strip, immuta_debug, an absolute CMAKE_INSTALL_LIBDIR"


def cmake_subproject(run: Run) -> str:
    """Ninja and Makefiles differ in how they treat libraries that do not exist yet: both."""
    consumer, source = copy_consumer(run), f"-DIMMUTA_SOURCE={ROOT}"
    for generator, definitions in (("Ninja", ["-DFETCH=ON", "-DIMMUTA_INSTALL=ON"]), ("Unix Makefiles", [])):
        build = run.scratch / generator.split()[-1]
        cmake(run, consumer, build, source, *definitions, generator=generator)
        run_consumers(run, build)
        run_shipped(run, build)
        names = files_below(install(run, build, run.scratch / f"installed-by-{build.name}"))
        with_it = "include/immuta.h" in names
        expect(with_it == ("-DIMMUTA_INSTALL=ON" in definitions), f"installed with its parent: {sorted(names)}")
        of_licences = {name for name in names if name.startswith("share/doc/")}
        expect(of_licences == ({f"{DOCUMENTS}/LICENSE", f"{DOCUMENTS}/{LICENCES}"} if with_it else set()),
               f"its licences are {of_licences}")
        # The project packs all components but immuta_debug.
        listed = re.search(r'CPACK_COMPONENTS_ALL "(.*)"', (build / "CPackConfig.cmake").read_text())[1].split(";")
        expect(set(listed) == {"shipped", *(("immuta_runtime", "immuta_dev") if with_it else ())},
               f"the components to pack are {listed}")
    return "FetchContent with Ninja, add_subdirectory with Makefiles; installed with its parent when asked to"


def cmake_sanitizer(run: Run) -> str:
    """The flags of the C code of a project are those of the C code inside, in the configuration that is built, without
    those that a project means for its own code. Its compiler is called by a wrapper."""
    build, flags = run.scratch / "build", "-fsanitize=address -O0 --coverage -Wconversion -Werror"
    wrapper = run.scratch / "ccache"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {run.scratch}/wrapped.txt\nexec "$@"\n')
    wrapper.chmod(0o755)
    cmake(run, copy_consumer(run), build, f"-DIMMUTA_SOURCE={ROOT}", f"-DCMAKE_C_FLAGS={flags}",
          f"-DCMAKE_CXX_FLAGS={flags}", "-DIMMUTA_CARGO_FLAGS=--offline --features zstd",
          generator="Ninja Multi-Config", config="Debug",
          env={**UNOPTIMISED, "CC": f"{wrapper} {c_compiler()}",
               "CARGO_TARGET_DIR": str(TARGET_DIR / "cmake-sanitizer")})
    run_consumers(run, build / "Debug")
    archive = build / "immuta" / "stage" / "debug" / "libimmuta.a"
    names = run.command(need("nm"), "--format=just-symbols", archive).split()
    expect("__asan_report_load8" in names, "the Zstandard library is not instrumented")
    expect(not [name for name in names if "gcov" in name], "the Zstandard library counts for the coverage of a project")
    expect("zstd_compress" in (run.scratch / "wrapped.txt").read_text(), "the wrapper did not compile Zstandard")
    return f"Ninja Multi-Config, Debug, {flags}"


def cmake_configure(run: Run) -> str:
    """What is settled when a build is configured."""
    first = run.scratch / "first"
    first.mkdir()
    (first / "cargo").symlink_to(need("cargo"))
    environment = {"PATH": f"{first}:{os.environ['PATH']}"}
    build = run.scratch / "build"
    run.command(*configure(ROOT, build, "-DCMAKE_INSTALL_PREFIX=/usr"), env=environment)
    expect(f"IMMUTA_CARGO:FILEPATH={first}/cargo\n" in (build / "CMakeCache.txt").read_text(),
           "cargo is not the first on PATH")
    expect("Cargo.toml" in (build / "build.ninja").read_text(), "another version does not configure again")
    environment = {"PKG_CONFIG_PATH": str(build / "immuta_dev")}
    flags = run.command(need("pkg-config"), "--cflags", "--libs", "immuta", env=environment)
    expect(flags.split() == ["-limmuta"], f"in /usr pkg-config gives {flags!r}")
    return "the first cargo on PATH, Cargo.toml as a dependency, no flags for /usr"


def pkg_config(run: Run) -> str:
    need("pkg-config")
    libraries = library_directory(moved_prefix(run))
    environment = {"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}

    def flags(*arguments: str) -> list[str]:
        return run.command("pkg-config", *arguments, "immuta", env=environment).split()

    def build(name: str, *arguments: str) -> Path:
        run.command(c_compiler(), CONSUMER / "consumer.c", "-o", run.scratch / name, *arguments)
        return run.scratch / name

    run_consumer(run, build("shared", *flags("--cflags", "--libs")), libraries)
    archive = flags("--variable=libdir")[0] + "/libimmuta.a"
    archived = build("archive", *flags("--cflags"), archive, *flags("--static", "--libs-only-l")[1:])
    expect(not needs_shared(run, archived), "the archive was not linked in")
    run_consumer(run, archived)
    run_consumer(run, build("static", "-static", *flags("--static", "--cflags", "--libs")))
    return "shared, archive, -static"


STEPS = [
    Step("cmake-package", "cmake --install, moved, found with find_package; what another project ships", cmake_package,
         LIBRARY),
    Step("cmake-install", "make install, DESTDIR, --strip, components, an absolute library directory", cmake_install,
         LIBRARY),
    Step("cmake-subproject", "the same project with add_subdirectory and with FetchContent", cmake_subproject, LIBRARY),
    Step("cmake-configure", "what is settled by configuring: programs, prefix /usr", cmake_configure),
    Step("cmake-sanitizer", "the C code inside with a project's own flags, and a generator of many configurations",
         cmake_sanitizer),
    Step("pkg-config", "the moved prefix found with pkg-config: shared, archive, -static", pkg_config, LIBRARY),
]

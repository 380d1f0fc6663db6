"""The package as its users meet it: installed, moved to another place, found by CMake and by pkg-config."""

import re
import shutil
import tempfile
from pathlib import Path

from .engine import LIBRARY, ROOT, Run, Step, expect
from .tools import c_compiler, need, need_wheel

STAGED = tempfile.TemporaryDirectory(prefix="immuta-package-")  # removed when the runner ends


def cmake(run: Run, source: Path, build: Path, *definitions: str, generator: str = "Ninja") -> None:
    """Configures and builds."""
    run.command(need_wheel("cmake"), "-S", source, "-B", build, "-G", generator,
                *([f"-DCMAKE_MAKE_PROGRAM={need_wheel('ninja')}"] if generator == "Ninja" else []), *definitions)
    run.command(need_wheel("cmake"), "--build", build, "--parallel", "2")


def moved_prefix(run: Run) -> Path:
    """Installs the package into one place and moves it to another, once for all steps. Returns the second place."""
    c_compiler()
    top = Path(STAGED.name)
    if not (top / "moved").exists():
        cmake(run, ROOT / "cmake", top / "build")
        run.command(need_wheel("cmake"), "--install", top / "build", "--prefix", top / "first")
        (top / "first").rename(top / "moved")
    return top / "moved"


def library_directory(prefix: Path) -> Path:
    return next(prefix.rglob("libimmuta.a")).parent


def check_contents(prefix: Path) -> None:
    """The three names of the shared library, and no trace of the place it was first installed to."""
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    libraries = library_directory(prefix)
    expect((libraries / "libimmuta.so").resolve().name == f"libimmuta.so.{version}", "libimmuta.so leads elsewhere")
    expect((libraries / "libimmuta.so").readlink().name.startswith("libimmuta.so."), "libimmuta.so is no link")
    for path in prefix.rglob("*"):
        if path.suffix in (".cmake", ".pc", ".h"):
            expect(STAGED.name not in path.read_text(), f"{path.name} names the directory it was built in")


def copy_consumer(run: Run) -> Path:
    """The consumer project, out of the tree."""
    return Path(shutil.copytree(ROOT / "cmake" / "test", run.scratch / "consumer"))


def run_consumer(run: Run, program: Path, libraries: Path | None = None) -> None:
    """The program is given a new log; what it prints shows that header, library and version belong together."""
    environment = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    printed = run.command(program, run.scratch / f"log-of-{program.name}", env=environment)
    expect(re.fullmatch(r"\d+\.\d+\.\d+ packaged\n", printed) is not None, f"{program.name} printed {printed!r}")


def needs_shared(run: Run, program: Path) -> bool:
    return "libimmuta.so" in run.command(need("readelf"), "--dynamic", program)


def cmake_package(run: Run) -> str:
    prefix = moved_prefix(run)
    check_contents(prefix)
    build = run.scratch / "build"
    cmake(run, copy_consumer(run), build, f"-DCMAKE_PREFIX_PATH={prefix}", generator="Unix Makefiles")
    for kind, shared in (("immuta", True), ("shared", True), ("static", False)):
        program = build / f"consumer_{kind}"
        expect(needs_shared(run, program) == shared, f"{program.name} is linked the wrong way")
        run_consumer(run, program)
    plain = run.scratch / "plain-is-static"
    cmake(run, run.scratch / "consumer", plain, f"-DCMAKE_PREFIX_PATH={prefix}", "-DBUILD_SHARED_LIBS=OFF")
    expect(not needs_shared(run, plain / "consumer_immuta"), "BUILD_SHARED_LIBS=OFF did not make immuta::immuta static")
    cmake(run, ROOT / "examples-c", run.scratch / "examples", f"-DCMAKE_PREFIX_PATH={prefix}")
    return "find_package from a moved prefix: shared, static, examples"


def cmake_subproject(run: Run) -> str:
    """Ninja and Makefiles differ in how they treat libraries that do not exist yet: both."""
    consumer = copy_consumer(run)
    for generator in ("Ninja", "Unix Makefiles"):
        build = run.scratch / generator.split()[-1]
        cmake(run, consumer, build, f"-DIMMUTA_SOURCE={ROOT}", generator=generator)
        run_consumer(run, build / "consumer_shared")
        run_consumer(run, build / "consumer_static")
        shutil.rmtree(run.scratch / "log-of-consumer_shared")
        shutil.rmtree(run.scratch / "log-of-consumer_static")
    return "add_subdirectory with Ninja and with Makefiles"


def pkg_config(run: Run) -> str:
    need("pkg-config")
    libraries = library_directory(moved_prefix(run))
    source = copy_consumer(run) / "consumer.c"
    environment = {"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}

    def flags(*arguments: str) -> list[str]:
        return run.command("pkg-config", *arguments, "immuta", env=environment).split()

    def build(name: str, *arguments: str) -> Path:
        run.command(c_compiler(), source, "-o", run.scratch / name, *arguments)
        return run.scratch / name

    run_consumer(run, build("shared", *flags("--cflags", "--libs")), libraries)
    archive = flags("--variable=libdir")[0] + "/libimmuta.a"
    archived = build("archive", *flags("--cflags"), archive, *flags("--static", "--libs-only-l")[1:])
    expect(not needs_shared(run, archived), "the archive was not linked in")
    run_consumer(run, archived)
    run_consumer(run, build("static", "-static", *flags("--static", "--cflags", "--libs")))
    return "shared, archive, -static"


STEPS = [
    Step("cmake-package", "cmake --install, moved, found with find_package, shared and static", cmake_package, LIBRARY),
    Step("cmake-subproject", "the same project with add_subdirectory", cmake_subproject, LIBRARY),
    Step("pkg-config", "the moved prefix found with pkg-config: shared, archive, -static", pkg_config, LIBRARY),
]

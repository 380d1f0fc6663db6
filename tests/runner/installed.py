"""The packages installed, used and removed in fresh systems of Debian. Those of a release are also tried where glibc is
the oldest one that they are for."""

import os
import platform
import shutil
from pathlib import Path

from .engine import LIBRARY, ROOT, TARGET_DIR, Run, Skip, Step, expect
from .library import soname, version
from .machines import build_root
from .package import CONSUMER, configure
from .packages import PROGRAM, RUNTIME, debian, packed
from .release import X86_64, need_target
from .tools import need, need_std_source, need_wheel

RELEASES = ["bookworm", "trixie"]
# With glibc 2.28. Its CMake is older than the one that our CMake package is for.
OLDEST, OLDEST_GLIBC = "buster", "2.28"
# What the systems have beside what Debian calls the minimum.
USED_THERE = "gcc,libc6-dev,make,pkg-config,dpkg-dev"


def packages_chroot(run: Run) -> str:
    need_chroot()
    made, lines = debian(packed(run)), []
    for release in RELEASES:
        root = run.scratch / release
        build_root(run, root, release, f"{USED_THERE},cmake")
        install_and_remove(run, root, made, with_cmake=True)
        lines.append(f"Debian {release}")
        shutil.rmtree(root)
    return ", ".join(lines)


def packages_oldest(run: Run) -> str:
    """What `make dist` packs for this processor, where nothing is newer than it may be."""
    need_chroot()
    mirror = os.environ.get("DEBIAN_ARCHIVE")
    if not mirror:
        raise Skip(f"set DEBIAN_ARCHIVE to the address of Debian's archive of old releases, which has {OLDEST}")
    if platform.machine() != "x86_64":
        raise Skip("the system has the processor of the release's files: run it on x86_64")
    made, root = packed_for_release(run), run.scratch / OLDEST
    build_root(run, root, OLDEST, USED_THERE, mirror)
    found = inside(run, root, "ldd", "--version").splitlines()[0]
    expect(found.endswith(f" {OLDEST_GLIBC}"), f"the system has {found}")
    use_archive(run, root, next(path for path in made if path.name.endswith(".tar.gz")))
    install_and_remove(run, root, debian(made), with_cmake=False)
    return f"Debian {OLDEST}, {found}: the archive and the packages"


def need_chroot() -> None:
    need("debootstrap")
    if os.geteuid() != 0:
        raise Skip("debootstrap and chroot need root")


def packed_for_release(run: Run) -> list[Path]:
    """The archive and the packages, of the libraries of `make cross`."""
    need_target(run, X86_64)
    need_std_source()
    run.command("make", "--silent", "cross", f"TARGET={X86_64}")
    build, work = run.scratch / "build", run.scratch / "packed"
    run.command(*configure(ROOT, build, f"-DIMMUTA_PREBUILT={TARGET_DIR / X86_64 / 'stage'}",
                           f"-DIMMUTA_CARGO_TARGET={X86_64}", "-DCMAKE_INSTALL_LIBDIR=lib",
                           "-DIMMUTA_BUILD_EXAMPLES=OFF"))
    run.command(Path(need_wheel("cmake")).with_name("cpack"), "--config", build / "CPackConfig.cmake", "-B", work)
    return sorted(work.glob("libimmuta*"))


def inside(run: Run, root: Path, *words) -> str:
    return run.command("chroot", root, *words, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})


def use_programs(run: Run, root: Path, *programs: str) -> None:
    for program in programs:
        printed = inside(run, root, program, f"/log-of-{program.replace('/', '-')}")
        expect(printed == f"{version()} packaged\n", f"{program} printed {printed!r}")


def use_archive(run: Run, root: Path, archive: Path) -> None:
    """Programs with both libraries of the archive, found by pkg-config where the archive is unpacked."""
    shutil.copy(archive, root / "opt" / archive.name)
    shutil.copy(CONSUMER / "consumer.c", root / "opt" / "consumer.c")
    inside(run, root, "tar", "-xzf", f"/opt/{archive.name}", "-C", "/opt")
    libraries = f"/opt/{archive.name.removesuffix('.tar.gz')}/lib"
    for name, flags, more in (("shared", "", f"-Wl,-rpath,{libraries}"), ("static", "--static", "-static")):
        found = f"$(PKG_CONFIG_PATH={libraries}/pkgconfig pkg-config {flags} --cflags --libs immuta)"
        inside(run, root, "sh", "-c", f"cc {more} /opt/consumer.c -o /opt/{name} {found}")
        use_programs(run, root, f"/opt/{name}")


def install_and_remove(run: Run, root: Path, made: dict[str, Path], with_cmake: bool) -> None:
    for path in made.values():
        shutil.copy(path, root / path.name)
    shutil.copytree(CONSUMER, root / "consumer")
    inside(run, root, "dpkg", "--install", *(f"/{path.name}" for path in made.values()))
    expect(soname() in inside(run, root, "ldconfig", "--print-cache"), "the loader's cache has no libimmuta")
    expect(inside(run, root, "dpkg", "--verify", *made) == "", "files differ from those of the packages")
    inside(run, root, "sh", "-c", "cc /consumer/consumer.c -o /program $(pkg-config --cflags --libs immuta)")
    use_programs(run, root, "/program")
    if with_cmake:
        inside(run, root, "cmake", "-S", "/consumer", "-B", "/build",
               f"-DIMMUTA_VERSION={version().rpartition('.')[0]}")
        inside(run, root, "cmake", "--build", "/build")
        use_programs(run, root, "/build/consumer_immuta", "/build/consumer_static")
    (root / "debian").mkdir()
    (root / "debian" / "control").write_text(PROGRAM)
    needed = inside(run, root, "dpkg-shlibdeps", "-O", "/program")
    expect(f"{RUNTIME} (>= " in needed, "a program would not need the library")
    files = set(inside(run, root, "dpkg", "--listfiles", *made).split())
    inside(run, root, "dpkg", "--purge", *made)
    left = sorted(name for name in files if "immuta" in name and os.path.lexists(f"{root}{name}"))
    expect(not left, f"left behind: {left}")
    expect("immuta" not in inside(run, root, "ldconfig", "--print-cache"), "the loader's cache still has libimmuta")


STEPS = [
    Step("packages-chroot", "the Debian packages installed in fresh Debian 12 and 13; about 5 minutes", packages_chroot,
         LIBRARY, only_when_asked=True),
    Step("packages-oldest", "the files of a release in a fresh Debian 10, which has glibc 2.28; about 5 minutes",
         packages_oldest, only_when_asked=True),
]

"""Writes logs that stand for those of users: closed, with a codec, after a kill, after a power failure.

    .venv/bin/python c-tests/golden/make.py LIBRARY DIRECTORY

A version that changes the layout of a file gets a directory here, named after it and made once by this program. The
suite `earlier` opens all of them. They never change afterwards; SHA256SUMS has a line for each file.
"""

import shutil
import sys
from pathlib import Path

from cffi import FFI

CDEF = Path(__file__).resolve().parents[2] / "include" / "immuta.cdef"
# The records of every log: three alone, then a batch of three.
ALONE = [b"hello world", b"", b"a" * 5000]
BATCH = [b"first", b"second", b"third"]


class Library:
    def __init__(self, path: str):
        self.ffi = FFI()
        self.ffi.cdef(CDEF.read_text())
        self.c = self.ffi.dlopen(path)
        self.error = self.ffi.new("immuta_error *")

    def must(self, status: int) -> None:
        if status != self.c.IMMUTA_OK:
            sys.exit(self.ffi.string(self.error.message).decode() or f"status {status}")

    def open(self, directory: Path, name: str, durable: bool, codec: str | None):
        options, log = self.c.immuta_options_new(), self.ffi.new("immuta_log **")
        self.must(self.c.immuta_options_add_namespace(options, name.encode()))
        if durable:
            self.must(self.c.immuta_options_set_fast_write(options, 0))
            self.must(self.c.immuta_options_set_journal_size(options, 65536))
        if codec is not None:
            made = self.ffi.new("immuta_codec **")
            self.must(self.c.immuta_codec_builtin(getattr(self.c, codec), 0, made, self.error))
            self.must(self.c.immuta_options_add_codec(options, made[0]))
            self.c.immuta_codec_free(made[0])
        self.must(self.c.immuta_open(bytes(directory), options, log, self.error))
        self.c.immuta_options_free(options)
        return log[0]

    def append(self, log) -> None:
        for payload in ALONE:
            self.must(self.c.immuta_append(log, 0, payload, len(payload), self.ffi.NULL, self.error))
        kept = [self.ffi.from_buffer(payload) for payload in BATCH]
        slices = self.ffi.new("immuta_slice[]", [(payload, len(payload)) for payload in kept])
        self.must(self.c.immuta_append_batch(log, 0, slices, len(slices), self.ffi.NULL, self.error))


def copy(work: Path, target: Path, *names: str) -> None:
    for name in names:
        shutil.copy(work / name, target)


def main(library_path: str, directory: str) -> None:
    library, work, target = Library(library_path), Path(directory) / "work", Path(directory)
    work.mkdir(parents=True)

    for name, codec in (("closed", None), ("deflate", "IMMUTA_CODEC_DEFLATE")):
        log = library.open(work, name, False, codec)
        library.append(log)
        library.must(library.c.immuta_close(log, library.error))
        copy(work, target, f"{name}.log", f"{name}.idx")

    log = library.open(work, "killed", False, None)
    library.append(log)
    copy(work, target, "killed.log", "killed.idx")  # what a kill at this instant leaves
    library.must(library.c.immuta_close(log, library.error))

    log = library.open(work, "power", True, None)
    copy(work, target, "power.log", "power.idx")
    library.append(log)
    copy(work, target, "power.wal")  # what a power failure may leave: of the appends, the journal alone
    library.must(library.c.immuta_close(log, library.error))
    shutil.rmtree(work)


if __name__ == "__main__":
    main(*sys.argv[1:])

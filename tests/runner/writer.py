"""Appends each line of its standard input to a namespace and answers with the record's number.

    writer.py LIBRARY DIRECTORY NAMESPACE

Through ctypes, so that it also shows that the interface needs no C compiler on the other side.
"""

import ctypes
import sys


class Appended(ctypes.Structure):
    """immuta_appended"""

    _fields_ = [(name, ctypes.c_uint64) for name in ("number", "offset", "stored_size", "count")]


class Error(ctypes.Structure):
    """immuta_error"""

    _fields_ = [("code", ctypes.c_int32), ("os_error", ctypes.c_int32), ("ns", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32), ("number", ctypes.c_uint64), ("offset", ctypes.c_uint64),
                ("message", ctypes.c_char * 480)]


def main(library_path: str, directory: str, name: str) -> None:
    library, error = ctypes.CDLL(library_path), Error()

    def must(status: int) -> None:
        if status != 0:
            sys.exit(f"status {status}: {error.message.decode()}")

    library.immuta_options_new.restype = ctypes.c_void_p
    options = ctypes.c_void_p(library.immuta_options_new())
    must(library.immuta_options_add_namespace(options, name.encode()))
    log = ctypes.c_void_p()
    must(library.immuta_open(directory.encode(), options, ctypes.byref(log), ctypes.byref(error)))
    library.immuta_options_free(options)

    for line in sys.stdin:
        payload, appended = line.rstrip("\n").encode(), Appended()
        must(library.immuta_append(log, ctypes.c_uint32(0), payload, ctypes.c_size_t(len(payload)),
                                   ctypes.byref(appended), ctypes.byref(error)))
        print(appended.number, flush=True)
    must(library.immuta_close(log, ctypes.byref(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])

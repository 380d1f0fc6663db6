"""Appends files as records, or reads records into files, through a built-in codec.

    records.py LIBRARY DIRECTORY KIND LEVEL append FILE...
    records.py LIBRARY DIRECTORY KIND LEVEL read DIRECTORY      writes one file for each record, named by its number

The namespace is "a". Reading is read-only, so that what was put there by hand stays as it is.
"""

import ctypes
import sys
from pathlib import Path

from writer import Error


class Record(ctypes.Structure):
    """immuta_record"""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("stored_size", ctypes.c_uint64),
                ("number", ctypes.c_uint64), ("offset", ctypes.c_uint64), ("time_ns", ctypes.c_int64),
                ("flags", ctypes.c_uint64), ("token", ctypes.c_uint64)]


def main(library_path: str, directory: str, kind: str, level: str, verb: str, *paths: str) -> None:
    library, error = ctypes.CDLL(library_path), Error()

    def must(status: int) -> None:
        if status != 0:
            sys.exit(f"status {status}: {error.message.decode()}")

    codec, log, stream = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    must(library.immuta_codec_builtin(int(kind), int(level), ctypes.byref(codec), ctypes.byref(error)))
    library.immuta_options_new.restype = ctypes.c_void_p
    options = ctypes.c_void_p(library.immuta_options_new())
    must(library.immuta_options_add_namespace(options, b"a"))
    must(library.immuta_options_add_codec(options, codec))
    must(library.immuta_options_set_read_only(options, int(verb == "read")))
    library.immuta_codec_free(codec)
    must(library.immuta_open(directory.encode(), options, ctypes.byref(log), ctypes.byref(error)))
    library.immuta_options_free(options)
    if verb == "append":
        for path in paths:
            payload = Path(path).read_bytes()
            must(library.immuta_append(log, 0, payload, ctypes.c_size_t(len(payload)), None, ctypes.byref(error)))
    else:
        must(library.immuta_stream_open(log, 0, ctypes.c_int64(0), ctypes.byref(stream), ctypes.byref(error)))
        record = Record()
        while (status := library.immuta_stream_next(stream, ctypes.c_int64(0), ctypes.byref(record),
                                                    ctypes.byref(error))) == 0:
            Path(paths[0], str(record.number)).write_bytes(ctypes.string_at(record.data, record.size))
            must(library.immuta_record_done(ctypes.byref(record)))
        must(min(status, 0))  # a timeout is the end
        library.immuta_stream_done(stream)
    must(library.immuta_close(log, ctypes.byref(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Appends a record and reads it back through cffi in ABI mode: no C compiler takes part.

    log.py CDEF LIBRARY DIRECTORY
"""

import sys
from pathlib import Path

from cffi import FFI


def main(cdef: str, library_path: str, directory: str) -> None:
    ffi = FFI()
    ffi.cdef(Path(cdef).read_text())
    library = ffi.dlopen(library_path)
    names = {value: name for value, name in ffi.typeof("enum immuta_status_code").elements.items()}
    error = ffi.new("immuta_error *")

    def must(status: int) -> None:
        if status != library.IMMUTA_OK:
            sys.exit(f"{names.get(status, status)}: {ffi.string(error.message).decode()}")

    for status, name in names.items():
        assert ffi.string(library.immuta_status_name(status)).decode() == name, name
    options = library.immuta_options_new()
    must(library.immuta_options_add_namespace(options, b"python"))
    must(library.immuta_options_set_io(options, library.IMMUTA_IO_SYSCALL))
    log = ffi.new("immuta_log **")
    must(library.immuta_open(directory.encode(), options, log, error))
    library.immuta_options_free(options)

    appended = ffi.new("immuta_appended *")
    must(library.immuta_append(log[0], 0, b"hello world", 11, appended, error))
    assert appended.offset == 8 and appended.count == 1
    stream, record = ffi.new("immuta_stream **"), ffi.new("immuta_record *")
    must(library.immuta_stream_open(log[0], 0, 0, stream, error))
    must(library.immuta_stream_next(stream[0], 0, record, error))
    assert bytes(ffi.buffer(record.data, record.size)) == b"hello world"
    assert record.flags & library.IMMUTA_RECORD_BATCH_END
    must(library.immuta_record_done(record))
    assert names[library.immuta_stream_next(stream[0], 0, record, error)] == "IMMUTA_TIMEOUT"
    library.immuta_stream_done(stream[0])
    must(library.immuta_close(log[0], error))

    # A status that is an error, by its name, with the words of the library.
    status = library.immuta_append(ffi.NULL, 0, b"", 0, ffi.NULL, error)
    assert names[status] == "IMMUTA_E_ARGUMENT" and names[error.code] == names[status], names[status]


if __name__ == "__main__":
    main(*sys.argv[1:])

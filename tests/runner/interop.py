"""Frames of other tools: what the built-in codecs write is decoded by them, what they write is read by the library.

The record file is taken apart and put together here, by its documented layout, so the library is on one side only.
"""

import random
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .engine import LIBRARY, ROOT, Run, Step, expect
from .tools import library_dir, need, need_module

Codec = Callable[[Run, Path, Path], None]  # from one file into another


@dataclass(frozen=True)
class Format:
    name: str
    kind: int  # IMMUTA_CODEC_*
    levels: tuple[int, ...]
    decode: Codec
    encoders: dict[str, Codec]


def inflate(_: Run, source: Path, target: Path) -> None:
    decoder = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    target.write_bytes(decoder.decompress(source.read_bytes()))
    expect(decoder.eof and not decoder.unused_data, "zlib finds no single stream")


def deflate(level: int, strategy: int) -> Codec:
    def encode(_: Run, source: Path, target: Path) -> None:
        encoder = zlib.compressobj(level, wbits=-zlib.MAX_WBITS, strategy=strategy)
        target.write_bytes(encoder.compress(source.read_bytes()) + encoder.flush())

    return encode


def tool(name: str, *flags: str) -> Codec:
    def run_tool(run: Run, source: Path, target: Path) -> None:
        arguments = [source, "-o", target] if name == "zstd" else [source, target]
        run.command(need(name), "--quiet", "--force", *flags, *arguments)

    return run_tool


def cramjam(function: str) -> Codec:
    program = (f"import sys, pathlib, cramjam; source, target = map(pathlib.Path, sys.argv[1:]); "
               f"target.write_bytes(bytes(cramjam.snappy.{function}(source.read_bytes())))")

    def run_python(run: Run, source: Path, target: Path) -> None:
        run.command(need_module("cramjam"), "-c", program, source, target)

    return run_python


FORMATS = [
    Format("deflate", 1, (0, 1, 9), inflate,
           {f"zlib level {level}, strategy {strategy}": deflate(level, strategy)
            for level, strategy in ((0, 0), (1, 0), (9, 0),
                                    (6, zlib.Z_HUFFMAN_ONLY), (6, zlib.Z_FIXED), (6, zlib.Z_RLE))}),
    Format("zstd", 2, (0, -7, 19), tool("zstd", "-d"),
           {" ".join(("zstd", *flags)): tool("zstd", *flags)
            for flags in (("-3",), ("--fast=5",), ("-19", "--long=27"), ("--no-check", "--no-content-size"))}),
    Format("lz4", 3, (0,), tool("lz4", "-d"),
           {" ".join(("lz4", *flags)): tool("lz4", *flags)
            for flags in (("-1",), ("-9", "-BD"), ("-B4", "-BX"), ("-B5", "-BD", "--content-size"),
                          ("--no-frame-crc",))}),
    Format("snappy", 4, (0,), cramjam("decompress"), {"cramjam": cramjam("compress")}),
]


def write_payloads(directory: Path) -> list[Path]:
    """Payloads of many kinds, the largest beyond every format's blocks and windows."""
    dice = random.Random(1)
    text = (ROOT / "README.md").read_bytes()
    payloads = [b"", b"x", b"hello world", text, b"\0" * 300_000, dice.randbytes(70_000),
                b"".join(text[dice.randrange(len(text)):][:dice.randrange(500)] for _ in range(20_000))
                + dice.randbytes(1_000_000) + text * 300]
    paths = [directory / f"payload-{number}" for number in range(len(payloads))]
    for path, payload in zip(paths, payloads):
        path.write_bytes(payload)
    return paths


def stored_payloads(log: bytes) -> list[bytes]:
    """What stands in a record file: the count, then sizes and payloads."""
    payloads, at = [], 8
    for _ in range(int.from_bytes(log[:8], "little")):
        size = int.from_bytes(log[at:at + 8], "little")
        payloads.append(log[at + 8:at + 8 + size])
        at += 8 + size
    expect(at == len(log), "the record file does not end with its last record")
    return payloads


def record_file(payloads: list[bytes]) -> bytes:
    return len(payloads).to_bytes(8, "little") + b"".join(
        len(payload).to_bytes(8, "little") + payload for payload in payloads)


def records(run: Run, directory: Path, form: Format, level: int, verb: str, *paths: Path) -> None:
    script = Path(__file__).with_name("records.py")
    run.command(sys.executable, script, library_dir(run) / "libimmuta.so", directory, form.kind, level, verb, *paths)


def ours_to_theirs(run: Run, form: Format, level: int, payloads: list[Path]) -> None:
    directory = run.scratch / f"{form.name}-level-{level}"
    records(run, directory, form, level, "append", *payloads)
    stored = stored_payloads((directory / "a.log").read_bytes())
    expect(len(stored) == len(payloads), f"{len(stored)} records instead of {len(payloads)}")
    frame, decoded = directory / "frame", directory / "decoded"
    for path, bytes_stored in zip(payloads, stored):
        frame.write_bytes(bytes_stored)
        form.decode(run, frame, decoded)
        expect(decoded.read_bytes() == path.read_bytes(), f"{form.name} level {level}: {path.name} decoded otherwise")


def theirs_to_ours(run: Run, form: Format, name: str, encode: Codec, payloads: list[Path]) -> None:
    directory = run.scratch / f"from {name}"
    (directory / "read").mkdir(parents=True)
    frame, frames = directory / "frame", []
    for path in payloads:
        encode(run, path, frame)
        frames.append(frame.read_bytes())
    (directory / "a.log").write_bytes(record_file(frames))
    records(run, directory, form, 0, "read", directory / "read")
    for number, path in enumerate(payloads):
        read = directory / "read" / str(number)
        expect(read.exists() and read.read_bytes() == path.read_bytes(), f"{name}: {path.name} read otherwise")


def interop(run: Run) -> str:
    payloads = write_payloads(run.scratch)
    for form in FORMATS:
        for level in form.levels:
            ours_to_theirs(run, form, level, payloads)
        for name, encode in form.encoders.items():
            theirs_to_ours(run, form, name, encode, payloads)
    return f"{len(payloads)} payloads: {', '.join(name for form in FORMATS for name in form.encoders)}, and back"


STEPS = [
    Step("interop", "frames written here read by zlib, zstd, lz4, cramjam, and theirs here", interop, LIBRARY),
]

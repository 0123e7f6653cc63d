"""Find and open the files of a data set: plain or packed, in our own layout or the original one."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import shutil
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from broadsheet.core.errors import BadInput, UsageError

#: What may stand behind a file's name.
PACKINGS = ("", ".zst", ".gz", ".xz", ".bz2", ".lz4")
#: Longest line that is read, in bytes.
LINE_LIMIT = 8 << 20
#: What reading a damaged or unreadable file raises.
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def find(folder: Path, *names: str) -> Path:
    """Return the first file of `names` below `folder`, with or without an ending of a packing.

    Raises:
        BadInput: There is no folder, or none of these files is in it.
    """
    if not folder.is_dir():
        raise BadInput(
            "no such folder of data sets",
            received=folder,
            hint="docs/guide/data.md names the files",
        )
    for name in names:
        for ending in PACKINGS:
            path = folder / f"{name}{ending}"
            if path.is_file():
                return path
    raise BadInput(
        f"the data set is not here: no {names[0]}",
        received=folder,
        hint="docs/guide/data.md says where it comes from",
    )


def raw_lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield line number and bytes of each line without its end; a byte order mark is passed over.

    Only a line feed ends a line, so a sentence may hold any other separator.

    Raises:
        BadInput: The file can't be read, is damaged or cut short.
        UsageError: It needs a program that isn't installed.
    """
    number = 0
    try:
        with open_bytes(path) as stream:
            while raw := stream.readline(LINE_LIMIT + 1):
                number += 1
                if len(raw) > LINE_LIMIT:
                    raise BadInput("a line is too long", received=f"{path}, line {number}")
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                yield number, raw.rstrip(b"\r\n")
    except DAMAGE as error:
        raise BadInput(
            f"the file is damaged behind line {number} ({type(error).__name__}: {error})",
            received=path,
            hint="fetch it again",
        ) from None


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line number and line without its end, as UTF-8.

    Raises:
        BadInput: The file can't be read, is damaged, cut short or not UTF-8.
        UsageError: It needs a program that isn't installed.
    """
    for number, raw in raw_lines_of(path):
        try:
            yield number, raw.decode("utf-8")
        except UnicodeDecodeError:
            raise broken(path, number, repr(raw[:80]), "not UTF-8") from None


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of each line that isn't empty.

    Raises:
        BadInput: A line is not a JSON object, or the file can't be read.
    """
    for number, line in lines_of(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise broken(path, number, line, f"broken JSON ({error})") from None
        if not isinstance(value, dict):
            raise broken(path, number, line, "not a JSON object")
        yield number, value


def csv_rows(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield line number and fields of a comma-separated file with quotes.

    Raises:
        BadInput: The file can't be read.
    """
    reader = csv.reader((f"{line}\n" for _, line in lines_of(path)), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(
            f"broken quotes in a comma-separated file ({error})",
            received=f"{path}, line {reader.line_num}",
        ) from None


def broken(path: Path, number: int, line: object, reason: str) -> BadInput:
    """Return the error for one line of a file."""
    return BadInput(f"{path.name}, line {number}: {reason}", received=line)


def number_of(text: str, path: Path, line: int) -> float:
    """Return a finite number.

    Raises:
        BadInput: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        raise broken(path, line, text, "the score is not a number") from None
    if not -1e9 < value < 1e9:
        raise broken(path, line, text, "the score is not a finite number")
    return value


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked by its ending.

    Raises:
        UsageError: It is packed with lz4, and that program is not installed.
    """
    ending = path.suffix
    if ending == ".lz4":
        with _lz4(path) as stream:
            yield stream
    elif ending == ".zst":
        with path.open("rb") as packed:
            yield cast(BinaryIO, io.BufferedReader(_Unzstd(packed), 1 << 18))
    elif ending in (".gz", ".xz", ".bz2"):
        opener: Any = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}[ending]
        with opener(path, "rb") as plain:
            yield plain
    else:
        with path.open("rb") as stream:
            yield stream


class _Unzstd(io.RawIOBase):
    """A zstd stream that raises `EOFError` when it ends within a frame."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""
        self._waiting = b""
        self._inside = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._waiting or self._packed.read(1 << 16)
            self._waiting = b""
            if not data:
                if self._inside:
                    raise EOFError("the compressed data ends too early")
                return 0
            self._inside = True
            self._ready = self._frame.decompress(data)
            if self._frame.eof:
                self._waiting, self._inside = self._frame.unused_data, False
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        taken = self._ready[: len(buffer)]
        self._ready = self._ready[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


@contextmanager
def _lz4(path: Path) -> Iterator[BinaryIO]:
    program = shutil.which("lz4")
    if program is None:
        raise UsageError(
            "reading .lz4 needs the program lz4",
            received=path,
            hint="install lz4, or fetch the .xz of a Debian mirror",
        )
    command = [program, "-dc", "--", str(path.absolute())]
    with subprocess.Popen(  # noqa: S603 - a fixed command on a file the user named
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield cast(BinaryIO, process.stdout)
            if process.wait() != 0:
                raise EOFError("lz4 could not unpack it")
        finally:
            process.kill()

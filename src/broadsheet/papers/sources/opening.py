"""Open what a reader points at: files, folders, standard input, and what is packed inside them.

Packing is recognised by its first bytes, not by its name. Everything is a stream with limits, so
that no input can fill memory or disk; damage ends a stream early and is reported with its place.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Reject
from broadsheet.papers.sources.base import Origin

#: How much of a stream a format is detected by.
HEAD = 64 << 10
#: Most bytes that one input may unpack to.
MOST_UNPACKED = 8 << 30
#: Unpacked bytes may be this many times the packed ones ...
MOST_RATIO = 200
#: ... once there are this many of them.
RATIO_FROM = 64 << 20
#: Most members that are read of one archive, and files of one folder.
MOST_MEMBERS = 100_000
_BUFFER = 1 << 18
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_DAMAGE = (EOFError, OSError, zlib.error, zstandard.ZstdError, zipfile.BadZipFile, ValueError)
_ZIP_DAMAGE = (*_DAMAGE, RuntimeError, KeyError, IndexError, OverflowError, struct.error)
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedInput:
    """One stream that is ready to be read.

    Args:
        origin: Name, given day and day of last change.
        head: The first bytes, for detection; `stream` still begins with them.
        stream: The content, unpacked.
        size_bytes: Size of what is read from disk, or None when unknown.
        position: Returns how many of `size_bytes` have been read.
    """

    origin: Origin
    head: bytes
    stream: BinaryIO
    size_bytes: int | None
    position: Callable[[], int]


class _Counted(io.RawIOBase):
    """A stream that counts what is read from it, and ends where it can't be read."""

    def __init__(self, inner: BinaryIO) -> None:
        self._read = getattr(inner, "read1", inner.read)
        self.count = 0
        self.fault = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            data = b"" if self.fault else self._read(len(view))
        except _DAMAGE as error:
            self.fault = _damage(error)
            data = b""
        view[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Zstd(io.RawIOBase):
    """A zstd stream that raises `EOFError` when it ends within a frame (stream_reader doesn't)."""

    # 512 packed bytes are at most 128 blocks of 128 kB: the most that is held at once.
    _STEP = 512

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._frame = self._decompressor.decompressobj()
        self._ready = b""
        self._waiting = b""
        self._inside = False

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, and nothing only at the end."""
        while not self._ready:
            packed = self._waiting or self._inner.read(self._STEP)
            self._waiting = b""
            if not packed:
                if self._inside:
                    raise EOFError("the compressed data ends too early")
                return b""
            self._inside = True
            self._ready = self._frame.decompress(packed)
            if self._frame.eof:
                self._waiting = self._frame.unused_data
                self._frame = self._decompressor.decompressobj()
                self._inside = False
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken


class _Guarded(io.RawIOBase):
    """A stream that ends at damage or at a limit, and remembers why."""

    def __init__(self, inner: BinaryIO, packed: Callable[[], int] | None) -> None:
        # read1, because read loses what came before an error.
        self._read = getattr(inner, "read1", inner.read)
        self._packed = packed
        self.count = 0
        self.fault = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        filled = 0
        while filled < len(view) and not self.fault:
            try:
                data = self._read(len(view) - filled)
            except _DAMAGE as error:
                self.fault = _damage(error)
                break
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
            self.count += len(data)
            self._check_limits()
        return filled

    def _check_limits(self) -> None:
        if self._packed is None:
            return
        if self.count > MOST_UNPACKED:
            self.fault = f"unpacks to more than {MOST_UNPACKED:,} bytes; the rest was not read"
        elif self.count > RATIO_FROM and self.count > MOST_RATIO * max(self._packed(), 1):
            self.fault = f"unpacks to more than {MOST_RATIO} times its size; the rest was not read"


def open_inputs(inputs: Sequence[str], date: str = "") -> Iterator[OpenedInput | Reject]:
    """Open files, folders and "-" (standard input) one after the other.

    Each stream is closed, and any damage met in it is yielded as a `Reject`, when the next item
    is asked for. Folders are read whole, sorted by name, without dot files and READMEs.

    Args:
        inputs: Paths, or "-".
        date: The day the reader gave for all of them (ISO 8601), or "".

    Raises:
        BadInput: A path does not exist or can't be read; raised before anything is opened.
    """
    for path in existing_paths(inputs):
        if path is None:
            origin = Origin(name="standard input", date=date)
            yield from _open_stream(sys.stdin.buffer, origin, None)
        elif path.is_dir():
            yield from _open_folder(path, date)
        else:
            yield from _open_file(path, str(path), date)


def existing_paths(inputs: Sequence[str]) -> list[Path | None]:
    """Return the path of each input, None for standard input.

    Raises:
        BadInput: A path does not exist or can't be read.
    """
    return [None if name == "-" else _existing(name) for name in inputs]


def _existing(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        if not path.exists():
            raise BadInput("no such file or folder", received=name)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(f"this path can't be read ({error})", received=name) from None
    return path


def _open_folder(folder: Path, date: str) -> Iterator[OpenedInput | Reject]:
    found = False
    number = 0
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.name.upper().startswith("README") or not path.is_file():
            continue
        number += 1
        if number > MOST_MEMBERS:
            yield _reject(str(folder), 0, f"more than {MOST_MEMBERS:,} files; the rest is not read")
            return
        found = True
        yield from _open_file(path, str(path), date)
    if not found:
        yield _reject(str(folder), 0, "the folder holds no file to read")


def _open_file(path: Path, name: str, date: str) -> Iterator[OpenedInput | Reject]:
    if path.is_fifo():
        with path.open("rb") as handle:
            yield from _open_stream(handle, Origin(name=name, date=date), None)
        return
    if not path.is_file():
        yield _reject(name, 0, "neither a file nor a folder")
        return
    try:
        status = path.stat()
        modified = datetime.fromtimestamp(max(status.st_mtime, 0), UTC).date().isoformat()
        origin = Origin(name=name, date=date, modified=modified)
        with path.open("rb") as handle:
            if handle.read(4) == _ZIP:
                yield from _open_zip(path, origin)
                return
            handle.seek(0)
            yield from _open_stream(handle, origin, status.st_size)
    except (OSError, OverflowError) as error:
        yield _reject(name, 0, f"can't be read ({_words(error)})")


def _open_stream(
    source: BinaryIO, origin: Origin, size: int | None, packed: bool = False
) -> Iterator[OpenedInput | Reject]:
    """Yield the stream, unpacked when it is packed, and then the fault that ended it."""
    counted = _Counted(source)
    outer = io.BufferedReader(counted, _BUFFER)
    magic = outer.peek(4)[:4]
    inner: BinaryIO = outer
    if magic[:2] == _GZIP:
        inner, packed = gzip.GzipFile(fileobj=outer, mode="rb"), True  # type: ignore[assignment]
    elif magic == _ZSTD:
        inner, packed = _Zstd(outer), True  # type: ignore[assignment]
    elif magic == _ZIP:
        yield _reject(origin.name, 0, "a zip archive can't be read here; save it as a file first")
        return
    guarded = _Guarded(inner, (lambda: counted.count) if packed else None)
    stream = io.BufferedReader(guarded, _BUFFER)
    head = stream.peek(HEAD)[:HEAD]
    yield OpenedInput(
        origin=origin, head=head, stream=stream, size_bytes=size, position=lambda: counted.count
    )
    if counted.fault or guarded.fault:
        yield _reject(origin.name, guarded.count, counted.fault or guarded.fault)


def _open_zip(path: Path, origin: Origin) -> Iterator[OpenedInput | Reject]:
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_DAMAGE as error:
        yield _reject(origin.name, 0, f"a zip archive that can't be opened ({_words(error)})")
        return
    with archive:
        members = [item for item in archive.infolist() if not item.is_dir()]
        if len(members) > MOST_MEMBERS:
            yield _reject(origin.name, 0, f"more than {MOST_MEMBERS:,} members; none was read")
            return
        found = False
        for member in sorted(members, key=lambda item: item.filename):
            inside = PurePosixPath(member.filename.replace("\\", "/"))
            if inside.name.startswith(".") or inside.name.upper().startswith("README"):
                continue
            found = True
            yield from _open_member(archive, member, origin)
        if not found:
            yield _reject(origin.name, 0, "the archive holds no file to read")


def _open_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, origin: Origin
) -> Iterator[OpenedInput | Reject]:
    name = f"{origin.name}!{member.filename}"
    refusal = _refuse(member)
    place = max(member.header_offset, 0)  # A damaged directory can say anything.
    if refusal:
        yield _reject(name, place, refusal)
        return
    inside = Origin(name=name, date=origin.date, modified=origin.modified)
    try:
        handle = archive.open(member)
    except _ZIP_DAMAGE as error:
        yield _reject(name, place, f"can't be opened ({_words(error)})")
        return
    with handle:
        yield from _open_stream(handle, inside, member.file_size)  # type: ignore[arg-type]


def _refuse(member: zipfile.ZipInfo) -> str:
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or name[1:2] == ":":
        return "the member's path leads out of the archive; refused"
    if (member.external_attr >> 16) & 0o170000 == 0o120000:
        return "the member is a link; refused"
    if member.flag_bits & 1:
        return "the member is encrypted; refused"
    if member.compress_type not in _ZIP_METHODS:
        return "the member is packed with a method that is not read; refused"
    if member.file_size > MOST_UNPACKED:
        return f"the member unpacks to more than {MOST_UNPACKED:,} bytes; refused"
    if member.file_size > RATIO_FROM and member.file_size > MOST_RATIO * member.compress_size:
        return f"the member unpacks to more than {MOST_RATIO} times its size; refused"
    return ""


def _reject(name: str, offset: int, reason: str) -> Reject:
    return Reject(origin=name, offset=offset, unit="byte", reason=reason)


def _damage(error: Exception) -> str:
    return f"damaged or cut short ({_words(error)}); what came before was kept"


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__

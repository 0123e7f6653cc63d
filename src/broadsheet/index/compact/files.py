"""Files that know their length and checksum, so that damage is named and never searched.

The checksum is CRC-32 (zlib): it is in the standard library, checks a gigabyte in about a second,
and finds every burst of up to 32 wrong bits; it does not guard against forgery. A small array is
read and checked when it is opened, a large one is mapped and only its length is checked; `check`
reads all of it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import write_atomically

Array = npt.NDArray[Any]

#: Arrays up to this many bytes are read and checked when opened.
SMALL_BYTES = 1 << 20
_CHUNK = 1 << 24
_HINT = "delete the folder and run `broadsheet index build`"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """What is known of an array in a file of its own.

    Args:
        file: File name.
        kind: Little-endian numpy type, e.g. "<f4".
        shape: Its shape.
        crc: CRC-32 of the file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> stored = StoredArray.write(folder, "a.bin", np.arange(3, dtype=np.int32))
        >>> stored.open(folder).tolist(), stored.length
        ([0, 1, 2], 12)
    """

    file: str
    kind: str
    shape: tuple[int, ...]
    crc: int

    @classmethod
    def write(cls, folder: Path, file: str, array: Array) -> Self:
        """Write an array to a new file, down to the disk."""
        kind = array.dtype.newbyteorder("<")
        flat = np.ascontiguousarray(array, dtype=kind).reshape(-1).view(np.uint8)
        crc = 0
        with (folder / file).open("wb") as handle:
            for begin in range(0, len(flat), _CHUNK):
                piece = flat[begin : begin + _CHUNK].data
                crc = zlib.crc32(piece, crc)
                handle.write(piece)
            handle.flush()
            os.fsync(handle.fileno())
        return cls(file=file, kind=kind.str, shape=tuple(array.shape), crc=crc)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `as_facts` wrote."""
        return cls(
            file=str(facts["file"]),
            kind=str(facts["kind"]),
            shape=tuple(int(side) for side in facts["shape"]),
            crc=int(facts["crc"]),
        )

    def as_facts(self) -> dict[str, Any]:
        """Return this as JSON values."""
        return asdict(self)

    @property
    def length(self) -> int:
        """Return the length of the file in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.kind).itemsize

    def open(self, folder: Path) -> Array:
        """Return the array, mapped and read-only.

        Raises:
            BadInput: The file has another length or, where it is small, other content.
            FileNotFoundError: There is no such file.
        """
        path = folder / self.file
        if path.stat().st_size != self.length:
            raise damaged(path, f"it has {path.stat().st_size:,} bytes, not {self.length:,}")
        if not self.length:
            return np.zeros(self.shape, dtype=self.kind)
        if self.length > SMALL_BYTES:
            return np.memmap(path, self.kind, "r", shape=self.shape).view(np.ndarray)
        raw = path.read_bytes()
        if zlib.crc32(raw) != self.crc:
            raise damaged(path, "its checksum does not fit")
        return np.frombuffer(raw, dtype=self.kind).reshape(self.shape)

    def check(self, folder: Path) -> int:
        """Read the whole file and compare its checksum; return how many bytes that were.

        Raises:
            BadInput: They differ.
        """
        path = folder / self.file
        crc = length = 0
        with path.open("rb") as handle:
            while piece := handle.read(_CHUNK):
                crc = zlib.crc32(piece, crc)
                length += len(piece)
        if (length, crc) != (self.length, self.crc):
            raise damaged(path, "its checksum does not fit")
        return length


def settle(folder: Path) -> None:
    """Wait until the disk has the names of a folder's files, too, before old ones are deleted."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_sealed(path: Path, body: Mapping[str, Any]) -> None:
    """Replace a JSON file, all or nothing, with its checksum inside."""
    text = json.dumps(body, sort_keys=True)
    write_atomically(path, json.dumps({"crc": zlib.crc32(text.encode()), "body": body}).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a JSON file that `write_sealed` wrote.

    Raises:
        BadInput: It was changed since.
        FileNotFoundError: There is none.
    """
    raw = path.read_bytes()
    try:
        sealed = json.loads(raw)
        body = sealed["body"]
        intact = sealed["crc"] == zlib.crc32(json.dumps(body, sort_keys=True).encode())
    except (ValueError, KeyError, TypeError):
        intact, body = False, None
    if not intact or not isinstance(body, dict):
        raise damaged(path, "its checksum does not fit")
    return body


def damaged(path: Path, why: str) -> BadInput:
    """Return the error that names a damaged file and what to do about it."""
    return BadInput(f"a file of the vector index is damaged: {why}", received=path, hint=_HINT)

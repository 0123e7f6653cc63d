"""The recent updates of an index: rows that no segment holds yet, and numbers that are gone.

```
recent.<g>.rows     float32 rows, append-only
recent.<g>.log      append-only batches: header, entries (number, row; row -1: removed)
```
How much of both is committed stands in the index's `meta.json`, which is replaced last; what lies
beyond is the remains of a crash and is written over. What lies within is checked when opened.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from broadsheet.index.appending import append_at
from broadsheet.index.compact.files import Array, damaged

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

#: A line of the log.
ENTRY = np.dtype([("number", "<i8"), ("row", "<i8")])
_HEADER = np.dtype([("entries", "<i8"), ("rows", "<i8"), ("crc_rows", "<u4"), ("crc", "<u4")])
_SEALED = _HEADER.itemsize - 4
#: Rows are checked at opening when they are no more than this many bytes.
_CHECKED_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How much of a log is committed: its generation, bytes of the log, rows.

    Example:
        >>> LogState.of(LogState(generation=2).as_facts())
        LogState(generation=2, length=0, rows=0)
    """

    generation: int
    length: int = 0
    rows: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `as_facts` wrote."""
        return cls(**{name: int(facts[name]) for name in ("generation", "length", "rows")})

    def as_facts(self) -> dict[str, int]:
        """Return this as JSON values."""
        return asdict(self)

    @property
    def files(self) -> tuple[str, str]:
        """Return the names of the log and of the rows."""
        return f"recent.{self.generation}.log", f"recent.{self.generation}.rows"


class Recent:
    """The committed updates as they stand: the last entry of a number counts.

    Args:
        entries: The log.
        matrix: [rows written, dim], mapped.

    Attributes:
        numbers: Documents with a row here, ascending.
        rows: The row of each.
        touched: All numbers that were added or removed, ascending: a segment's row of such a
            number no longer counts.

    Example:
        >>> entries = np.array([(7, 0), (8, 1), (7, -1)], dtype=ENTRY)
        >>> recent = Recent(entries, np.eye(2, dtype=np.float32))
        >>> recent.numbers.tolist(), recent.touched.tolist()
        ([8], [7, 8])
    """

    def __init__(self, entries: Array, matrix: Vectors) -> None:
        self.entries = entries
        self.matrix = matrix
        self.touched, last = np.unique(entries["number"][::-1], return_index=True)
        rows = entries["row"][::-1][last]
        self.numbers: Numbers = self.touched[rows >= 0]
        self.rows: Numbers = rows[rows >= 0]

    @functools.cached_property
    def reach(self) -> float:
        """Return the length of the longest row."""
        return float(np.sqrt(np.einsum("nd,nd->n", self.matrix, self.matrix).max(initial=0.0)))


def append(
    folder: Path, state: LogState, numbers: Numbers, vectors: Vectors, removed: Numbers
) -> tuple[LogState, Array]:
    """Write a batch behind what is committed, down to the disk.

    Returns:
        The state to commit, and the entries that it adds to the log.

    Args:
        folder: The index's folder.
        state: What is committed.
        numbers: Documents added or replaced, [m].
        vectors: [m, dim].
        removed: Documents removed; one that is also added counts as added.
    """
    entries = np.zeros(len(removed) + len(numbers), dtype=ENTRY)
    entries["number"] = np.concatenate((removed, numbers))
    entries["row"] = -1
    entries["row"][len(removed) :] = state.rows + np.arange(len(numbers))
    raw_rows = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    raw = entries.tobytes()
    header = np.zeros(1, dtype=_HEADER)
    header[0] = (len(entries), len(numbers), zlib.crc32(raw_rows), 0)
    header["crc"] = _seal(header[0], raw)
    log, rows = state.files
    width = vectors.shape[1] * 4
    append_at(folder / rows, state.rows * width, raw_rows)
    append_at(folder / log, state.length, header.tobytes() + raw)
    after = LogState(
        generation=state.generation,
        length=state.length + _HEADER.itemsize + len(raw),
        rows=state.rows + len(numbers),
    )
    return after, entries


def read(folder: Path, state: LogState, dim: int) -> Recent:
    """Read the committed updates and check them.

    Raises:
        BadInput: They are damaged.
        FileNotFoundError: A file is missing.
    """
    matrix = map_rows(folder, state, dim)
    log, raw = folder / state.files[0], _committed(folder, state)
    checked = matrix if matrix.nbytes <= _CHECKED_BYTES else matrix[:0]
    entries = _batches(log, raw, checked)
    if len(entries) and entries["row"].max() >= state.rows:
        raise damaged(log, "it names rows that were never written")
    return Recent(entries, matrix)


def check(folder: Path, state: LogState, dim: int) -> int:
    """Read everything committed and compare all checksums; return how many bytes that were.

    Raises:
        BadInput: Something is damaged.
    """
    matrix, raw = map_rows(folder, state, dim), _committed(folder, state)
    _batches(folder / state.files[0], raw, matrix)
    return len(raw) + matrix.nbytes


def map_rows(folder: Path, state: LogState, dim: int) -> Vectors:
    """Return the committed rows, mapped.

    Raises:
        BadInput: There are fewer than were committed.
        FileNotFoundError: The file is missing.
    """
    if not state.rows:
        return np.zeros((0, dim), dtype=np.float32)
    path = folder / state.files[1]
    if path.stat().st_size < state.rows * dim * 4:
        raise damaged(path, "it is shorter than was committed")
    return np.memmap(path, "<f4", "r", shape=(state.rows, dim)).view(np.ndarray)


def _committed(folder: Path, state: LogState) -> bytes:
    """Return the committed bytes of the log."""
    if not state.length:
        return b""
    path = folder / state.files[0]
    with path.open("rb") as handle:
        raw = handle.read(state.length)
    if len(raw) < state.length:
        raise damaged(path, "it is shorter than was committed")
    return raw


def _batches(log: Path, raw: bytes, matrix: Vectors) -> Array:
    """Return the entries of all batches; rows are checked as far as `matrix` has them."""
    at = row = 0
    found = [np.zeros(0, dtype=ENTRY)]
    while at < len(raw):
        if at + _HEADER.itemsize > len(raw):
            raise damaged(log, "a batch is cut")
        header = np.frombuffer(raw, dtype=_HEADER, count=1, offset=at)[0]
        at += _HEADER.itemsize
        length = int(header["entries"]) * ENTRY.itemsize
        piece = raw[at : at + length] if length >= 0 else b""
        if len(piece) != length or _seal(header, piece) != header["crc"]:
            raise damaged(log, "the checksum of a batch does not fit")
        rows = matrix[row : row + int(header["rows"])]
        if len(matrix) and zlib.crc32(np.ascontiguousarray(rows).data) != header["crc_rows"]:
            raise damaged(log.with_suffix(".rows"), "the checksum of its rows does not fit")
        found.append(np.frombuffer(piece, dtype=ENTRY))
        at, row = at + length, row + int(header["rows"])
    return np.concatenate(found)


def _seal(header: np.void, entries: bytes) -> int:
    """Return the checksum of a batch: of its header, but for the checksum itself, and entries."""
    return zlib.crc32(entries, zlib.crc32(header.tobytes()[:_SEALED]))

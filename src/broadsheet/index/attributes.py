"""The attribute store: numpy columns and posting lists by document number, in one file.

Answers three questions for filters and facets: which documents satisfy a predicate (a mask by
number), how often each value occurs among the documents of a mask, and a column of integers to
sort by. Each set-valued attribute is an inverted list in three arrays: its values in order, joined
into one string; where each value's documents begin; and the documents' numbers.
"""

from __future__ import annotations

import bisect
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.paths import write_atomically
from broadsheet.index.predicates import (
    AllOf,
    AnyOf,
    Between,
    Contains,
    Document,
    Not,
    Predicate,
)

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

#: Changes whenever a file written by older code must be built again.
SCHEMA_VERSION = 1

_Kind = TypeVar("_Kind", bound=np.generic)
_FILE = "attributes.npz"
_MISSING = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class _Postings:
    """One set-valued attribute: documents of value `i` are `numbers[starts[i]:starts[i + 1]]`."""

    values: tuple[str, ...]
    starts: Integers
    numbers: npt.NDArray[np.int32]

    def of(self, value: str) -> npt.NDArray[np.int32]:
        position = _position(self.values, value)
        if position < 0:
            return self.numbers[:0]
        return self.numbers[self.starts[position] : self.starts[position + 1]]


class AttributeStore:
    """Attributes of numbered documents: an immutable snapshot of a file.

    `apply` returns the next snapshot and `save` writes it, so a reader is never disturbed.

    Example:
        >>> from broadsheet.index.predicates import Between, Document
        >>> store = AttributeStore().apply([Document(number=3, title="A", numbers={"year": 2024})])
        >>> store.mask(Between("year", 2020, 2025)).nonzero()[0].tolist()
        [3]
    """

    def __init__(self) -> None:
        self.revision = 0
        self._present: Mask = np.zeros(0, dtype=np.bool_)
        self._columns: dict[str, Integers] = {}
        self._postings: dict[str, _Postings] = {}

    @classmethod
    def load(cls, folder: Path) -> AttributeStore:
        """Read the snapshot in a folder.

        Raises:
            NotFound: There is none.
            BadInput: It is damaged or was written by other code; build it again.
        """
        store = cls()
        try:
            raw = (folder / _FILE).read_bytes()
        except FileNotFoundError:
            raise NotFound("there is no attribute index", hint="broadsheet index build") from None
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
                store._restore(arrays)
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
            raise BadInput(
                "the attribute index is damaged or of another version",
                received=_FILE,
                hint="broadsheet index build",
            ) from None
        return store

    def save(self, folder: Path) -> None:
        """Write this snapshot in place of the one in the folder, all or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {
            "schema": SCHEMA_VERSION,
            "revision": self.revision,
            "columns": list(self._columns),
            "terms": list(self._postings),
        }
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "header": _bytes_of(json.dumps(header)),
            "present": self._present,
        }
        for name, column in self._columns.items():
            arrays[f"column.{name}"] = column
        for name, postings in self._postings.items():
            arrays[f"values.{name}"] = _bytes_of(json.dumps(postings.values, ensure_ascii=False))
            arrays[f"starts.{name}"] = postings.starts
            arrays[f"numbers.{name}"] = postings.numbers
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub wants its keywords
        write_atomically(folder / _FILE, buffer.getvalue())

    @property
    def size(self) -> int:
        """Return how many documents there are."""
        return int(self._present.sum())

    @property
    def capacity(self) -> int:
        """Return the length of every mask: the highest number ever seen, plus one."""
        return len(self._present)

    def apply(
        self,
        documents: Iterable[Document],
        *,
        deleted: Iterable[int] = (),
        revision: int | None = None,
    ) -> AttributeStore:
        """Return the snapshot in which documents are added or replaced and others removed."""
        fresh = {document.number: document for document in documents}
        gone = np.array(sorted({*deleted, *fresh}), dtype=np.int64)
        after = AttributeStore()
        after.revision = self.revision if revision is None else revision
        capacity = max([self.capacity - 1, *fresh]) + 1
        after._present = _grown(self._present, capacity, fill=False)
        after._present[gone[gone < capacity]] = False
        kept = after._present.copy()
        after._present[list(fresh)] = True
        for name in sorted(
            {*self._columns, *(key for one in fresh.values() for key in one.numbers)}
        ):
            column = _grown(self._columns.get(name, np.zeros(0, np.int64)), capacity, fill=_MISSING)
            column[~kept] = _MISSING
            for number, document in fresh.items():
                column[number] = document.numbers.get(name, _MISSING)
            after._columns[name] = column
        for name in sorted(
            {*self._postings, *(key for one in fresh.values() for key in one.terms)}
        ):
            after._postings[name] = _merged(self._postings.get(name), kept, fresh, name)
        return after

    def mask(self, predicate: Predicate) -> Mask:
        """Return, by document number, whether each document satisfies the predicate.

        Shape:
            [capacity]; numbers without a document are False.
        """
        match predicate:
            case Contains(name, value):
                found = np.zeros(self.capacity, dtype=np.bool_)
                if name in self._postings:
                    found[self._postings[name].of(value)] = True
                return found
            case Between(name, low, high):
                column = self._columns.get(name)
                if column is None or low > high:
                    return np.zeros(self.capacity, dtype=np.bool_)
                inside: Mask = column != _MISSING
                inside &= column >= low
                inside &= column <= high
                return inside
            case AllOf(parts):
                found = self._present.copy()
                for part in parts:
                    found &= self.mask(part)
                return found
            case AnyOf(parts):
                found = np.zeros(self.capacity, dtype=np.bool_)
                for part in parts:
                    found |= self.mask(part)
                return found
            case Not(part):
                found = self._present.copy()
                found[self.mask(part)] = False
                return found

    def mask_of(self, numbers: npt.NDArray[np.integer]) -> Mask:
        """Return a mask that is true at these numbers, as far as the documents exist here."""
        found = np.zeros(self.capacity, dtype=np.bool_)
        found[numbers[numbers < self.capacity]] = True
        return found & self._present

    def column(self, name: str, numbers: npt.NDArray[np.integer], *, missing: int) -> Integers:
        """Return an integer attribute of these documents, `missing` where they have none."""
        column = self._columns.get(name)
        if column is None:
            return np.full(len(numbers), missing, dtype=np.int64)
        values = column[numbers]
        return np.where(values == _MISSING, missing, values)

    def counts(self, name: str, mask: Mask, *, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent values of a set-valued attribute among the masked documents."""
        postings = self._postings.get(name)
        if postings is None or not len(postings.numbers):
            return []
        before = np.zeros(len(postings.numbers) + 1, dtype=np.int32)
        np.cumsum(mask.take(postings.numbers), out=before[1:])
        totals = np.diff(before.take(postings.starts))
        # What ties with the last place goes by value, that is, by position.
        least = max(int(np.partition(totals, -limit)[-limit]) if limit < len(totals) else 1, 1)
        above = np.flatnonzero(totals > least)
        order = [
            *above[np.argsort(-totals[above], kind="stable")],
            *np.flatnonzero(totals == least),
        ]
        return [(postings.values[i], int(totals[i])) for i in order[:limit]]

    def number_counts(self, name: str, mask: Mask) -> list[tuple[int, int]]:
        """Return the values of an integer attribute among the masked documents, with counts."""
        column = self._columns.get(name)
        if column is None:
            return []
        values, totals = np.unique(column[mask & (column != _MISSING)], return_counts=True)
        return [(int(value), int(count)) for value, count in zip(values, totals, strict=True)]

    def _restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        header = json.loads(arrays["header"].tobytes())
        if header["schema"] != SCHEMA_VERSION:
            raise ValueError("another schema")
        self.revision = int(header["revision"])
        self._present = arrays["present"].astype(np.bool_, copy=False)
        for name in header["columns"]:
            self._columns[name] = arrays[f"column.{name}"].astype(np.int64, copy=False)
        for name in header["terms"]:
            self._postings[name] = _Postings(
                tuple(json.loads(arrays[f"values.{name}"].tobytes())),
                arrays[f"starts.{name}"].astype(np.int64, copy=False),
                arrays[f"numbers.{name}"].astype(np.int32, copy=False),
            )


def _merged(
    before: _Postings | None, kept: Mask, fresh: Mapping[int, Document], name: str
) -> _Postings:
    """Return an attribute's posting lists: what is kept of the old ones, and the fresh terms."""
    old_values: Sequence[str] = before.values if before else ()
    added = [
        (value, number) for number, one in fresh.items() for value in set(one.terms.get(name, ()))
    ]
    values = sorted({*old_values, *(value for value, _ in added)})
    position = {value: index for index, value in enumerate(values)}
    value_ids = np.array([position[value] for value, _ in added], dtype=np.int64)
    numbers = np.array([number for _, number in added], dtype=np.int32)
    if before:
        renamed = np.array([position[value] for value in old_values], dtype=np.int64)
        ids = np.repeat(renamed, np.diff(before.starts))
        alive = kept[before.numbers]
        value_ids = np.concatenate((ids[alive], value_ids))
        numbers = np.concatenate((before.numbers[alive], numbers))
    order = np.lexsort((numbers, value_ids))
    totals = np.bincount(value_ids, minlength=len(values))
    used = np.flatnonzero(totals)
    starts = np.concatenate(([0], np.cumsum(totals[used]))).astype(np.int64)
    return _Postings(tuple(values[index] for index in used), starts, numbers[order])


def _grown(array: npt.NDArray[_Kind], capacity: int, *, fill: int | bool) -> npt.NDArray[_Kind]:
    grown: npt.NDArray[_Kind] = np.full(capacity, fill, dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def _position(values: Sequence[str], value: str) -> int:
    place = bisect.bisect_left(values, value)
    return place if place < len(values) and values[place] == value else -1


def _bytes_of(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)

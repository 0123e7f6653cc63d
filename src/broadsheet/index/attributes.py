"""The attribute store: numpy columns and posting lists by document number, in one file.

Answers three questions for filters and facets: which documents satisfy a predicate (a mask by
number), how often each value occurs among the documents of a mask, and a column of integers to
sort by. Each set-valued attribute is an inverted list in three arrays: its values in order, joined
into one string; where each value's documents begin; and the documents' numbers.
"""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.paths import write_atomically
from broadsheet.index.bitmaps import Mask
from broadsheet.index.columns import (
    MISSING,
    NO_POSTINGS,
    Integers,
    NumberColumn,
    Postings,
    frequent,
    merged,
)
from broadsheet.index.predicates import Document, Predicate
from broadsheet.index.selecting import Selector

__all__ = ["AttributeStore", "Mask"]

#: Changes whenever a file written by older code must be built again.
SCHEMA_VERSION = 1

_Kind = TypeVar("_Kind", bound=np.generic)
_FILE = "attributes.npz"


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
        self._columns: dict[str, NumberColumn] = {}
        self._postings: dict[str, Postings] = {}

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
            arrays[f"column.{name}"] = column.values
        for name, postings in self._postings.items():
            arrays[f"values.{name}"] = _bytes_of(json.dumps(postings.values, ensure_ascii=False))
            arrays[f"starts.{name}"] = postings.starts
            arrays[f"numbers.{name}"] = postings.numbers
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub wants its keywords
        write_atomically(folder / _FILE, buffer.getvalue())

    @functools.cached_property
    def _by_number(self) -> Selector:
        return Selector(self._present, self._columns, self._postings)

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
            old = self._columns[name].values if name in self._columns else np.zeros(0, np.int64)
            column = _grown(old, capacity, fill=MISSING)
            column[~kept] = MISSING
            for number, document in fresh.items():
                column[number] = document.numbers.get(name, MISSING)
            after._columns[name] = NumberColumn(column)
        for name in sorted(
            {*self._postings, *(key for one in fresh.values() for key in one.terms)}
        ):
            after._postings[name] = merged(self._postings.get(name, NO_POSTINGS), kept, fresh, name)
        return after

    def mask(self, predicate: Predicate) -> Mask:
        """Return, by document number, whether each document satisfies the predicate.

        Shape:
            [capacity]; numbers without a document are False.
        """
        return self._by_number.select(predicate).mask()

    def bounds(self, predicate: Predicate) -> tuple[int, int]:
        """Return the fewest and the most documents that can satisfy a predicate, unevaluated."""
        return self._by_number.bounds(predicate)

    def in_order(self, numbers: npt.NDArray[np.integer]) -> Selector:
        """Return what evaluates predicates over the documents in another order.

        Args:
            numbers: The document at each position, each at most once; documents that are not in
                the store satisfy no predicate.
        """
        return Selector(self._present, self._columns, self._postings, numbers)

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
        values = column.values[numbers]
        return np.where(values == MISSING, missing, values)

    def counts(self, name: str, mask: Mask, *, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent values of a set-valued attribute among the masked documents."""
        postings = self._postings.get(name)
        if postings is None or not len(postings.numbers):
            return []
        before = np.zeros(len(postings.numbers) + 1, dtype=np.int32)
        np.cumsum(mask.take(postings.numbers), out=before[1:])
        return frequent(postings.values, np.diff(before.take(postings.starts)), limit)

    def number_counts(self, name: str, mask: Mask) -> list[tuple[int, int]]:
        """Return the values of an integer attribute among the masked documents, with counts."""
        column = self._columns.get(name)
        if column is None:
            return []
        values, totals = np.unique(column.among(mask), return_counts=True)
        return [(int(value), int(count)) for value, count in zip(values, totals, strict=True)]

    def _restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        header = json.loads(arrays["header"].tobytes())
        if header["schema"] != SCHEMA_VERSION:
            raise ValueError("another schema")
        self.revision = int(header["revision"])
        self._present = arrays["present"].astype(np.bool_, copy=False)
        for name in header["columns"]:
            column = arrays[f"column.{name}"].astype(np.int64, copy=False)
            self._columns[name] = NumberColumn(column)
        for name in header["terms"]:
            self._postings[name] = Postings(
                tuple(json.loads(arrays[f"values.{name}"].tobytes())),
                arrays[f"starts.{name}"].astype(np.int64, copy=False),
                arrays[f"numbers.{name}"].astype(np.int32, copy=False),
            )


def _grown(array: npt.NDArray[_Kind], capacity: int, *, fill: int | bool) -> npt.NDArray[_Kind]:
    grown: npt.NDArray[_Kind] = np.full(capacity, fill, dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def _bytes_of(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)

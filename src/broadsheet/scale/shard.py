"""One shard: a segment, the numbers and attributes of its documents, and a manifest of its files.

```
shard.json      every array's file, type, shape and checksum; facts; summary; what it cost
00.bin, ...     the arrays
```
The folder is complete as soon as it has its name: it is filled under another one and renamed.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.bitmaps import Bits
from broadsheet.index.columns import Integers, NumberColumn, Postings
from broadsheet.index.compact import Bits as SegmentBits
from broadsheet.index.compact import Built, Segment, build_segment
from broadsheet.index.compact.arithmetic import dots
from broadsheet.index.compact.files import StoredArray, damaged, read_sealed, write_sealed
from broadsheet.index.predicates import EVERYTHING, Predicate
from broadsheet.index.selecting import Selector
from broadsheet.scale.merging import NOTHING, Hits
from broadsheet.scale.rows import Attributes, Labels, Rows, Vectors
from broadsheet.scale.summaries import Summary

MANIFEST = "shard.json"
_SEGMENT = "segment."
_BLOCK = 4096
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known of a finished shard.

    Args:
        plan: Identity of the plan it belongs to.
        arrays: Its files by the name of the array.
        facts: Of the segment, as `build_segment` gave them.
        summary: What its attributes can be.
        cost: CPU and wall seconds of the work, by name.

    Example:
        >>> one = Manifest(plan="a", arrays={}, facts={}, summary=Summary(0, {}, {}), cost={})
        >>> one.bytes
        0
    """

    plan: str
    arrays: Mapping[str, StoredArray]
    facts: Mapping[str, Any]
    summary: Summary
    cost: Mapping[str, float]

    @property
    def bytes(self) -> int:
        """Return the length of all arrays."""
        return sum(one.length for one in self.arrays.values())

    @property
    def resident_bytes(self) -> int:
        """Return the length of all arrays but the float32 rows, which stay on disk."""
        return self.bytes - self.arrays[_SEGMENT + "rows"].length

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a shard.

        Raises:
            BadInput: It is damaged.
            NotFound: There is no such shard.
        """
        try:
            body = read_sealed(folder / MANIFEST)
        except FileNotFoundError:
            raise NotFound(
                "there is no such shard", received=folder.name, hint="build the index again"
            ) from None
        return cls(
            plan=str(body["plan"]),
            arrays={name: StoredArray.of(one) for name, one in body["arrays"].items()},
            facts=body["facts"],
            summary=Summary.from_facts(body["summary"]),
            cost=body["cost"],
        )

    def write(self, folder: Path) -> None:
        """Write the manifest."""
        body = {
            "plan": self.plan,
            "arrays": {name: one.as_facts() for name, one in self.arrays.items()},
            "facts": dict(self.facts),
            "summary": self.summary.as_facts(),
            "cost": dict(self.cost),
        }
        write_sealed(folder / MANIFEST, body)

    def check(self, folder: Path) -> int:
        """Read every file and compare its checksum; return how many bytes that were.

        Raises:
            BadInput: A file is damaged or missing.
        """
        try:
            return sum(one.check(folder) for one in self.arrays.values())
        except FileNotFoundError as error:
            raise damaged(Path(str(error.filename)), "it is missing") from None


def write_shard(
    folder: Path,
    rows: Rows,
    *,
    plan: str,
    seeds: SeedTree,
    graph: bool,
    progress: Progress,
    begun: tuple[float, float],
) -> Manifest:
    """Build a shard of rows and put it into its folder, all or nothing.

    Args:
        folder: Where it will lie. A shard that lies there already is kept.
        rows: In any order.
        plan: Identity of the plan.
        seeds: Randomness of the segment.
        graph: Also build the neighbour graph.
        progress: Shows the stages.
        begun: CPU and wall time when the work on this shard began; its cost is kept.

    Raises:
        BadInput: A number occurs twice.
    """
    if (rows.numbers[1:] < rows.numbers[:-1]).any():
        rows = rows.take(np.argsort(rows.numbers, kind="stable"))
    twice = np.flatnonzero(rows.numbers[1:] == rows.numbers[:-1])
    if len(twice):
        raise BadInput("a document occurs twice", received=int(rows.numbers[twice[0]]))
    built = build_segment(rows.vectors, seeds=seeds, graph=graph, progress=progress)
    attributes = rows.attributes.take(built.order.astype(np.int64))
    arrays = _arrays(built, rows.numbers[built.order], attributes)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir(parents=True)
    try:
        stored = {
            name: StoredArray.write(partial, f"{place:02}.bin", array)
            for place, (name, array) in enumerate(arrays.items())
        }
        manifest = Manifest(
            plan=plan,
            arrays=stored,
            facts=built.facts,
            summary=Summary.of(attributes, len(rows)),
            cost={
                "cpu_s": time.process_time() - begun[0],
                "wall_s": time.perf_counter() - begun[1],
            },
        )
        manifest.write(partial)
        try:
            partial.rename(folder)
        except OSError:
            # Another worker, thought lost, has finished the same shard: keep that one.
            if not (folder / MANIFEST).is_file():
                raise
        return Manifest.read(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class Shard:
    """An open shard. Its arrays are mapped, so opening it reads little. Thread-safe.

    Args:
        folder: Where `write_shard` put it.

    Raises:
        BadInput: A file is damaged.
        NotFound: There is no shard.

    Example:
        >>> import tempfile
        >>> from broadsheet.core.progress import Silent
        >>> folder = Path(tempfile.mkdtemp()) / "shard"
        >>> rows = Rows(numbers=np.array([7, 3]), vectors=np.eye(2, dtype=np.float32))
        >>> seeds = SeedTree(1)
        >>> made = write_shard(
        ...     folder, rows, plan="p", seeds=seeds, graph=False, progress=Silent(), begun=(0, 0)
        ... )
        >>> Shard(folder).search(np.array([1, 0], dtype=np.float32), 1).numbers.tolist()
        [7]
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = Manifest.read(folder)
        try:
            arrays = {name: one.open(folder) for name, one in self.manifest.arrays.items()}
        except FileNotFoundError as error:
            raise damaged(Path(str(error.filename)), "it is missing") from None
        own = {name: arrays[name] for name in arrays if name.startswith(_SEGMENT)}
        self._segment = Segment(
            {name.removeprefix(_SEGMENT): array for name, array in own.items()},
            self.manifest.facts,
        )
        self._numbers: Integers = arrays["numbers"]
        self._selector = Selector(
            np.ones(len(self._numbers), dtype=np.bool_),
            {name: NumberColumn(column) for name, column in _named(arrays, "column.").items()},
            {
                name: Postings(
                    tuple(json.loads(values.tobytes())),
                    arrays[f"starts.{name}"],
                    arrays[f"places.{name}"],
                )
                for name, values in _named(arrays, "values.").items()
            },
        )

    @property
    def size(self) -> int:
        """Return how many documents there are."""
        return len(self._numbers)

    def search(
        self,
        query: Vectors,
        k: int,
        predicate: Predicate = EVERYTHING,
        *,
        recall: float = 0.95,
    ) -> Hits:
        """Return the k nearest documents that satisfy a predicate; never fewer than there are.

        Args:
            query: float32 [dim].
            k: How many.
            predicate: Which documents count.
            recall: As in `Segment.search`; at 1 every matching row is compared in full.

        Raises:
            BadInput: The query has another length or a number that is not finite; k < 1; recall
                not in (0, 1].
        """
        query = np.ascontiguousarray(query, dtype=np.float32)
        if query.shape != (self._segment.dim,) or not np.isfinite(query).all() or k < 1:
            raise BadInput(
                f"a query has {self._segment.dim} finite numbers and asks for a document or more",
                received=f"shape {query.shape}, k {k}",
            )
        allowed: SegmentBits | npt.NDArray[np.int32] | None = None
        matches = self.size
        if predicate != EVERYTHING:
            chosen = self._selector.selection(predicate)
            matches = chosen.count if isinstance(chosen, Bits) else len(chosen)
            if isinstance(chosen, Bits):
                allowed = SegmentBits(chosen.words, chosen.size, chosen.count)
            else:
                allowed = chosen
        if not matches:
            return NOTHING
        if recall == 1:
            return self._exact(query, k, allowed)
        wanted = k
        while True:
            # One more than asked for: where scores tie at the end, the lower number goes first.
            wanted = min(wanted + 1, matches)
            found = self._segment.search(query, wanted, allowed, recall=recall)
            scores = found.scores
            if wanted == matches or len(scores) < wanted or scores[k - 1] > scores[-1]:
                break
            wanted *= 2
        numbers = self._numbers[found.positions]
        best = np.lexsort((numbers, -scores))[:k]
        return Hits(numbers[best], scores[best], matches)

    def _exact(
        self, query: Vectors, k: int, allowed: SegmentBits | npt.NDArray[np.int32] | None
    ) -> Hits:
        """Return the k nearest by comparing every allowed row: codes estimate, this does not."""
        places = np.arange(self.size) if allowed is None else allowed
        if isinstance(places, SegmentBits):
            places = np.flatnonzero(places.mask())
        rows = self._segment.arrays["rows"]
        blocks = np.split(places, range(_BLOCK, len(places), _BLOCK))
        scores = np.concatenate([dots(rows[some], query) for some in blocks])
        numbers = self._numbers[places]
        best = np.lexsort((numbers, -scores))[:k]
        return Hits(numbers[best], scores[best], len(places))


def _arrays(built: Built, numbers: Integers, attributes: Attributes) -> dict[str, Array]:
    """Return all arrays of a shard by name; rows, numbers and attributes by position."""
    arrays: dict[str, Array] = {_SEGMENT + name: one for name, one in built.arrays.items()}
    arrays["numbers"] = numbers
    for name, column in attributes.numbers.items():
        arrays[f"column.{name}"] = column.astype(np.int64, copy=False)
    for name, labels in attributes.labels.items():
        arrays.update(_postings(name, labels))
    return arrays


def _postings(name: str, labels: Labels) -> dict[str, Array]:
    """Return a set-valued attribute as posting lists over positions."""
    rows = np.repeat(np.arange(labels.rows), np.diff(labels.starts)).astype(np.int32)
    order = np.lexsort((rows, labels.codes))
    totals = np.bincount(labels.codes, minlength=len(labels.values))
    used = np.flatnonzero(totals)
    values = json.dumps([labels.values[code] for code in used], ensure_ascii=False).encode()
    return {
        f"values.{name}": np.frombuffer(values, dtype=np.uint8),
        f"starts.{name}": np.concatenate(([0], np.cumsum(totals[used]))).astype(np.int64),
        f"places.{name}": rows[order],
    }


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }

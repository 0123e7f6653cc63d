"""Builds new tiers out of old ones and of recent updates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.bitmaps import Bits
from broadsheet.index.compact import updates
from broadsheet.index.compact.files import StoredArray
from broadsheet.index.compact.segment import build_segment
from broadsheet.index.compact.snapshot import Meta, Snapshot
from broadsheet.index.compact.tiers import TierState, write_tier
from broadsheet.index.compact.updates import LogState, Numbers, Vectors

#: With more recent rows than this a segment is due: scanned exactly they cost as much as a search
#: in a segment of a hundred times as many.
RECENT = 512
#: Fewer rows than this are not worth a segment.
FEWEST = 512
#: A tier is merged when what is merged already is no less than one in so many of its rows.
_RATIO = 3
#: A tier of which a larger share is dead is written anew.
_DEAD = 0.5
#: Rows to be merged pass through a file when they are more bytes than this, else through memory.
MAPPED_FROM = 1 << 26
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a merge wrote beside the committed files.

    Args:
        tiers: All tiers of the state to be, but for updates since the merge began.
        numbers: Documents that go into the new log instead of a tier, being few.
        vectors: Their rows.
        entries: Entries of the old log that are dealt with.
    """

    tiers: tuple[TierState, ...]
    numbers: Numbers
    vectors: Vectors
    entries: int


def due(snapshot: Snapshot) -> int | None:
    """Return the first of the tiers that should be merged with the recent rows; None for nothing.

    Tiers grow geometrically, so there are few and a row is merged a logarithmic number of times.
    """
    alive = [bits.count for bits in snapshot.alive]
    decayed = [
        place
        for place, (tier, count) in enumerate(zip(snapshot.tiers, alive, strict=True))
        if count < (1 - _DEAD) * tier.size
    ]
    if len(snapshot.recent.matrix) <= RECENT and not decayed:
        return None
    first, merged = len(alive), len(snapshot.recent.numbers)
    while first and (alive[first - 1] <= _RATIO * merged or first - 1 in decayed):
        first -= 1
        merged += alive[first]
    return min([first, *decayed])


def build(
    snapshot: Snapshot, first: int, seeds: SeedTree, *, graph: bool, progress: Progress
) -> Made:
    """Write one tier of the tiers from `first` on and of the recent rows; nothing is committed."""
    folder, generation = snapshot.folder, snapshot.meta.generation + 1
    kept = tuple(
        _still(snapshot, place, tier.state, alive, generation)
        for place, (tier, alive) in enumerate(zip(snapshot.tiers, snapshot.alive, strict=True))
        if place < first
    )
    done = len(snapshot.recent.entries)
    name = f"segment.{generation}"
    sources = _Sources.of(snapshot, first)
    with _gathered(sources, folder / f"{name}.rows") as vectors:
        numbers = sources.numbers
        if len(numbers) < FEWEST:
            return Made(tiers=kept, numbers=numbers, vectors=vectors, entries=done)
        built = build_segment(vectors, seeds=seeds, graph=graph, progress=progress)
    made = write_tier(folder, name, built, numbers)
    none = np.zeros((0, snapshot.meta.dim), dtype=np.float32)
    return Made(tiers=(*kept, made), numbers=numbers[:0], vectors=none, entries=done)


def carried(made: Made, before: Snapshot, now: Snapshot) -> Meta:
    """Write the log of the new state: what no tier took, and the updates since; return the state.

    Args:
        made: What the merge wrote.
        before: The state it began from.
        now: The committed state.
    """
    meta = replace(before.meta, generation=before.meta.generation + 1, tiers=made.tiers)
    log = LogState(generation=meta.generation)
    if len(made.numbers):
        log, _ = updates.append(now.folder, log, made.numbers, made.vectors, made.numbers[:0])
    later = now.recent.entries[made.entries :]
    if len(later):
        touched, last = np.unique(later["number"][::-1], return_index=True)
        rows = later["row"][::-1][last]
        held = rows >= 0
        vectors = now.recent.matrix[rows[held]]
        log, _ = updates.append(now.folder, log, touched[held], vectors, touched[~held])
    return replace(meta, log=log, mark=now.meta.mark)


def _still(
    snapshot: Snapshot, place: int, state: TierState, alive: Bits, generation: int
) -> TierState:
    """Return a tier that is kept, with the rows written down that still count."""
    if alive.count == snapshot.tiers[place].alive.count:
        return state
    file = f"alive.{generation}.{place}.bin"
    return replace(state, alive=StoredArray.write(snapshot.folder, file, alive.words))


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where the rows to merge lie, in ascending order of their documents.

    Attributes:
        numbers: The documents.
        piece: Which of `matrices` has the row of each.
        place: And where in it.
        matrices: Rows of tiers and the recent ones, mapped.
    """

    numbers: Numbers
    piece: npt.NDArray[np.int64]
    place: Numbers
    matrices: tuple[Vectors, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, first: int) -> Self:
        """Look up the rows that count, of the tiers from `first` on and of the recent ones."""
        tiers = list(zip(snapshot.tiers, snapshot.alive, strict=True))[first:]
        places = [alive.ids().astype(np.int64) for _, alive in tiers]
        numbers = [tier.numbers[held] for (tier, _), held in zip(tiers, places, strict=True)]
        numbers.append(snapshot.recent.numbers)
        places.append(snapshot.recent.rows)
        every = np.concatenate(numbers)
        order = np.argsort(every, kind="stable")
        piece = np.repeat(np.arange(len(places)), [len(one) for one in places])
        matrices = (*(tier.rows for tier, _ in tiers), snapshot.recent.matrix)
        return cls(every[order], piece[order], np.concatenate(places)[order], matrices)

    def blocks(self) -> Iterator[Vectors]:
        """Yield all rows in order, some at a time."""
        dim = self.matrices[-1].shape[1]
        for begin in range(0, len(self.numbers), _BLOCK):
            piece, place = self.piece[begin : begin + _BLOCK], self.place[begin : begin + _BLOCK]
            block = np.empty((len(piece), dim), dtype=np.float32)
            for which, matrix in enumerate(self.matrices):
                inside = piece == which
                block[inside] = matrix[place[inside]]
            yield block


@contextlib.contextmanager
def _gathered(sources: _Sources, path: Path) -> Iterator[Vectors]:
    """Yield the rows as one matrix; a large one lies in a file that goes away afterwards.

    The file is written, not mapped for writing: a full disk is then an error and kills nobody.
    """
    shape = len(sources.numbers), sources.matrices[-1].shape[1]
    if shape[0] * shape[1] * 4 <= MAPPED_FROM:
        yield np.concatenate([np.zeros((0, shape[1]), dtype=np.float32), *sources.blocks()])
        return
    try:
        with path.open("wb") as handle:
            for block in sources.blocks():
                handle.write(block.data)
        yield np.memmap(path, np.float32, "r", shape=shape).view(np.ndarray)
    finally:
        path.unlink(missing_ok=True)

"""Builds new tiers out of old ones and of recent updates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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
RECENT = 1024
#: Fewer rows than this are not worth a segment.
FEWEST = 512
#: A tier is merged when what is merged already is no less than one in so many of its rows.
_RATIO = 3
#: A tier of which a larger share is dead is written anew.
_DEAD = 0.5


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
    numbers, vectors = _gathered(snapshot, first)
    kept = []
    for place, (tier, alive) in enumerate(zip(snapshot.tiers, snapshot.alive, strict=True)):
        if place < first:
            kept.append(_still(snapshot, place, tier.state, alive, generation))
    done = len(snapshot.recent.entries)
    if len(numbers) < FEWEST:
        return Made(tiers=tuple(kept), numbers=numbers, vectors=vectors, entries=done)
    built = build_segment(vectors, seeds=seeds, graph=graph, progress=progress)
    made = write_tier(folder, f"segment.{generation}", built, numbers)
    none = np.zeros((0, vectors.shape[1]), dtype=np.float32)
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


def _gathered(snapshot: Snapshot, first: int) -> tuple[Numbers, Vectors]:
    """Return the documents to merge and their rows, in ascending order of their numbers."""
    tiers = list(zip(snapshot.tiers, snapshot.alive, strict=True))[first:]
    places = [alive.ids() for _, alive in tiers]
    pieces = [tier.numbers[held] for (tier, _), held in zip(tiers, places, strict=True)]
    pieces.append(snapshot.recent.numbers)
    numbers = np.concatenate(pieces)
    order = np.argsort(numbers, kind="stable")
    target = np.empty(len(numbers), dtype=np.int64)
    target[order] = np.arange(len(numbers))
    vectors = np.empty((len(numbers), snapshot.meta.dim), dtype=np.float32)
    at = 0
    for (tier, _), held in zip(tiers, places, strict=True):
        vectors[target[at : at + len(held)]] = tier.rows[held]
        at += len(held)
    vectors[target[at:]] = snapshot.recent.matrix[snapshot.recent.rows]
    return numbers[order], vectors

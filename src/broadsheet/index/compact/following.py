"""Keeps a compact index in step with a vector store, whose log says what changed.

The store remains what everything can be made of again, and its exact search the oracle; the index
remembers how much of the store's log it has seen, and is searched only while that is all of it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress, Silent
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.compact.updates import Numbers
from broadsheet.index.vectors import VectorStore

#: Folder of the compact index below that of the vectors.
FOLDER = "compact"
#: With fewer vectors than this the exact search is as quick, and nothing is built.
COMPACT_FROM = 5_000
#: A fill that is not finished builds its first index at so many vectors; a short one at its end.
BUILD_EARLY_FROM = 20_000
_BATCH = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a compact index has come.

    Args:
        covered: Documents in it.
        behind: Documents whose change it has not seen; it is searched only while there are none.
        built: When its largest segment was built (ISO 8601); "" before the first one.

    Example:
        >>> Standing(covered=5000, behind=0, built="2025-09-02T08:00:00+00:00").behind
        0
    """

    covered: int
    behind: int
    built: str


def open_beside(vectors: VectorStore) -> CompactIndex | None:
    """Open the compact index of a store, if it is worth having and has seen all of the log.

    Raises:
        BadInput: It is damaged.
    """
    if len(vectors) < COMPACT_FROM or not (vectors.folder / FOLDER).exists():
        return None
    index = CompactIndex(vectors.folder / FOLDER, vectors.dim)
    return index if index.mark == mark_of(vectors) else None


def follow(vectors: VectorStore, *, progress: Progress | None = None) -> None:
    """Bring the compact index of a store in step with it, building segments where that is due.

    A damaged index, or one of other vectors, is made anew.

    Raises:
        SourceError: Another process is writing to it, or the disk is full.
    """
    folder = vectors.folder / FOLDER
    if len(vectors) < COMPACT_FROM:
        return
    progress = progress or Silent()
    try:
        index = CompactIndex(folder, vectors.dim)
    except BadInput:
        shutil.rmtree(folder)
        index = CompactIndex(folder, vectors.dim)
    if index.mark != mark_of(vectors):
        _catch_up(vectors, index, progress)
    index.tidy(progress=progress)


def wanted_early(vectors: VectorStore) -> bool:
    """Tell whether a fill that goes on should keep the index in step meanwhile."""
    return len(vectors) >= BUILD_EARLY_FROM or (vectors.folder / FOLDER).exists()


def moved(vectors: VectorStore, before: str) -> None:
    """Note that a store rewrote its files without changing any document.

    Args:
        vectors: The store afterwards.
        before: Its `mark_of` before that.
    """
    folder = vectors.folder / FOLDER
    if folder.exists():
        index = CompactIndex(folder, vectors.dim)
        if index.mark == before:
            index.add([], np.zeros((0, vectors.dim), dtype=np.float32), mark=mark_of(vectors))


def mark_of(vectors: VectorStore) -> str:
    """Return what an index that has seen all of a store remembers."""
    return json.dumps(vectors.state)


def standing(vectors: VectorStore) -> Standing | None:
    """Return how far the compact index of a store has come; None where there is none.

    Raises:
        BadInput: It is damaged, or of another version.
    """
    if not (vectors.folder / FOLDER).exists():
        return None
    index = CompactIndex(vectors.folder / FOLDER, vectors.dim)
    tiers = index.snapshot.tiers
    built = max(tiers, key=lambda tier: tier.size).built if tiers else ""
    behind = 0 if index.mark == mark_of(vectors) else len(_unseen(vectors, index))
    return Standing(covered=len(index), behind=behind, built=built)


def _unseen(vectors: VectorStore, index: CompactIndex) -> Numbers:
    """Return the documents that changed since the index saw the store's log, or may have."""
    version, generation, entries = vectors.state
    seen = json.loads(index.mark or "[null, 0, 0]")
    if seen[:2] == [version, generation] and seen[2] <= entries:
        return vectors.touched_since(seen[2])
    return np.union1d(vectors.numbers, index.numbers())


def _catch_up(vectors: VectorStore, index: CompactIndex, progress: Progress) -> None:
    """Apply what changed; only the last batch moves the mark, so a killed one is done again."""
    touched = _unseen(vectors, index)
    living = touched[np.isin(touched, vectors.numbers)]
    gone = np.setdiff1d(touched, living)
    advance = progress.start("vectors into the quick index", len(living), "papers")
    for begin in range(0, max(len(living), 1), _BATCH):
        numbers = living[begin : begin + _BATCH]
        rows = vectors.vectors_of(numbers)
        last = begin + _BATCH >= len(living)
        index.add(numbers, rows, removed=gone, mark=mark_of(vectors) if last else None)
        gone = gone[:0]
        advance(len(numbers))

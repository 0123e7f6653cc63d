"""All units of some documents in one row, and what lies beside each of them.

Legend: N units, P pairs, D width of a vector, G gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broadsheet.data.segmentation import SegmentedDocument

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
#: The class of a unit whose document has no classes.
NO_CLASS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units of documents, flattened.

    Args:
        texts: Each unit.
        document_N: Number of its document.
        segment_N: Number of its segment, counted through all documents.
        class_N: Number of its class, or `NO_CLASS`.
        starts: Where each document begins, and the end of the last.
        masses: Of each document.

    Example:
        >>> document = SegmentedDocument(id="d", units=("a", "b", "c"), masses=(1, 2))
        >>> flat = flatten([document, document], ())
        >>> flat.segment_N.tolist(), flat.neighbours().tolist()
        ([0, 1, 1, 2, 3, 3], [0, 1, 3, 4])
    """

    texts: tuple[str, ...]
    document_N: Ints
    segment_N: Ints
    class_N: Ints
    starts: Ints
    masses: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.texts)

    def neighbours(self) -> Ints:
        """Return the first unit of every pair of neighbours: i stands for (i, i + 1)."""
        return np.flatnonzero(self.document_N[:-1] == self.document_N[1:]).astype(np.int64)

    def curves(self, scores_G: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Cut one score for each pair of neighbours into one curve for each document."""
        ends = np.cumsum([sum(masses) - 1 for masses in self.masses])[:-1]
        return np.split(scores_G, ends)


def flatten(documents: Sequence[SegmentedDocument], classes: Sequence[str]) -> Units:
    """Return the units of documents in their order."""
    number = {name: at for at, name in enumerate(classes)}
    lengths = [len(one.units) for one in documents]
    before = np.concatenate([[0], np.cumsum([len(one.masses) for one in documents])])
    owners = [np.array(one.owners()) + start for one, start in zip(documents, before, strict=False)]
    labels = [
        [number[label] for label in one.unit_labels()] if number else [NO_CLASS] * len(one.units)
        for one in documents
    ]
    return Units(
        texts=tuple(unit for one in documents for unit in one.units),
        document_N=np.repeat(np.arange(len(documents)), lengths),
        segment_N=np.concatenate(owners).astype(np.int64),
        class_N=np.concatenate([np.array(one, np.int64) for one in labels]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        masses=tuple(one.masses for one in documents),
    )


def with_context(vectors_ND: Floats, units: Units, context: int) -> tuple[Floats, Floats]:
    """Return the mean vectors of up to `context` units before and after each unit.

    They never reach into another document; at its ends they are 0.

    Shape:
        two of [N, D]
    """
    sums = np.concatenate([np.zeros((1, vectors_ND.shape[1])), np.cumsum(vectors_ND, axis=0)])
    place_N = np.arange(len(units))
    first_N, last_N = units.starts[units.document_N], units.starts[units.document_N + 1]
    left_N, right_N = (
        np.maximum(place_N - context, first_N),
        np.minimum(place_N + 1 + context, last_N),
    )
    before = sums[place_N] - sums[left_N]
    after = sums[right_N] - sums[place_N + 1]
    counts = np.maximum(place_N - left_N, 1), np.maximum(right_N - place_N - 1, 1)
    return (
        (before / counts[0][:, None]).astype(np.float32),
        (after / counts[1][:, None]).astype(np.float32),
    )

"""Metrics of text segmentation: Pk, WindowDiff, and precision and recall of boundaries.

A segmentation of n units (sentences, paragraphs) is given by its *masses*: how many units each
segment has. A boundary lies between two units; the ends of a document are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput

#: Windows are never narrower than this, as in segeval.
NARROWEST = 2


def masses_of(boundaries: ArrayLike) -> tuple[int, ...]:
    """Return the masses of a segmentation that is given by its boundaries.

    Args:
        boundaries: [n - 1], whether a segment ends between unit i and unit i + 1.

    Example:
        >>> masses_of([False, True, False])
        (2, 2)
    """
    cuts = np.flatnonzero(np.asarray(boundaries, dtype=np.bool_)) + 1
    edges = np.concatenate(([0], cuts, [np.size(boundaries) + 1]))
    return tuple(int(mass) for mass in np.diff(edges))


def boundaries_of(masses: Sequence[int]) -> NDArray[np.bool_]:
    """Return, for each pair of neighbouring units, whether a segment ends between them.

    Shape:
        [n - 1]

    Raises:
        BadInput: There is no unit, or a segment without units.
    """
    if not masses or min(masses) < 1:
        raise BadInput("every segment has at least one unit", received=list(masses)[:20])
    cuts = np.zeros(sum(masses) - 1, dtype=np.bool_)
    cuts[np.cumsum(masses)[:-1] - 1] = True
    return cuts


def window_size(reference: Sequence[int]) -> int:
    """Return half the mean mass of the reference, rounded half to even, and at least 2.

    Example:
        >>> window_size([6, 8, 10])
        4
    """
    return max(round(sum(reference) / len(reference) / 2), NARROWEST)


def pk(reference: Sequence[int], hypothesis: Sequence[int], window: int | None = None) -> float:
    """Return how often two units `window` apart are wrongly held together or apart: 0 is best.

    Args:
        reference: Masses of the true segmentation.
        hypothesis: Masses of the proposed one.
        window: Distance of the two units; by default `window_size(reference)`.

    Raises:
        BadInput: The two have different numbers of units, or fewer than the window spans.

    **Source**: Beeferman, Berger and Lafferty 1999.

    Example:
        >>> pk([5, 5], [5, 5])
        0.0
        >>> round(pk([5, 5], [10]), 3)
        0.25
    """
    true_N, found_N = _in_windows(reference, hypothesis, window)
    return float(np.mean((true_N > 0) != (found_N > 0)))


def window_diff(
    reference: Sequence[int], hypothesis: Sequence[int], window: int | None = None
) -> float:
    """Return how often the number of boundaries in a window differs: 0 is best.

    Args:
        reference: Masses of the true segmentation.
        hypothesis: Masses of the proposed one.
        window: Pairs of neighbours that a window covers; by default `window_size(reference)`.

    Raises:
        BadInput: The two have different numbers of units, or fewer than the window spans.

    **Source**: Pevzner and Hearst 2002, equation 1.

    Example:
        >>> round(window_diff([5, 5], [4, 1, 5]), 3)
        0.25
    """
    true_N, found_N = _in_windows(reference, hypothesis, window)
    return float(np.mean(true_N != found_N))


@dataclass(frozen=True, slots=True)
class BoundaryScores:
    """How well boundaries were found, pooled over documents.

    Args:
        precision: Share of the proposed boundaries that are true.
        recall: Share of the true boundaries that were proposed.
        f1: Their harmonic mean.

    Example:
        >>> boundary_scores([[2, 2, 2]], [[2, 4]]).recall
        0.5
    """

    precision: float
    recall: float
    f1: float


def boundary_scores(
    references: Iterable[Sequence[int]], hypotheses: Iterable[Sequence[int]], *, tolerance: int = 0
) -> BoundaryScores:
    """Return precision, recall and F1 of boundaries over all documents together.

    Args:
        references: Masses of each document's true segmentation.
        hypotheses: Masses of the proposed ones, in the same order.
        tolerance: Units by which a boundary may be off. Each boundary is matched at most once, so
            that as many as possible are matched.

    Raises:
        BadInput: The numbers of documents, or of a document's units, differ.
    """
    counts = [
        boundary_counts(*pair, tolerance=tolerance) for pair in _pairs(references, hypotheses)
    ]
    matched, true, found = (
        (sum(column) for column in zip(*counts, strict=True))
        if counts
        else (
            0,
            0,
            0,
        )
    )
    precision = matched / found if found else 0.0
    recall = matched / true if true else 0.0
    both = precision + recall
    return BoundaryScores(precision, recall, 2 * precision * recall / both if both else 0.0)


def boundary_counts(
    reference: Sequence[int], hypothesis: Sequence[int], *, tolerance: int = 0
) -> tuple[int, int, int]:
    """Return how many boundaries were found, how many there are, and how many were proposed.

    Raises:
        BadInput: The two have different numbers of units.

    Example:
        >>> boundary_counts([2, 2, 2], [2, 4])
        (1, 2, 1)
    """
    _check(reference, hypothesis)
    cuts, proposed = np.cumsum(reference)[:-1], np.cumsum(hypothesis)[:-1]
    return _matches(cuts, proposed, tolerance), len(cuts), len(proposed)


def _matches(cuts: NDArray[np.integer], proposed: NDArray[np.integer], tolerance: int) -> int:
    """Match in order from the left, which is best for points on a line."""
    count = left = 0
    for cut in cuts:
        while left < len(proposed) and proposed[left] < cut - tolerance:
            left += 1
        if left < len(proposed) and proposed[left] <= cut + tolerance:
            count, left = count + 1, left + 1
    return count


def _pairs(
    references: Iterable[Sequence[int]], hypotheses: Iterable[Sequence[int]]
) -> list[tuple[Sequence[int], Sequence[int]]]:
    true, found = list(references), list(hypotheses)
    if len(true) != len(found):
        raise BadInput(
            "every document needs a reference and a hypothesis",
            received=f"{len(true)} and {len(found)}",
        )
    for reference, hypothesis in zip(true, found, strict=True):
        _check(reference, hypothesis)
    return list(zip(true, found, strict=True))


def _check(reference: Sequence[int], hypothesis: Sequence[int]) -> None:
    if not reference or not hypothesis or min(*reference, *hypothesis, 1) < 1:
        raise BadInput(
            "every segment has at least one unit",
            received=f"{list(reference)[:20]} and {list(hypothesis)[:20]}",
        )
    if sum(reference) != sum(hypothesis):
        raise BadInput(
            "reference and hypothesis are over different numbers of units",
            received=f"{sum(reference)} and {sum(hypothesis)}",
        )


def _in_windows(
    reference: Sequence[int], hypothesis: Sequence[int], window: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many boundaries each window of both segmentations has."""
    _check(reference, hypothesis)
    width = window_size(reference) if window is None else window
    if not 1 <= width < sum(reference):
        raise BadInput(
            "the window is wider than the document",
            received=f"a window of {width} over {sum(reference)} units",
            hint="leave out documents that are so short, and say how many",
        )
    counts = []
    for masses in (reference, hypothesis):
        passed = np.concatenate(([0], np.cumsum(boundaries_of(masses), dtype=np.int64)))
        counts.append(passed[width:] - passed[:-width])
    return counts[0], counts[1]

"""Plain ways to cut a document into segments, and how scores of gaps become segments.

A gap lies between two neighbouring units; a document of n units has n - 1. A high score speaks for
a boundary. Lexical methods are in `evals.lexical_segmenters`.

Legend: N units, G gaps (N - 1), D width of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput
from broadsheet.metrics.segmentation import NARROWEST, masses_of, pk, window_size

Floats = NDArray[np.float64]
Masses = tuple[int, ...]


def cut(scores: ArrayLike, threshold: float, *, shortest: int = 1) -> Masses:
    """Return the segments whose boundaries are the gaps with a score of `threshold` or more.

    With a shortest segment the highest scores come first, and a gap too near to the ends or to a
    boundary that is already there is passed over.

    Args:
        scores: [G], of each gap.
        threshold: Lowest score of a boundary.
        shortest: Fewest units in a segment; a document with fewer is one segment.

    Raises:
        BadInput: A score is not a number, or the shortest segment is empty.

    Example:
        >>> cut([0.9, 0.1, 0.8, 0.7], 0.5)
        (1, 2, 1, 1)
        >>> cut([0.9, 0.1, 0.8, 0.7], 0.5, shortest=2)
        (3, 2)
    """
    scores_G = _checked(scores)
    if shortest < 1:
        raise BadInput("a segment has at least one unit", received=shortest)
    if shortest == 1:
        return masses_of(scores_G >= threshold)
    ranked = np.argsort(-scores_G, kind="stable")
    return _spread(ranked[scores_G[ranked] >= threshold], len(scores_G), shortest, math.inf)


def cut_into(scores: ArrayLike, segments: int, *, shortest: int = 1) -> Masses:
    """Return the segments at the highest scores: `segments` of them, fewer if they don't fit.

    Example:
        >>> cut_into([0.9, 0.1, 0.8, 0.7], 3)
        (1, 2, 2)
    """
    scores_G = _checked(scores)
    if segments < 1 or shortest < 1:
        raise BadInput(
            "there is at least one segment of one unit", received=f"{segments}, {shortest}"
        )
    return _spread(np.argsort(-scores_G, kind="stable"), len(scores_G), shortest, segments - 1)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what it reaches on the documents that it was chosen on.

    Args:
        threshold: For `cut`.
        pk: Mean Pk there.

    Example:
        >>> calibrate([[0.2, 0.9, 0.1, 0.3]], [(2, 3)])
        Calibration(threshold=0.9, pk=0.0)
    """

    threshold: float
    pk: float


def calibrate(
    scores: Sequence[ArrayLike],
    references: Sequence[Sequence[int]],
    *,
    shortest: int = 1,
    steps: int = 60,
    window: int | None = None,
) -> Calibration:
    """Return the threshold with the lowest mean Pk, the higher one of two that are equal.

    Tried are quantiles of all scores, and a threshold above all of them.

    Args:
        scores: [G] for each document.
        references: Masses of each document.
        shortest: For `cut`.
        steps: Thresholds that are tried.
        window: For `pk`; by default that of each document.

    Raises:
        BadInput: No document is longer than its window.
    """
    pairs = [
        (_checked(one), reference)
        for one, reference in zip(scores, references, strict=True)
        if is_long_enough(reference, window)
    ]
    if not pairs:
        raise BadInput("no document is long enough to choose a threshold on", received=len(scores))
    every = np.concatenate([one for one, _ in pairs])
    tried = np.unique(np.quantile(every, np.linspace(0.0, 1.0, steps), method="nearest"))
    thresholds = [math.nextafter(float(tried[-1]), math.inf), *map(float, tried[::-1])]
    best = Calibration(thresholds[0], math.inf)
    for threshold in thresholds:
        found = float(
            np.mean([pk(ref, cut(one, threshold, shortest=shortest), window) for one, ref in pairs])
        )
        if found < best.pk:
            best = Calibration(threshold, found)
    return best


def is_long_enough(reference: Sequence[int], window: int | None = None) -> bool:
    """Tell whether a document spans more units than the window of Pk and WindowDiff.

    Example:
        >>> is_long_enough((1, 1)), is_long_enough((1, 1), window=1)
        (False, True)
    """
    return sum(reference) > (window_size(reference) if window is None else window)


def even_masses(units: int, segments: int) -> Masses:
    """Return segments that differ by one unit at most.

    Example:
        >>> even_masses(7, 3)
        (2, 3, 2)
    """
    if not 1 <= segments <= units:
        raise BadInput("not that many segments fit", received=f"{segments} into {units} units")
    edges = np.rint(np.linspace(0, units, segments + 1)).astype(int)
    return tuple(int(mass) for mass in np.diff(edges))


def random_masses(units: int, segments: int, rng: np.random.Generator) -> Masses:
    """Return so many segments with boundaries drawn without replacement."""
    if not 1 <= segments <= units:
        raise BadInput("not that many segments fit", received=f"{segments} into {units} units")
    cuts = np.zeros(units - 1, dtype=np.bool_)
    cuts[rng.choice(units - 1, size=segments - 1, replace=False)] = True
    return masses_of(cuts)


def typical_segments(units: int, mean_mass: float) -> int:
    """Return how many segments of a mean mass a document has, at least one.

    Example:
        >>> typical_segments(10, 4.0)
        2
    """
    return min(max(round(units / mean_mass), 1), units)


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineDrop:
    """Scores a gap by how unlike the vectors on both sides of it are.

    Args:
        block: Units on each side, whose vectors are averaged.
        depth: Score by how far the similarity lies below the peaks on both sides, as TextTiling
            does, instead of by the similarity alone.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> cut_into(CosineDrop(block=2).scores(vectors), 2)
        (2, 2)
    """

    block: int = 2
    depth: bool = False

    def scores(self, vectors_ND: ArrayLike) -> Floats:
        """Return one score for each gap.

        Shape:
            [N, D] -> [G]

        Raises:
            BadInput: No rows of numbers, or an empty block.
        """
        vectors = np.asarray(vectors_ND, np.float64)
        if vectors.ndim != 2 or not len(vectors) or self.block < 1:
            raise BadInput(
                "one vector for each unit, and a block of one or more",
                received=f"shape {vectors.shape}, block {self.block}",
            )
        sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0)])
        gap_G = np.arange(1, len(vectors))
        left_GD = sums[gap_G] - sums[np.maximum(gap_G - self.block, 0)]
        right_GD = sums[np.minimum(gap_G + self.block, len(vectors))] - sums[gap_G]
        norms_G = np.linalg.norm(left_GD, axis=1) * np.linalg.norm(right_GD, axis=1)
        cosine_G = np.einsum("gd,gd->g", left_GD, right_GD) / np.where(norms_G > 0, norms_G, 1.0)
        return depths(cosine_G) if self.depth else -cosine_G


def depths(similarity: ArrayLike) -> Floats:
    """Return how deep each gap lies below the nearest peak on its left and on its right.

    From a gap one climbs to both sides as long as the similarity does not fall.

    **Source**: Hearst 1997, section 5.3.

    Example:
        >>> depths([0.5, 0.2, 0.4]).round(2).tolist()
        [0.0, 0.5, 0.0]
    """
    sim_G = np.asarray(similarity, np.float64)
    return _climb(sim_G) + _climb(sim_G[::-1])[::-1] - 2 * sim_G


def _climb(sim_G: Floats) -> Floats:
    """Return the height of the peak that is reached from each place by climbing to the left."""
    peak_G = sim_G.copy()
    for place in range(1, len(sim_G)):
        if sim_G[place - 1] >= sim_G[place]:
            peak_G[place] = peak_G[place - 1]
    return peak_G


def _spread(ranked: NDArray[np.int64], gaps: int, shortest: int, most: float) -> Masses:
    """Take gaps in the order of their rank, as long as every segment keeps its shortest length."""
    free = np.ones(gaps + 2, dtype=np.bool_)  # at unit edges 0 .. N
    free[: min(shortest, gaps + 2)] = False
    free[max(gaps + 2 - shortest, 0) :] = False
    cuts = np.zeros(gaps, dtype=np.bool_)
    taken = 0
    for gap in ranked:
        if taken >= most:
            break
        if free[gap + 1]:
            cuts[gap], taken = True, taken + 1
            free[max(gap + 2 - shortest, 0) : gap + 1 + shortest] = False
    return masses_of(cuts)


def _checked(scores: ArrayLike) -> Floats:
    scores_G = np.asarray(scores, np.float64)
    if scores_G.ndim != 1 or not np.isfinite(scores_G).all():
        raise BadInput("one finite score for each gap", received=f"shape {scores_G.shape}")
    return scores_G


#: Units that Pk and WindowDiff need at least: one more than the narrowest window.
FEWEST_UNITS = NARROWEST + 1

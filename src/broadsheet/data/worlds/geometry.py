"""The geometry of unit vectors in four numbers, to compare a made world with a real one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree

Vectors = npt.NDArray[np.float32]

_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What a search index sees of a set of vectors.

    Args:
        mean_cosine: Between two rows drawn at random.
        tenth_neighbour: Mean cosine of a row and its tenth nearest other row.
        intrinsic_dimension: TwoNN estimate from the first two neighbours.
        effective_rank: exp of the entropy of the covariance's spectrum.
    """

    mean_cosine: float
    tenth_neighbour: float
    intrinsic_dimension: float
    effective_rank: float


def geometry_of(vectors: Vectors, seeds: SeedTree, *, probes: int = 400) -> Geometry:
    """Measure vectors.

    Args:
        vectors: [n, d], rows of length 1.
        seeds: Chooses the probes.
        probes: Rows whose neighbours are searched, exactly, among all.

    Raises:
        BadInput: There are fewer than 12 rows.

    Source:
        TwoNN: Facco, d'Errico, Rodriguez and Laio 2017, with the maximum-likelihood estimate.

    Example:
        >>> draw = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
        >>> draw /= np.linalg.norm(draw, axis=1, keepdims=True)
        >>> found = geometry_of(draw, SeedTree(1))
        >>> 5.5 < found.intrinsic_dimension < 8.5, 7.8 < found.effective_rank <= 8.0
        (True, True)
    """
    n = len(vectors)
    if n < 12:
        raise BadInput("geometry needs at least 12 rows", received=n)
    chosen = seeds.child("geometry").numpy().choice(n, size=min(probes, n), replace=False)
    nearest = _nearest(vectors, chosen, 11)
    mean = np.zeros(vectors.shape[1], np.float64)
    second = np.zeros((vectors.shape[1],) * 2, np.float64)
    for begin in range(0, n, _ROWS):
        block = vectors[begin : begin + _ROWS]
        mean += block.sum(axis=0, dtype=np.float64)
        second += block.T @ block
    mean /= n
    spectrum = np.clip(np.linalg.eigvalsh(second / n - np.outer(mean, mean)), 1e-15, None)
    shares = spectrum / spectrum.sum()
    return Geometry(
        mean_cosine=float((n * (mean @ mean) - 1.0) / (n - 1)),
        tenth_neighbour=float(nearest[:, 9].mean()),
        intrinsic_dimension=two_nn(nearest[:, 0], nearest[:, 1]),
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())),
    )


def two_nn(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float:
    """Return the intrinsic dimension from the cosines of the first and second neighbours.

    Shape:
        Both [probes]; a pair whose first neighbour is a copy says nothing and is left out.
    """
    near = np.sqrt(np.maximum(2.0 - 2.0 * np.asarray(first, np.float64), 0.0))
    far = np.sqrt(np.maximum(2.0 - 2.0 * np.asarray(second, np.float64), 0.0))
    apart = near > 1e-4
    logs = np.log(far[apart] / near[apart])
    return float(apart.sum() / max(logs.sum(), 1e-12))


def _nearest(vectors: Vectors, chosen: npt.NDArray[np.int64], count: int) -> Vectors:
    """Return the `count - 1` highest cosines of each chosen row with others, best first."""
    queries = vectors[chosen]
    best = np.full((len(chosen), count), -np.inf, np.float32)
    for begin in range(0, len(vectors), _ROWS):
        scores = queries @ vectors[begin : begin + _ROWS].T
        here = (chosen >= begin) & (chosen < begin + _ROWS)
        scores[np.flatnonzero(here), chosen[here] - begin] = -np.inf
        both = np.concatenate((best, scores), axis=1)
        best = np.partition(both, both.shape[1] - count, axis=1)[:, -count:]
    best.sort(axis=1)
    found: Vectors = best[:, ::-1][:, : count - 1]
    return found

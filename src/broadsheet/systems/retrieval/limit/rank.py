"""What geometry allows, apart from what training finds: sign rank, and a construction.

For an answer table A the row-wise order-preserving rank is the least d for which some vectors rank,
for every query, its documents above all others. Exact arithmetic needs surprisingly little: with
2k numbers, documents on the trigonometric moment curve (the corners of a cyclic polytope) let every
set of at most k documents be the best ones, for any number of documents. What shrinks is the
margin, so limited precision and training by gradient stop long before geometry does.

Source: arXiv 2508.21038, section 3, and its counterpoint arXiv 2601.20844; Forster 2002 for the
lower bound on the sign rank.

Legend: M queries, N documents, D width, K relevant documents of a query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def separable(documents_ND: Floats, members_K: Sequence[int]) -> Floats | None:
    """Return a query vector that ranks these documents above all others, or None if none exists.

    Exact for fixed documents, whatever the margin: u (x_p - x_q) >= 1 for all p inside and q
    outside is solvable exactly if strict separation is, because u may be scaled.

    **Shape**: -> [D], of length 1.

    Raises:
        UsageError: scipy is not installed.
        BadInput: No document or all documents are members.

    Example:
        >>> square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
        >>> separable(square, [0, 1]) is None, separable(square, [0, 2]) is None
        (False, True)
    """
    optimize = require("scipy.optimize", extra="eval", why="linear feasibility")
    inside = np.zeros(len(documents_ND), bool)
    inside[list(members_K)] = True
    if inside.all() or not inside.any():
        raise BadInput("some documents must be inside and some outside", received=list(members_K))
    gaps = documents_ND[inside][:, None, :] - documents_ND[~inside][None, :, :]
    rows_CD = gaps.reshape(-1, documents_ND.shape[1])
    width = documents_ND.shape[1]
    found = optimize.linprog(
        np.zeros(width),
        A_ub=-rows_CD,
        b_ub=-np.ones(len(rows_CD)),
        bounds=[(None, None)] * width,
        method="highs",
    )
    if not found.success:
        return None
    direction: Floats = np.asarray(found.x, np.float64)
    return direction / np.linalg.norm(direction)


def separable_share(documents_ND: Floats, members_MK: Sequence[Sequence[int]]) -> float:
    """Return the share of sets for which some query vector exists, the documents being fixed."""
    found = [separable(documents_ND, members) is not None for members in members_MK]
    return float(np.mean(found))


def moment_curve(n: int, k: int) -> Floats:
    """Return n unit vectors of 2k numbers of which every set of up to k can be ranked first.

    **Shape**: -> [n, 2k].

    **Source**: cyclic polytopes on the trigonometric moment curve (Gale 1963); their use for
    retrieval is arXiv 2601.20844.
    """
    angle_N = 2.0 * np.pi * np.arange(n) / n
    parts = [f(j * angle_N) for j in range(1, k + 1) for f in (np.cos, np.sin)]
    return np.stack(parts, axis=1) / math.sqrt(k)


def moment_query(members_K: Sequence[int], n: int, k: int) -> Floats:
    """Return the query vector of 2k numbers whose best documents on `moment_curve` are these.

    The trigonometric polynomial prod_p (1 - cos(t - t_p)) is 0 at the members and positive
    everywhere else; its negative is linear in the curve's coordinates.

    **Shape**: -> [2k], of length 1.

    Example:
        >>> curve = moment_curve(50, 2)
        >>> sorted(np.argsort(-(curve @ moment_query([7, 31], 50, 2)))[:2].tolist())
        [7, 31]
    """
    if not 1 <= len(members_K) <= k:
        raise BadInput(f"at most {k} documents of a query", received=list(members_K))
    # Coefficients of exp(i j t), j = -len..len; a factor is 1 - (e^{i(t-a)} + e^{-i(t-a)}) / 2.
    whole: NDArray[np.complex128] = np.ones(1, np.complex128)
    for place in members_K:
        turn = np.exp(-2j * np.pi * place / n)
        factor = np.array([-np.conj(turn) / 2, 1.0, -turn / 2])
        whole = np.convolve(whole, factor)
    middle = len(whole) // 2
    query = np.zeros(2 * k)
    for j in range(1, middle + 1):
        coefficient = whole[middle + j]
        # c e^{ijt} + conj(c) e^{-ijt} = 2 Re(c) cos(jt) - 2 Im(c) sin(jt); turned to its negative.
        query[2 * j - 2], query[2 * j - 1] = -2 * coefficient.real, 2 * coefficient.imag
    return query / np.linalg.norm(query)


@dataclass(frozen=True, slots=True)
class Construction:
    """How the construction does on all (or some) sets.

    Args:
        exact: Share of sets whose documents are exactly the best ones, in the given precision.
        margin: The smallest gap between a document inside and one outside, in float64.
    """

    exact: float
    margin: float


def check_construction(
    n: int, k: int, members_MK: Sequence[Sequence[int]], precision: Any = np.float64
) -> Construction:
    """Rank with the construction, numbers rounded to `precision` before the product.

    Example:
        >>> check_construction(30, 2, [[0, 1], [3, 17], [28, 29]]).exact
        1.0
    """
    curve_ND = moment_curve(n, k)
    right, smallest = 0, math.inf
    rounded_ND = curve_ND.astype(precision)
    for members in members_MK:
        query_D = moment_query(members, n, k)
        inside = np.zeros(n, bool)
        inside[list(members)] = True
        exact_N = curve_ND @ query_D
        smallest = min(smallest, float(exact_N[inside].min() - exact_N[~inside].max()))
        scores_N = rounded_ND @ query_D.astype(precision)
        right += bool(scores_N[inside].min() > scores_N[~inside].max())
    return Construction(right / len(members_MK), smallest)


@dataclass(frozen=True, slots=True)
class RankBounds:
    """Bounds on the row-wise order-preserving rank of an answer table.

    Args:
        low: No fewer numbers can do (Forster's bound on the sign rank, less one).
        high: This many can: 2k by the construction, or as many as there are documents or queries.
    """

    low: int
    high: int


def rank_bounds(relevance_MN: Flags) -> RankBounds:
    """Return bounds on the least d, exact arithmetic.

    sign rank >= sqrt(m n) / spectral norm of the table of signs, and the order-preserving rank is
    at least the sign rank less one.

    Example:
        >>> rank_bounds(~np.eye(6, dtype=bool)).high
        6
    """
    signs_MN = np.where(relevance_MN, 1.0, -1.0)
    m, n = signs_MN.shape
    forster = math.sqrt(m * n) / float(np.linalg.norm(signs_MN, 2))
    k = int(relevance_MN.sum(axis=1).max())
    # The small subtraction keeps a bound of exactly 2 from becoming 3 by rounding.
    return RankBounds(max(1, math.ceil(forster - 1e-9) - 1), min(2 * k, n, m))


def margin_dimension(n: int, k: int, margin: float) -> float:
    """Return the least d at which unit vectors may separate all k-subsets of n by a margin.

    **Source**: log C(n, k) / log(1 + 1 / margin), as restated of a later version of the paper.

    Example:
        >>> round(margin_dimension(100_000, 2, 0.1)), round(margin_dimension(100_000, 10, 0.1))
        (9, 42)
    """
    if margin <= 0 or not 1 <= k <= n:
        raise BadInput("a margin above 0, and k of n", received=f"{margin}, {k}, {n}")
    sets = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return sets / math.log1p(1.0 / margin)

"""Does a curve through critical n say anything about a d it has not seen?

Four curves (a line, a quadratic, a cubic, a power of d) are fitted on some d and judged on others.
How well a cubic passes through the points it was fitted on says nothing: with few points it must.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput
from broadsheet.metrics.distributions import normal_sf
from broadsheet.metrics.significance import mid_ranks

Floats = NDArray[np.float64]

#: Fitted on (d, n), a curve predicts n at other d.
Curve = Callable[[Floats], Floats]

_DEGREES = {"line": 1, "quadratic": 2, "cubic": 3}
SHAPES = (*_DEGREES, "power")


def fit_curve(shape: str, d_P: ArrayLike, n_P: ArrayLike) -> Curve:
    """Fit a curve by least squares (a power: on logarithms).

    Raises:
        BadInput: No such shape, or fewer different d than it has coefficients.

    Example:
        >>> cubic = fit_curve("cubic", [1, 2, 3, 4, 5], [1, 8, 27, 64, 125])
        >>> round(float(cubic(np.array([6.0]))[0]), 3)
        216.0
    """
    d, n = np.asarray(d_P, np.float64), np.asarray(n_P, np.float64)
    needed = _DEGREES.get(shape, 1) + 1
    if shape not in SHAPES or len(set(d.tolist())) < needed:
        raise BadInput(
            "this curve can't be fitted",
            received=f"{shape} on {len(set(d.tolist()))} different d",
            hint=f"one of {', '.join(SHAPES)}, with {needed} points or more",
        )
    if shape == "power":
        slope, start = np.polyfit(np.log(d), np.log(n), 1)
        return lambda at: np.asarray(np.exp(start) * np.asarray(at, np.float64) ** slope)
    weights = np.polyfit(d, n, _DEGREES[shape])
    return lambda at: np.asarray(np.polyval(weights, np.asarray(at, np.float64)))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The mean absolute error of each shape on d that it was not fitted on.

    Args:
        ahead: Fitted on the smaller d, judged on the largest ones.
        between: Each inner d left out once.

    **Units**: documents.
    """

    ahead: Mapping[str, float]
    between: Mapping[str, float]


def held_out_errors(d_P: Sequence[int], n_P: Sequence[float], *, ahead: int = 2) -> HeldOut:
    """Judge every shape on d that were held out of its fit.

    Args:
        d_P: Ascending.
        n_P: The critical n of each.
        ahead: How many of the largest d are predicted from the rest.

    Raises:
        BadInput: Too few d: a cubic needs four on the fitted side.

    Example:
        >>> found = held_out_errors([2, 4, 6, 8, 10, 12], [4, 16, 36, 64, 100, 144])
        >>> found.ahead["line"] > 20, round(found.ahead["quadratic"], 6)
        (True, 0.0)
    """
    d, n = np.asarray(d_P, np.float64), np.asarray(n_P, np.float64)
    first, last = {}, {}
    for shape in SHAPES:
        curve = fit_curve(shape, d[:-ahead], n[:-ahead])
        first[shape] = float(np.abs(curve(d[-ahead:]) - n[-ahead:]).mean())
        errors = []
        for place in range(1, len(d) - 1):
            kept = np.arange(len(d)) != place
            guess = fit_curve(shape, d[kept], n[kept])(d[place : place + 1])
            errors.append(abs(float(guess[0]) - n[place]))
        last[shape] = float(np.mean(errors))
    return HeldOut(ahead=first, between=last)


@dataclass(frozen=True, slots=True)
class Band:
    """A fitted curve at some d with the ends of a 95 % bootstrap band over seeds."""

    at: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def bootstrap_band(
    shape: str,
    d_P: Sequence[int],
    n_SP: Sequence[Sequence[float]],
    at: Sequence[float],
    rng: np.random.Generator,
    draws: int = 2000,
) -> Band:
    """Return a curve through the mean over seeds, refitted on seeds drawn with replacement.

    The band holds the chance of seeds only, not the chance that the shape is wrong.
    """
    table_SP = np.asarray(n_SP, np.float64)
    where = np.asarray(at, np.float64)
    rows = []
    for _ in range(draws):
        drawn = rng.integers(0, len(table_SP), size=len(table_SP))
        rows.append(fit_curve(shape, d_P, table_SP[drawn].mean(axis=0))(where))
    low, high = np.percentile(np.stack(rows), [2.5, 97.5], axis=0)
    middle = fit_curve(shape, d_P, table_SP.mean(axis=0))(where)
    return Band(tuple(where.tolist()), *(tuple(part.tolist()) for part in (middle, low, high)))


def page_trend_p(values_SP: Sequence[Sequence[float]]) -> float:
    """Return the one-sided p of Page's test that values rise over the columns, seeds as blocks.

    The normal approximation, ties sharing their mean rank (which makes it conservative).

    **Source**: Page 1963.

    Example:
        >>> page_trend_p([[1, 2, 3, 4]] * 5) < 0.001 < page_trend_p([[4, 3, 2, 1]] * 5)
        True
    """
    ranks_SP = np.stack([mid_ranks(list(row)) for row in values_SP])
    blocks, columns = ranks_SP.shape
    statistic = float((ranks_SP.sum(axis=0) * np.arange(1, columns + 1)).sum())
    mean = blocks * columns * (columns + 1) ** 2 / 4
    variance = blocks * columns**2 * (columns + 1) * (columns**2 - 1) / 144
    return normal_sf((statistic - mean) / float(np.sqrt(variance)))

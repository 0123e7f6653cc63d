"""Trends: Page's test over ordered treatments, and the exponent of a power law."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def page_p(values_SC: Floats) -> float:
    """Return the one-sided p of "the columns grow from left to right", by Page's L.

    Args:
        values_SC: One row per block, one column per treatment in the order of the trend.

    Source:
        Page 1963, the normal approximation; equal values share their mean rank.

    Example:
        >>> page_p(np.tile(np.arange(5.0), (4, 1))) < 0.001
        True
        >>> page_p(np.tile(np.arange(5.0)[::-1], (4, 1))) > 0.999
        True
    """
    blocks, treatments = values_SC.shape
    less = (values_SC[:, :, None] > values_SC[:, None, :]).sum(axis=2)
    same = (values_SC[:, :, None] == values_SC[:, None, :]).sum(axis=2)
    ranks_SC = less + (same + 1) / 2
    total = float((ranks_SC.sum(axis=0) * (np.arange(treatments) + 1)).sum())
    mean = blocks * treatments * (treatments + 1) ** 2 / 4
    variance = blocks * treatments**2 * (treatments + 1) * (treatments**2 - 1) / 144
    return 0.5 * math.erfc((total - mean) / math.sqrt(2 * variance))


def slope(sizes: Floats, seconds: Floats) -> float:
    """Return the exponent p of seconds = a * sizes ** p, by least squares of the logarithms.

    Example:
        >>> slope(np.array([1.0, 2.0, 4.0]), np.array([3.0, 12.0, 48.0]))
        2.0
    """
    x, y = np.log(sizes), np.log(np.maximum(seconds, 1e-9))
    x = x - x.mean()
    return round(float((x @ (y - y.mean())) / (x @ x)), 12)

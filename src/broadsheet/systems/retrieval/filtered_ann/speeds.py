"""Queries a second at one recall, from a sweep of budgets. Legend: B budgets, K resamples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def speed_at(target: float, seconds_BK: Floats, recall_BK: Floats) -> Floats:
    """Return the queries a second with which each column reaches a recall; 0 where it never does.

    Between a budget that misses the target and the next one, which reaches it, the logarithm of the
    time is interpolated over recall. Budgets above the first that reaches it may be faster by
    chance; the fastest counts.

    Example:
        >>> seconds, recall = np.array([[0.001], [0.004]]), np.array([[0.90], [1.0]])
        >>> speed_at(0.95, seconds, recall).round(6).tolist(), speed_at(1.1, seconds, recall)
        ([500.0], array([0.]))
    """
    best_K = np.full(seconds_BK.shape[1], np.inf)
    logs_BK = np.log(np.maximum(seconds_BK, 1e-9))
    for b in range(len(seconds_BK)):
        log_K = logs_BK[b]
        if b:
            gain_K = recall_BK[b] - recall_BK[b - 1]
            below_K = (recall_BK[b - 1] < target) & (gain_K > 0)
            part_K = (target - recall_BK[b - 1]) / np.where(below_K, gain_K, 1.0)
            between_K = logs_BK[b - 1] + part_K * (logs_BK[b] - logs_BK[b - 1])
            log_K = np.where(below_K, between_K, log_K)
        best_K = np.minimum(best_K, np.where(recall_BK[b] >= target, np.exp(log_K), np.inf))
    return np.where(np.isfinite(best_K), 1.0 / best_K, 0.0)

"""What scores say of a model's heads: how few copy, how often, which agree, and fair controls.

Legend: T trials, N layers, H heads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.metrics.bootstrap import Interval
from broadsheet.metrics.correlation import pearson, spearman
from broadsheet.metrics.resampling import resample_counts
from broadsheet.systems.reading.retrieval_heads.ablation import Head

Floats = npt.NDArray[np.float64]

#: A head with at least this mean score is a retrieval head.
THRESHOLD = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Scores of every head in every counted trial.

    Args:
        scores_TNH: Scores; T may be 0 when no trial counted.
        trials: Prompts that were tried, the ones that did not count among them.

    Example:
        >>> table = ScoreTable(np.array([[[0.0, 0.5]], [[0.0, 0.1]]]), trials=3)
        >>> table.mean.round(2).tolist(), table.activation.tolist(), table.share()
        ([[0.0, 0.3]], [[0.0, 1.0]], 0.5)
    """

    scores_TNH: Floats
    trials: int

    def __post_init__(self) -> None:
        if self.scores_TNH.ndim != 3 or self.trials < len(self.scores_TNH):
            raise BadInput(
                "a table of scores has trials, layers and heads",
                received=f"shape {self.scores_TNH.shape}, {self.trials} trials",
            )

    @property
    def counted(self) -> int:
        """Return T, the trials in which the needle was found."""
        return len(self.scores_TNH)

    @property
    def mean(self) -> Floats:
        """Return each head's mean score; 0 when no trial counted."""
        total_NH: Floats = self.scores_TNH.sum(axis=0) / max(1, self.counted)
        return total_NH

    @property
    def activation(self) -> Floats:
        """Return the share of counted trials in which a head copied at all."""
        total_NH: Floats = (self.scores_TNH > 0).sum(axis=0) / max(1, self.counted)
        return total_NH

    def share(self, threshold: float = THRESHOLD) -> float:
        """Return the share of heads whose mean score is at least the threshold."""
        return float(np.mean(self.mean >= threshold))

    def share_interval(
        self, rng: np.random.Generator, threshold: float = THRESHOLD, draws: int = 10_000
    ) -> Interval:
        """Return the share with its interval over trials (percentile bootstrap).

        Raises:
            BadInput: No trial counted.
        """
        if not self.counted:
            raise BadInput("no trial counted, so there is nothing to resample")
        flat_TX = self.scores_TNH.reshape(self.counted, -1)
        shares = [
            (flat_TX.T @ counts_TK / self.counted >= threshold).mean(axis=0)
            for counts_TK in resample_counts(self.counted, draws, rng)
        ]
        words = f"bootstrap over {self.counted} trials, {draws:,} draws"
        return Interval(self.share(threshold), np.sort(np.concatenate(shares)), 0.95, words)


def sparsity_curve(mean_NH: Floats, thresholds: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Return (threshold, share of heads with at least that mean score).

    Example:
        >>> sparsity_curve(np.array([[0.0, 0.2]]), [0.1, 0.5])
        ((0.1, 0.5), (0.5, 0.0))
    """
    return tuple((float(t), float(np.mean(mean_NH >= t))) for t in thresholds)


def ranked_heads(mean_NH: Floats) -> tuple[Head, ...]:
    """Return all heads, the highest mean score first; ties in the order of layers and heads.

    Example:
        >>> ranked_heads(np.array([[0.0, 0.2], [0.9, 0.0]]))[:2]
        ((1, 0), (0, 1))
    """
    order = np.argsort(-mean_NH, axis=None, kind="stable")
    layers, heads = np.unravel_index(order, mean_NH.shape)
    return tuple((int(layer), int(head)) for layer, head in zip(layers, heads, strict=True))


def matched_controls(
    mean_NH: Floats,
    chosen: Collection[Head],
    rng: np.random.Generator,
    *,
    threshold: float = THRESHOLD,
) -> tuple[Head, ...]:
    """Draw as many heads that don't copy, each from the layer of one that was chosen.

    Never drawn are chosen heads and those at or above the threshold. Where a layer has no other
    head left, the head comes from the nearest layer that has (the lower one of two); when all
    heads of the model are used up, the threshold gives way, from the lowest scores on.

    Raises:
        BadInput: The model has not twice as many heads.

    Example:
        >>> scores = np.array([[0.9, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> [(layer, head)] = matched_controls(scores, [(0, 0)], np.random.default_rng(0))
        >>> layer, head in (1, 2)
        (0, True)
    """
    layers, heads = mean_NH.shape
    if 2 * len(chosen) > layers * heads:
        raise BadInput("too few heads for a control", received=f"{len(chosen)} of {mean_NH.size}")
    others = [(layer, head) for layer in range(layers) for head in range(heads)]
    others = [one for one in others if one not in set(chosen)]
    quiet = [one for one in others if mean_NH[one] < threshold]
    if len(quiet) < len(chosen):
        quiet = sorted(others, key=lambda one: (mean_NH[one], one))[: len(chosen)]
    drawn: list[Head] = []
    for layer, _ in sorted(chosen):
        free = [one for one in quiet if one not in drawn]
        nearest = min(free, key=lambda one: (abs(one[0] - layer), one[0]))[0]
        options = [one for one in free if one[0] == nearest]
        drawn.append(options[int(rng.integers(len(options)))])
    return tuple(drawn)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two models' heads are.

    Args:
        pearson: Correlation of mean scores.
        spearman: Of their ranks.
        overlap: Share of the first model's k strongest heads among the second's k strongest.
        jaccard: Retrieval heads of both over those of either; 0 when there are none.
    """

    pearson: float
    spearman: float
    overlap: float
    jaccard: float


def agreement(
    first_NH: Floats, second_NH: Floats, *, k: int, threshold: float = THRESHOLD
) -> Agreement:
    """Compare the mean scores of two models of one shape.

    Raises:
        BadInput: The shapes differ.

    Example:
        >>> scores = np.array([[0.9, 0.0, 0.4, 0.0]])
        >>> agreement(scores, scores, k=1)
        Agreement(pearson=1.0, spearman=1.0, overlap=1.0, jaccard=1.0)
    """
    if first_NH.shape != second_NH.shape:
        raise BadInput(
            "only models of one shape have the same heads",
            received=f"{first_NH.shape} and {second_NH.shape}",
        )
    tops = [set(ranked_heads(scores)[:k]) for scores in (first_NH, second_NH)]
    copying = [scores >= threshold for scores in (first_NH, second_NH)]
    either = int(np.sum(copying[0] | copying[1]))
    flat = np.ravel(first_NH), np.ravel(second_NH)
    return Agreement(
        pearson=pearson(*flat),
        spearman=spearman(*flat),
        overlap=len(tops[0] & tops[1]) / k,
        jaccard=float(np.sum(copying[0] & copying[1])) / either if either else 0.0,
    )

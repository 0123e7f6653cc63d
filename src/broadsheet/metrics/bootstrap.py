"""The two-level bootstrap: how far a result would move with other seeds and other test items.

Items are resampled with replacement, the same items for every seed and arm, and the statistic is
recomputed on them. Seeds are few (five), and resampling five values is far too optimistic: it
loses a fifth of the variance and its tails end at the largest of the five. So the seed level is
drawn from Student's t with S - 1 degrees of freedom around the mean over seeds. With items that
don't vary this is the t-interval over seeds; with seeds that don't vary it is the percentile
bootstrap over items. docs/decisions/statistics.md has the measured coverage.

Legend: S seeds, N items, K resamples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.metrics.resampling import (
    Floats,
    Items,
    Statistic,
    items_count,
    resample_counts,
)

#: Effect of one arm (first) against another (second), elementwise.
Contrast = Callable[[Floats, Floats], Floats]


def difference(first: Floats, second: Floats) -> Floats:
    """Return first - second."""
    return first - second


def ratio(first: Floats, second: Floats) -> Floats:
    """Return first / second."""
    return first / second


def relative_drop(first: Floats, second: Floats) -> Floats:
    """Return by what part of `second` (the better arm) `first` lies below it."""
    return (second - first) / second


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """An effect, its confidence interval and the draws behind it.

    The ends are order statistics of the draws, chosen so that a margin lies outside the interval
    exactly if its two-sided p is at most 1 - level.

    Args:
        observed: The effect on the data themselves.
        draws: The effect in each draw, sorted; shape (K,).
        level: Confidence level of `low` and `high`.
        test: The procedure in words, for the report.

    Example:
        >>> interval = Interval(50.0, np.arange(1.0, 100.0), 0.9, "an example")
        >>> interval.low, interval.high, interval.at(0.8).low
        (5.0, 95.0, 10.0)
        >>> round(interval.p_equal(4.5), 2)
        0.1
    """

    observed: float
    draws: Floats
    level: float = 0.95
    test: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise BadInput("a level lies between 0 and 1", received=self.level, hint="0.95")
        if self._rank() < 1:
            raise BadInput(
                "too few draws for this level",
                received=f"{len(self.draws)} draws, level {self.level:.5f}",
                hint=f"at least {int(np.ceil(2.0 / (1.0 - self.level)))} draws",
            )

    @property
    def low(self) -> float:
        """The lower end."""
        return float(self.draws[self._rank() - 1])

    @property
    def high(self) -> float:
        """The upper end."""
        return float(self.draws[len(self.draws) - self._rank()])

    def at(self, level: float) -> Interval:
        """Return the same effect with the interval of another level."""
        return dataclasses.replace(self, level=level)

    def scaled(self, factor: float) -> Interval:
        """Return the effect in another unit: `factor` (> 0) times as large."""
        return dataclasses.replace(self, observed=self.observed * factor, draws=self.draws * factor)

    def tail_at_most(self, margin: float) -> float:
        """Return the share of draws <= margin, with one more in both counts: never 0."""
        return float(1 + np.searchsorted(self.draws, margin, "right")) / (1 + len(self.draws))

    def tail_below(self, margin: float) -> float:
        """Return the share of draws < margin, with one more in both counts."""
        return float(1 + np.searchsorted(self.draws, margin, "left")) / (1 + len(self.draws))

    def tail_at_least(self, margin: float) -> float:
        """Return the share of draws >= margin, with one more in both counts."""
        k = len(self.draws)
        return float(1 + k - np.searchsorted(self.draws, margin, "left")) / (1 + k)

    def tail_above(self, margin: float) -> float:
        """Return the share of draws > margin, with one more in both counts."""
        k = len(self.draws)
        return float(1 + k - np.searchsorted(self.draws, margin, "right")) / (1 + k)

    def p_equal(self, margin: float) -> float:
        """Return the two-sided p of "the effect equals margin"."""
        return min(1.0, 2.0 * min(self.tail_at_most(margin), self.tail_at_least(margin)))

    def _rank(self) -> int:
        # The 1e-9 keeps 0.05 * 10,000 from becoming 499.99999.
        return int(np.floor((1.0 - self.level) / 2.0 * (len(self.draws) + 1) + 1e-9))


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A statistic of S runs: as observed, and on K resamples of the items.

    Args:
        observed: The statistic of each run; shape (S,).
        draws: The statistic of each run on each resample, one resample a column; shape (S, K).
        n: Items behind it; 0 for plain numbers that have no items.

    Example:
        >>> a = plain_numbers([1.0, 1.2, 1.1])
        >>> b = plain_numbers([2.0, 2.2, 2.3])
        >>> combined(ratio, a, b).interval(np.random.default_rng(0)).observed  # doctest: +ELLIPSIS
        0.507...
    """

    observed: Floats
    draws: Floats
    n: int

    def scaled(self, factor: float) -> Resampled:
        """Return the same in another unit: `factor` times as large (100 for rates as "x100")."""
        return Resampled(self.observed * factor, self.draws * factor, self.n)

    def interval(self, rng: np.random.Generator, *, level: float = 0.95) -> Interval:
        """Return the mean over seeds, with seeds drawn anew as the module's head says."""
        seeds, draws = self.draws.shape
        broken = int(np.sum(~np.isfinite(self.draws).all(axis=0)))
        if broken or not np.all(np.isfinite(self.observed)):
            raise BadInput(
                "the effect is not a finite number in every resample",
                received=f"{broken} of {draws} are not",
                hint="another contrast: this one divides by something near 0",
            )
        draws_K = self.draws.mean(axis=0)
        if seeds > 1:
            error = float(self.observed.std(ddof=1)) / np.sqrt(seeds)
            draws_K = draws_K + error * rng.standard_t(seeds - 1, size=draws)
        items = f"{self.n:,} items, " if self.n else ""
        words = "1 seed" if seeds == 1 else f"{seeds} seeds"
        test = f"two-level bootstrap: {words}, {items}{draws:,} draws"
        return Interval(float(self.observed.mean()), np.sort(draws_K), level, test)


def resample(
    runs: Sequence[Items],
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    draws: int = 10_000,
) -> Resampled:
    """Compute a statistic of runs over the same items, and on `draws` resamples of the items.

    Two calls with generators of the same seed and as many items use the same resamples, so that
    arms may be resampled one by one and combined afterwards.

    Raises:
        BadInput: The runs don't share their items.
    """
    n = items_count(runs)
    on_resamples = statistic(runs)
    observed_S1 = on_resamples(np.ones((n, 1)))
    blocks = [on_resamples(counts_NK) for counts_NK in resample_counts(n, draws, rng)]
    return Resampled(observed_S1[:, 0], np.concatenate(blocks, axis=1), n)


def plain_numbers(values: Sequence[float], *, draws: int = 10_000) -> Resampled:
    """Return one number per seed that has no items below it, such as a time, for `combined`.

    Raises:
        BadInput: There is no value.
    """
    if not len(values):
        raise BadInput("no values to compare", hint="one number per seed")
    observed_S = np.asarray(values, np.float64)
    return Resampled(observed_S, np.broadcast_to(observed_S[:, None], (len(values), draws)), 0)


def combined(contrast: Contrast, first: Resampled, second: Resampled) -> Resampled:
    """Return the effect of `first` against `second`, seed by seed and draw by draw.

    An arm with one run (nothing to seed: a frozen model) is compared with each run of the other.

    Raises:
        BadInput: Both have several seeds and not as many, or other draws.
    """
    counts = {len(part.observed) for part in (first, second)} - {1}
    if len(counts) > 1 or first.draws.shape[1] != second.draws.shape[1]:
        raise BadInput(
            "the arms can't be paired",
            received=f"{first.draws.shape} and {second.draws.shape} (seeds, draws)",
            hint="the same seeds and draws for both, or one run for a seedless arm",
        )
    return Resampled(
        contrast(first.observed, second.observed),
        contrast(first.draws, second.draws),
        max(first.n, second.n),
    )


def averaged(parts: Sequence[Resampled]) -> Resampled:
    """Return the mean over data sets, seed by seed: each was resampled with its own generator."""
    if not parts or len({part.draws.shape for part in parts}) > 1:
        raise BadInput("only parts of the same seeds and draws have a mean", received=len(parts))
    return Resampled(
        np.mean([part.observed for part in parts], axis=0),
        np.mean([part.draws for part in parts], axis=0),
        sum(part.n for part in parts),
    )


def two_level_bootstrap(
    first: Sequence[Items],
    second: Sequence[Items] | None = None,
    *,
    statistic: Statistic,
    rng: np.random.Generator,
    contrast: Contrast = difference,
    draws: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Return the effect of an arm, or of one arm against another, with its interval.

    Args:
        first: The items of each run, one run per seed.
        second: The other arm on the same items with the same seeds; None for the arm's own value.
        statistic: What to compute, such as `spearman_of("prediction", "gold")`.
        rng: Source of the draws.
        contrast: The effect: difference, ratio or relative_drop.
        draws: Number of draws.
        level: Confidence level.

    Raises:
        BadInput: The arms don't share items, or can't be paired.

    Example:
        >>> from broadsheet.metrics.resampling import mean_of
        >>> rng = np.random.default_rng(0)
        >>> good = [{"score": np.tile([1.0, 1.0, 0.0], 40)} for seed in range(5)]
        >>> poor = [{"score": np.tile([1.0, 0.0, 0.0], 40)} for seed in range(5)]
        >>> found = two_level_bootstrap(good, poor, statistic=mean_of("score"), rng=rng)
        >>> round(found.observed, 3), 0.2 < found.low < found.high < 0.5
        (0.333, True)
    """
    runs = [*first, *(second or ())]
    found = resample(runs, statistic, rng=rng, draws=draws)
    one = Resampled(found.observed[: len(first)], found.draws[: len(first)], found.n)
    if second is None:
        return one.interval(rng, level=level)
    other = Resampled(found.observed[len(first) :], found.draws[len(first) :], found.n)
    return combined(contrast, one, other).interval(rng, level=level)

"""Statistics on counts against the same statistic on the repeated items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from broadsheet.core.errors import BadInput
from broadsheet.metrics.resampling import (
    Items,
    Statistic,
    items_count,
    macro_f1_of,
    mean_of,
    pearson_of,
    recomputed,
    resample_counts,
    spearman_of,
)

N = 60


def runs_of(seeds: int, *, ties: bool) -> list[Items]:
    rng = np.random.default_rng(seeds + ties)
    gold = rng.integers(0, 5, N).astype(float)
    made = []
    for _ in range(seeds):
        prediction = gold + rng.normal(0, 2, N)
        prediction = np.round(prediction) if ties else prediction
        guess = rng.integers(0, 4, N)
        made.append(
            {"prediction": prediction, "gold": gold, "guess": guess, "truth": guess ^ (gold > 3)}
        )
    return made


def slow(name: str, items: Items) -> float:
    if name == "mean":
        return float(items["prediction"].mean())
    if name == "pearson":
        return float(stats.pearsonr(items["prediction"], items["gold"]).statistic)
    if name == "spearman":
        return float(stats.spearmanr(items["prediction"], items["gold"]).statistic)
    return float(f1_score(items["truth"], items["guess"], average="macro", zero_division=0))


STATISTICS: dict[str, Statistic] = {
    "mean": mean_of("prediction"),
    "pearson": pearson_of("prediction", "gold"),
    "spearman": spearman_of("prediction", "gold"),
    "macro_f1": macro_f1_of("guess", "truth"),
}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", list(STATISTICS))
def test_fast_statistics_equal_the_slow_ones_on_every_resample(name: str, ties: bool) -> None:
    runs = runs_of(3, ties=ties)
    counts_NK = next(resample_counts(N, 12, np.random.default_rng(7)))
    fast_SK = STATISTICS[name](runs)(counts_NK)
    slow_SK = recomputed(lambda items: slow(name, items))(runs)(counts_NK)
    np.testing.assert_allclose(fast_SK, slow_SK, atol=1e-12)


def test_runs_may_have_gold_of_their_own() -> None:
    runs = runs_of(2, ties=True)
    runs[1] = {**runs[1], "gold": runs[1]["gold"][::-1]}
    counts_NK = next(resample_counts(N, 10, np.random.default_rng(3)))
    slow_SK = recomputed(lambda items: slow("spearman", items))(runs)(counts_NK)
    np.testing.assert_allclose(spearman_of("prediction", "gold")(runs)(counts_NK), slow_SK)


def test_a_constant_prediction_has_correlation_zero() -> None:
    runs = [{"prediction": np.full(N, 0.1), "gold": np.arange(N, dtype=float)}]
    counts_NK = next(resample_counts(N, 10, np.random.default_rng(3)))
    for statistic in (pearson_of, spearman_of):
        assert not statistic("prediction", "gold")(runs)(counts_NK).any()


def test_resamples_have_as_many_items_and_each_item_equally_often() -> None:
    blocks = list(resample_counts(300, 4000, np.random.default_rng(0)))
    counts_NK = np.concatenate(blocks, axis=1)
    assert len(blocks) > 1
    assert counts_NK.shape == (300, 4000)
    np.testing.assert_array_equal(counts_NK.sum(axis=0), 300)
    # Each item's count is binomial(300, 1/300): mean 1, variance 1 - 1/300.
    assert abs(counts_NK.mean(axis=1) - 1).max() < 5 / np.sqrt(4000)
    assert counts_NK.var() == pytest.approx(1 - 1 / 300, abs=0.01)


def test_equal_generators_give_equal_resamples() -> None:
    first = next(resample_counts(50, 20, np.random.default_rng(1)))
    again = next(resample_counts(50, 20, np.random.default_rng(1)))
    np.testing.assert_array_equal(first, again)


def test_runs_over_other_items_are_refused() -> None:
    with pytest.raises(BadInput, match="same items"):
        items_count([{"score": np.ones(3)}, {"score": np.ones(4)}])
    with pytest.raises(BadInput, match="no array gold"):
        spearman_of("prediction", "gold")([{"prediction": np.ones(3)}])

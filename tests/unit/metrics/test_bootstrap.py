"""The two-level bootstrap: known limits, pairing, and its coverage in a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from broadsheet.core.errors import BadInput
from broadsheet.metrics.bootstrap import (
    Interval,
    averaged,
    combined,
    difference,
    plain_numbers,
    ratio,
    relative_drop,
    resample,
    two_level_bootstrap,
)
from broadsheet.metrics.resampling import mean_of, resample_counts, spearman_of

SCORE = mean_of("score")


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


def test_without_item_noise_it_is_the_t_interval_over_seeds() -> None:
    values = [10.0, 11.0, 12.5, 9.0, 13.0]
    found = plain_numbers(values, draws=200_000).interval(generator(0))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.observed == pytest.approx(11.1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05)
    assert found.p_equal(8.0) == pytest.approx(stats.ttest_1samp(values, 8.0).pvalue, rel=0.1)


def test_with_one_seed_it_is_the_percentile_bootstrap_over_items() -> None:
    scores = generator(1).gamma(2.0, size=150)
    found = two_level_bootstrap([{"score": scores}], statistic=SCORE, rng=generator(2))
    theirs = stats.bootstrap(
        (scores,), np.mean, method="percentile", n_resamples=10_000, rng=generator(3)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert "1 seed, 150 items, 10,000 draws" in found.test


def test_arms_are_paired_by_item_and_seed() -> None:
    """A difference that is the same for each item has no width, however wild the items."""
    wild = generator(4).normal(size=(5, 80)) * 30
    better = [{"score": row + 0.5} for row in wild]
    found = two_level_bootstrap(
        better, [{"score": row} for row in wild], statistic=SCORE, rng=generator(5), draws=999
    )
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    alone = two_level_bootstrap(better, statistic=SCORE, rng=generator(5), draws=999)
    assert alone.high - alone.low > 5


def test_arms_resampled_apart_with_one_seed_are_the_same_as_together() -> None:
    rng = generator(6)
    gold = rng.integers(0, 6, 90).astype(float)
    arms = [
        [{"prediction": gold + rng.normal(0, noise, 90), "gold": gold} for _ in range(4)]
        for noise in (1.0, 2.0)
    ]
    rho = spearman_of("prediction", "gold")
    parts = [resample(arm, rho, rng=generator(7), draws=500) for arm in arms]
    apart = combined(difference, *parts).interval(generator(8))
    source = generator(7)
    together = two_level_bootstrap(arms[0], arms[1], statistic=rho, rng=source, draws=500)
    assert apart.observed == pytest.approx(together.observed, abs=1e-15)
    both = resample([*arms[0], *arms[1]], rho, rng=generator(7), draws=500)
    np.testing.assert_allclose(both.draws, np.vstack([part.draws for part in parts]), atol=1e-14)


def test_the_same_seed_gives_the_same_bits() -> None:
    runs = [{"score": row} for row in generator(9).normal(size=(3, 40))]
    one, two = (
        two_level_bootstrap(runs, statistic=SCORE, rng=generator(10), draws=300) for _ in range(2)
    )
    np.testing.assert_array_equal(one.draws, two.draws)


def test_a_margin_is_outside_the_interval_exactly_if_p_is_at_most_alpha() -> None:
    draws = np.sort(generator(11).normal(size=9_999))
    for level in (0.90, 0.95, 0.99, 1 - 0.05 / 7):
        interval = Interval(0.0, draws, level)
        for margin in np.concatenate([draws[::37] + 1e-9, [-9.0, 9.0]]):
            outside = not interval.low <= margin <= interval.high
            assert outside == (interval.p_equal(margin) <= 1 - level + 1e-12)


def test_contrasts_and_units() -> None:
    first, second = plain_numbers([2.0, 2.2]), plain_numbers([8.0])
    assert combined(ratio, first, second).observed == pytest.approx([0.25, 0.275])
    assert combined(relative_drop, first, second).observed == pytest.approx([0.75, 0.725])
    percent = combined(difference, first.scaled(100.0), second.scaled(100.0))
    assert percent.observed == pytest.approx([-600.0, -580.0])
    interval = combined(difference, first, second).interval(generator(0)).scaled(100.0)
    assert interval.observed == pytest.approx(-590.0)
    assert interval.low < -590.0 < interval.high


def test_the_mean_over_data_sets_keeps_seeds_together() -> None:
    parts = [plain_numbers([1.0, 2.0, 3.0]), plain_numbers([3.0, 2.0, 1.0])]
    found = averaged(parts).interval(generator(0))
    assert (found.low, found.observed, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_unusable_arms_are_refused() -> None:
    two, three = ([{"score": np.ones(4)}] * count for count in (2, 3))
    with pytest.raises(BadInput, match="paired"):
        two_level_bootstrap(two, three, statistic=SCORE, rng=generator(0))
    with pytest.raises(BadInput, match="no values"):
        plain_numbers([])
    with pytest.raises(BadInput, match="finite"), np.errstate(divide="ignore"):
        combined(ratio, plain_numbers([1.0, 1.0]), plain_numbers([0.0])).interval(generator(0))
    with pytest.raises(BadInput, match="too few draws"):
        plain_numbers([1.0, 2.0], draws=100).interval(generator(0)).at(0.999)


def made_up(case: str, rng: np.random.Generator) -> np.ndarray:
    """Scores of 5 seeds on 60 items with mean 0 and the noise of the case."""
    seeds, items, both = {"seeds": (0.2, 0, 0), "items": (0, 1, 0), "all": (0.13, 1, 1)}[case]
    return (
        rng.normal(0, seeds, (5, 1)) + rng.normal(0, items, (1, 60)) + rng.normal(0, both, (5, 60))
    )


def resampled_seeds(scores: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """The plain two-level bootstrap that we don't use: seeds are drawn with replacement too."""
    means = [scores @ counts / 60 for counts in resample_counts(60, draws, rng)]
    weights = rng.multinomial(5, [0.2] * 5, size=draws).T / 5
    return np.quantile((np.concatenate(means, axis=1) * weights).sum(axis=0), [0.025, 0.975])


@pytest.mark.parametrize("case", ["seeds", "items", "all"])
def test_coverage_of_the_95_percent_interval(case: str) -> None:
    """Of 600 experiments with a known effect of 0, 93 to 99 % of the intervals hold it."""
    held = 0
    for trial in range(600):
        rng = generator(12, trial)
        runs = [{"score": row} for row in made_up(case, rng)]
        found = two_level_bootstrap(runs, statistic=SCORE, rng=rng, draws=399)
        held += found.low <= 0 <= found.high
    assert 0.93 <= held / 600 <= 0.99


def test_drawing_five_seeds_with_replacement_would_cover_too_little() -> None:
    held = 0
    for trial in range(600):
        rng = generator(12, trial)
        low, high = resampled_seeds(made_up("seeds", rng), rng, 399)
        held += low <= 0 <= high
    assert held / 600 < 0.88


def test_coverage_for_spearman_recomputed_on_resamples() -> None:
    """Differences of Spearman's rho between two arms whose true rhos are equal."""
    held = 0
    for trial in range(200):
        rng = generator(13, trial)
        gold = rng.normal(size=80)
        arms = [
            [{"prediction": gold + rng.normal(size=80), "gold": gold} for _ in range(3)]
            for _ in range(2)
        ]
        rho = spearman_of("prediction", "gold")
        found = two_level_bootstrap(arms[0], arms[1], statistic=rho, rng=rng, draws=399)
        held += found.low <= 0 <= found.high
    assert held / 200 >= 0.93

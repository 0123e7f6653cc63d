"""Significance groups against Demšar's worked example, scipy and the meaning of the letters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import resample
from broadsheet.metrics.groups import (
    bootstrap_groups,
    compact_letters,
    critical_difference,
    friedman,
    rank_groups,
)
from broadsheet.metrics.resampling import mean_of

#: Demšar 2006, table 6: AUC of C4.5, +m, +cf and +m+cf on 14 data sets.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975],
    [0.957, 0.978, 0.946, 0.970],
]


def test_friedman_on_the_published_example() -> None:
    found = friedman(DEMSAR)
    assert found.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.chi2 == pytest.approx(9.28 * 14 * 4 * 5 / (12 * _tie_spread()), abs=0.02)
    theirs = stats.friedmanchisquare(*np.array(DEMSAR).T)
    assert (found.chi2, found.p) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-9)


def _tie_spread() -> float:
    """The paper's 9.28 has no correction for ties; this is what the correction divides by."""
    ranks = np.array([stats.rankdata(row) for row in DEMSAR])
    return float(np.sum((ranks - 2.5) ** 2)) / 3


def test_iman_davenport_without_ties() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal((0.0, 0.0, 0.5, 1.0), 1.0, size=(9, 4))
    found = friedman(scores.tolist())
    ranks = np.array([stats.rankdata(-row) for row in scores])
    within = ranks - ranks.mean(axis=0)
    between = 9 * np.sum((ranks.mean(axis=0) - 2.5) ** 2) / 3
    f = between / (np.sum(within**2) / (3 * 8))
    assert (found.f, found.f_p) == pytest.approx((f, stats.f.sf(f, 3, 24)))


def test_critical_differences_of_the_published_example() -> None:
    assert critical_difference(4, 14, 0.95) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.90) == pytest.approx(1.12, abs=0.005)


def test_rank_groups_of_the_published_example() -> None:
    names = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
    at_90 = {s.name: s for s in rank_groups(names, DEMSAR, 0.90)}
    # At .10 the paper finds C4.5 worse than C4.5+m and C4.5+m+cf, and leaves C4.5+cf open.
    assert list(at_90) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert [s.letters for s in at_90.values()] == ["a", "a", "ab", "b"]
    assert [s.tied_with_best for s in at_90.values()] == [True, True, True, False]
    assert {s.letters for s in rank_groups(names, DEMSAR, 0.95)} == {"a"}


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(list(combinations("abcdefg", 2)))))
def test_entries_share_a_letter_exactly_if_they_do_not_differ(differ: set[tuple[str, str]]) -> None:
    letters = compact_letters("abcdefg", sorted(differ))
    for a, b in combinations("abcdefg", 2):
        assert bool(set(letters[a]) & set(letters[b])) == ((a, b) not in differ)
    assert all(letters.values())
    assert "a" in letters["a"]


def leaderboard(draws: int = 4000) -> dict:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 0.3, 400)
    means = {"best": 0.6, "close": 0.59, "middle": 0.5, "worst": 0.3}
    entries = {}
    for name, mean in means.items():
        runs = [{"score": mean + difficulty + rng.normal(0, 0.2, 400)} for _ in range(3)]
        entries[name] = resample(
            runs, mean_of("score"), rng=SeedTree(0).child("items").numpy(), draws=draws
        )
    return entries


def test_bootstrap_groups_tell_apart_what_differs() -> None:
    found = bootstrap_groups(leaderboard(), seeds=SeedTree(1))
    assert [s.name for s in found] == ["best", "close", "middle", "worst"]
    assert [s.letters for s in found] == ["a", "a", "b", "c"]
    assert [s.tied_with_best for s in found] == [True, True, False, False]
    assert found == bootstrap_groups(leaderboard(), seeds=SeedTree(1))


def test_unusable_leaderboards_are_refused() -> None:
    with pytest.raises(BadInput, match="too few draws"):
        bootstrap_groups(leaderboard(draws=100), seeds=SeedTree(0))
    with pytest.raises(BadInput, match="needs an entry"):
        bootstrap_groups({}, seeds=SeedTree(0))
    with pytest.raises(BadInput, match="two tasks"):
        friedman([[1.0, 2.0]])
    with pytest.raises(BadInput, match="one name per column"):
        rank_groups(["a"], DEMSAR)

"""Tables of segmentation: means, F1 on resamples, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.segmentation import (
    METRICS,
    boundary_f1_of,
    resample_segmentation,
    score_segmentation,
    segmentation_statistic,
    segmentation_table,
)
from broadsheet.evals.segmenters import random_masses
from broadsheet.metrics.bootstrap import combined, difference
from broadsheet.metrics.segmentation import boundary_scores, pk, window_diff

RNG = np.random.default_rng(11)
TRUE = [random_masses(int(RNG.integers(4, 20)), 3, RNG) for _ in range(30)]
FOUND = [random_masses(sum(one), 3, RNG) for one in TRUE]


def test_scores_are_those_of_the_metrics() -> None:
    means = score_segmentation(TRUE, FOUND).means()
    pooled = boundary_scores(TRUE, FOUND)
    assert means["boundary_f1"] == pytest.approx(pooled.f1)
    assert (means["precision"], means["recall"]) == pytest.approx((pooled.precision, pooled.recall))
    pairs = list(zip(TRUE, FOUND, strict=True))
    assert means["pk"] == pytest.approx(np.mean([pk(*pair) for pair in pairs]))
    assert means["window_diff"] == pytest.approx(np.mean([window_diff(*pair) for pair in pairs]))
    near = score_segmentation(TRUE, FOUND, tolerance=2).means()
    assert near["boundary_f1"] == pytest.approx(boundary_scores(TRUE, FOUND, tolerance=2).f1)


def test_with_a_window_of_one_pk_is_the_share_of_wrong_gaps() -> None:
    scores = score_segmentation([(2, 2), (1, 1)], [(1, 3), (2,)], window=1)
    assert scores.pk_D.tolist() == [pytest.approx(2 / 3), 1.0]
    assert scores.skipped == 0


def test_short_documents_are_left_out_and_counted() -> None:
    scores = score_segmentation([(1, 1), (2, 2)], [(2,), (2, 2)])
    assert (len(scores), scores.skipped) == (1, 1)
    with pytest.raises(BadInput, match="longer"):
        score_segmentation([(1, 1)], [(2,)])
    with pytest.raises(BadInput, match="every document"):
        score_segmentation([(3,)], [])


def test_f1_is_computed_anew_on_each_resample() -> None:
    items = score_segmentation(TRUE, FOUND).items()
    counts = np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=5).T.astype(float)
    found = boundary_f1_of()([items, items])(counts)
    for column in range(5):
        chosen = np.repeat(np.arange(30), counts[:, column].astype(int))
        slow = boundary_scores([TRUE[at] for at in chosen], [FOUND[at] for at in chosen]).f1
        assert found[:, column] == pytest.approx([slow, slow])


def test_arms_share_their_resamples_so_that_a_difference_to_oneself_is_zero() -> None:
    runs = [score_segmentation(TRUE, FOUND).items()]
    for metric in METRICS:
        one, other = (resample_segmentation(runs, metric, SeedTree(3), draws=200) for _ in range(2))
        gap = combined(difference, one, other).interval(SeedTree(4).numpy())
        assert (gap.low, gap.high) == (0.0, 0.0)


def test_a_table_has_intervals_around_its_values() -> None:
    runs = [score_segmentation(TRUE, FOUND).items()]
    right = [score_segmentation(TRUE, TRUE).items()]
    poor, best = segmentation_table({"drawn": runs, "right": right}, SeedTree(1), draws=500)
    assert best.cells() == (
        "right",
        "0.0 (0.0 to 0.0)",
        "0.0 (0.0 to 0.0)",
        "100.0 (100.0 to 100.0)",
    )
    assert poor.documents == 30
    for interval in poor.intervals.values():
        assert interval.low < interval.observed < interval.high


def test_no_such_metric() -> None:
    with pytest.raises(BadInput, match="metric"):
        segmentation_statistic("f2")

"""Classification metrics against sklearn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from broadsheet.core.errors import BadInput
from broadsheet.metrics import classification as ours

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=50)
SCORED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=50)


@settings(max_examples=30, deadline=None)
@given(LABELS)
def test_labels_agree_with_sklearn(pairs: list[tuple[int, int]]) -> None:
    gold, guess = (list(column) for column in zip(*pairs, strict=True))
    assert ours.accuracy(gold, guess) == pytest.approx(sk.accuracy_score(gold, guess))
    for average in ("macro", "micro"):
        expected = sk.f1_score(gold, guess, average=average, zero_division=0)
        assert ours.f1(gold, guess, average=average) == pytest.approx(expected)
    if len({*gold, *guess}) > 1:
        assert ours.matthews(gold, guess) == pytest.approx(
            sk.matthews_corrcoef(gold, guess), abs=1e-12
        )
        np.testing.assert_array_equal(ours.confusion(gold, guess), sk.confusion_matrix(gold, guess))


@settings(max_examples=30, deadline=None)
@given(SCORED)
def test_scores_agree_with_sklearn(pairs: list[tuple[int, int]]) -> None:
    gold, score = (list(column) for column in zip(*pairs, strict=True))
    probability = [value / 8 for value in score]
    expected = float(np.mean((np.array(probability) - np.array(gold)) ** 2))
    assert ours.brier(gold, probability) == pytest.approx(expected)
    guess = [value > 4 for value in score]
    assert ours.binary_f1(gold, np.array(guess, int)) == pytest.approx(
        sk.f1_score(gold, guess, zero_division=0)
    )
    if len(set(gold)) == 2:
        assert ours.roc_auc(gold, score) == pytest.approx(sk.roc_auc_score(gold, score))
        expected = sk.average_precision_score(gold, score)
        assert ours.average_precision(gold, score) == pytest.approx(expected)
        assert ours.brier(gold, probability) == pytest.approx(
            sk.brier_score_loss(gold, probability)
        )


def test_calibration_error_against_a_loop_over_bins() -> None:
    rng = np.random.default_rng(0)
    probability = np.round(rng.random(500), 2)
    gold = (rng.random(500) < probability**2).astype(int)
    expected = 0.0
    for low in range(10):
        inside = (probability > low / 10) & (probability <= (low + 1) / 10)
        inside |= (low == 0) & (probability == 0)
        if inside.any():
            gap = abs(gold[inside].mean() - probability[inside].mean())
            expected += inside.mean() * gap
    assert ours.calibration_error(gold, probability, bins=10) == pytest.approx(expected)
    assert expected > 0.05


def test_a_calibrated_model_has_no_error_and_a_boastful_one_has() -> None:
    gold = np.array([0, 1] * 50)
    assert ours.calibration_error(gold, np.full(100, 0.5)) == 0.0
    assert ours.calibration_error(gold, np.full(100, 0.9)) == pytest.approx(0.4)
    rows = np.array([[0.1, 0.9]] * 100)
    assert ours.confidence_error(gold, rows) == pytest.approx(0.4)


def test_words_are_labels_too() -> None:
    gold, guess = ["no", "yes", "yes"], ["no", "no", "yes"]
    assert ours.accuracy(gold, guess) == pytest.approx(2 / 3)
    assert ours.binary_f1(gold, guess, positive="yes") == pytest.approx(2 / 3)
    assert ours.f1(gold, guess) == pytest.approx(sk.f1_score(gold, guess, average="macro"))


@pytest.mark.parametrize(
    ("metric", "gold", "other"),
    [
        (ours.accuracy, [], []),
        (ours.accuracy, [1, 0], [1]),
        (ours.roc_auc, [1, 1], [0.1, 0.2]),
        (ours.roc_auc, [1, 2], [0.1, 0.2]),
        (ours.roc_auc, [1, 0], [0.1, float("nan")]),
        (ours.average_precision, [0, 0], [0.1, 0.2]),
        (ours.brier, [1, 0], [0.1, 1.2]),
        (ours.confidence_error, [1, 0], [0.1, 0.2]),
    ],
)
def test_unusable_input_is_refused(metric: object, gold: list, other: list) -> None:
    with pytest.raises(BadInput):
        metric(gold, other)  # type: ignore[operator]

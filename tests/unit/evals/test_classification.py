"""The classification and clustering evaluators on data with a known answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import LabelledText
from broadsheet.evals import classification
from broadsheet.evals.classification import Probe, cross_validate, evaluate_classification
from broadsheet.evals.clustering import evaluate_clustering
from broadsheet.metrics.significance import mcnemar

CENTRES = {"bird": (3.0, 0.0), "fish": (-3.0, 1.0), "stone": (0.0, -4.0)}


def texts(count: int, seed: int, noise: float = 1.0) -> list[LabelledText]:
    """Texts that spell out a point near the centre of their class."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        label = list(CENTRES)[n % 3]
        x, y = rng.normal(CENTRES[label], noise)
        made.append(LabelledText(str(n), f"{x:.4f} {y:.4f}", label))
    return made


def spelled(found: Sequence[str]) -> np.ndarray:
    return np.array([[*map(float, text.split()), 1.0] for text in found], np.float32)


@pytest.mark.parametrize("strength", [1.0, 1e-3])
def test_the_probe_is_a_standardised_logistic_regression(strength: float) -> None:
    train, test = texts(149, 0, noise=3.0), texts(90, 1, noise=3.0)
    accuracy, f1 = evaluate_classification(
        spelled, train, test, dataset="points", probe=Probe(inverse_penalty=strength)
    )

    def unit(items: list[LabelledText]) -> np.ndarray:
        rows = spelled([item.text for item in items])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    scaler = StandardScaler().fit(unit(train))
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(scaler.transform(unit(train)), [item.label for item in train])
    expected = model.predict(scaler.transform(unit(test)))
    assert [sorted(CENTRES)[code] for code in accuracy.items["prediction"]] == expected.tolist()
    assert 50 < accuracy.value < 100
    assert accuracy.n == 90
    assert accuracy.items["correct"].mean() * 100 == pytest.approx(accuracy.value)
    assert f1.metric == "macro_f1"


def test_items_serve_mcnemars_test() -> None:
    train, test = texts(150, 0), texts(300, 1)
    good = evaluate_classification(spelled, train, test, dataset="points")[0]
    poor = evaluate_classification(
        lambda found: spelled(found)[:, 2:], train, test, dataset="points"
    )[0]
    assert mcnemar(good.items["correct"], poor.items["correct"]) < 1e-6


def test_the_probe_refuses_unknown_and_single_classes() -> None:
    train = texts(30, 0)
    for bad_train, bad_test in (
        (train, [LabelledText("x", "1 1", "cloud")]),
        ([item for item in train if item.label == "bird"], train[:1]),
    ):
        with pytest.raises(BadInput, match="two classes"):
            evaluate_classification(spelled, bad_train, bad_test, dataset="points")


def test_cross_validation_tests_each_text_once_and_never_on_itself() -> None:
    items = texts(91, 0, noise=2.0)
    accuracy = cross_validate(spelled, items, dataset="points", seeds=SeedTree(0), folds=7)[0]
    assert accuracy.n == 91
    assert 60 < accuracy.value < 100
    lone = {item.text: row for item, row in zip(items, np.eye(91, dtype=np.float32), strict=True)}
    by_heart = cross_validate(
        lambda found: np.array([lone[text] for text in found]),
        items,
        dataset="points",
        seeds=SeedTree(0),
        folds=7,
    )[0]
    assert by_heart.value < 45, "a row that names its own text is of no use for another"


def test_folds_hold_the_classes_in_equal_shares() -> None:
    gold = np.array([0] * 21 + [1] * 14 + [2] * 70)
    fold = classification._folds(gold, 7, np.random.default_rng(0))
    for label, share in ((0, 3), (1, 2), (2, 10)):
        assert np.bincount(fold[gold == label]).tolist() == [share] * 7


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(BadInput, match="each fold"):
        cross_validate(spelled, texts(9, 0), dataset="points", seeds=SeedTree(0))


def test_clusters_of_separate_classes_are_found() -> None:
    scores = evaluate_clustering(spelled, texts(90, 0, 0.2), dataset="points", seeds=SeedTree(0))
    assert {score.metric: round(score.value, 6) for score in scores} == {
        "v_measure": 100.0,
        "adjusted_rand": 100.0,
        "purity": 100.0,
    }
    noise = evaluate_clustering(spelled, texts(90, 0, 9.0), dataset="points", seeds=SeedTree(0))
    assert noise[1].value < 30


def test_the_same_seed_gives_the_same_clusters() -> None:
    def clusters(seed: int) -> list[int]:
        scores = evaluate_clustering(
            spelled, texts(60, 0, 3.0), dataset="points", seeds=SeedTree(seed)
        )
        return scores[0].items["prediction"].tolist()

    assert clusters(3) == clusters(3)


def test_one_label_can_not_be_clustered() -> None:
    with pytest.raises(BadInput, match="two labels"):
        evaluate_clustering(spelled, texts(1, 0), dataset="points", seeds=SeedTree(0))

"""Classification: a logistic regression on frozen vectors, as in SentEval and MTEB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import LabelledText
from broadsheet.evals.score import Encode, Score, codes, unit_rows
from broadsheet.metrics import classification as metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Settings of the logistic regression.

    Args:
        inverse_penalty: sklearn's C; larger means a weaker pull to zero.
        iterations: Most steps of L-BFGS.

    Example:
        >>> Probe().inverse_penalty
        1.0
    """

    inverse_penalty: float = 1.0
    iterations: int = 1000


def evaluate_classification(
    encode: Encode,
    train: Sequence[LabelledText],
    test: Sequence[LabelledText],
    *,
    dataset: str,
    probe: Probe | None = None,
) -> tuple[Score, ...]:
    """Return accuracy and macro F1 on `test` of a probe that was fitted on `train`.

    Raises:
        BadInput: Fewer than two classes in `train`, or a class in `test` that `train` lacks.
    """
    rows = unit_rows(encode([one.text for one in train]), len(train))
    test_rows = unit_rows(encode([one.text for one in test]), len(test))
    classes = sorted({one.label for one in train})
    gold = codes([one.label for one in test], classes)
    if len(classes) < 2 or not len(test) or gold.min() < 0:
        raise BadInput(
            "a probe needs two classes, and test items of these classes",
            received=f"{len(classes)} classes, {int(np.sum(gold < 0))} test items of no such class",
        )
    prediction = fit_predict(rows, codes([one.label for one in train], classes), test_rows, probe)
    return label_scores(prediction, gold, dataset=dataset)


def cross_validate(
    encode: Encode,
    texts: Sequence[LabelledText],
    *,
    dataset: str,
    seeds: SeedTree,
    folds: int = 10,
    probe: Probe | None = None,
) -> tuple[Score, ...]:
    """Return accuracy and macro F1 for a set without a split: each text is tested once.

    Args:
        encode: The encoder; all texts are encoded once.
        texts: Labelled texts.
        dataset: Name for the report.
        seeds: Source of the folds; each has the classes in equal shares.
        folds: Number of folds; SentEval takes 10.
        probe: Settings of the logistic regression.

    Raises:
        BadInput: Fewer than two classes, or a class with fewer texts than folds.
    """
    classes = sorted({one.label for one in texts})
    gold = codes([one.label for one in texts], classes)
    least = int(np.bincount(gold).min()) if len(gold) else 0
    if len(classes) < 2 or folds < 2 or least < folds:
        raise BadInput(
            "cross-validation needs two classes with a text for each fold",
            received=f"{len(classes)} classes, the smallest of {least} texts, {folds} folds",
        )
    rows = unit_rows(encode([one.text for one in texts]), len(texts))
    fold_N = _folds(gold, folds, seeds.child("folds").numpy())
    prediction = np.empty_like(gold)
    for fold in range(folds):
        inside = fold_N == fold
        prediction[inside] = fit_predict(rows[~inside], gold[~inside], rows[inside], probe)
    return label_scores(prediction, gold, dataset=dataset)


def fit_predict(
    train_rows: NDArray[Any],
    train_labels: NDArray[np.int64],
    test_rows: NDArray[Any],
    probe: Probe | None = None,
) -> NDArray[np.int64]:
    """Return predicted classes of `test_rows` by a probe fitted on `train_rows`.

    Columns are standardised by the training rows, so that the penalty means the same for all
    encoders; L-BFGS has no random part.
    """
    probe = probe or Probe()
    linear = require("sklearn.linear_model", extra="train", why="the classification probe")
    mean, spread = train_rows.mean(axis=0), train_rows.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    model = linear.LogisticRegression(C=probe.inverse_penalty, max_iter=probe.iterations)
    model.fit((train_rows - mean) / scale, train_labels)
    prediction: NDArray[np.int64] = model.predict((test_rows - mean) / scale)
    return prediction


def label_scores(
    prediction: NDArray[np.int64], gold: NDArray[np.int64], *, dataset: str
) -> tuple[Score, ...]:
    """Return accuracy and macro F1 of predictions that were made elsewhere.

    The items hold prediction, gold and correct (1 or 0: for means and McNemar's test).
    """
    items = {
        "prediction": prediction,
        "gold": gold,
        "correct": (prediction == gold).astype(np.float64),
    }
    measured = {
        "accuracy": metrics.accuracy(gold, prediction),
        "macro_f1": metrics.f1(gold, prediction),
    }
    return tuple(
        Score(
            dataset=dataset, metric=name, unit="x100", value=100.0 * value, n=len(gold), items=items
        )
        for name, value in measured.items()
    )


def _folds(gold: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the items of each class out to the folds in turn, in random order."""
    fold_N = np.empty_like(gold)
    begin = 0
    for label in range(int(gold.max()) + 1):
        members = rng.permutation(np.flatnonzero(gold == label))
        fold_N[members] = (begin + np.arange(len(members))) % folds
        begin += len(members)
    return fold_N

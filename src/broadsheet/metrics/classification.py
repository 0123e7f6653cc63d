"""Classification metrics: accuracy, F1, Matthews, ROC AUC, average precision, calibration.

Labels are integers or strings; the classes are those that occur in gold or prediction, unless
given. Scores and probabilities are of the positive class.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broadsheet.core.errors import BadInput
from broadsheet.metrics.significance import mid_ranks


def accuracy(gold: ArrayLike, prediction: ArrayLike) -> float:
    """Return the share of items whose prediction is right.

    Raises:
        BadInput: The arrays are empty or not of one length.
    """
    gold_N, guess_N = _pair(gold, prediction)
    return float(np.mean(gold_N == guess_N))


def confusion(gold: ArrayLike, prediction: ArrayLike) -> NDArray[np.int64]:
    """Return counts: one row per gold class, one column per predicted, classes in sorted order.

    Example:
        >>> confusion(["a", "b", "b"], ["a", "a", "b"])
        array([[1, 0],
               [1, 1]])
    """
    gold_N, guess_N = _pair(gold, prediction)
    classes, codes = np.unique(np.concatenate([gold_N, guess_N]), return_inverse=True)
    cells = codes[: len(gold_N)] * len(classes) + codes[len(gold_N) :]
    counts = np.bincount(cells, minlength=len(classes) ** 2)
    return counts.reshape(len(classes), len(classes)).astype(np.int64)


def f1(
    gold: ArrayLike,
    prediction: ArrayLike,
    *,
    average: Literal["macro", "micro"] = "macro",
) -> float:
    """Return F1: the mean over classes (macro), or of all decisions together (micro).

    With one label per item micro F1 is the accuracy. A class that is never right counts as 0.
    """
    counts = confusion(gold, prediction)
    if average == "micro":
        return float(np.trace(counts) / counts.sum())
    sizes = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * np.diag(counts) / sizes))


def binary_f1(gold: ArrayLike, prediction: ArrayLike, positive: int | str = 1) -> float:
    """Return F1 of the class `positive`; 0 where it neither occurs nor is predicted."""
    gold_N, guess_N = _pair(gold, prediction)
    right = int(np.sum((gold_N == positive) & (guess_N == positive)))
    sizes = int(np.sum(gold_N == positive)) + int(np.sum(guess_N == positive))
    return 2 * right / sizes if sizes else 0.0


def matthews(gold: ArrayLike, prediction: ArrayLike) -> float:
    """Return Matthews' correlation coefficient of any number of classes; 0 if one is constant.

    **Source**: Gorodkin 2004, the R_K statistic.
    """
    counts = confusion(gold, prediction).astype(np.float64)
    gold_C, guess_C, n = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    both = float(np.trace(counts) * n - gold_C @ guess_C)
    norm = math.sqrt(float(n * n - gold_C @ gold_C)) * math.sqrt(float(n * n - guess_C @ guess_C))
    return both / norm if norm else 0.0


def roc_auc(gold: ArrayLike, score: ArrayLike) -> float:
    """Return the chance that a positive item scores above a negative one, ties counting half.

    Raises:
        BadInput: Only one class occurs.
    """
    positive_N, score_N = _binary(gold, score)
    positives = int(positive_N.sum())
    negatives = len(positive_N) - positives
    if not positives or not negatives:
        raise BadInput("ROC AUC needs both classes", received=f"{positives} positive items")
    rank_sum = float(mid_ranks(score_N)[positive_N].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(gold: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the precision-recall steps, equal scores taken in together.

    Raises:
        BadInput: No item is positive.
    """
    positive_N, score_N = _binary(gold, score)
    if not positive_N.any():
        raise BadInput("average precision needs a positive item", received="none")
    order = np.argsort(-score_N, kind="stable")
    last_N = np.append(np.diff(score_N[order]) != 0, True)
    found = np.cumsum(positive_N[order])[last_N]
    precision = found / (np.flatnonzero(last_N) + 1)
    gained = np.diff(found, prepend=0) / positive_N.sum()
    return float(precision @ gained)


def brier(gold: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean squared distance of probabilities from 0 or 1."""
    positive_N, probability_N = _probabilities(gold, probability)
    return float(np.mean((probability_N - positive_N) ** 2))


def calibration_error(gold: ArrayLike, probability: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of a binary classifier.

    Items fall into `bins` equally wide bins of probability (a bin holds its upper end); in each
    the share of positives is compared with the mean probability, weighted by the bin's items.

    **Source**: Naeini et al. 2015; 15 bins as Guo et al. 2017.
    """
    positive_N, probability_N = _probabilities(gold, probability)
    bin_N = np.clip(np.ceil(probability_N * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(bin_N, weights=probability_N - positive_N, minlength=bins)
    return float(np.abs(gap).sum() / len(positive_N))


def confidence_error(gold: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of the top class of several.

    Args:
        gold: Class numbers.
        probabilities: One row per item, one column per class.
        bins: Equally wide bins of confidence.
    """
    rows = np.asarray(probabilities, np.float64)
    if rows.ndim != 2:
        raise BadInput("one row of probabilities per item", received=f"shape {rows.shape}")
    gold_N, top_N = _pair(gold, rows.argmax(axis=1))
    return calibration_error(gold_N == top_N, rows.max(axis=1), bins)


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    first_N, second_N = np.asarray(first), np.asarray(second)
    if first_N.shape != second_N.shape or first_N.ndim != 1 or not len(first_N):
        raise BadInput(
            "the metric needs two arrays of one length",
            received=f"shapes {first_N.shape} and {second_N.shape}",
        )
    return first_N, second_N


def _binary(gold: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    gold_N, score_N = _pair(gold, score)
    if not np.isin(gold_N, (0, 1)).all():
        raise BadInput("gold must be 0 or 1", received=", ".join(map(str, np.unique(gold_N)[:5])))
    numbers = score_N.astype(np.float64)
    if np.isnan(numbers).any():
        raise BadInput(
            "a score is not a number", received=f"{int(np.isnan(numbers).sum())} of them"
        )
    return gold_N.astype(np.bool_), numbers


def _probabilities(
    gold: ArrayLike, probability: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive_N, probability_N = _binary(gold, probability)
    if probability_N.min() < 0 or probability_N.max() > 1:
        raise BadInput(
            "probabilities lie between 0 and 1",
            received=f"{probability_N.min()} to {probability_N.max()}",
        )
    return positive_N, probability_N

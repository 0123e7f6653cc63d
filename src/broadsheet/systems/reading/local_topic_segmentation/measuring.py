"""What is observed of a trained arm: segmentation, topic classes, next sentences.

Legend: N units, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.seeds import SeedTree
from broadsheet.evals.segmentation import score_segmentation
from broadsheet.metrics.classification import accuracy, confidence_error, f1, roc_auc
from broadsheet.systems.contract import Observation
from broadsheet.systems.reading.local_topic_segmentation.data import Part, SegmentationData
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.sampler import (
    SentencePairSampler,
    pairs_of,
)
from broadsheet.systems.reading.local_topic_segmentation.segmenter import (
    Floats,
    Reading,
    Segmenter,
    label_segments,
    next_probability,
    read_joint,
    read_tagger,
)
from broadsheet.systems.reading.local_topic_segmentation.states import State

#: Which pairs are no neighbours in the test of NSP: the same for all seeds and arms.
_TEST_PAIRS = SeedTree(20261124).child("negatives of the test")
_TEMPERATURES = np.geomspace(0.5, 4.0, 25)


def measure(state: State, data: SegmentationData, recipe: Recipe) -> list[Observation]:
    """Return everything that is observed of a trained arm."""
    read = read_tagger if recipe.role == "tagger" else read_joint
    dev, test = read(state, data.dev), read(state, data.test)
    name = data.corpus.name
    segmenter = Segmenter.on(
        data.dev.units.curves(dev.boundary_G),
        data.dev.units.masses,
        recipe.shortest,
        recipe.window or None,
    )
    segments = segmenter.segments(data.test.units.curves(test.boundary_G))
    found = observe_segments(name, data.test.units.masses, segments, recipe.window)
    found += [
        _number(name, "pk where the threshold was chosen", 100 * segmenter.calibration.pk),
        *_boundary_ranking(name, data.test, test),
    ]
    if test.class_NC.shape[1]:
        found += _classes(name, data, dev, test, segments)
    if recipe.role == "joint" and "nsp" in recipe.tasks:
        found += _next_sentences(name, state, data.test, recipe)
    return found


def observe_segments(
    dataset: str,
    references: Sequence[Sequence[int]],
    segments: Sequence[Sequence[int]],
    window: int = 0,
) -> list[Observation]:
    """Return Pk, WindowDiff and F1 of boundaries with what is needed to resample the documents.

    Documents no longer than the window are left out; `n` says how many are left. With a window of
    its own a corpus is measured with the usual one (2 or more) as well.
    """
    scores = score_segmentation(references, segments, window=window or None)
    means = scores.means()
    metrics = ("pk", "window_diff", "boundary_f1", "precision", "recall")
    values = {metric: (means[metric], len(scores)) for metric in metrics}
    if window:
        usual = score_segmentation(references, segments)
        values["pk, window of 2 or more"] = (usual.means()["pk"], len(usual))
    return [
        Observation(
            dataset=dataset,
            metric=metric,
            unit="x100",
            value=100 * value,
            n=n,
            items=scores.items() if metric == "pk" else {},
        )
        for metric, (value, n) in values.items()
    ]


def _boundary_ranking(dataset: str, part: Part, reading: Reading) -> list[Observation]:
    """Return how well each head ranks boundaries above other gaps."""
    neighbours = part.units.neighbours()
    boundary_G = part.units.segment_N[neighbours] != part.units.segment_N[neighbours + 1]
    return [
        Observation(
            dataset=dataset,
            metric=f"boundaries ranked by {name} (AUC)",
            unit="x100",
            value=100 * roc_auc(boundary_G.astype(int), score_G),
            n=len(boundary_G),
        )
        for name, score_G in reading.heads.items()
    ]


def _classes(
    dataset: str,
    data: SegmentationData,
    dev: Reading,
    test: Reading,
    segments: Sequence[tuple[int, ...]],
) -> list[Observation]:
    gold_N = data.test.units.class_N
    guess_N = test.class_NC.argmax(axis=1)
    _, by_segment_N = label_segments(data.test.units, segments, test.class_NC)
    temperature = best_temperature(data.dev.units.class_N, dev.class_NC)
    items = {"prediction": guess_N, "gold": gold_N}
    values = {
        "topic macro-F1": f1(gold_N, guess_N),
        "topic accuracy": accuracy(gold_N, guess_N),
        "topic macro-F1 by segment": f1(gold_N, by_segment_N),
        "topic calibration error": confidence_error(
            gold_N, probabilities(test.class_NC, temperature)
        ),
    }
    return [
        Observation(
            dataset=dataset,
            metric=metric,
            unit="x100",
            value=100 * value,
            n=len(gold_N),
            items=items if metric == "topic macro-F1" else {},
        )
        for metric, value in values.items()
    ]


def best_temperature(gold_N: NDArray[np.int64], class_NC: Floats) -> float:
    """Return the temperature with the lowest cross-entropy, of 25 between .5 and 4.

    Example:
        >>> sure = np.log(np.array([[0.99, 0.01], [0.99, 0.01]]))
        >>> best_temperature(np.array([0, 1]), sure) > 3
        True
    """
    losses = [
        -float(np.log(probabilities(class_NC, t)[np.arange(len(gold_N)), gold_N] + 1e-12).mean())
        for t in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def probabilities(class_NC: Floats, temperature: float) -> Floats:
    """Return probabilities of classes from log-probabilities at a temperature."""
    scaled = class_NC / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return found


def _next_sentences(dataset: str, state: State, part: Part, recipe: Recipe) -> list[Observation]:
    """Return the accuracy of NSP on neighbours and as many pairs that are none."""
    sampler = SentencePairSampler(part.units, 1, recipe.other_share, _TEST_PAIRS)
    first = part.units.neighbours()
    second = sampler.negatives(first, _TEST_PAIRS.numpy())
    pairs = pairs_of(
        part.units, np.concatenate([first, first]), np.concatenate([first + 1, second])
    )
    right_P = (next_probability(state, part, pairs) > 0.5) == (pairs.next_P == 1)
    far = np.concatenate([first, second])[len(first) :]
    elsewhere = part.units.document_N[first] != part.units.document_N[far]
    wrong = right_P[len(first) :]
    return [
        _number(dataset, "next sentence accuracy", 100 * float(right_P.mean()), len(pairs)),
        _number(
            dataset,
            "next sentence accuracy, negatives of the same document",
            100 * float(wrong[~elsewhere].mean()),
            int((~elsewhere).sum()),
        ),
    ]


def _number(dataset: str, metric: str, value: float, n: int = 1) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit="x100", value=value, n=n)

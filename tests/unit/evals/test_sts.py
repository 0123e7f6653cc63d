"""The STS evaluator, on vectors whose cosines are known and on real pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.data.records import ScoredPair
from broadsheet.data.sts import read_stsb
from broadsheet.evals.score import Score, fields_of
from broadsheet.evals.sts import evaluate_sts
from broadsheet.metrics.significance import spearman_of, two_level_bootstrap
from broadsheet.systems.contract import Observation

ANGLES = {"zero": 0.0, "ten": 10.0, "sixty": 60.0, "right": 90.0}
PAIRS = [
    ScoredPair("1", "zero", "ten", 4.0),
    ScoredPair("2", "zero", "sixty", 5.0),
    ScoredPair("3", "ten", "sixty", 3.0),
    ScoredPair("4", "zero", "right", 1.0),
]


def by_angle(texts: Sequence[str]) -> np.ndarray:
    """Vectors of length 3 at the angle that the text names."""
    turns = np.radians([ANGLES[text] for text in texts])
    return 3.0 * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def test_cosines_are_compared_with_gold() -> None:
    rho, r = evaluate_sts(by_angle, PAIRS, dataset="angles")
    np.testing.assert_allclose(
        rho.items["prediction"], np.cos(np.radians([10, 60, 50, 90])), atol=1e-6
    )
    # The order of the cosines is 1 > 3 > 2 > 4, of the gold scores 2 > 1 > 3 > 4: rho = 1 - 6/10.
    assert (rho.metric, rho.unit, rho.n) == ("spearman", "x100", 4)
    assert rho.value == pytest.approx(40.0)
    assert r.metric == "pearson"


def test_each_text_is_encoded_once() -> None:
    seen: list[str] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        seen.extend(texts)
        return by_angle(texts)

    evaluate_sts(encode, PAIRS, dataset="angles")
    assert sorted(seen) == sorted(ANGLES)


def test_a_score_has_what_an_observation_needs() -> None:
    score = evaluate_sts(by_angle, PAIRS, dataset="angles")[0]
    observation = Observation(**fields_of(score))
    assert observation.value == score.value
    assert set(Score.__dataclass_fields__) == set(Observation.__dataclass_fields__)
    found = two_level_bootstrap(
        [observation.items],
        statistic=spearman_of("prediction", "gold"),
        rng=np.random.default_rng(0),
        draws=100,
    )
    assert 100 * found.observed == pytest.approx(score.value)


@pytest.mark.parametrize(
    "rows", [np.ones((3, 2)), np.ones(4), np.full((4, 2), np.nan)], ids=["count", "flat", "nan"]
)
def test_unusable_vectors_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(BadInput, match="the encoder"):
        evaluate_sts(lambda texts: rows, PAIRS, dataset="angles")


def test_one_pair_is_too_few() -> None:
    with pytest.raises(BadInput, match="two pairs"):
        evaluate_sts(by_angle, PAIRS[:1], dataset="angles")


@pytest.mark.data
def test_word_overlap_finds_something_in_stsb(data_folder: Path) -> None:
    """A bag of hashed words gets a Spearman between 45 and 75 on STS-B: neither 0 nor 90."""
    pairs = read_stsb(data_folder, "test")

    def bag(texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), 2048), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[crc32(word.encode()) % 2048] += 1.0
        return rows

    score = evaluate_sts(bag, pairs, dataset="sts-b")[0]
    assert score.n == len(pairs) == 1379
    assert 45 < score.value < 75

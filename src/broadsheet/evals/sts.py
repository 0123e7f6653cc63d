"""Semantic textual similarity: does the cosine of two vectors order pairs as people did?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.data.records import ScoredPair
from broadsheet.evals.score import Encode, Score, encode_unique
from broadsheet.metrics.correlation import pearson, spearman


def evaluate_sts(encode: Encode, pairs: Sequence[ScoredPair], *, dataset: str) -> tuple[Score, ...]:
    """Return Spearman's and Pearson's correlation of cosines with the gold scores.

    Args:
        encode: The encoder; each different text is encoded once.
        pairs: Scored pairs.
        dataset: Name for the report.

    Raises:
        BadInput: Fewer than two pairs, or the encoder's rows are unusable.
    """
    if len(pairs) < 2:
        raise BadInput("a correlation needs two pairs", received=len(pairs))
    rows = encode_unique(encode, [text for pair in pairs for text in (pair.a, pair.b)])
    cosine_B = np.einsum("bd,bd->b", rows[0::2], rows[1::2])
    return correlation_scores(cosine_B, [pair.score for pair in pairs], dataset=dataset)


def correlation_scores(
    prediction: NDArray[np.floating] | Sequence[float],
    gold: NDArray[np.floating] | Sequence[float],
    *,
    dataset: str,
) -> tuple[Score, ...]:
    """Return the scores of predictions that were made elsewhere, by a cross-encoder say."""
    items = {
        "prediction": np.asarray(prediction, np.float64),
        "gold": np.asarray(gold, np.float64),
    }
    measured = {"spearman": spearman, "pearson": pearson}
    return tuple(
        Score(
            dataset=dataset,
            metric=name,
            unit="x100",
            value=100.0 * function(items["prediction"], items["gold"]),
            n=len(items["gold"]),
            items=items,
        )
        for name, function in measured.items()
    )

"""Clustering: do the clusters that k-means finds among the vectors match the labels?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import LabelledText
from broadsheet.evals.score import Encode, Score, codes, unit_rows
from broadsheet.metrics import clustering as metrics

_STARTS = 10


def evaluate_clustering(
    encode: Encode, texts: Sequence[LabelledText], *, dataset: str, seeds: SeedTree
) -> tuple[Score, ...]:
    """Return V-measure, adjusted Rand index and purity of k-means with as many clusters as labels.

    Args:
        encode: The encoder; rows are brought to unit length, so that k-means follows cosines.
        texts: Labelled texts.
        dataset: Name for the report.
        seeds: Source of the ten starts, of which the tightest is kept.

    Raises:
        BadInput: Fewer than two labels.
    """
    classes = sorted({one.label for one in texts})
    if len(classes) < 2:
        raise BadInput("clustering needs two labels or more", received=", ".join(classes))
    cluster = require("sklearn.cluster", extra="train", why="the clustering evaluator")
    rows = unit_rows(encode([one.text for one in texts]), len(texts))
    model = cluster.KMeans(
        n_clusters=len(classes),
        n_init=_STARTS,
        random_state=seeds.child("k-means").integer() % 2**32,
    )
    items = {
        "prediction": np.asarray(model.fit_predict(rows), np.int64),
        "gold": codes([one.label for one in texts], classes),
    }
    gold, found = items["gold"], items["prediction"]
    measured = {
        "v_measure": metrics.v_measure(gold, found).value,
        "adjusted_rand": metrics.adjusted_rand(gold, found),
        "purity": metrics.purity(gold, found),
    }
    return tuple(
        Score(
            dataset=dataset, metric=name, unit="x100", value=100.0 * value, n=len(gold), items=items
        )
        for name, value in measured.items()
    )

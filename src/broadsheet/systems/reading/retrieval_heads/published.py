"""The published scores of seven models as observations: nothing is run, their table comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from broadsheet.metrics.correlation import pearson
from broadsheet.systems.contract import Observation
from broadsheet.systems.reading.retrieval_heads.store import PublishedMeans

#: Models whose heads are compared: of one family, of one model before and after tuning, of two.
PAIRS = (
    ("Mistral-7B-v0.2-hf", "Mixtral-8x7B-v0.1"),
    ("Qwen1.5-14B", "Qwen1.5-14B-Chat"),
    ("llama-2-7b-80k", "Mistral-7B-v0.2-hf"),
)
_UNITS = {"share >= 0.1": "x100", "share of 0": "x100", "trials": "trials"}


def observe_published(published: Mapping[str, PublishedMeans]) -> Iterable[Observation]:
    """Yield the numbers of every model and the correlations of `PAIRS`."""
    for model, means in sorted(published.items()):
        for metric, value in means.summary().items():
            unit = _UNITS.get(metric, "heads")
            yield Observation(
                dataset=model,
                metric=metric,
                unit=unit,
                value=100.0 * value if unit == "x100" else value,
                n=means.mean_NH.size,
            )
    for first, second in PAIRS:
        if first in published and second in published:
            one, other = (np.ravel(published[name].mean_NH) for name in (first, second))
            yield Observation(
                dataset=first,
                metric=f"pearson with {second}",
                unit="correlation",
                value=pearson(one, other),
                n=len(one),
            )

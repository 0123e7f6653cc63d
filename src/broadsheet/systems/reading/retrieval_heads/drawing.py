"""Figures of the report, as data: maps of heads, masks, the needle grid.

Legend: X heads of a model, N layers, H heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from broadsheet.core.report import Figure
from broadsheet.systems.contract import Observation
from broadsheet.systems.reading.retrieval_heads.heads import sparsity_curve
from broadsheet.systems.reading.retrieval_heads.recipe import NeedleSettings, Recipe

Floats = npt.NDArray[np.float64]

_THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 20))
#: Depths of the test documents are drawn in this many bands.
_BANDS = 4


class Observed(Protocol):
    """What figures are drawn from; `findings.Results`."""

    recipes: dict[str, Recipe]

    @property
    def needles(self) -> NeedleSettings:
        """Return the prompts of the language model."""
        ...

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        ...

    def pooled(self, arm: str, dataset: str, metric: str, item: str = "score") -> Floats:
        """Return an item of all seeds, one after the other."""
        ...


def figures(results: Observed) -> Iterable[Figure]:
    """Yield all figures."""
    shape = results.recipes["lm"].shape
    counted = results.pooled("lm", "detection", "recall", "counted") > 0
    scores_TX = results.pooled("lm", "detection", "recall", "heads")[counted]
    mean_X = scores_TX.sum(axis=0) / max(1, len(scores_TX))
    mean_NH = mean_X.reshape(shape.layers, shape.heads)
    yield map_of_heads("lm: mean score of every head", mean_NH)
    yield Figure(
        title="lm: heads with at least a mean score",
        kind="line",
        x="mean score",
        y="% of the heads",
        series={
            "lm": tuple((t, round(100 * s, 2)) for t, s in sparsity_curve(mean_NH, _THRESHOLDS))
        },
    )
    yield _masks(results)
    yield from _grids(results)
    size = results.recipes["world"].shape
    for dataset, words in (("detection", "as trained"), ("detection-long", "extended")):
        found = [one.items["mean"] for one in results.observed("world", dataset, "heads")]
        # Seeds number their heads by chance, so only one of them can be drawn.
        yield map_of_heads(
            f"world, first seed, {words}: mean score of every head",
            np.asarray(found[0], np.float64).reshape(size.layers, size.heads),
        )


def map_of_heads(title: str, mean_NH: Floats) -> Figure:
    """Return the heat map of a model's heads, the last layer above."""
    return Figure(
        title=title,
        kind="heat",
        x="head",
        y="layer",
        series={
            str(layer): tuple(
                (str(head), round(float(score), 3)) for head, score in enumerate(mean_NH[layer])
            )
            for layer in reversed(range(len(mean_NH)))
        },
    )


def _masks(results: Observed) -> Figure:
    def points(kind: str) -> tuple[tuple[float, float], ...]:
        whole = results.pooled("lm", "needles", "recall").mean()
        rows = [(0.0, round(100 * float(whole), 2))]
        for k in results.needles.top:
            value = results.pooled("lm", "needles", f"recall@{kind}{k}").mean()
            rows.append((float(k), round(100 * float(value), 2)))
        return tuple(rows)

    return Figure(
        title="lm: recall of needles with heads switched off",
        kind="line",
        x="heads off",
        y="recall, %",
        series={"strongest": points("top"), "random, same layers": points("random")},
    )


def _grids(results: Observed) -> Iterable[Figure]:
    k = results.needles.headline
    names = (
        ("recall", "all heads"),
        (f"recall@top{k}", f"the {k} strongest off"),
        (f"recall@random{k}", f"{k} random heads off"),
    )
    for metric, words in names:
        score_I, length_I, depth_I = (
            results.pooled("lm", "needles", metric, item) for item in ("score", "length", "depth")
        )
        yield Figure(
            title=f"lm: recall of needles by length and depth, {words}",
            kind="heat",
            x="tokens of the context",
            y="depth",
            series=dict(_bands(score_I, length_I, depth_I)),
        )


def _bands(score_I: Floats, length_I: Floats, depth_I: Floats) -> Iterable[tuple[str, Any]]:
    band_I = np.minimum((depth_I * _BANDS).astype(int), _BANDS - 1)
    for band in range(_BANDS):
        cells: list[tuple[str, float]] = []
        for length in _sorted(length_I):
            chosen = score_I[(band_I == band) & (length_I == length)]
            if len(chosen):
                cells.append((str(int(length)), round(100 * float(chosen.mean()), 1)))
        if cells:
            yield f"{100 * band // _BANDS} to {100 * (band + 1) // _BANDS} %", tuple(cells)


def _sorted(values: Floats) -> Sequence[float]:
    return sorted({float(value) for value in values})

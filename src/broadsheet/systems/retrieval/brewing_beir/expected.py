"""The score that each row is expected to have: published ones, and our pilot's on the own sets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

#: Metrics of a published cell, in the order of the file.
METRICS = ("ndcg@10", "recall@100", "recall@1000")
#: A rerun of a published row may differ by this much (x100): indexes are rebuilt between releases.
TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A score that a row should have.

    Args:
        value: x100.
        tolerance: How far off it may be.
        source: "published" or "pilot".

    Example:
        >>> Expectation(value=67.89, tolerance=0.5, source="published").meets(68.2)
        True
    """

    value: float
    tolerance: float
    source: str

    def meets(self, value: float) -> bool:
        """Tell whether a score is as expected."""
        return abs(value - self.value) <= self.tolerance


@cache
def published() -> Mapping[str, Mapping[str, tuple[float, ...]]]:
    """Return the published scores by set and model, x100, in the order of `METRICS`."""
    scores = _read("official.toml")["scores"]
    return {
        name: {model: tuple(100.0 * value for value in cell) for model, cell in models.items()}
        for name, models in scores.items()
    }


def expectation(arm: str, dataset: str, metric: str, *, dev: bool = False) -> Expectation | None:
    """Return what a row should reach on a set, None where nothing is known.

    Args:
        arm: The row.
        dataset: The set.
        metric: As measured.
        dev: Whether the development queries are asked; the pilot's numbers are of these.

    Example:
        >>> expectation("bm25_flat", "scifact", "ndcg@10")
        Expectation(value=67.89, tolerance=0.5, source='published')
    """
    if not dev:
        cell = published().get(dataset, {}).get(arm)
        if cell is None or metric not in METRICS:
            return None
        value = round(cell[METRICS.index(metric)], 6)
        return Expectation(value=value, tolerance=TOLERANCE, source="published")
    rows = _read("pilot.toml")
    value = rows["scores"].get(arm, {}).get(dataset)
    if value is None or metric != METRICS[0]:
        return None
    trained = arm in rows["trained"]
    tolerance = rows["tolerance_trained"] if trained else rows["tolerance"]
    return Expectation(value=value, tolerance=tolerance, source="pilot")


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))

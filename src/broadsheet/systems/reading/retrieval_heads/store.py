"""Scores on disk: the published JSON format, and the table of means made from the published files.

The format is one object: "layer-head" to a list of scores, one per counted trial.

Legend: T trials, N layers, H heads.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import write_atomically
from broadsheet.systems.reading.retrieval_heads.heads import ScoreTable

Floats = npt.NDArray[np.float64]

_HEAD = re.compile(r"(\d{1,4})-(\d{1,4})")
#: No score file we know comes near this.
_MAX_BYTES = 100 << 20
_COLUMNS = ("model", "layer", "head", "mean_score", "frac_trials_active", "trials")


def write_scores(path: Path, table: ScoreTable) -> None:
    """Write scores in the published format."""
    layers, heads = table.scores_TNH.shape[1:]
    data = {
        f"{layer}-{head}": [round(float(x), 6) for x in table.scores_TNH[:, layer, head]]
        for layer in range(layers)
        for head in range(heads)
    }
    write_atomically(path, (json.dumps(data) + "\n").encode())


def read_scores(path: Path) -> ScoreTable:
    """Read a file of the published format.

    The format does not say how many trials were made, so all are taken as counted.

    Raises:
        BadInput: It is not of the format; the message names the head.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput("the score file is too large", received=path)
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"the scores can't be read ({error})", received=path) from None
    if not isinstance(data, Mapping) or not data:
        raise BadInput("a score file maps heads to lists of scores", received=path)
    parsed = {_head(name): _scores(name, values) for name, values in data.items()}
    lengths = {len(values) for values in parsed.values()}
    layers = 1 + max(layer for layer, _ in parsed)
    heads = 1 + max(head for _, head in parsed)
    if len(lengths) != 1 or len(parsed) != layers * heads:
        raise BadInput(
            "every head has a score in every trial",
            received=f"{len(parsed)} heads of {layers} x {heads}, {sorted(lengths)[:3]} trials",
        )
    trials = lengths.pop()
    scores_TNH = np.zeros((trials, layers, heads))
    for (layer, head), values in parsed.items():
        scores_TNH[:, layer, head] = values
    return ScoreTable(scores_TNH, trials)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedMeans:
    """What was published of one model.

    Args:
        mean_NH: Mean scores; above 1 where an answer repeated a token.
        activation_NH: Share of counted trials in which a head copied at all.
        trials: Counted trials.

    Example:
        >>> one = PublishedMeans(np.array([[0.0, 0.2]]), np.array([[0.0, 1.0]]), 9)
        >>> one.summary()["share >= 0.1"]
        0.5
    """

    mean_NH: Floats
    activation_NH: Floats
    trials: int

    def summary(self) -> dict[str, float]:
        """Return the numbers of the table in README.md."""
        return {
            "heads": float(self.mean_NH.size),
            "heads >= 0.1": float(np.sum(self.mean_NH >= 0.1)),
            "share >= 0.1": float(np.mean(self.mean_NH >= 0.1)),
            "heads >= 0.5": float(np.sum(self.mean_NH >= 0.5)),
            "share of 0": float(np.mean(self.mean_NH == 0.0)),
            "always active": float(np.sum(self.activation_NH == 1.0)),
            "trials": float(self.trials),
        }


def read_published(path: Path) -> dict[str, PublishedMeans]:
    """Read the table of means: model, layer, head, mean score, share of active trials, trials.

    Raises:
        BadInput: It is not that table; the message names the line.
    """
    rows: dict[str, list[tuple[int, int, float, float, int]]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise BadInput("the table has other columns", received=reader.fieldnames)
            for number, row in enumerate(reader, 2):
                rows[row["model"]].append(_row(path, number, row))
    except OSError as error:
        raise BadInput(f"the table can't be read ({error})", received=path) from None
    return {model: _means(model, found) for model, found in rows.items()}


def _row(path: Path, number: int, row: Mapping[str, str]) -> tuple[int, int, float, float, int]:
    try:
        place = int(row["layer"]), int(row["head"])
        return (
            *place,
            float(row["mean_score"]),
            float(row["frac_trials_active"]),
            int(row["trials"]),
        )
    except (TypeError, ValueError):
        raise BadInput("a line is not a head", received=f"{path}, line {number}") from None


def _means(model: str, rows: list[tuple[int, int, float, float, int]]) -> PublishedMeans:
    shape = 1 + max(row[0] for row in rows), 1 + max(row[1] for row in rows)
    if len({row[:2] for row in rows}) != shape[0] * shape[1] or len(rows) != shape[0] * shape[1]:
        raise BadInput("heads are missing or come twice", received=model)
    mean_NH, active_NH = np.zeros(shape), np.zeros(shape)
    for layer, head, mean, active, _ in rows:
        mean_NH[layer, head], active_NH[layer, head] = mean, active
    return PublishedMeans(mean_NH, active_NH, rows[0][4])


def _head(name: str) -> tuple[int, int]:
    found = _HEAD.fullmatch(name)
    if not found:
        raise BadInput("a head is named layer-head", received=name, hint='"12-3"')
    return int(found[1]), int(found[2])


def _scores(name: str, values: Any) -> list[float]:
    if not isinstance(values, list) or not all(
        isinstance(one, int | float) and np.isfinite(one) and one >= 0 for one in values
    ):
        raise BadInput("scores are numbers of at least 0", received=f"head {name}")
    return [float(one) for one in values]

"""Files of arxiv-for-fanns: vectors as fvecs, attributes as JSON lines, one query set per filter.

A folder holds database_vectors.fvecs, database_attributes.jsonl, query_vectors.fvecs and
{em,r,emis}_query_attributes.jsonl. A line of the latter is a value, or a pair [low, high] for R.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.data.files import json_lines
from broadsheet.data.worlds.attributes import MISSING, Attributes, Labels
from broadsheet.index.predicates import Between, Contains, Predicate
from broadsheet.systems.retrieval.filtered_ann.interface import Vectors


def read_fvecs(path: Path) -> Vectors:
    """Map a file of float vectors: each row is its length as int32, then the numbers.

    Shape:
        [n, d], read-only, not copied.

    Raises:
        BadInput: The file's size or first length fits no such rows.
    """
    try:
        raw = np.memmap(path, dtype=np.float32, mode="r")
    except (OSError, ValueError) as error:
        raise BadInput(f"the vectors can't be read ({error})", received=path) from None
    dim = int(raw[:1].view(np.int32)[0])
    if dim < 1 or len(raw) % (dim + 1):
        raise BadInput("the file is no fvecs file", received=f"{path}, length {dim}")
    rows: Vectors = raw.reshape(-1, dim + 1)[:, 1:]
    return rows


def read_attributes(path: Path) -> Attributes:
    """Read one JSON object per row: numbers become columns, texts and lists become labels.

    Raises:
        BadInput: A line is broken.
    """
    rows = [data for _, data in json_lines(path)]
    names = sorted({name for row in rows for name in row})
    numbers = {
        name: _column(rows, name)
        for name in names
        if all(isinstance(row.get(name), int | None) for row in rows)
    }
    labels = {
        name: Labels.of([_labels(row.get(name)) for row in rows])
        for name in names
        if name not in numbers
    }
    return Attributes(labels, numbers)


def predicate_of(condition: Mapping[str, Any]) -> Predicate:
    """Return the predicate of a line such as {"year": [2019, 2021]} or {"category": "cs.CL"}.

    Raises:
        BadInput: It is none of these.

    Example:
        >>> predicate_of({"year": [2019, 2021]})
        Between(name='year', low=2019, high=2021)
    """
    if len(condition) != 1:
        raise BadInput("a condition names one attribute", received=condition)
    [(name, value)] = condition.items()
    match value:
        case [int(low), int(high)]:
            return Between(name, low, high)
        case int():
            return Between(name, value, value)
        case str():
            return Contains(name, value)
    raise BadInput("a condition is a text, a number or a range", received=condition)


def _column(rows: list[dict[str, Any]], name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    values = [MISSING if row.get(name) is None else int(row[name]) for row in rows]
    return np.array(values, np.int64)


def _labels(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)

"""What every evaluator returns: one number, and what is needed to resample it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput

#: Turns texts into one row of numbers each; rows need not have unit length.
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number that an encoder got on a data set.

    The fields are those of a system's observation, so `Observation(**fields_of(score))` is one.

    Args:
        dataset: Name of the test set.
        metric: Name of the metric, such as "spearman".
        unit: Unit of `value`: "x100" for rates and correlations, "ms", "bytes".
        value: The number.
        n: Items behind it.
        items: Arrays of length n (scores per query; predictions and gold), for the bootstrap.

    Example:
        >>> Score(dataset="sts", metric="spearman", unit="x100", value=71.5, n=1379).value
        71.5
    """

    dataset: str
    metric: str
    unit: str
    value: float
    n: int
    items: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def fields_of(score: Score) -> dict[str, Any]:
    """Return a score's fields by name; the arrays are the same objects."""
    return {name: getattr(score, name) for name in Score.__dataclass_fields__}


def unit_rows(vectors: NDArray[Any], texts: int) -> NDArray[np.float32]:
    """Return fp32 rows of length 1 (a zero row stays zero).

    Raises:
        BadInput: Not one row per text, or a number that is not finite.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2 or len(rows) != texts:
        raise BadInput(
            "the encoder must return one row per text", received=f"{rows.shape} for {texts} texts"
        )
    if not np.all(np.isfinite(rows)):
        raise BadInput("the encoder returned numbers that are not finite")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1.0)).astype(np.float32, copy=False)


def encode_unique(encode: Encode, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return unit rows of `texts`, each different text encoded once."""
    distinct = list(dict.fromkeys(texts))
    rows = unit_rows(encode(distinct), len(distinct))
    place = {text: index for index, text in enumerate(distinct)}
    return rows[[place[text] for text in texts]]


def codes(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each label in `classes`, -1 for one that is not there."""
    place = {name: index for index, name in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels], np.int64)

"""What an encoder costs: CPU milliseconds per text, and bytes per vector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.evals.score import Encode, Score


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU time of an encoder over the same texts, several times.

    **Units**: milliseconds of process CPU time per text.

    Args:
        runs_ms: One value per repetition.
        texts: Texts per repetition.

    Example:
        >>> Timing((2.0, 1.0, 4.0), texts=10).median_ms
        2.0
    """

    runs_ms: tuple[float, ...]
    texts: int

    @property
    def median_ms(self) -> float:
        """The median over repetitions."""
        return float(np.median(self.runs_ms))

    def score(self, dataset: str) -> Score:
        """Return the median as a score; repetitions are no items, a seed gives one number."""
        return Score(
            dataset=dataset, metric="cpu_ms_per_text", unit="ms", value=self.median_ms, n=self.texts
        )


def time_encoding(
    encode: Encode,
    texts: Sequence[str],
    *,
    repetitions: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> Timing:
    """Time an encoder on `texts`, after one unmeasured pass that warms caches.

    Raises:
        BadInput: No text or no repetition.
    """
    if not texts or repetitions < 1:
        raise BadInput(
            "timing needs texts and a repetition", received=f"{len(texts)} x {repetitions}"
        )
    encode(texts)
    runs = []
    for _ in range(repetitions):
        begun = clock()
        encode(texts)
        runs.append(1000.0 * (clock() - begun) / len(texts))
    return Timing(tuple(runs), len(texts))


def bytes_per_vector(vectors: NDArray[Any]) -> float:
    """Return how many bytes one stored row takes.

    Example:
        >>> bytes_per_vector(np.zeros((3, 64), np.int8))
        64.0
    """
    if vectors.ndim != 2 or not len(vectors):
        raise BadInput("one row per vector", received=f"shape {vectors.shape}")
    return vectors.nbytes / len(vectors)

"""The grid of an elastic encoder: quality, time and bytes of every (layers, dims) setting."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from broadsheet.core.errors import NotFound
from broadsheet.nn.sentence import SentenceEncoder, TokenBatch

#: Bytes of one stored number.
FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """How much of an elastic encoder is used.

    Args:
        layers: Layers that are run.
        dims: Numbers that are kept.

    Example:
        >>> str(Setting(2, 64))
        '2x64'
    """

    layers: int
    dims: int

    def __str__(self) -> str:
        return f"{self.layers}x{self.dims}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one setting gives and costs.

    Args:
        setting: Layers and numbers.
        quality: Higher is better, in the unit of the task.
        ms: CPU milliseconds per sentence.
        bytes: Bytes of a stored vector.

    Example:
        >>> Cell(setting=Setting(2, 64), quality=70.0, ms=1.5, bytes=256).bytes
        256
    """

    setting: Setting
    quality: float
    ms: float
    bytes: int


def make_grid(
    quality: Mapping[Setting, float], ms: Mapping[int, float], *, bytes_each: int = FLOAT_BYTES
) -> tuple[Cell, ...]:
    """Put quality and cost together, ordered by layers and size.

    Args:
        quality: Quality of every setting.
        ms: CPU milliseconds per sentence by number of layers; cutting a vector costs nothing.
        bytes_each: Bytes of a stored number, 1 for int8.
    """
    return tuple(
        Cell(
            setting=setting,
            quality=quality[setting],
            ms=ms[setting.layers],
            bytes=setting.dims * bytes_each,
        )
        for setting in sorted(quality)
    )


def pareto_front(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells that no other cell beats: as fast, as small and as good, and better in one.

    Example:
        >>> slow = Cell(setting=Setting(6, 64), quality=70.0, ms=3.0, bytes=256)
        >>> fast = Cell(setting=Setting(2, 64), quality=71.0, ms=1.0, bytes=256)
        >>> pareto_front([slow, fast]) == (fast,)
        True
    """
    return tuple(cell for cell in cells if not any(_beats(other, cell) for other in cells))


def choose(cells: Sequence[Cell], budget_ms: float, budget_bytes: float) -> Cell:
    """Return the best setting within a budget; of equals the faster, then the smaller one.

    Raises:
        NotFound: No setting is cheap enough; the message names the cheapest.

    Example:
        >>> small = Cell(setting=Setting(2, 64), quality=70.0, ms=1.0, bytes=256)
        >>> large = Cell(setting=Setting(6, 384), quality=80.0, ms=3.0, bytes=1536)
        >>> choose([small, large], budget_ms=2, budget_bytes=2000).setting
        Setting(layers=2, dims=64)
    """
    affordable = [c for c in cells if c.ms <= budget_ms and c.bytes <= budget_bytes]
    if not affordable:
        cheapest = min(cells, key=lambda c: (c.ms, c.bytes), default=None)
        raise NotFound(
            "no setting fits the budget",
            received=f"{budget_ms:g} ms, {budget_bytes:g} bytes",
            hint=f"{cheapest.ms:.3g} ms and {cheapest.bytes} bytes or more" if cheapest else "",
        )
    return max(affordable, key=lambda c: (c.quality, -c.ms, -c.bytes))


def time_rounds(
    sentence: SentenceEncoder, batches: Sequence[TokenBatch], *, rounds: int = 5
) -> dict[int, NDArray[np.float64]]:
    """Measure CPU milliseconds per sentence of every number of layers, once a round.

    The settings take turns, so that a slow moment of the machine hits all of them. CPU time of
    this process; a first round that warms up is not counted.
    """
    sentences = sum(len(batch) for batch in batches)
    spent = {layers: np.zeros(rounds) for layers in range(1, sentence.depth + 1)}
    training = sentence.training
    sentence.eval()
    with torch.no_grad():
        for place in range(-1, rounds):
            for layers, seconds in spent.items():
                begun = time.process_time()
                for batch in batches:
                    sentence(batch, layers=layers)
                if place >= 0:
                    seconds[place] = time.process_time() - begun
    sentence.train(training)
    return {layers: 1e3 * seconds / sentences for layers, seconds in spent.items()}


def _beats(one: Cell, other: Cell) -> bool:
    no_worse = one.quality >= other.quality and one.ms <= other.ms and one.bytes <= other.bytes
    return no_worse and (one.quality, one.ms, one.bytes) != (other.quality, other.ms, other.bytes)

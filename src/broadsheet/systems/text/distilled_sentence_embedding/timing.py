"""How long it takes to score N x M pairs: one cross-encoder pass each, or a head on stored vectors.

Times are CPU seconds of one thread, all in float32. The head's are measured at every size. A
cross-encoder's pass is measured on real pairs and multiplied where the pairs are too many; such
numbers are called extrapolated.

Legend: N queries, M candidates, P width of a vector.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData
from broadsheet.systems.text.distilled_sentence_embedding.heads import Head
from broadsheet.systems.text.distilled_sentence_embedding.model import CrossEncoder, Student
from broadsheet.systems.text.distilled_sentence_embedding.ragged import Ragged
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.starts import start_encoder
from broadsheet.systems.text.distilled_sentence_embedding.teaching import JoinedPairs

#: Queries and candidates of the pairs that a cross-encoder really scores.
MEASURED_PAIRS = (16, 24)
#: Sizes at which the head is measured; the last repeats a block of 10^5 candidates.
SIZES = ((1, 1_000), (20, 200), (200, 2_000), (1, 100_000), (1, 1_000_000))
_BLOCK = 100_000
_ENCODED = 400


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured once.

    Args:
        pair_s: Seconds of the cross-encoder for one pair.
        text_s: Seconds of the student for one text.
    """

    pair_s: float
    text_s: float


def measure_speed(
    models: nn.ModuleDict, data: PairData, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Return seconds for each size, with and without encoding, and the speed-up."""
    student, teacher = models["student"], models["teacher"]
    assert isinstance(student, Student)  # noqa: S101 - built so
    start_encoder(student.encoder, recipe.encoder, workspace)
    if isinstance(teacher, CrossEncoder):
        start_encoder(teacher.encoder, recipe.teacher.encoder, workspace)
    models.eval()
    speed = Speed(_pair_seconds(teacher, data), _text_seconds(student, data))
    small = recipe.world == "grammar"
    found = [
        _value("one pair", "cross-encoder", "ms", 1000 * speed.pair_s),
        _value("one text", "encoding", "ms", 1000 * speed.text_s),
    ]
    for n, m in SIZES[:2] if small else SIZES:
        found += _at_size(student, speed, n, m)
    return found


def _at_size(student: Student, speed: Speed, n: int, m: int) -> list[Observation]:
    head = student.head
    width = head.width
    rng = torch.Generator().manual_seed(n * m)
    u_NP = torch.randn(n, width, generator=rng)
    v_MP = torch.randn(min(m, _BLOCK), width, generator=rng)
    blocks = max(1, m // _BLOCK)
    scored = _cpu(lambda: _score(head, u_NP, v_MP, blocks))
    cross = n * m * speed.pair_s
    whole = scored + (n + m) * speed.text_s
    name = f"{n:,} x {m:,}"
    return [
        _value(name, "cross-encoder, extrapolated", "s", cross),
        _value(name, "head on stored vectors", "s", scored),
        _value(name, "encoding (extrapolated) and head", "s", whole),
        _value(name, "speed-up, vectors stored", "ratio of times", cross / scored),
        _value(name, "speed-up, encoding included", "ratio of times", cross / whole),
        _value(name, "vectors in float32", "MB", (n + m) * width * 4 / 1e6),
        _value(name, "pairs a second, head", "per s", n * m / scored),
    ]


def _score(head: Head, u_NP: torch.Tensor, v_MP: torch.Tensor, blocks: int) -> None:
    for _ in range(blocks):
        for row_P in u_NP:  # Only one query's scores are in memory at a time.
            head.score_matrix(row_P[None], v_MP)


@torch.no_grad()
def _pair_seconds(teacher: nn.Module, data: PairData) -> float:
    n, m = MEASURED_PAIRS
    first = np.repeat(data.test.first_N[:n], m)
    second = np.tile(data.test.second_N[:m], n)
    rows = JoinedPairs.of(data.tokens, first, second)

    def work() -> None:
        for batch in rows.ids.batches():
            ids_BL, mask_BL = rows.ids.padded(batch)
            teacher(ids_BL, mask_BL, rows.second.padded(batch)[0])

    return _cpu(work) / len(first)


@torch.no_grad()
def _text_seconds(student: Student, data: PairData) -> float:
    places = np.unique(data.test.first_N)[:_ENCODED]
    tokens: Ragged = data.tokens.at(places)

    def work() -> None:
        for batch in tokens.batches():
            student(*tokens.padded(batch))

    return _cpu(work) / len(places)


def _cpu(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return max(time.process_time() - begun, 1e-9)


def _value(dataset: str, metric: str, unit: str, value: float) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit=unit, value=value, n=1)

"""How long it takes to score N x M pairs: one cross-encoder pass each, or a head on stored vectors.

Times are CPU seconds of one thread, all in float32. The head's are measured at every size. The
cross-encoder scores 10,000 real pairs, and its time is noted after 1,000, 4,000 and 10,000 of them:
it does not depend on how pairs are shared out between queries and candidates. Above 10,000 pairs it
is the time per pair, multiplied, and called extrapolated. So is the encoding, from 1,000 texts.

Legend: N queries, M candidates, P width of a vector.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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

#: Numbers of pairs that a cross-encoder really scores.
MEASURED = (1_000, 4_000, 10_000)
#: Sizes at which the head is measured; the last repeats a block of 10^5 candidates.
SIZES = ((1, 1_000), (20, 200), (1, 10_000), (200, 2_000), (1, 100_000), (1, 1_000_000))
_QUERIES, _CANDIDATES = 50, 200
_BLOCK = 100_000
_ENCODED = 1_000


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured once.

    Args:
        pairs_s: Seconds of the cross-encoder for some numbers of pairs.
        text_s: Seconds of the student for one text.

    Example:
        >>> speed = Speed({1000: 6.0, 4000: 24.0}, 0.003)
        >>> speed.cross_encoder(4000), speed.cross_encoder(10**6)
        (('measured', 24.0), ('extrapolated', 6000.0))
    """

    pairs_s: Mapping[int, float]
    text_s: float

    def cross_encoder(self, pairs: int) -> tuple[str, float]:
        """Return how a time is known, and the seconds for so many pairs."""
        if pairs in self.pairs_s:
            return "measured", self.pairs_s[pairs]
        most = max(self.pairs_s)
        return "extrapolated", pairs * self.pairs_s[most] / most


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
    sizes = SIZES[:2] if recipe.world == "grammar" else SIZES
    wanted = [size for size in MEASURED if size in {n * m for n, m in sizes}]
    speed = Speed(_pair_seconds(teacher, data, wanted), _text_seconds(student, data))
    found = [
        _value("one pair", "cross-encoder", "ms", 1000 * speed.cross_encoder(1)[1]),
        _value("one text", "encoding", "ms", 1000 * speed.text_s),
    ]
    for n, m in sizes:
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
    known, cross = speed.cross_encoder(n * m)
    whole = scored + (n + m) * speed.text_s
    name = f"{n:,} x {m:,}"
    return [
        _value(name, f"cross-encoder, {known}", "s", cross),
        _value(name, "head on stored vectors", "s", scored),
        _value(name, "encoding (extrapolated) and head", "s", whole),
        _value(name, "speed-up, vectors stored", "ratio of times", cross / scored),
        _value(name, "speed-up, encoding included", "ratio of times", cross / whole),
    ]


def _score(head: Head, u_NP: torch.Tensor, v_MP: torch.Tensor, blocks: int) -> None:
    for _ in range(blocks):
        for row_P in u_NP:  # Only one query's scores are in memory at a time.
            head.score_matrix(row_P[None], v_MP)


@torch.no_grad()
def _pair_seconds(teacher: nn.Module, data: PairData, wanted: Sequence[int]) -> dict[int, float]:
    """Return the seconds after so many pairs of texts from the test pairs."""
    rng = np.random.default_rng(0)
    first = rng.permutation(np.resize(np.unique(data.test.first_N)[:_QUERIES], wanted[-1]))
    second = np.resize(np.unique(data.test.second_N)[:_CANDIDATES], wanted[-1])
    rows = JoinedPairs.of(data.tokens, first, second)
    spent, seconds = 0.0, {}
    for begin, end in zip([0, *wanted], wanted, strict=False):
        part = rows.at(np.arange(begin, end))
        spent += _cpu(partial(_score_jointly, teacher, part))
        seconds[end] = spent
    return seconds


def _score_jointly(teacher: nn.Module, rows: JoinedPairs) -> None:
    for batch in rows.ids.batches():
        ids_BL, mask_BL = rows.ids.padded(batch)
        teacher(ids_BL, mask_BL, rows.second.padded(batch)[0])


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

"""The part of the experiment on the small decoder: copying and knowing by heart, with ground truth.

Legend: B documents, L symbols, V symbols of an answer, R random controls, N layers, H heads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.correlation import pearson, spearman
from broadsheet.systems.contract import Observation
from broadsheet.systems.reading.retrieval_heads.ablation import Head, switched_off
from broadsheet.systems.reading.retrieval_heads.heads import (
    ScoreTable,
    matched_controls,
    ranked_heads,
)
from broadsheet.systems.reading.retrieval_heads.measuring import COUNTS_ABOVE
from broadsheet.systems.reading.retrieval_heads.model import RetrievalScorer, Span
from broadsheet.systems.reading.retrieval_heads.recipe import WorldSettings
from broadsheet.systems.reading.retrieval_heads.taps import shape_of
from broadsheet.systems.reading.retrieval_heads.world import Questions, World
from broadsheet.systems.reading.retrieval_heads.writing import write

Floats = npt.NDArray[np.float64]

_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Tests:
    """Documents of one seed: to find heads on, and to try masks on.

    Args:
        world: Where they come from.
        detection: Open questions.
        test: Other open questions.
        closed: Closed questions.
        detection_long: Open questions in texts `factor` times as long.
        test_long: Others of them.
    """

    world: World
    detection: Questions
    test: Questions
    closed: Questions
    detection_long: Questions
    test_long: Questions


def make_tests(world: World, settings: WorldSettings, seeds: SeedTree) -> Tests:
    """Return all documents of one seed."""

    def draw(name: str, count: int, factor: int = 1, *, closed: bool = False) -> Questions:
        return world.questions(
            seeds.child(name),
            count=count,
            length=settings.length * factor + 2,
            facts=settings.facts,
            closed=closed,
        )

    return Tests(
        world=world,
        detection=draw("detection", settings.detection),
        test=draw("test", settings.documents),
        closed=draw("closed", settings.documents, closed=True),
        detection_long=draw("detection-long", settings.detection, settings.factor),
        test_long=draw("test-long", settings.documents, settings.factor),
    )


def score_heads(model: Any, questions: Questions) -> tuple[ScoreTable, Floats]:
    """Return the scores of all heads, and the share of each answer that was right.

    A document counts if more than half of its answer was right.
    """
    tables, right = [], []
    answer = questions.answers_BV.shape[1]
    for begin in range(0, len(questions.prompts_BL), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        prompts = questions.prompts_BL[rows]
        scorers = [
            RetrievalScorer(prompt.tolist(), Span(int(start), int(start) + answer))
            for prompt, start in zip(prompts, questions.starts_B[rows], strict=True)
        ]

        def on_step(
            tokens: list[int | None], strongest_BNH: Tensor, scorers: Any = scorers
        ) -> None:
            for scorer, token, strongest_NH in zip(scorers, tokens, strongest_BNH, strict=True):
                scorer.step(token, strongest_NH)

        written = write(model, torch.from_numpy(prompts), limit=answer, on_step=on_step)
        share_B = np.mean(np.array(written) == questions.answers_BV[rows], axis=1)
        right.append(share_B)
        kept = [s for s, share in zip(scorers, share_B, strict=True) if share > COUNTS_ABOVE]
        tables += [scorer.scores().by_tokens_NH for scorer in kept]
    scores_TNH = np.stack(tables) if tables else np.zeros((0, *shape_of(model)))
    return ScoreTable(scores_TNH, len(questions.prompts_BL)), np.concatenate(right)


def right_without(model: Any, questions: Questions, heads: Collection[Head] = ()) -> Floats:
    """Return the share of each answer that is right with some heads switched off (zero output)."""
    found = []
    answer = questions.answers_BV.shape[1]
    for begin in range(0, len(questions.prompts_BL), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        prompts_BL = torch.from_numpy(questions.prompts_BL[rows])
        with switched_off(model, [tuple(heads)] if heads else None, "zero_output", None):
            written = write(model, prompts_BL, limit=answer)
        found.append(np.mean(np.array(written) == questions.answers_BV[rows], axis=1))
    return np.concatenate(found)


def observe(
    model: Any, longer: Any, tests: Tests, settings: WorldSettings, seeds: SeedTree
) -> Iterable[Observation]:
    """Find the heads, switch them and others off, and look again in the extended model."""
    table, found_B = score_heads(model, tests.detection)
    mean_NH = table.mean
    yield from _of_detection("detection", table, found_B)
    yield _accuracy("copy", "accuracy", right_without(model, tests.test))
    yield _accuracy("closed-book", "accuracy", right_without(model, tests.closed))
    ranked = ranked_heads(mean_NH)
    for k in settings.top:
        top = ranked[:k]
        for dataset, questions in (("copy", tests.test), ("closed-book", tests.closed)):
            yield _accuracy(dataset, f"accuracy@top{k}", right_without(model, questions, top))
        drawn = [
            matched_controls(mean_NH, top, seeds.child("control", k, n).numpy())
            for n in range(settings.draws)
        ]
        values_RB = np.stack([right_without(model, tests.test, heads) for heads in drawn])
        yield _accuracy("copy", f"accuracy@random{k}", values_RB.mean(axis=0))
    yield from _extension(model, longer, tests, mean_NH)


def _extension(model: Any, longer: Any, tests: Tests, mean_NH: Floats) -> Iterable[Observation]:
    table, found_B = score_heads(longer, tests.detection_long)
    yield from _of_detection("detection-long", table, found_B)
    yield _accuracy("copy-long", "accuracy", right_without(longer, tests.test_long))
    yield _accuracy("copy", "accuracy of the extended", right_without(longer, tests.test))
    pair = np.ravel(mean_NH), np.ravel(table.mean)
    for name, value in (("spearman", spearman(*pair)), ("pearson", pearson(*pair))):
        yield Observation(
            dataset="extension", metric=name, unit="correlation", value=value, n=mean_NH.size
        )


def _of_detection(dataset: str, table: ScoreTable, right_B: Floats) -> Iterable[Observation]:
    mean_NH = table.mean
    yield Observation(
        dataset=dataset,
        metric="heads",
        unit="score",
        value=float(mean_NH.mean()),
        n=mean_NH.size,
        items={"mean": mean_NH.ravel(), "active": table.activation.ravel()},
    )
    numbers = {
        "accuracy": ("x100", 100.0 * float(right_B.mean())),
        "counted": ("trials", float(table.counted)),
        "share >= 0.1": ("x100", 100.0 * table.share(0.1)),
        "share >= 0.5": ("x100", 100.0 * table.share(0.5)),
    }
    for metric, (unit, value) in numbers.items():
        yield Observation(dataset=dataset, metric=metric, unit=unit, value=value, n=len(right_B))


def _accuracy(dataset: str, metric: str, right_B: Floats) -> Observation:
    return Observation(
        dataset=dataset,
        metric=metric,
        unit="x100",
        value=100.0 * float(right_B.mean()),
        n=len(right_B),
        items={"score": right_B},
    )

"""Measuring a language model: which heads copy needles, and what is left without some of them.

Legend: B rows, T trials, N layers, H heads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from broadsheet.core.progress import Progress, Silent
from broadsheet.systems.reading.retrieval_heads.ablation import Head, Mode, switched_off
from broadsheet.systems.reading.retrieval_heads.heads import ScoreTable
from broadsheet.systems.reading.retrieval_heads.lm import LanguageModel
from broadsheet.systems.reading.retrieval_heads.model import RetrievalScorer
from broadsheet.systems.reading.retrieval_heads.needle import Trial, recall
from broadsheet.systems.reading.retrieval_heads.taps import shape_of
from broadsheet.systems.reading.retrieval_heads.writing import write

Floats = npt.NDArray[np.float64]

#: A trial counts when more than this share of the answer's words was written.
COUNTS_ABOVE = 0.5
#: Tokens that may be written beyond the answer, and the most in all (the official code's number).
_MORE, _MOST = 6, 50
#: Tokens of prompts that go through the model at once.
_AT_ONCE = 24_000


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What a set of prompts says of a model's heads.

    Args:
        by_tokens: Scores as the paper defines them, over the trials that counted.
        by_steps: Scores as the official code counts them.
        recalls_T: Recall of every trial, counted or not.
        counts_T: Which trials counted.
    """

    by_tokens: ScoreTable
    by_steps: ScoreTable
    recalls_T: Floats
    counts_T: npt.NDArray[np.bool_]


def detect(
    lm: LanguageModel,
    trials: Sequence[Trial],
    *,
    counts_above: float = COUNTS_ABOVE,
    progress: Progress | None = None,
) -> Detection:
    """Let a model answer every prompt and score its heads while it does.

    Args:
        lm: The model.
        trials: Prompts.
        counts_above: A trial counts if its recall is above this; -1 counts all.
        progress: Where it is shown.
    """
    advance = (progress or Silent()).start("asking for needles", len(trials), "prompts")
    tokens, steps, recalls, counts = [], [], [], []
    for trial in trials:
        scorer = RetrievalScorer(trial.prompt, trial.span)

        def on_step(
            written: list[int | None], strongest: Tensor, scorer: RetrievalScorer = scorer
        ) -> None:
            if written[0] is not None:
                scorer.step(written[0], strongest[0])

        answer = write(
            lm.model,
            torch.tensor([trial.prompt], device=lm.model.device),
            limit=limit_of(trial),
            stops=lm.tokenizer.stops,
            on_step=on_step,
        )[0]
        recalls.append(recall(lm.tokenizer.decode(answer), trial.answer))
        counts.append(bool(answer) and recalls[-1] > counts_above)
        if counts[-1]:
            found = scorer.scores()
            tokens.append(found.by_tokens_NH)
            steps.append(found.by_steps_NH)
        advance(1)
    shape = shape_of(lm.model)
    return Detection(
        by_tokens=ScoreTable(_stacked(tokens, shape), len(trials)),
        by_steps=ScoreTable(_stacked(steps, shape), len(trials)),
        recalls_T=np.array(recalls),
        counts_T=np.array(counts, bool),
    )


def answers_without(
    lm: LanguageModel,
    trial: Trial,
    sets: Sequence[Collection[Head]],
    *,
    mode: Mode = "zero_output",
    means_NHK: Tensor | None = None,
) -> list[str]:
    """Return what a model answers to one prompt with each set of heads switched off.

    All sets are tried in one batch (in several, when the prompt is long).
    """
    size = max(1, _AT_ONCE // len(trial.prompt))
    answers: list[str] = []
    for begin in range(0, len(sets), size):
        rows = list(sets[begin : begin + size])
        prompt_1L = torch.tensor([trial.prompt], device=lm.model.device)
        with switched_off(lm.model, rows, mode, means_NHK):
            written = write(
                lm.model,
                prompt_1L.expand(len(rows), -1),
                limit=limit_of(trial),
                stops=lm.tokenizer.stops,
            )
        answers += [lm.tokenizer.decode(one) for one in written]
    return answers


def recalls_without(
    lm: LanguageModel,
    trial: Trial,
    sets: Sequence[Collection[Head]],
    *,
    mode: Mode = "zero_output",
    means_NHK: Tensor | None = None,
) -> list[float]:
    """Return the recall of one prompt with each set of heads switched off."""
    answers = answers_without(lm, trial, sets, mode=mode, means_NHK=means_NHK)
    return [recall(answer, trial.answer) for answer in answers]


def limit_of(trial: Trial) -> int:
    """Return how many tokens an answer may have."""
    return min(_MOST, len(trial.span) + _MORE)


def _stacked(scores: list[Floats], shape: tuple[int, int]) -> Floats:
    return np.stack(scores) if scores else np.zeros((0, *shape))

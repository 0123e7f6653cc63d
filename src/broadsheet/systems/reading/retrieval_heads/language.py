"""The part of the experiment on a ready-made language model: its prompts and what is observed.

Legend: T trials of the detection, I documents of the test, R random controls, N layers, H heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from broadsheet.core.errors import UsageError
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.data.papers import read_acl
from broadsheet.data.sentences import split_sentences
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.reading.retrieval_heads.ablation import Head, Mode, mean_outputs
from broadsheet.systems.reading.retrieval_heads.heads import matched_controls, ranked_heads
from broadsheet.systems.reading.retrieval_heads.invented import make_haystack, make_needles
from broadsheet.systems.reading.retrieval_heads.lm import LanguageModel, PromptTokenizer
from broadsheet.systems.reading.retrieval_heads.measuring import (
    Detection,
    detect,
    recalls_without,
)
from broadsheet.systems.reading.retrieval_heads.needle import NeedleTask, Trial
from broadsheet.systems.reading.retrieval_heads.recipe import NeedleSettings

#: Abstracts of each half of the haystack, and sentences of an invented one.
_ABSTRACTS, _SENTENCES = 500, 1500
#: Batches of this many tokens give the heads' mean outputs.
_MEAN_TOKENS, _MEAN_BATCHES = 256, 4

#: Other ways to switch heads off, and what measurements call them.
_OTHER_WAYS: tuple[tuple[Mode, str], ...] = (
    ("uniform_attention", "uniform"),
    ("mean_output", "mean"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Two halves of a haystack that share no text: to find heads on, and to try masks on."""

    detection: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """The prompts of one seed."""

    detection: tuple[Trial, ...]
    test: tuple[Trial, ...]
    seeds: SeedTree


def read_texts(settings: NeedleSettings, seeds: SeedTree, workspace: Workspace) -> Texts:
    """Return the two halves.

    Raises:
        UsageError: The folder of data sets is not known.
        BadInput: The abstracts can't be read.
    """
    if settings.haystack == "invented":
        return Texts(
            make_haystack(seeds.child("detection"), _SENTENCES),
            make_haystack(seeds.child("test"), _SENTENCES),
        )
    if workspace.inputs is None:
        raise UsageError(
            "the haystack is made of abstracts", hint="--data FOLDER, or BROADSHEET_DATA=FOLDER"
        )
    papers = read_acl(Path(workspace.inputs) / "acl-anthology")
    chosen = seeds.child("abstracts").numpy().permutation(len(papers))
    parts = (chosen[:_ABSTRACTS], chosen[_ABSTRACTS : 2 * _ABSTRACTS])
    halves = [
        tuple(
            " ".join(one.text.split())
            for number in part
            for one in split_sentences(papers[int(number)].abstract)
        )
        for part in parts
    ]
    return Texts(*halves)


def make_prompts(
    tokenizer: PromptTokenizer, texts: Texts, settings: NeedleSettings, seeds: SeedTree
) -> Prompts:
    """Return the prompts of one seed; no needle occurs twice."""
    cells = len(settings.lengths) * len(settings.depths)
    documents = len(settings.test_lengths)
    needles = make_needles(seeds.child("needles"), cells + documents)
    detection = NeedleTask(tokenizer, texts.detection).grid(
        needles[:cells], lengths=settings.lengths, depths=settings.depths
    )
    rng = seeds.child("places").numpy()
    depths = (rng.permutation(documents) + 0.5) / documents
    task = NeedleTask(tokenizer, texts.test)
    step = len(texts.test) // documents
    test = tuple(
        task.trial(needles[cells + n], length=length, depth=float(depths[n]), begin=n * step)
        for n, length in enumerate(settings.test_lengths)
    )
    return Prompts(detection, test, seeds)


def observe(
    lm: LanguageModel,
    prompts: Prompts,
    settings: NeedleSettings,
    progress: Progress,
    *,
    counts_above: float,
) -> Iterable[Observation]:
    """Find the heads, then switch them and others off; yield every number."""
    found = detect(lm, prompts.detection, counts_above=counts_above, progress=progress)
    yield from _of_detection(found, prompts)
    mean_NH = found.by_tokens.mean
    top = ranked_heads(mean_NH)
    sets: dict[str, list[tuple[Head, ...]]] = {"recall": [()]}
    for k in settings.top:
        sets[f"recall@top{k}"] = [top[:k]]
        draws = settings.draws if k == settings.headline else settings.few_draws
        sets[f"recall@random{k}"] = [
            matched_controls(mean_NH, top[:k], prompts.seeds.child("control", k, n).numpy())
            for n in range(draws)
        ]
    rows = _tried(lm, prompts.test, sets, progress)
    for name, values_IR in rows.items():
        yield _recall(name, values_IR, prompts.test)
    strongest = top[: settings.headline]
    controls = sets[f"recall@random{settings.headline}"][: settings.few_draws]
    batches = _mean_batches(lm, prompts)
    means_NHK = mean_outputs(lm.model, batches)
    for mode, word in _OTHER_WAYS:
        for name, rows_of in (("top", [strongest]), ("random", controls)):
            values = [
                recalls_without(lm, trial, rows_of, mode=mode, means_NHK=means_NHK)
                for trial in prompts.test
            ]
            metric = f"recall@{name}{settings.headline}-{word}"
            yield _recall(metric, np.array(values), prompts.test)


def _tried(
    lm: LanguageModel,
    trials: Sequence[Trial],
    sets: dict[str, list[tuple[Head, ...]]],
    progress: Progress,
) -> dict[str, Any]:
    flat = [one for group in sets.values() for one in group]
    advance = progress.start("switching heads off", len(trials), "prompts")
    rows = []
    for trial in trials:
        rows.append(recalls_without(lm, trial, flat))
        advance(1)
    values_IX = np.array(rows)
    ends = np.cumsum([len(group) for group in sets.values()])
    parts = np.split(values_IX, ends[:-1], axis=1)
    return dict(zip(sets, parts, strict=True))


def _of_detection(found: Detection, prompts: Prompts) -> Iterable[Observation]:
    table = found.by_tokens
    trials = len(prompts.detection)
    scores_TX = np.zeros((trials, table.mean.size), np.float32)
    scores_TX[found.counts_T] = table.scores_TNH.reshape(table.counted, -1)
    items = {
        "score": found.recalls_T,
        "length": np.array([trial.length for trial in prompts.detection]),
        "depth": np.array([trial.depth for trial in prompts.detection]),
        "counted": found.counts_T.astype(np.int8),
        "heads": scores_TX,
    }
    numbers = {
        "recall": ("x100", 100.0 * float(found.recalls_T.mean())),
        "counted": ("trials", float(table.counted)),
        "share >= 0.1": ("x100", 100.0 * table.share(0.1)),
        "share >= 0.5": ("x100", 100.0 * table.share(0.5)),
        "share >= 0.1 by steps": ("x100", 100.0 * found.by_steps.share(0.1)),
        "share of 0": ("x100", 100.0 * float(np.mean(table.mean == 0.0))),
        "always active": ("heads", float(np.sum(table.activation == 1.0))),
    }
    for metric, (unit, value) in numbers.items():
        yield Observation(
            dataset="detection",
            metric=metric,
            unit=unit,
            value=value,
            n=trials,
            items=items if metric == "recall" else {},
        )


def _recall(name: str, values_IR: Any, trials: Sequence[Trial]) -> Observation:
    score_I = np.asarray(values_IR).mean(axis=1)
    return Observation(
        dataset="needles",
        metric=name,
        unit="x100",
        value=100.0 * float(score_I.mean()),
        n=len(trials),
        items={
            "score": score_I,
            "draws": np.asarray(values_IR, np.float32),
            "length": np.array([trial.length for trial in trials]),
            "depth": np.array([trial.depth for trial in trials]),
        },
    )


def _mean_batches(lm: LanguageModel, prompts: Prompts) -> list[torch.Tensor]:
    """Return text of the detection's prompts, which masks are not tried on."""
    return [
        torch.tensor([trial.prompt[:_MEAN_TOKENS]], device=lm.model.device)
        for trial in prompts.detection[:_MEAN_BATCHES]
    ]

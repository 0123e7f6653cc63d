"""One model, probed: the needle grid, the heads that copy, and what is lost without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.progress import Progress, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.sentences import split_sentences
from broadsheet.metrics.bootstrap import two_level_bootstrap
from broadsheet.metrics.resampling import mean_of
from broadsheet.systems.reading.retrieval_heads.heads import (
    THRESHOLD,
    ScoreTable,
    matched_controls,
    ranked_heads,
)
from broadsheet.systems.reading.retrieval_heads.invented import make_haystack, make_needles
from broadsheet.systems.reading.retrieval_heads.lm import (
    DtypeName,
    LanguageModel,
    load_language_model,
)
from broadsheet.systems.reading.retrieval_heads.measuring import detect, recalls_without
from broadsheet.systems.reading.retrieval_heads.needle import (
    Needle,
    NeedleTask,
    Trial,
    read_needles,
)
from broadsheet.systems.reading.retrieval_heads.store import write_scores

Floats = npt.NDArray[np.float64]

_SENTENCES = 2_000
_MAX_TEXT = 50 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOrder:
    """What to probe, and how thoroughly.

    Args:
        model: See `lm.load_language_model`.
        context_min: Tokens of the shortest context.
        context_max: Tokens of the longest.
        lengths: Context lengths between the two, evenly spaced.
        depths: Depths from 0 to 1, evenly spaced.
        needles: JSON lines with needles, or None for invented ones.
        haystack: A text file, or None for an invented text.
        mask_top: Heads that are switched off together.
        draws: Random sets of as many other heads.
        documents: Fresh prompts that the masks are tried on.
        dtype: Of the weights.
        device: Where it runs.
        seed: Of everything that is drawn.

    Raises:
        UsageError: A number makes no sense.
    """

    model: str
    context_min: int = 250
    context_max: int = 1000
    lengths: int = 3
    depths: int = 4
    needles: Path | None = None
    haystack: Path | None = None
    mask_top: int = 5
    draws: int = 3
    documents: int = 8
    dtype: DtypeName = "float32"
    device: str = "cpu"
    seed: int = 1

    def __post_init__(self) -> None:
        counts = (self.lengths, self.depths, self.mask_top, self.draws, self.documents)
        if min(counts) < 1 or not 0 < self.context_min <= self.context_max:
            raise UsageError("a probe needs at least one of everything", received=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe found; plain numbers.

    Args:
        model: The model.
        layers: Its layers.
        heads: Query heads of a layer.
        trials: Prompts of the grid.
        counted: Those in which the needle was found.
        share: Share of heads with a mean score of at least 0.1.
        share_interval: Its interval over trials; None when fewer than two trials counted.
        always: Heads that copied in every counted trial.
        strongest: The strongest heads: "layer-head" and mean score.
        recall: Mean recall by context length and depth: rows of (length, depth, recall).
        whole: Mean recall on the fresh prompts with all heads.
        without_top: With the strongest switched off.
        without_random: With random other heads of the same layers switched off.
        difference_interval: Interval of without_random - without_top over prompts.
    """

    model: str
    layers: int
    heads: int
    trials: int
    counted: int
    share: float
    share_interval: tuple[float, float] | None
    always: int
    strongest: tuple[tuple[str, float], ...]
    recall: tuple[tuple[int, float, float], ...]
    whole: float
    without_top: float
    without_random: float
    difference_interval: tuple[float, float]


def probe(
    order: ProbeOrder, *, scores: Path | None = None, progress: Progress | None = None
) -> ProbeResult:
    """Probe a model; also write its scores in the published format when a path is given.

    Raises:
        NotFound: There is no such model.
        BadInput: The model, needles or haystack can't be used.
    """
    progress = progress or Silent()
    seeds = SeedTree(order.seed)
    lm = load_language_model(order.model, dtype=order.dtype, device=order.device, progress=progress)
    return probe_loaded(lm, order, seeds, scores=scores, progress=progress)


def probe_loaded(
    lm: LanguageModel,
    order: ProbeOrder,
    seeds: SeedTree,
    *,
    scores: Path | None = None,
    progress: Progress | None = None,
) -> ProbeResult:
    """Probe a model that is loaded already, see `probe`."""
    task = NeedleTask(lm.tokenizer, _haystack(order, seeds))
    lengths = _spaced(order.context_min, order.context_max, order.lengths)
    depths = [round(float(d), 3) for d in np.linspace(0.0, 1.0, order.depths)]
    cells = order.lengths * order.depths
    needles = _needles(order, seeds, cells + order.documents)
    trials = task.grid(needles, lengths=lengths, depths=depths)
    found = detect(lm, trials, progress=progress)
    if scores is not None:
        write_scores(scores, found.by_tokens)
    fresh = [
        task.trial(
            needles[(cells + number) % len(needles)],
            length=lengths[number % len(lengths)],
            depth=(number + 0.5) / order.documents,
            begin=_SENTENCES // 2 + 31 * number,
        )
        for number in range(order.documents)
    ]
    table = found.by_tokens
    whole, top, random = _masked(lm, order, table, fresh, seeds, progress or Silent())
    difference = two_level_bootstrap(
        [{"score": random}],
        [{"score": top}],
        statistic=mean_of("score"),
        rng=seeds.child("difference").numpy(),
    )
    layers, heads = table.mean.shape
    return ProbeResult(
        model=order.model,
        layers=layers,
        heads=heads,
        trials=table.trials,
        counted=table.counted,
        share=table.share(),
        share_interval=_share_interval(table, seeds),
        always=int(np.sum(table.activation == 1.0)) if table.counted else 0,
        strongest=strongest(table, 10),
        recall=tuple(
            (trial.length, trial.depth, round(float(value), 3))
            for trial, value in zip(trials, found.recalls_T, strict=True)
        ),
        whole=float(whole.mean()),
        without_top=float(top.mean()),
        without_random=float(random.mean()),
        difference_interval=(difference.low, difference.high),
    )


def strongest(table: ScoreTable, count: int) -> tuple[tuple[str, float], ...]:
    """Return the strongest heads as "layer-head" with their mean scores, zeros left out."""
    mean_NH = table.mean
    return tuple(
        (f"{layer}-{head}", round(float(mean_NH[layer, head]), 3))
        for layer, head in ranked_heads(mean_NH)[:count]
        if mean_NH[layer, head] > 0
    )


def _masked(
    lm: LanguageModel,
    order: ProbeOrder,
    table: ScoreTable,
    fresh: Sequence[Trial],
    seeds: SeedTree,
    progress: Progress,
) -> tuple[Floats, Floats, Floats]:
    top = ranked_heads(table.mean)[: order.mask_top]
    sets: list[tuple[tuple[int, int], ...]] = [(), top]
    for number in range(order.draws):
        rng = seeds.child("control", number).numpy()
        sets.append(matched_controls(table.mean, top, rng, threshold=THRESHOLD))
    advance = progress.start("switching heads off", len(fresh), "prompts")
    rows = []
    for trial in fresh:
        rows.append(recalls_without(lm, trial, sets))
        advance(1)
    recalls = np.array(rows)
    return recalls[:, 0], recalls[:, 1], recalls[:, 2:].mean(axis=1)


def _share_interval(table: ScoreTable, seeds: SeedTree) -> tuple[float, float] | None:
    if table.counted < 2:
        return None
    interval = table.share_interval(seeds.child("share").numpy())
    return interval.low, interval.high


def _spaced(low: int, high: int, count: int) -> list[int]:
    return [round(float(value)) for value in np.linspace(low, high, count)]


def _needles(order: ProbeOrder, seeds: SeedTree, count: int) -> Sequence[Needle]:
    return (
        read_needles(order.needles)
        if order.needles
        else make_needles(seeds.child("needles"), count)
    )


def _haystack(order: ProbeOrder, seeds: SeedTree) -> Sequence[str]:
    if order.haystack is None:
        return make_haystack(seeds.child("haystack"), _SENTENCES)
    try:
        if order.haystack.stat().st_size > _MAX_TEXT:
            raise BadInput("the haystack is larger than 50 MB", received=order.haystack)
        text = order.haystack.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the haystack can't be read ({error})", received=order.haystack) from None
    return [" ".join(one.text.split()) for one in split_sentences(text)]

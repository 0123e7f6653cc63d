"""From runs to verdicts, measurements and maps of heads.

Legend: S seeds, I documents, T trials, X heads of a model, K resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.card import read_card
from broadsheet.core.report import Cost, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import (
    Interval,
    combined,
    difference,
    plain_numbers,
    ratio,
    resample,
)
from broadsheet.metrics.resampling import Items, mean_of, resample_counts
from broadsheet.metrics.significance import wilcoxon
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.reading.retrieval_heads.drawing import figures
from broadsheet.systems.reading.retrieval_heads.heads import THRESHOLD, agreement
from broadsheet.systems.reading.retrieval_heads.reasons import REASONS
from broadsheet.systems.reading.retrieval_heads.recipe import NeedleSettings, Recipe

SLUG = "retrieval_heads"
DRAWS = 10_000
Floats = npt.NDArray[np.float64]

#: Numbers of the published scores that are worth a row.
_OF_PUBLISHED = ("share >= 0.1", "always active", "pearson")


class Results:
    """All observations of a preset, by arm and seed.

    Args:
        preset: What was run.
        runs: Its runs.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.recipes: dict[str, Recipe] = {recipe.arm: recipe for recipe in preset.arms}
        place = {seed: number for number, seed in enumerate(preset.seeds)}
        self._runs: dict[str, list[Run]] = {
            arm: sorted((r for r in runs if r.arm == arm), key=lambda r: place[r.seed])
            for arm in self.recipes
        }

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._runs[arm]]

    def names(self, arm: str) -> list[tuple[str, str]]:
        """Return data sets and metrics of an arm."""
        return [(one.dataset, one.metric) for one in self._runs[arm][0].observations]

    def pooled(self, arm: str, dataset: str, metric: str, item: str = "score") -> Floats:
        """Return an item of all seeds, one after the other: their documents are all different."""
        found = self.observed(arm, dataset, metric)
        return np.concatenate([np.asarray(one.items[item], np.float64) for one in found])

    @property
    def needles(self) -> NeedleSettings:
        """Return the prompts of the language model."""
        found = self.recipes["lm"].needles
        assert found is not None  # noqa: S101 - every preset's language model has prompts
        return found

    @property
    def most(self) -> int:
        """Return how many heads of the small decoder are switched off at most."""
        return self.recipes["world"].world.top[-1]


def make_report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and collect the numbers and figures worth showing."""
    results = Results(preset, runs)
    card = read_card(Path(__file__).with_name("card.toml"))
    published = preset.needs and "published" in results.recipes
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=EFFECTS[claim.id](results),
            # Written for the published runs, not for the smoke ones.
            reason=REASONS.get(claim.id, "") if published else "",
        )
        for claim in card.claims
    ]
    return Report(
        slug=SLUG,
        preset="",
        seeds=preset.seeds,
        pilot_seed=preset.pilot_seed,
        claims=judge_claims(findings),
        measurements=tuple(measurements(results)),
        cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        figures=tuple(figures(results)),
        notes=tuple(notes(results)),
    )


def measurements(results: Results) -> Iterable[Measurement]:
    """Yield the numbers of every arm; of the published scores only what claims speak of."""
    for arm, recipe in results.recipes.items():
        for dataset, metric in results.names(arm):
            told = recipe.kind != "published" or metric.startswith(_OF_PUBLISHED)
            if metric == "heads" or not told:
                continue
            observed = results.observed(arm, dataset, metric)
            yield Measurement(
                arm=arm,
                dataset=dataset,
                metric=metric,
                unit=observed[0].unit,
                values=tuple(round(one.value, 3) for one in observed),
                n=observed[0].n,
            )


def notes(results: Results) -> Iterable[str]:
    """Yield the paired test over documents, and how alike the seeds' heads are."""
    k = results.needles.headline
    top = results.pooled("lm", "needles", f"recall@top{k}")
    random = results.pooled("lm", "needles", f"recall@random{k}")
    test = wilcoxon(random, top)
    yield (
        f"lm: recall with {k} random heads off against the {k} strongest off, Wilcoxon's signed"
        f" ranks over {len(top)} documents ({test.n} differ): p = {test.p:.2g}."
    )
    shape = results.recipes["lm"].shape
    means = [
        (np.asarray(one.items["heads"]).sum(axis=0) / max(1, int(one.items["counted"].sum())))
        .reshape(shape.layers, shape.heads)
        .astype(np.float64)
        for one in results.observed("lm", "detection", "recall")
    ]
    pairs = [agreement(a, b, k=k) for n, a in enumerate(means) for b in means[:n]]
    yield (
        f"lm: heads found with one seed's prompts against another's: Pearson's r at least"
        f" {min(pair.pearson for pair in pairs):.3f}, the {k} strongest the same to"
        f" {100 * np.mean([pair.overlap for pair in pairs]):.0f} %."
    )
    counted = results.pooled("lm", "detection", "recall", "counted")
    yield (
        f"lm: {int(counted.sum())} of {len(counted)} prompts counted for the scores (recall above"
        " 0.5); the others say nothing of the heads."
    )


def _rng(*names: str) -> np.random.Generator:
    return SeedTree(0).child(SLUG, *names).numpy()


def _recall_gap(results: Results, first: str, second: str, name: str) -> Interval:
    """Return the mean difference over the documents of all seeds, in points.

    The model is frozen and every seed has documents of its own, so documents are all there is to
    resample.
    """
    runs: list[Items] = [
        {"score": results.pooled("lm", "needles", metric)} for metric in (first, second)
    ]
    found = resample(runs, mean_of("score"), rng=_rng(name), draws=DRAWS)
    draws_K = np.sort(found.draws[0] - found.draws[1])
    observed = float(found.observed[0] - found.observed[1])
    words = f"bootstrap over {found.n} documents, {DRAWS:,} draws"
    return Interval(observed, draws_K, 0.95, words).scaled(100.0)


def _causal(results: Results) -> Interval:
    k = results.needles.headline
    return _recall_gap(results, f"recall@random{k}", f"recall@top{k}", "causal")


def _control(results: Results) -> Interval:
    return _recall_gap(results, "recall", f"recall@random{results.needles.headline}", "control")


def _sparse(results: Results) -> Interval:
    scores_TX, _ = _trials(results)

    def share(weights_TK: Floats) -> Floats:
        means_XK = scores_TX.T @ weights_TK / np.maximum(1.0, weights_TK.sum(axis=0))
        return np.asarray(100.0 * np.mean(means_XK >= THRESHOLD, axis=0))

    return _over_trials(share, len(scores_TX), "sparse")


def _lengths(results: Results) -> Interval:
    scores_TX, length_T = _trials(results)
    middle = np.median(length_T)
    short_T = length_T < middle if (length_T < middle).any() else length_T <= middle

    def correlation(weights_TK: Floats) -> Floats:
        sides = []
        for part_T in (short_T, ~short_T):
            part_TK = weights_TK * part_T[:, None]
            means_XK = scores_TX.T @ part_TK / np.maximum(1.0, part_TK.sum(axis=0))
            sides.append(means_XK - means_XK.mean(axis=0))
        norms_K = np.sqrt((sides[0] ** 2).sum(axis=0) * (sides[1] ** 2).sum(axis=0))
        products_K = (sides[0] * sides[1]).sum(axis=0)
        return np.asarray(np.divide(products_K, norms_K, where=norms_K > 0, out=0 * norms_K))

    return _over_trials(correlation, len(scores_TX), "lengths")


def _trials(results: Results) -> tuple[Floats, Floats]:
    """Return the scores and lengths of the trials that counted, of all seeds."""
    counted = results.pooled("lm", "detection", "recall", "counted") > 0
    scores_TX = results.pooled("lm", "detection", "recall", "heads")
    length_T = results.pooled("lm", "detection", "recall", "length")
    if not counted.any():
        counted = ~counted  # a smoke run: all scores are 0
    return scores_TX[counted], length_T[counted]


def _over_trials(statistic: Callable[[Floats], Floats], trials: int, name: str) -> Interval:
    observed = float(statistic(np.ones((trials, 1)))[0])
    parts = [statistic(counts_TK) for counts_TK in resample_counts(trials, DRAWS, _rng(name))]
    words = f"bootstrap over {trials} prompts, {DRAWS:,} draws"
    return Interval(observed, np.sort(np.concatenate(parts)), 0.95, words)


def _plain(results: Results, dataset: str, metric: str, name: str) -> Interval:
    values = [one.value for one in results.observed("world", dataset, metric)]
    return plain_numbers(values, draws=DRAWS).interval(_rng(name))


def _against(
    results: Results, dataset: str, metrics: tuple[str, str], contrast: Any, name: str
) -> Interval:
    runs = [one.items for metric in metrics for one in results.observed("world", dataset, metric)]
    found = resample(runs, mean_of("score"), rng=_rng(name), draws=DRAWS)
    half = len(runs) // 2
    parts = [
        type(found)(found.observed[side] + _TINY, found.draws[side] + _TINY, found.n)
        for side in (slice(0, half), slice(half, None))
    ]
    return combined(contrast, *parts).interval(_rng(name, "seeds"))


#: Keeps a ratio of two zeros (an untrained smoke run) finite; no trained model comes near it.
_TINY = 1e-9


def _copy_ratio(results: Results, kind: str) -> Interval:
    return _against(
        results, "copy", (f"accuracy@{kind}{results.most}", "accuracy"), ratio, f"copy-{kind}"
    )


def _closed(results: Results) -> Interval:
    metrics = ("accuracy", f"accuracy@top{results.most}")
    return _against(results, "closed-book", metrics, difference, "closed").scaled(100.0)


#: Claim id to what was found of it.
EFFECTS: dict[str, Callable[[Results], Interval]] = {
    "lm-sparse": _sparse,
    "lm-causal": _causal,
    "lm-control": _control,
    "lm-lengths": _lengths,
    "world-sparse": lambda r: _plain(r, "detection", "share >= 0.1", "world-sparse"),
    "world-copy": lambda r: _copy_ratio(r, "top"),
    "world-control": lambda r: _copy_ratio(r, "random"),
    "world-closed": _closed,
    "world-extension": lambda r: _plain(r, "extension", "spearman", "world-extension"),
}

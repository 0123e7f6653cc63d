"""From runs to the report: claims with verdicts, measurements, figures, tests beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broadsheet.core.card import find_card
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import (
    Interval,
    Resampled,
    averaged,
    combined,
    difference,
    plain_numbers,
    resample,
)
from broadsheet.metrics.correlation import spearman
from broadsheet.metrics.resampling import mean_of
from broadsheet.metrics.significance import holm, paired_permutation
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.retrieval.brewing_beir.expected import METRICS, published
from broadsheet.systems.retrieval.brewing_beir.recipe import OURS, PUBLIC, TRAINED_SETS

SLUG = "brewing_beir"
_DRAWS = 10_000
_NDCG = "ndcg@10"
_FLAT, _MULTI, _DENSE, _FUSED = "bm25_flat", "bm25_multifield", "minilm", "minmax"
#: Comparisons that are tested on every set that both rows were measured on.
_TESTED = (
    (_MULTI, _FLAT),
    (_DENSE, _FLAT),
    (_FUSED, _FLAT),
    (_FUSED, _DENSE),
    ("splade", _FLAT),
    ("late", _FLAT),
    ("dense", _DENSE),
)


class Table:
    """The runs of a preset by arm, in the order of the seeds.

    Args:
        preset: What was run.
        runs: All of it.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.arms = tuple(recipe.arm for recipe in preset.arms)
        self._by_arm = {
            arm: sorted(
                (run for run in runs if run.arm == arm), key=lambda r: preset.seeds.index(r.seed)
            )
            for arm in self.arms
        }

    def sets(self, arm: str) -> list[str]:
        """Return the sets that an arm was measured on."""
        return list(dict.fromkeys(o.dataset for o in self._by_arm[arm][0].observations))

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._by_arm[arm]]

    def values(self, arm: str, dataset: str, metric: str = _NDCG) -> list[float]:
        """Return one number per seed."""
        return [one.value for one in self.observed(arm, dataset, metric)]

    def resampled(self, arm: str, dataset: str, metric: str = _NDCG) -> Resampled:
        """Resample the queries of a set: the same ones for all arms."""
        items = [one.items for one in self.observed(arm, dataset, metric)]
        return resample(items, mean_of("score"), rng=_rng(dataset), draws=_DRAWS).scaled(100.0)

    def macro(self, arm: str, sets: Sequence[str], metric: str = _NDCG) -> Resampled:
        """Return the mean over sets."""
        return averaged([self.resampled(arm, dataset, metric) for dataset in sets])

    def per_query(self, arm: str, dataset: str) -> np.ndarray:
        """Return nDCG@10 by query, averaged over seeds."""
        rows = [one.items["score"] for one in self.observed(arm, dataset, _NDCG)]
        found: np.ndarray = np.mean(rows, axis=0)
        return found

    def measurements(self) -> tuple[Measurement, ...]:
        """Return everything that was observed, one entry per arm, set and metric."""
        found = []
        for arm in self.arms:
            for one in self._by_arm[arm][0].observations:
                values = self.values(arm, one.dataset, one.metric)
                found.append(
                    Measurement(
                        arm=arm,
                        dataset=one.dataset,
                        metric=one.metric,
                        unit=one.unit,
                        values=tuple(_short(value) for value in values),
                        n=one.n,
                    )
                )
        return tuple(found)


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Table(preset, runs)
    smoke = "made" in table.sets(_FLAT)
    effects = _smoke_effects(table) if smoke else _effects(table)
    nothing = "smoke: shapes only, nothing was learned" if smoke else ""
    claims = find_card(SLUG).claims
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=effects[claim.id],
            reason=nothing or _REASONS.get(claim.id, ""),
        )
        for claim in claims
    ]
    return Report(
        slug=SLUG,
        preset="smoke" if smoke else "laptop",
        seeds=preset.seeds,
        pilot_seed=preset.pilot_seed,
        claims=judge_claims(findings),
        measurements=table.measurements(),
        cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        figures=_figures(table, smoke=smoke),
        notes=() if smoke else (_intervals(table), _tests(table)),
    )


_SAME = "A rerun on the same queries: nothing was drawn, so the interval is the number itself."
_REASONS = {
    "rerun": _SAME,
    "signs": _SAME + " Neither gain differs from 0 in a test over queries (see the notes).",
    "cells": _SAME + " 12 cells of two sets; a rank correlation over all sets was not possible.",
    "splade_above_bm25": "A laptop's model: 40 steps of 24 pairs, where the paper's learned from "
    "MS MARCO and a teacher. It starts without an idf: a common word weighs as much as a rare one.",
    "expansion": "The uniCOIL-style row has only the weights of a text's own words to learn in 40 "
    "steps, and is ahead; neither reaches BM25.",
    "domain": "MiniLM was trained on titles and abstracts of papers before us (its model card "
    "names S2ORC), so little was left to learn.",
}


def _effects(table: Table) -> dict[str, Interval]:
    every = (*PUBLIC, *OURS)
    macro = {arm: table.macro(arm, every) for arm in (_FLAT, _DENSE, _FUSED)}
    better = combined(np.maximum, macro[_FLAT], macro[_DENSE])
    flat = table.macro(_FLAT, TRAINED_SETS)
    splade = table.macro("splade", TRAINED_SETS)
    exact = table.macro("splade", TRAINED_SETS, f"{_NDCG}, float32")
    own = table.resampled(_DENSE, "acl")
    resampled = {
        "fusion": combined(difference, macro[_FUSED], better),
        "eight_bits": combined(difference, splade, exact),
        "splade_above_bm25": combined(difference, splade, flat),
        "expansion": combined(difference, splade, table.macro("unicoil", TRAINED_SETS)),
        "domain": combined(difference, table.resampled("dense", "acl"), own),
    }
    effects = {name: one.interval(_rng(name)) for name, one in resampled.items()}
    seeds = len(table.values(_FLAT, PUBLIC[0]))
    for name, value in _rerun(table).items():
        effects[name] = plain_numbers([value] * seeds, draws=_DRAWS).interval(_rng(name))
    return effects


def _rerun(table: Table) -> dict[str, float]:
    """Return what the rerun of published rows found: deviation, signs, rank correlation."""
    off, ours, theirs = [], [], []
    for dataset in PUBLIC:
        for arm in (_FLAT, _MULTI):
            for metric, value in zip(METRICS, published()[dataset][arm], strict=True):
                found = table.values(arm, dataset, metric)[0]
                ours.append(found)
                theirs.append(value)
                if metric == _NDCG:
                    off.append(abs(found - value))
    gains = [
        table.values(_MULTI, dataset)[0] - table.values(_FLAT, dataset)[0] for dataset in PUBLIC
    ]
    signs = [published()[dataset][_MULTI][0] - published()[dataset][_FLAT][0] for dataset in PUBLIC]
    agreeing = min(gain * np.sign(sign) for gain, sign in zip(gains, signs, strict=True))
    return {
        "rerun": max(off),
        "signs": float(agreeing),
        "cells": spearman(np.array(ours), np.array(theirs)),
    }


def _smoke_effects(table: Table) -> dict[str, Interval]:
    """Return one effect for every claim, so that the way to a report is run."""
    effect = combined(difference, table.resampled("splade", "made"), table.resampled(_FLAT, "made"))
    return {claim.id: effect.interval(_rng(claim.id)) for claim in find_card(SLUG).claims}


def _intervals(table: Table) -> str:
    """Return the intervals of all rows on Cranfield as a sentence."""
    parts = []
    for arm in table.arms:
        one = table.resampled(arm, "cranfield").interval(_rng(f"row {arm}"))
        parts.append(f"{arm} {one.observed:.1f} [{one.low:.1f} to {one.high:.1f}]")
    return "Cranfield, even questions, nDCG@10 x 100 with 95 % intervals: " + ", ".join(parts) + "."


def _tests(table: Table) -> str:
    """Return paired randomisation tests over queries, Holm-adjusted over all of them."""
    names, p_values = [], []
    for first, second in _TESTED:
        for dataset in table.sets(first):
            if dataset not in table.sets(second):
                continue
            a, b = table.per_query(first, dataset), table.per_query(second, dataset)
            gain = 100.0 * float(np.mean(a) - np.mean(b))
            rng = _rng(f"test {first} {second} {dataset}")
            names.append(f"{first} - {second} on {dataset} {gain:+.1f}")
            p_values.append(paired_permutation(a, b, rng=rng))
    adjusted = holm(p_values)
    said = [f"{name} (p {p:.3g})" for name, p in zip(names, adjusted, strict=True)]
    return (
        f"Paired randomisation over queries (10,000 shuffles, seeds averaged), Holm over "
        f"{len(said)}: " + "; ".join(said) + "."
    )


def _figures(table: Table, *, smoke: bool) -> tuple[Figure, ...]:
    sets = table.sets(_FLAT)
    bars = {
        dataset: tuple(
            (arm, _short(float(np.mean(table.values(arm, dataset)))))
            for arm in table.arms
            if dataset in table.sets(arm)
        )
        for dataset in sets
    }
    found = [
        Figure(title=f"{name}: nDCG@10", kind="bar", x="", y="x100", series={name: points})
        for name, points in bars.items()
    ]
    if not smoke:
        rerun = {
            arm: tuple((d, _short(table.values(arm, d)[0])) for d in PUBLIC)
            for arm in (_FLAT, _MULTI)
        }
        official = {
            f"{arm}, published": tuple((d, _short(published()[d][arm][0])) for d in PUBLIC)
            for arm in (_FLAT, _MULTI)
        }
        title = "Rerun beside published, nDCG@10"
        found.append(Figure(title=title, kind="bar", x="", y="x100", series={**rerun, **official}))
    return tuple(found)


def _rng(name: str) -> np.random.Generator:
    return SeedTree(20261123).child("report", name).numpy()


def _short(value: float) -> float:
    return float(f"{value:.5g}")

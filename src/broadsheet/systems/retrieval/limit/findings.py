"""From runs to the report: claims with verdicts, measurements, figures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from broadsheet.core.card import find_card
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import (
    Interval,
    Resampled,
    combined,
    difference,
    plain_numbers,
    resample,
)
from broadsheet.metrics.resampling import mean_of
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.retrieval.limit.fits import (
    SHAPES,
    HeldOut,
    bootstrap_band,
    held_out_errors,
    page_trend_p,
)
from broadsheet.systems.retrieval.limit.recipe import ABSTRACTS, PATTERNED, PEOPLE, SMALL, Recipe

SLUG = "limit"
_DRAWS = 10_000
_TUNED = "tuning test world"
#: Where the fitted curves are carried on to, far outside of what was measured.
_FAR = (64, 128, 256, 512, 1024, 4096)
_COUNTER = (
    "A critical n is a limit of this training, its margin and its precision, not of geometry: 2k "
    "numbers rank every set of k documents exactly, for any number of documents (arXiv 2601.20844; "
    "checked here for d = 4)."
)


class Runs:
    """The runs of a preset by arm, in the order of the seeds.

    Args:
        preset: What was run.
        runs: All of it.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.recipes: dict[str, Recipe] = {recipe.arm: recipe for recipe in preset.arms}
        self._by_arm = {
            arm: sorted(
                (run for run in runs if run.arm == arm), key=lambda r: preset.seeds.index(r.seed)
            )
            for arm in self.recipes
        }

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._by_arm[arm]]

    def values(self, arm: str, dataset: str, metric: str) -> list[float]:
        """Return one number per seed."""
        return [one.value for one in self.observed(arm, dataset, metric)]

    def mean(self, arm: str, dataset: str, metric: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean(self.values(arm, dataset, metric)))

    def measurements(self) -> tuple[Measurement, ...]:
        """Return what was observed, one entry per arm, data set and metric.

        A report has room for 50 kB: of cut vectors it holds the first depth only, and of LIMIT not
        the third.
        """
        return tuple(
            Measurement(
                arm=arm,
                dataset=one.dataset,
                metric=one.metric,
                unit=one.unit,
                values=tuple(_short(o.value) for o in self.observed(arm, one.dataset, one.metric)),
                n=one.n,
            )
            for arm in self.recipes
            for one in self._by_arm[arm][0].observations
            if not one.metric.startswith(("recall@10, ", "recall@20"))
        )

    def curve(self, metric: str) -> tuple[list[int], list[list[float]]]:
        """Return d and, seed by seed, what was found for each."""
        dims = list(self.recipes["free"].curve.dims)
        table = [self.values("free", f"d = {d}", metric) for d in dims]
        return dims, [list(row) for row in zip(*table, strict=True)]


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Runs(preset, runs)
    smoke = "minilm" not in table.recipes
    effects = _smoke_effects(table) if smoke else _effects(table)
    claims = find_card(SLUG).claims
    nothing = "smoke: shapes only, nothing was learned"
    reasons = {claim.id: nothing for claim in claims} if smoke else _reasons(table)
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=effects[claim.id],
            reason=reasons.get(claim.id, ""),
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
        figures=() if smoke else _figures(table),
        notes=(_COUNTER,) if smoke else _notes(table),
    )


def _rng(name: str) -> np.random.Generator:
    return SeedTree(20261124).child("report", name).numpy()


def _rates(table: Runs, arm: str, dataset: str, metric: str) -> Resampled:
    """Resample the questions, the same ones for all arms on a data set."""
    items = [one.items for one in table.observed(arm, dataset, metric)]
    return resample(items, mean_of("score"), rng=_rng(dataset), draws=_DRAWS).scaled(100)


def _gap(table: Runs, first: str, second: str, dataset: str, metric: str) -> Interval:
    one, other = (_rates(table, arm, dataset, metric) for arm in (first, second))
    return combined(difference, one, other).interval(_rng(f"{first} {second} {dataset}"))


def _curve_effects(table: Runs) -> dict[str, Interval]:
    dims, rows = table.curve("critical n")
    smallest = [min(b - a for a, b in itertools.pairwise(row)) for row in rows]
    half = dims.index(dims[-1] // 2) if dims[-1] // 2 in dims else 0
    errors = [held_out_errors(dims, row).ahead for row in rows]
    won = [min(e[s] for s in SHAPES if s != "cubic") - e["cubic"] for e in errors]
    numbers = {
        "curve_rises": smallest,
        "curve_doubles": [row[-1] / row[half] for row in rows],
        "curve_cubic": won,
    }
    return {name: plain_numbers(v).interval(_rng(name)) for name, v in numbers.items()}


def _effects(table: Runs) -> Mapping[str, Interval]:
    dense, random = (
        _rates(table, "minilm_int8", name, "recall@10") for name in (PATTERNED[0], PATTERNED[1])
    )
    # Worlds of two patterns have other questions: their resamples are independent.
    easier = combined(difference, random, dense).interval(_rng("patterns"))
    return {
        **_curve_effects(table),
        "small_bm25": _rates(table, "bm25", SMALL, "recall@2").interval(_rng("bm25")),
        "small_minilm": _rates(table, "minilm", SMALL, "recall@2").interval(_rng("minilm")),
        "small_maxsim_above": _gap(table, "minilm_maxsim", "minilm", SMALL, "recall@2"),
        "small_maxsim_below": _gap(table, "bm25", "minilm_maxsim", SMALL, "recall@2"),
        "dense_harder": easier,
        "tuning_train": _gap(table, "finetune_train", "finetune_none", _TUNED, "recall@2"),
        "tuning_test": _gap(table, "finetune_test", "finetune_none", _TUNED, "recall@2"),
        "two_things": _gap(table, "hybrid", "bge_int8", PEOPLE, "recall@10"),
        "two_terms": _gap(table, "hybrid", "bge_int8", ABSTRACTS, "recall@10"),
        "hybrid_keeps": _gap(table, "words", "hybrid", ABSTRACTS, "recall@10"),
    }


def _smoke_effects(table: Runs) -> Mapping[str, Interval]:
    """Fill every claim from the tiny arms, so that the way to a report is tested."""
    rate = {
        arm: _rates(table, arm, PEOPLE, "recall@10").interval(_rng(arm))
        for arm in ("bm25", "words", "random_words", "hybrid", "required")
    }
    tuned = {
        split: _gap(table, f"finetune_{split}", "finetune_none", _TUNED, "recall@2")
        for split in ("train", "test")
    }
    return {
        **_curve_effects(table),
        "small_bm25": rate["bm25"],
        "small_minilm": rate["random_words"],
        "small_maxsim_above": rate["required"],
        "small_maxsim_below": rate["required"],
        "dense_harder": rate["bm25"],
        "tuning_train": tuned["train"],
        "tuning_test": tuned["test"],
        "two_things": rate["hybrid"],
        "two_terms": rate["hybrid"],
        "hybrid_keeps": rate["words"],
    }


def held_out(table: Runs) -> HeldOut:
    """Return the mean over seeds of every shape's error on held-out d."""
    dims, rows = table.curve("critical n")
    found = [held_out_errors(dims, row) for row in rows]
    return HeldOut(
        ahead={s: float(np.mean([one.ahead[s] for one in found])) for s in SHAPES},
        between={s: float(np.mean([one.between[s] for one in found])) for s in SHAPES},
    )


def _reasons(table: Runs) -> dict[str, str]:
    errors = held_out(table)
    ahead = ", ".join(f"{shape} {errors.ahead[shape]:.1f}" for shape in SHAPES)
    small = {arm: table.mean(arm, SMALL, "recall@2") for arm in ("minilm", "minilm_maxsim", "bm25")}
    two = {
        arm: table.mean(arm, ABSTRACTS, "recall@10")
        for arm in ("words", "hybrid", "hybrid_by_rank", "bge_int8", "required", "bm25")
    }
    pattern = {name: table.mean("minilm_int8", name, "recall@10") for name in PATTERNED}
    tuned = {
        split: table.mean(f"finetune_{split}", _TUNED, "recall@2")
        for split in ("none", "train", "test")
    }
    return {
        "curve_rises": _COUNTER,
        "curve_cubic": f"mean error in documents on the two largest d, fitted on the others: "
        f"{ahead}.",
        "small_maxsim_above": f"one vector {small['minilm']:.1f}, one per word piece "
        f"{small['minilm_maxsim']:.1f}; the encoder was trained for one vector.",
        "small_bm25": "it misses 2 %; stems make some different things one word (Lime and Limes),"
        " which may be why.",
        "small_maxsim_below": f"BM25 {small['bm25']:.1f}.",
        "dense_harder": ", ".join(f"{name} {value:.1f}" for name, value in pattern.items()) + ".",
        "tuning_train": f"before {tuned['none']:.1f}, after other worlds {tuned['train']:.1f}, "
        f"after the test itself {tuned['test']:.1f}; chance is 10.",
        "two_things": "exact matching can't lose here: an answer is a text that holds both words.",
        "two_terms": f"words {two['words']:.1f}, both terms in quotes {two['required']:.1f}; exact "
        "matching can't lose here: an answer is a text that holds both terms.",
        "hybrid_keeps": f"words {two['words']:.1f}, hybrid {two['hybrid']:.1f}, meaning alone "
        f"{two['bge_int8']:.1f}. By rank with equal weights, as the application fused when this "
        f"claim was made, it was {two['hybrid_by_rank']:.1f} and not held; the fusion was changed "
        "for that, on other questions.",
    }


def _notes(table: Runs) -> tuple[str, ...]:
    dims, rows = table.curve("critical n")
    errors = held_out(table)
    between = ", ".join(f"{shape} {errors.between[shape]:.1f}" for shape in SHAPES)
    lines = [
        _COUNTER,
        f"Page's trend test over d with seeds as blocks: p = {page_trend_p(rows):.2g}.",
        f"Mean error in documents with each inner d left out once: {between}.",
    ]
    for shape in ("quadratic", "cubic", "power"):
        band = bootstrap_band(shape, dims, rows, _FAR, _rng(f"far {shape}"))
        said = "; ".join(
            f"d = {int(d):,}: {middle:,.0f} ({low:,.0f} to {high:,.0f})"
            for d, middle, low, high in zip(band.at, band.middle, band.low, band.high, strict=True)
        )
        lines.append(
            f"EXTRAPOLATED, not measured, {shape} through all d up to {dims[-1]} (band: chance of "
            f"seeds only): {said}."
        )
    return tuple(lines)


def _figures(table: Runs) -> tuple[Figure, ...]:
    dims, rows = table.curve("critical n")
    unbroken = table.curve("unbroken n")[1]
    band = bootstrap_band("cubic", dims, rows, dims, _rng("band"))

    def line(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
        return tuple((float(d), _short(v)) for d, v in zip(dims, values, strict=True))

    return (
        Figure(
            title="Critical n of free vectors, k = 2 (a limit of training, not of geometry)",
            kind="line",
            x="d",
            y="documents",
            series={
                "any seed": line([max(column) for column in zip(*rows, strict=True)]),
                "every seed": line([min(column) for column in zip(*unbroken, strict=True)]),
                "cubic, low": line(band.low),
                "cubic, high": line(band.high),
            },
        ),
        Figure(
            title="LIMIT-small: recall@2 of one vector, cut",
            kind="line",
            x="numbers",
            y="x100",
            series={
                arm: tuple(
                    (float(dim), _short(table.mean(arm, SMALL, f"recall@2, {dim} numbers")))
                    for dim in recipe.retriever.dims
                )
                for arm, recipe in table.recipes.items()
                if recipe.role == "retriever" and recipe.retriever.dims
            },
        ),
        _bars(table, SMALL, "recall@2"),
        _bars(table, ABSTRACTS, "recall@10"),
    )


def _bars(table: Runs, dataset: str, metric: str) -> Figure:
    arms = [
        arm
        for arm, recipe in table.recipes.items()
        if recipe.role == "retriever" and dataset in recipe.retriever.tasks
    ]
    points = tuple((arm, _short(table.mean(arm, dataset, metric))) for arm in arms)
    return Figure(
        title=f"{dataset}: {metric}", kind="bar", x="", y="x100", series={"mean over seeds": points}
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")

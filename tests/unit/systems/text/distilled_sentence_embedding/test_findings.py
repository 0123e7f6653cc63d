"""Distilled sentence embedding: the report of the laptop preset, from made-up runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.card import find_card
from broadsheet.core.report import Report, read_report, write_report
from broadsheet.systems.contract import Observation, Run
from broadsheet.systems.reporting import check_report
from broadsheet.systems.text.distilled_sentence_embedding.findings import SLUG, make_findings
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe, presets
from broadsheet.systems.text.distilled_sentence_embedding.timing import MEASURED, SIZES
from broadsheet.systems.text.distilled_sentence_embedding.transfer import SETS

N = 120


def gain(arm: str) -> float:
    """Return how much of the gold an arm's made-up predictions hold."""
    return {"again_dse": 2.0, "stsb_teacher": 1.5, "again_labels_tuned": 2.0}.get(arm, 1.0)


def number(dataset: str, metric: str, value: float, **items: np.ndarray) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit="", value=value, n=N, items=items)


def on_pairs(recipe: Recipe, rng: np.random.Generator) -> Iterator[Observation]:
    gold = np.linspace(-2, 2, N)
    told = {"prediction": gain(recipe.arm) * gold + rng.normal(size=N), "gold": gold}
    right = (rng.random(N) < 0.4 + 0.2 * gain(recipe.arm)).astype(np.float32)
    if recipe.world == "grammar":
        yield number("grammar", "swap accuracy", 100 * right.mean(), right=right)
        return
    r = 100 * np.corrcoef(told["prediction"], told["gold"])[0, 1]
    yield number(recipe.world, "relatedness pearson", r, **told)
    yield number(recipe.world, "relatedness spearman", r)
    if recipe.world == "sick":
        yield number("sick", "mean score", (r + 100 * right.mean()) / 2, right=right, **told)
    if recipe.role == "teacher":
        for name in ("out of fold", "as trained"):
            means = ("mean score",) if recipe.world == "sick" else ()
            for metric in ("relatedness pearson", "relatedness spearman", *means):
                yield number(f"{recipe.world} train, {name}", metric, r)


def probes(rng: np.random.Generator) -> Iterator[Observation]:
    for name in SETS:
        right = (rng.random(N) < 0.8).astype(np.float32)
        yield number(f"transfer {name}", "accuracy", 100 * right.mean(), right=right)
    yield number("transfer", "mean accuracy of 7", 80.0)


def times(rng: np.random.Generator) -> Iterator[Observation]:
    for n, m in SIZES:
        name, known = f"{n:,} x {m:,}", "measured" if n * m in MEASURED else "extrapolated"
        yield number(name, f"cross-encoder, {known}", 0.006 * n * m)
        yield number(name, "encoding (extrapolated) and head", 0.003 * (n + m))
        yield number(name, "speed-up, encoding included", n * m / (n + m) + rng.normal() / 100)


def observed(recipe: Recipe, seed: int) -> tuple[Observation, ...]:
    rng = np.random.default_rng([seed, *recipe.arm.encode()])
    if recipe.role == "timing":
        return tuple(times(rng))
    return (*on_pairs(recipe, rng), *(probes(rng) if recipe.probes else ()))


@pytest.fixture(scope="module")
def report() -> Report:
    preset = presets()["laptop"]
    runs = [
        Run(arm=recipe.arm, seed=seed, observations=observed(recipe, seed))
        for seed in preset.seeds
        for recipe in preset.arms
    ]
    return make_findings(preset, runs)


def test_every_claim_of_the_card_is_judged_and_fits_in_a_report(
    report: Report, tmp_path: Path
) -> None:
    check_report(report, find_card(SLUG), "laptop", presets()["laptop"])
    plain = {claim.id for claim in report.claims if not claim.reason}
    assert plain == {"relative_drop", "grammar_cosine", "grammar_dse", "grammar_teacher"}
    written = read_report(write_report(report, tmp_path))
    assert written.verdicts() == report.verdicts()


def test_looks_are_judged_by_their_own_arms(report: Report) -> None:
    by = {claim.id: claim for claim in report.claims}
    assert by["again_distilling"].observed > 5 > abs(by["distilling"].observed)
    assert by["again_tuned"].observed < -5
    assert by["stsb_relative_drop"].observed > 5
    assert abs(by["transfer_kept"].observed) < 5


def test_the_report_keeps_means_and_leaves_their_parts_out(report: Report) -> None:
    side = {one.metric for one in report.measurements if one.dataset == "sick train, out of fold"}
    assert side == {"mean score"}
    whole = {one.metric for one in report.measurements if one.dataset == "sick"}
    assert {"mean score", "relatedness pearson", "relatedness spearman"} <= whole
    alone = {one.metric for one in report.measurements if one.dataset == "stsb train, as trained"}
    assert alone == {"relatedness pearson"}


def test_the_figure_joins_measured_and_extrapolated_times(report: Report) -> None:
    [figure] = [one for one in report.figures if one.kind == "line"]
    for points in figure.series.values():
        assert [x for x, _ in points] == sorted(float(n * m) for n, m in SIZES)

"""Verdicts of runs whose outcome is made up: each claim says what its numbers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.report import MAX_BYTES, Report, write_report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.reading.retrieval_heads import symbols
from broadsheet.systems.reading.retrieval_heads.findings import make_report
from broadsheet.systems.reading.retrieval_heads.heads import ScoreTable
from broadsheet.systems.reading.retrieval_heads.published import observe_published
from broadsheet.systems.reading.retrieval_heads.recipe import NeedleSettings, all_presets
from broadsheet.systems.reading.retrieval_heads.store import PublishedMeans

PRESET = all_presets()["laptop"]
MODELS = ("Mistral-7B-v0.2-hf", "Mixtral-8x7B-v0.1", "llama-2-7b-80k")


def score(dataset: str, metric: str, values: Any, **items: Any) -> Observation:
    array = np.asarray(values, np.float64)
    return Observation(
        dataset=dataset,
        metric=metric,
        unit="x100",
        value=100.0 * float(array.mean()),
        n=len(array),
        items={"score": array, **items},
    )


def language_run(seed: int, top: float, copying: int) -> Run:
    """A model whose first `copying` heads copy, and that loses all but `top` without them."""
    needles = PRESET.arms[0].needles
    assert isinstance(needles, NeedleSettings)
    rng = SeedTree(seed).numpy()
    trials = len(needles.lengths) * len(needles.depths)
    heads = np.zeros((trials, 270), np.float32)
    heads[:, :copying] = 0.5 + 0.1 * rng.random((trials, copying))
    counted = np.ones(trials, np.int8)
    counted[0] = 0
    heads[0] = 0.0
    found = [
        score(
            "detection",
            "recall",
            counted.astype(float),
            length=np.repeat(needles.lengths, len(needles.depths)),
            depth=np.tile(needles.depths, len(needles.lengths)),
            counted=counted,
            heads=heads,
        )
    ]
    places = {
        "length": np.array(needles.test_lengths),
        "depth": (np.arange(10) + 0.5) / 10,
    }
    means = {"recall": 0.95}
    for k in needles.top:
        means |= {f"recall@top{k}": top, f"recall@random{k}": 0.93}
    for name, mean in means.items():
        found.append(score("needles", name, np.clip(mean + 0.05 * rng.random(10), 0, 1), **places))
    return Run(arm="lm", seed=seed, observations=tuple(found))


def world_run(seed: int, top: float, closed: float, agreement: float) -> Run:
    rng = SeedTree(seed).numpy()
    world = PRESET.arms[1].world
    table = ScoreTable(np.tile(np.arange(32.0).reshape(1, 4, 8) / 310, (9, 1, 1)), 10)
    found = list(symbols._of_detection("detection", table, np.ones(300)))
    found += list(symbols._of_detection("detection-long", table, np.ones(300)))
    n = world.documents
    found.append(score("copy", "accuracy", 0.9 + 0.1 * rng.random(n)))
    found.append(score("closed-book", "accuracy", np.ones(n)))
    for k in world.top:
        found.append(score("copy", f"accuracy@top{k}", top + 0.1 * rng.random(n)))
        found.append(score("copy", f"accuracy@random{k}", 0.93 + 0.02 * rng.random(n)))
        found.append(score("closed-book", f"accuracy@top{k}", np.full(n, closed)))
    found.append(
        Observation(
            dataset="extension",
            metric="spearman",
            unit="correlation",
            value=agreement + 0.01 * seed,
            n=32,
        )
    )
    return Run(arm="world", seed=seed, observations=tuple(found))


def published_run(seed: int) -> Run:
    mean = np.arange(6.0).reshape(2, 3) / 10
    found = {name: PublishedMeans(mean, mean > 0.3, 9) for name in MODELS}
    return Run(arm="published", seed=seed, observations=tuple(observe_published(found)))


def reported(
    *,
    top: float = 0.3,
    copying: int = 25,
    copy: float = 0.2,
    closed: float = 0.99,
    rho: float = 0.8,
) -> Report:
    runs = [
        run
        for seed in PRESET.seeds
        for run in (
            language_run(seed, top, copying),
            world_run(seed, copy, closed, rho),
            published_run(seed),
        )
    ]
    preset: Preset = PRESET
    return make_report(preset, runs)


def verdicts(report: Report) -> dict[str, str]:
    return {claim.id: claim.verdict for claim in report.claims}


@pytest.fixture(scope="module")
def usual() -> Report:
    return reported()


def test_what_is_as_the_paper_says_is_held(usual: Report) -> None:
    found = verdicts(usual)
    assert found.pop("lm-sparse") == "not held", "25 of 270 heads are 9 %"
    assert set(found.values()) == {"held"}
    observed = {claim.id: claim.observed for claim in usual.claims}
    assert observed["lm-sparse"] == pytest.approx(100 * 25 / 270)
    assert observed["lm-causal"] == pytest.approx(63, abs=1.5)
    assert observed["lm-lengths"] == pytest.approx(1.0, abs=0.02)
    assert observed["world-sparse"] == 0.0
    assert observed["world-extension"] == pytest.approx(0.83)


def test_what_is_otherwise_is_not_held() -> None:
    found = verdicts(reported(top=0.8, copying=5, copy=0.7, closed=0.8, rho=0.3))
    assert found["lm-sparse"] == "held"
    for name in ("lm-causal", "world-copy", "world-closed", "world-extension"):
        assert found[name] == "not held", name


def test_the_report_is_small_and_draws_the_heads(usual: Report, tmp_path: Path) -> None:
    path = write_report(usual, tmp_path)
    assert path.stat().st_size < 0.9 * MAX_BYTES
    maps = [figure for figure in usual.figures if figure.kind == "heat" and figure.x == "head"]
    assert [len(figure.series) for figure in maps] == [30, 4, 4]
    assert next(iter(maps[0].series)) == "29", "the last layer is above"
    first_row = maps[0].series["0"]
    assert [value > 0.4 for _, value in first_row] == [True] * 9
    assert any("p = " in note for note in usual.notes)
    assert any("95 of 100 prompts counted" in note for note in usual.notes)
    masks = next(figure for figure in usual.figures if "switched off" in figure.title)
    assert [x for x, _ in masks.series["strongest"]] == [0, 1, 2, 3, 5, 10, 20]
    assert {one.metric for one in usual.measurements if one.arm == "published"} >= {
        "share >= 0.1",
        "pearson with Mixtral-8x7B-v0.1",
    }

"""The contract: what every system keeps, tested over all folders with a card.

All tests share one set of smoke runs, so they stay in one file.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_model, save_model

from broadsheet.cli import main
from broadsheet.core.recipe import as_json, recipe_hash
from broadsheet.core.report import read_report, write_report
from broadsheet.core.seeds import SeedTree
from broadsheet.runtime.artefact import read_artefact
from broadsheet.runtime.encoder import choose_variant, load_encoder
from broadsheet.systems.contract import is_timing
from broadsheet.systems.observed import read_observations
from broadsheet.systems.pieces import cost_of
from broadsheet.systems.planning import build_on_meta, plan_arm
from broadsheet.systems.reporting import make_report

TEXTS = (
    "A small library reads papers.",
    "Papers are read by a library that is small.",
    "video",
    "Sentence embeddings can be cut in depth and in size, and stay useful when they are.",
)


def same_bits(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Tell whether two modules hold the same numbers, bit for bit."""
    ours, theirs = first.state_dict(), second.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_presets_are_complete_and_seeds_are_apart(loaded: Any) -> None:
    presets = loaded.system.presets()
    assert {"smoke", "laptop", "paper"} <= set(presets)
    assert len(presets["laptop"].seeds) >= 5
    for name, preset in presets.items():
        assert preset.pilot_seed not in preset.seeds, name
        assert len(set(preset.seeds)) == len(preset.seeds), name
        arms = [recipe.arm for recipe in preset.arms]
        assert arms, name
        assert len(set(arms)) == len(arms), name
        hashes = {recipe_hash(recipe) for recipe in preset.arms}
        assert len(hashes) == len(arms), f"{name}: two arms have one recipe"


def test_recipes_are_frozen_dataclasses_of_plain_values(loaded: Any) -> None:
    for preset in loaded.system.presets().values():
        for recipe in preset.arms:
            assert dataclasses.is_dataclass(recipe)
            json.dumps(as_json(recipe), allow_nan=False)
            with pytest.raises((AttributeError, TypeError)):
                recipe.arm = "another"


def test_the_paper_s_size_builds_without_memory(loaded: Any) -> None:
    recipes = loaded.system.presets()["paper"].arms
    modules = [build_on_meta(loaded.system, recipe) for recipe in recipes]
    counts = {sum(p.numel() for p in module.parameters()) for module in modules}
    for module in modules:
        assert all(p.is_meta for p in module.parameters())
    stated = getattr(loaded.system, "paper_parameters", None)
    if stated:
        assert stated() in counts, counts
    for recipe in recipes:
        plan = plan_arm(loaded.system, recipe)
        assert plan.parameters in counts
        assert plan.memory_mb >= plan.weights_mb > 0 or not plan.parameters


def test_the_dry_run_says_what_it_takes(loaded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    slug = loaded.card.slug
    assert main(["systems", "run", slug, "--preset", "paper", "--dry-run", "--json"]) == 0
    printed = capsys.readouterr()
    plan = json.loads(printed.out)["data"]
    assert f"launch: broadsheet systems run {slug} --preset paper" in printed.err
    for arm in plan["plans"]:
        assert arm["parameters"] is not None, arm["assumption"]
        assert arm["steps"] >= 0
    assert any(arm["steps"] > 0 for arm in plan["plans"])


def test_the_same_seed_builds_the_same_bits_and_another_does_not(loaded: Any) -> None:
    differs = False
    for recipe in loaded.preset.arms:
        one, same, other = (
            loaded.system.build(recipe, SeedTree(seed)).module for seed in (11, 11, 12)
        )
        assert same_bits(one, same), recipe.arm
        differs |= not same_bits(one, other)
    assert differs, "no arm draws its first weights"


def test_runs_observe_finite_numbers_and_train_with_finite_gradients(subject: Any) -> None:
    for job in subject.jobs:
        observed = read_observations(job.folder)
        assert all(math.isfinite(one.value) for one in observed)
        assert cost_of(job.folder).wall_s > 0
        recipe = job.recipe(subject.system)
        lines = [
            json.loads(line)
            for folder in (job.folder, job.shared)
            for path in folder.rglob("metrics.jsonl")
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        assert lines or not subject.system.steps(recipe), job.name
        for line in lines:
            assert all(math.isfinite(value) for value in line.values()), job.name


def test_all_runs_observe_the_same_things(subject: Any) -> None:
    """Seeds of an arm observe the same names, so that a measurement has one value per seed."""
    by_arm: dict[str, set[tuple[tuple[str, str, str, int], ...]]] = {}
    for job in subject.jobs:
        names = tuple((o.dataset, o.metric, o.unit, o.n) for o in read_observations(job.folder))
        by_arm.setdefault(job.arm, set()).add(names)
    assert {arm: len(kinds) for arm, kinds in by_arm.items()} == dict.fromkeys(by_arm, 1)


def test_the_same_seed_trains_the_same_bits(subject: Any, tmp_path: Path) -> None:
    recipe = subject.trained_arm()
    first, _, _ = subject.fitted(recipe, 21, tmp_path / "first")
    second, _, _ = subject.fitted(recipe, 21, tmp_path / "second")
    assert same_bits(first.module, second.module)
    untrained = subject.system.build(recipe, SeedTree(21))
    assert not same_bits(first.module, untrained.module), "training changed nothing"
    assert all(torch.isfinite(p).all() for p in first.module.parameters())


def test_saved_weights_measure_the_same(subject: Any, tmp_path: Path) -> None:
    recipe = subject.trained_arm()
    state, data, workspace = subject.fitted(recipe, 31, tmp_path / "run")
    save_model(state.module, str(tmp_path / "weights.safetensors"))
    other = subject.system.build(recipe, SeedTree(32))
    load_model(other.module, str(tmp_path / "weights.safetensors"))
    assert same_bits(state.module, other.module)
    before, after = (
        {
            (one.dataset, one.metric): one
            for one in subject.system.evaluate(each, data, recipe, workspace)
            if not is_timing(one)
        }
        for each in (state, other)
    )
    assert after
    for name, again in after.items():  # what only the training knew may be missing
        assert again.value == before[name].value, name
        for key, values in again.items.items():
            np.testing.assert_array_equal(values, before[name].items[key])


def test_a_fit_goes_on_from_its_last_step(subject: Any, tmp_path: Path) -> None:
    """A second fit in the same folder finds the work done: same bits, no more lines."""
    recipe = subject.trained_arm()
    first, _, workspace = subject.fitted(recipe, 41, tmp_path)
    lines = sum(p.read_text().count("\n") for p in workspace.run.rglob("metrics.jsonl"))
    second, _, _ = subject.fitted(recipe, 41, tmp_path)
    assert same_bits(first.module, second.module)
    assert lines == sum(p.read_text().count("\n") for p in workspace.run.rglob("metrics.jsonl"))


def test_the_report_of_smoke_runs_judges_every_claim(subject: Any, tmp_path: Path) -> None:
    report = make_report(subject.card.slug, "smoke", runs=subject.runs)
    assert [claim.id for claim in report.claims] == [claim.id for claim in subject.card.claims]
    assert sum(report.verdicts().values()) == len(subject.card.claims)
    arms = {recipe.arm for recipe in subject.preset.arms}
    assert {one.arm for one in report.measurements} <= arms
    assert report.cost.wall_s > 0
    assert report.cost.parameters > 0
    assert {"config", "data", "machine", "versions"} <= set(report.provenance)
    written = read_report(write_report(report, tmp_path))
    assert written.verdicts() == report.verdicts()
    again = make_report(subject.card.slug, "smoke", runs=subject.runs)
    assert again.claims == report.claims, "the statistics draw from named seeds"


def test_what_is_exported_answers_as_the_model_does(subject: Any, tmp_path: Path) -> None:
    export = getattr(subject.system, "export", None)
    if export is None:
        return
    state, _, _ = subject.fitted(subject.trained_arm(), 51, tmp_path / "run")
    export(state, tmp_path / "artefact")
    artefact = read_artefact(tmp_path / "artefact", verify=True)
    variant = choose_variant(artefact).name
    ours, theirs = state.encode(TEXTS), load_encoder(tmp_path / "artefact").encode(TEXTS)
    assert answers_alike(ours, theirs, quantised="int8" in variant), variant


def answers_alike(ours: Any, theirs: Any, *, quantised: bool) -> bool:
    """Tell whether unit vectors agree: within 1e-4, or a mean cosine of .99 for eight bits."""
    if quantised:
        return float((ours * theirs).sum(axis=1).mean()) >= 0.99
    return float(np.abs(ours - theirs).max()) < 1e-4


def test_the_gate_of_exports_lets_small_differences_pass_only() -> None:
    rows = np.eye(3)
    assert answers_alike(rows, rows + 5e-5, quantised=False)
    assert not answers_alike(rows, rows + 2e-4, quantised=False)
    assert answers_alike(rows, rows * 0.991, quantised=True)
    assert not answers_alike(rows, rows * 0.98, quantised=True)

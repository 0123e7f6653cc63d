"""Three parts of a thesis, step by step: verify claims, judge phrases, guide attention.

Each arm belongs to one part. Verification and guided attention train small models on a world that
is made, or on real sentences; phrases are judged with vectors from elsewhere and a linear rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.reading.semantic_inference import presets as sizes
from broadsheet.systems.reading.semantic_inference.claim_data import ClaimData, read_claims
from broadsheet.systems.reading.semantic_inference.claim_training import (
    make_verifiers,
    measure_verifiers,
    train_verifiers,
)
from broadsheet.systems.reading.semantic_inference.findings import make_findings
from broadsheet.systems.reading.semantic_inference.phrase_measuring import (
    PhraseData,
    measure_phrases,
    read_phrases,
)
from broadsheet.systems.reading.semantic_inference.recipe import Recipe
from broadsheet.systems.reading.semantic_inference.role_training import (
    make_encoders,
    measure_encoders,
    read_all,
    train_encoders,
)
from broadsheet.systems.reading.semantic_inference.scorer import keep_scorer, scores_pairs


@dataclass(slots=True)
class State:
    """What an arm trains: verifiers, guided encoders, or nothing."""

    module: nn.Module


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return sizes.presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the arm's models with fresh weights."""
    if recipe.part == "verify":
        return State(make_verifiers(recipe.verify, seeds.child("model")))
    if recipe.part == "roles":
        return State(make_encoders(recipe.roles, seeds.child("model")))
    return State(nn.Module())


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Any:
    """Read or make what the arm needs."""
    if recipe.part == "verify":
        return read_claims(recipe.verify, seeds.child("claims"), workspace)
    if recipe.part == "roles":
        return read_all(recipe.roles, seeds.child("sentences"), workspace)
    return read_phrases(recipe.phrases, workspace)


def fit(state: State, data: Any, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> None:
    """Train the arm's models; phrases have nothing to train."""
    if isinstance(state.module, nn.ModuleList):
        train_verifiers(state.module, data, recipe.verify, seeds.child("fit"), workspace)
    elif isinstance(state.module, nn.ModuleDict):
        train_encoders(state.module, data, recipe.roles, seeds.child("fit"), workspace)


def evaluate(
    state: State, data: Any, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Measure the arm; one that reads pairs is also written as a scorer for the application."""
    if isinstance(data, PhraseData):
        return measure_phrases(data, recipe.phrases, workspace)
    if isinstance(data, ClaimData):
        assert isinstance(state.module, nn.ModuleList)  # noqa: S101 - built so
        found = measure_verifiers(state.module, data, recipe.verify)
        if scores_pairs(recipe.verify):
            found += keep_scorer(state.module, data, recipe.verify, workspace.run / "scorer")
        return found
    assert isinstance(state.module, nn.ModuleDict)  # noqa: S101 - built so
    return measure_encoders(state.module, data)


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and gather measurements and figures."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return the optimiser steps of all models of an arm."""
    if recipe.part == "verify":
        return recipe.verify.train.steps * max(recipe.verify.folds, 1)
    if recipe.part == "roles":
        return recipe.roles.train.steps * len(recipe.roles.tasks)
    return 0

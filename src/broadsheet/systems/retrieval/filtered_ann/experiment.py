"""Filtered search, step by step: make papers, learn where they lie, build every method, ask.

One arm holds all methods, because they are asked in turn, question by question, in one process:
only so are their speeds comparable. What is trained are the centres that tell how dense a filter's
matches are where the query is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.retrieval.filtered_ann import recipe as recipes
from broadsheet.systems.retrieval.filtered_ann.data import FilteredWorld, read_world
from broadsheet.systems.retrieval.filtered_ann.findings import make_findings
from broadsheet.systems.retrieval.filtered_ann.measuring import (
    measure_builds,
    measure_methods,
    warm_up,
)
from broadsheet.systems.retrieval.filtered_ann.model import Centres
from broadsheet.systems.retrieval.filtered_ann.recipe import Recipe
from broadsheet.train.loop import TrainSettings, train


@dataclass(slots=True)
class State:
    """The centres of an arm."""

    module: Centres


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return recipes.presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return centres drawn at random."""
    meta = torch.get_default_device().type == "meta"
    generator = None if meta else seeds.child("centres").torch()
    return State(Centres(recipe.clusters, recipe.dim, generator))


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> FilteredWorld:
    """Make the world of this seed and answer its questions exactly."""
    return read_world(recipe, seeds, workspace)


def fit(
    state: State, data: FilteredWorld, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Move the centres onto the rows."""
    if not recipe.steps:
        return
    draws = seeds.child("batches")

    def rows_at(step: int) -> Tensor:
        chosen = draws.child(step).numpy().integers(0, len(data.vectors), recipe.batch)
        return torch.from_numpy(np.ascontiguousarray(data.vectors[np.sort(chosen)]))

    first = draws.child("first").numpy().permutation(len(data.vectors))[: recipe.clusters]
    state.module.start_from(torch.from_numpy(np.ascontiguousarray(data.vectors[first])))
    settings = TrainSettings(
        steps=recipe.steps, learning_rate=recipe.learning_rate, weight_decay=0.0
    )
    train(
        state.module,
        lambda step: state.module.loss(rows_at(step)),
        settings,
        seeds,
        folder=workspace.run,
        progress=workspace.progress,
    )


def evaluate(
    state: State, data: FilteredWorld, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Build the methods and ask them, or measure builds only."""
    warm_up(recipe.methods, data.seeds)
    if recipe.role == "builds":
        return measure_builds(recipe, data.seeds.child("builds"), workspace.progress)
    return measure_methods(data, state.module, recipe, workspace.progress)


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return how many steps the centres take."""
    return recipe.steps

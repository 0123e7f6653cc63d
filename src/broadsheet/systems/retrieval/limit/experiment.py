"""LIMIT, step by step: free vectors, generated worlds, ways to search, and a tuned encoder.

Three kinds of arms. `free` moves vectors without any text and asks how many documents d numbers can
rank in all ways. Retrievers rank LIMIT and our worlds, questions about two things included. The
tuned arms train a small encoder on worlds like the test, or on the test itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.transformer import Transformer
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.retrieval.limit import recipe as recipes
from broadsheet.systems.retrieval.limit.findings import make_findings
from broadsheet.systems.retrieval.limit.model import FreeEmbeddings
from broadsheet.systems.retrieval.limit.recipe import CurveSettings, Recipe
from broadsheet.systems.retrieval.limit.retrievers import measure, rank_task
from broadsheet.systems.retrieval.limit.search import CurveData, measure_curve, search_curve
from broadsheet.systems.retrieval.limit.tasks import Task, make_task
from broadsheet.systems.retrieval.limit.tuning import (
    TuningData,
    loss_function,
    make_encoder,
    measure_tuning,
    read_tuning,
    start_from_table,
)
from broadsheet.train.loop import train

Data = CurveData | TuningData | tuple[Task, ...]


@dataclass(slots=True)
class State:
    """What an arm trains: free vectors, a small encoder, or nothing."""

    module: nn.Module


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return recipes.presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the arm's module; free vectors are of the size of a run of the largest d."""
    if recipe.role == "finetune":
        return State(make_encoder(recipe.finetune, seeds))
    if recipe.role == "retriever":
        return State(nn.Module())
    return State(_largest(recipe.curve, seeds.child("first")))


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Data:
    """Read or make what the arm needs."""
    if recipe.role == "curve":
        return CurveData()
    if recipe.role == "finetune":
        return read_tuning(recipe, seeds.child("tuning"), workspace)
    made = (make_task(name, recipe.worlds, seeds, workspace) for name in recipe.retriever.tasks)
    return tuple(task.first(recipe.retriever.queries) for task in made)


def fit(state: State, data: Data, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> None:
    """Search the curve, or tune the encoder; a retriever is taken as it is."""
    if isinstance(data, CurveData):
        search_curve(data, recipe.curve, seeds, workspace)
    elif isinstance(data, TuningData):
        assert isinstance(state.module, Transformer)  # noqa: S101 - built so
        start_from_table(state.module, data.table_VD)
        if data.worlds:
            loss_at = loss_function(state.module, data, recipe, seeds.child("batches"))
            settings = recipe.finetune.train
            folder, progress = workspace.run, workspace.progress
            train(state.module, loss_at, settings, seeds, folder=folder, progress=progress)


def evaluate(
    state: State, data: Data, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Measure critical n, or recall on every test set."""
    if isinstance(data, CurveData):
        return measure_curve(data, recipe.curve)
    if isinstance(data, TuningData):
        assert isinstance(state.module, Transformer)  # noqa: S101 - built so
        return measure_tuning(state.module, data, recipe.finetune)
    tables = [(task, rank_task(recipe.retriever, task, workspace)) for task in data]
    return [one for task, scores in tables for one in measure(task, scores)]


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and gather measurements and figures."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return the steps of training; for the curve those of ten runs that reach the cap, per d."""
    if recipe.role == "finetune":
        return recipe.finetune.train.steps if recipe.finetune.split != "none" else 0
    if recipe.role == "curve":
        return 10 * recipe.curve.optimisation.max_steps * len(recipe.curve.dims)
    return 0


def _largest(settings: CurveSettings, seeds: SeedTree) -> FreeEmbeddings:
    """Return free vectors of about the size of the largest run: five documents for each number."""
    d = settings.dims[-1]
    n = max(settings.per_query + 1, 5 * d)
    queries = math.comb(n, settings.per_query)
    return FreeEmbeddings(queries, n, d, seeds.torch())

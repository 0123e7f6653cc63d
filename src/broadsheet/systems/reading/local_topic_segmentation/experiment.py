"""Local topic segmentation, step by step: two neighbouring sentences, one encoder, three heads.

Same topic prediction finds the boundaries, topic classification says what each side is about, next
sentence prediction judges whether one sentence goes on with the other. They learn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.reading.local_topic_segmentation.data import SegmentationData, read_data
from broadsheet.systems.reading.local_topic_segmentation.findings import make_findings
from broadsheet.systems.reading.local_topic_segmentation.measuring import measure
from broadsheet.systems.reading.local_topic_segmentation.presets import make_presets
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.rivals import measure_rivals
from broadsheet.systems.reading.local_topic_segmentation.states import State, make_state
from broadsheet.systems.reading.local_topic_segmentation.training import train_joint, train_tagger


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return make_presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return heads, and an encoder where the arm trains one, with fresh weights."""
    return make_state(recipe, seeds.child("model"))


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> SegmentationData:
    """Return documents with their sentences' vectors or tokens."""
    return read_data(recipe, workspace)


def fit(
    state: State, data: SegmentationData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Train on pairs of sentences (the tagger on documents); rivals learn nothing."""
    if recipe.role == "tagger":
        train_tagger(state, data, recipe, seeds, workspace)
    elif recipe.role == "joint":
        train_joint(state, data, recipe, seeds, workspace)


def evaluate(
    state: State, data: SegmentationData, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Choose the threshold on the development documents and measure on the test documents."""
    if recipe.role == "rivals":
        return measure_rivals(data, recipe.window, state.seeds, workspace)
    return measure(state, data, recipe)


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and gather measurements and figures."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return the optimiser steps of an arm."""
    return recipe.steps if recipe.role != "rivals" else 0

"""Distilled sentence embedding, step by step: teach, distil, and ask who answers as well.

A cross-encoder is trained on labelled pairs. It scores pairs it has not seen; a student with one
pass per sentence and a cheap pair head learns from these logits and from the labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.text.distilled_sentence_embedding import recipe as recipes
from broadsheet.systems.text.distilled_sentence_embedding.building import make_student, make_teacher
from broadsheet.systems.text.distilled_sentence_embedding.data import TASKS, PairData, read_pairs
from broadsheet.systems.text.distilled_sentence_embedding.findings import make_findings
from broadsheet.systems.text.distilled_sentence_embedding.measuring import (
    measure_student,
    measure_teacher,
)
from broadsheet.systems.text.distilled_sentence_embedding.model import (
    CrossEncoder,
    LibraryClassifier,
    Student,
)
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.starts import start_encoder
from broadsheet.systems.text.distilled_sentence_embedding.students import train_student
from broadsheet.systems.text.distilled_sentence_embedding.teaching import (
    Taught,
    Teachers,
    teach,
    whole_teacher,
)
from broadsheet.systems.text.distilled_sentence_embedding.timing import measure_speed


@dataclass(slots=True)
class State:
    """The models of an arm: a student, a teacher, or both for the timing bench."""

    module: nn.Module
    taught: Taught | None = None


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return recipes.presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the arm's models with fresh weights."""
    tasks, seeds = TASKS[recipe.world], _own(recipe, seeds)
    if recipe.role == "timing":
        student = make_student(recipe, tasks, seeds)
        return State(
            nn.ModuleDict({"student": student, "teacher": make_teacher(recipe, tasks, seeds)})
        )
    make = make_teacher if recipe.role == "teacher" else make_student
    return State(make(recipe, tasks, seeds.child("model")))


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> PairData:
    """Return the pairs of the arm's world."""
    return read_pairs(recipe, _own(recipe, seeds), workspace)


def fit(
    state: State, data: PairData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Train the teacher of this seed if it isn't there yet, then the arm's student on it."""
    module, seeds = state.module, _own(recipe, seeds)
    if isinstance(module, Student):
        start_encoder(module.encoder, recipe.encoder, workspace)
        if recipe.alpha:
            make = Teachers(data.tasks, recipe, workspace)
            state.taught = teach(make, data, recipe, seeds, workspace)
        targets = state.taught.targets if state.taught else None
        train_student(module, data, targets, recipe, seeds, workspace)
    elif isinstance(module, CrossEncoder | LibraryClassifier):
        make = Teachers(data.tasks, recipe, workspace)
        state.taught = teach(make, data, recipe, seeds, workspace)
        whole = whole_teacher(make, data, recipe, seeds, workspace)
        module.load_state_dict(whole.module.state_dict())


def evaluate(
    state: State, data: PairData, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Measure correlation and accuracy on the test pairs, and what else the arm is for."""
    if isinstance(state.module, nn.ModuleDict):
        return measure_speed(state.module, data, recipe, workspace)
    if isinstance(state.module, Student):
        return measure_student(state.module, data, recipe, workspace)
    assert isinstance(state.module, CrossEncoder | LibraryClassifier)  # noqa: S101 - built so
    return measure_teacher(state.module, state.taught, data, recipe, workspace)


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and gather measurements and figures."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return the optimiser steps of the arm itself; a teacher's folds come on top of its own."""
    return recipe.steps


def paper_parameters() -> int:
    """Return the size of the paper's teacher: BERT-large with its pooler, and three classes."""
    return 335_141_888 + 3 * 1024 + 3


def _own(recipe: Recipe, seeds: SeedTree) -> SeedTree:
    """Return the seeds of an arm, which a second look shifts to fresh ones."""
    return SeedTree(seeds.root + recipe.seed_shift, seeds.path)

"""Retrieval heads: find them in a ready-made model and in a small one whose world we know.

The language model is only read: prompts find the heads, other prompts show what is lost without
them. The small decoder is trained on documents where copying and knowing by heart are apart, then
on longer ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.reading.retrieval_heads import language, symbols
from broadsheet.systems.reading.retrieval_heads.decoder import build_decoder, extended
from broadsheet.systems.reading.retrieval_heads.lm import LanguageModel, load_language_model
from broadsheet.systems.reading.retrieval_heads.measuring import COUNTS_ABOVE
from broadsheet.systems.reading.retrieval_heads.published import observe_published
from broadsheet.systems.reading.retrieval_heads.recipe import NeedleSettings, Recipe, all_presets
from broadsheet.systems.reading.retrieval_heads.store import PublishedMeans, read_published
from broadsheet.systems.reading.retrieval_heads.toy import byte_tokenizer
from broadsheet.systems.reading.retrieval_heads.training import Lengths, loss_function
from broadsheet.systems.reading.retrieval_heads.world import World
from broadsheet.train.loop import train


@dataclass(slots=True, eq=False)
class State:
    """The models of an arm.

    Args:
        module: All of them; "model", and "longer" where there is an extended one.
        lm: A language model with its tokenizer, once it is read.
    """

    module: nn.Module
    lm: LanguageModel | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What an arm reads or makes; the other parts are None."""

    seeds: SeedTree
    texts: language.Texts | None = None
    tests: symbols.Tests | None = None
    published: Mapping[str, PublishedMeans] | None = None


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return all_presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the models of the recipe's shape; weights of a ready-made one come with `fit`."""
    on_meta = torch.empty(0).is_meta
    draw = None if on_meta else seeds.child("weights").torch()
    model = build_decoder(recipe.shape, draw)
    parts = {"model": model}
    if recipe.kind == "world":
        parts["longer"] = extended_of(model, recipe)
    return State(nn.ModuleDict(parts))


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Data:
    """Return the texts, the documents of the world, or the published means."""
    if recipe.kind == "world":
        world = World(recipe.world.alphabet, seeds.child("world"))
        tests = symbols.make_tests(world, recipe.world, seeds.child("documents"))
        return Data(tests=tests, seeds=seeds)
    if recipe.kind == "language-model":
        texts = language.read_texts(_needles(recipe), seeds.child("haystack"), workspace)
        return Data(texts=texts, seeds=seeds)
    if workspace.inputs is None:
        raise UsageError("the published means are a data set", hint="--data FOLDER")
    path = workspace.inputs / "retrieval_heads" / "head_score_means.csv"
    return Data(published=read_published(path), seeds=seeds)


def fit(state: State, data: Data, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> None:
    """Read a ready-made model's weights, or train on short documents and then on long ones."""
    if recipe.kind == "language-model":
        state.lm = _language_model(state, recipe, workspace)
    if recipe.train is None or data.tests is None:
        return
    parts: Any = state.module
    settings, how = recipe.world, recipe.train
    lengths = (
        Lengths(settings.length, int(how.growing * how.steps)),
        Lengths(settings.length * settings.factor),
    )
    batches = (how.batch, how.more_batch)
    stages = (("model", how.first()), ("longer", how.second()))
    for (name, steps), batch, limits in zip(stages, batches, lengths, strict=True):
        if name == "longer":
            parts["longer"].load_state_dict(parts["model"].state_dict())
        below = seeds.child(name)
        loss_at = loss_function(parts[name], data.tests.world, settings, batch, limits, below)
        folder = workspace.run / name
        train(parts[name], loss_at, steps, below, folder=folder, progress=workspace.progress)


def evaluate(
    state: State, data: Data, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Find the heads of the arm's models and switch them off."""
    parts: Any = state.module
    parts.eval()
    if data.tests is not None:
        seeds = data.seeds.child("masks")
        return list(
            symbols.observe(parts["model"], parts["longer"], data.tests, recipe.world, seeds)
        )
    if data.published is not None:
        return list(observe_published(data.published))
    if state.lm is None or data.texts is None:
        raise BadInput("a language model is read before it is measured", hint="fit first")
    prompts = language.make_prompts(
        state.lm.tokenizer, data.texts, _needles(recipe), data.seeds.child("prompts")
    )
    # A model without training finds no needle; its smoke run counts every trial.
    floor = COUNTS_ABOVE if recipe.start != "nothing" else -1.0
    found = language.observe(
        state.lm, prompts, _needles(recipe), workspace.progress, counts_above=floor
    )
    return list(found)


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and draw the maps of heads."""
    from broadsheet.systems.reading.retrieval_heads.findings import make_report

    return make_report(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return how many optimiser steps `fit` takes."""
    return recipe.train.steps + recipe.train.more_steps if recipe.train else 0


def paper_parameters() -> int:
    """Return the parameters of Mistral 7B, one of the paper's models."""
    return 7_241_732_096


def extended_of(model: Any, recipe: Recipe) -> Any:
    """Return the model of the world's second training: for longer texts, with the same weights."""
    return extended(model, recipe.shape, recipe.world.factor, recipe.world.extension)


def _language_model(state: State, recipe: Recipe, workspace: Workspace) -> LanguageModel:
    parts: Any = state.module
    if recipe.start == "nothing":
        return LanguageModel(recipe.arm, parts["model"].eval(), byte_tokenizer())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lm = load_language_model(
        recipe.start, dtype=recipe.dtype, device=device, progress=workspace.progress
    )
    parts["model"] = lm.model
    return lm


def _needles(recipe: Recipe) -> NeedleSettings:
    if recipe.needles is None:
        raise UsageError("the arm has no prompts", received=recipe.arm)
    return recipe.needles

"""Brewing BEIR, step by step: a row is built, trained if it learns, searches, and is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from broadsheet.core.paths import default_cache
from broadsheet.core.recipe import recipe_hash
from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics import ranking
from broadsheet.nn.pretrained import PretrainedEncoder, load_backbone
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.observed import is_finished, read_observations, write_observations
from broadsheet.systems.retrieval.brewing_beir import recipe as recipes
from broadsheet.systems.retrieval.brewing_beir.data import RowData, TestSet, read_data
from broadsheet.systems.retrieval.brewing_beir.encoding import Encoder
from broadsheet.systems.retrieval.brewing_beir.expected import expectation
from broadsheet.systems.retrieval.brewing_beir.findings import make_findings
from broadsheet.systems.retrieval.brewing_beir.model import Retriever
from broadsheet.systems.retrieval.brewing_beir.recipe import FUSED, LEXICAL, Recipe
from broadsheet.systems.retrieval.brewing_beir.searching import (
    exact_weights_run,
    impact_run,
    search,
    weights_of,
)
from broadsheet.systems.retrieval.brewing_beir.training import train_row


@dataclass(slots=True)
class State:
    """The model of a row; rows of words have an empty one."""

    module: nn.Module


def presets() -> Mapping[str, Preset]:
    """Return smoke, laptop and paper."""
    return recipes.presets()


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the row's model with fresh weights."""
    if recipe.kind in LEXICAL:
        return State(nn.Identity())
    kind = "dense" if recipe.kind in FUSED else recipe.kind
    model = seeds.child("model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.integer())
        return State(
            Retriever(recipe.encoder, kind, recipe.projection, model.child("encoder").torch())
        )


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> RowData:
    """Return what the row searches and learns from."""
    return read_data(recipe, seeds, workspace)


def fit(state: State, data: RowData, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> None:
    """Give the encoder its pretrained weights, then train the row if it learns."""
    module = state.module
    if not isinstance(module, Retriever):
        return
    if recipe.encoder.start and isinstance(module.encoder, PretrainedEncoder):
        start, _ = load_backbone(
            recipe.encoder.start, default_cache() / "backbones", workspace.progress
        )
        module.encoder.model.load_state_dict(start.model.state_dict())
    if recipe.trained:
        train_row(module, data, recipe, seeds, workspace)


def evaluate(
    state: State, data: RowData, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Search every set and score the runs; a row that draws nothing is searched once for all seeds.

    A row is drawn where it is trained, or where its encoder starts with fresh weights.
    """
    drawn = recipe.trained or (recipe.kind not in LEXICAL and not recipe.encoder.start)
    if drawn:
        return _measure(state, data, recipe, workspace)
    kept = workspace.shared / f"row-{recipe_hash(recipe)}-{data.digest()}"
    if not is_finished(kept):
        kept.mkdir(parents=True, exist_ok=True)
        write_observations(kept, _measure(state, data, recipe, workspace))
    return read_observations(kept)


def _measure(
    state: State, data: RowData, recipe: Recipe, workspace: Workspace
) -> list[Observation]:
    encoder = None
    if isinstance(state.module, Retriever) and data.tokenizer is not None:
        encoder = Encoder(state.module, data.tokenizer, recipe, workspace)
    found: list[Observation] = []
    for test in data.tests:
        advance = workspace.progress.start(f"searching {test.name}", 1, "sets")
        if encoder is not None and recipe.kind in ("splade", "unicoil"):
            found += _sparse(test, recipe, encoder)
        else:
            found += scores_of(search(test, recipe, encoder, workspace), test)
        advance(1)
    return [*found, *deviations(found, recipe)]


def deviations(found: Sequence[Observation], recipe: Recipe) -> list[Observation]:
    """Return how far scores are from those expected of the row."""
    return [
        Observation(
            dataset=one.dataset,
            metric=f"{one.metric} minus {known.source}",
            unit=one.unit,
            value=one.value - known.value,
            n=one.n,
        )
        for one in found
        if (known := expectation(recipe.arm, one.dataset, one.metric, dev=recipe.dev))
    ]


def _sparse(test: TestSet, recipe: Recipe, encoder: Encoder) -> list[Observation]:
    """Score the impact index, and beside it the unquantised weights and their number."""
    documents, queries = weights_of(test, recipe, encoder)
    found = scores_of(impact_run(test, recipe, documents, queries), test)
    exact = exact_weights_run(test, recipe, documents, queries)
    values = ranking.ndcg(exact, test.retrieval.qrels, 10)
    found.append(_score(test, "ndcg@10, float32", values))
    words = len(documents.weights_P) / documents.rows
    found.append(
        Observation(
            dataset=test.name,
            metric="terms per document",
            unit="terms",
            value=words,
            n=documents.rows,
        )
    )
    return found


def scores_of(run: ranking.Run, test: TestSet) -> list[Observation]:
    """Return nDCG@10 and recall of a run; recall@1000 where collections are large enough."""
    qrels = test.retrieval.qrels
    found = [
        _score(test, "ndcg@10", ranking.ndcg(run, qrels, 10)),
        _score(test, "recall@100", ranking.recall(run, qrels, 100)),
    ]
    if len(test.retrieval.documents) > 2000:
        found.append(_score(test, "recall@1000", ranking.recall(run, qrels, 1000)))
    return found


def _score(test: TestSet, metric: str, values: Mapping[str, float]) -> Observation:
    return Observation(
        dataset=test.name,
        metric=metric,
        unit="x100",
        value=100.0 * ranking.mean(values),
        n=len(values),
        items={"score": np.array(list(values.values()))},
    )


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and gather measurements and figures."""
    return make_findings(preset, runs)


def steps(recipe: Recipe) -> int:
    """Return the optimiser steps of the row; 0 where nothing is learned."""
    return recipe.steps

"""broadsheet-embed: train an elastic encoder and a static table, and meet the encoders we know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from broadsheet.core.errors import UsageError
from broadsheet.core.paths import default_cache
from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import RetrievalSet
from broadsheet.data.tokenising import train_wordpiece
from broadsheet.evals.retrieval import evaluate_retrieval
from broadsheet.evals.score import Encode, fields_of
from broadsheet.evals.sts import evaluate_sts
from broadsheet.nn.pretrained import PretrainedEncoder, load_backbone
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.runtime.artefact import Artefact
from broadsheet.runtime.batching import plan_batches
from broadsheet.systems.contract import Observation, Preset, Run, Workspace
from broadsheet.systems.text.broadsheet_embed import recipe as recipes
from broadsheet.systems.text.broadsheet_embed.artefacts import export_arm
from broadsheet.systems.text.broadsheet_embed.claims import judge
from broadsheet.systems.text.broadsheet_embed.corpus import grammar_pairs
from broadsheet.systems.text.broadsheet_embed.data import Data, Tests, read_data, tokens_of
from broadsheet.systems.text.broadsheet_embed.model import (
    ElasticEmbedder,
    StaticTable,
    contextless_table,
    smooth_inverse_frequency,
)
from broadsheet.systems.text.broadsheet_embed.objective import loss_function, pad
from broadsheet.systems.text.broadsheet_embed.recipe import Recipe
from broadsheet.systems.text.broadsheet_embed.rivals import rival_encode
from broadsheet.systems.text.broadsheet_embed.teacher import token_vectors
from broadsheet.train.loop import train

presets = recipes.presets

#: BERT's uncased vocabulary, which the backbones share.
_VOCABULARY = 30_522
#: Where test texts are cut, as in the application.
_TEST_TOKENS = 256


@dataclass(slots=True)
class State:
    """An arm: what is trained, its tokenizer (None for a rival), and the sample for exports."""

    module: nn.Module
    recipe: Recipe
    tokenizer: Tokenizer | None = None
    gate: RetrievalSet | None = None

    def encode(self, texts: Sequence[str], exit_at: int | None = None) -> np.ndarray:
        """Return unit vectors at an exit (by default the last), [texts, D] float32."""
        return encode_exits(self, self.recipe, texts)[exit_at or max(self.recipe.exits)]


def build(recipe: Recipe, seeds: SeedTree) -> State:
    """Return the untrained arm; the pretrained backbone is fetched when it is not there yet."""
    if recipe.kind == "rival":
        return State(nn.Module(), recipe)
    encoder, tokenizer = _backbone(recipe, seeds)
    vocabulary = _VOCABULARY if tokenizer is None else tokenizer.get_vocab_size()
    if recipe.kind == "static":
        return State(StaticTable(torch.zeros(vocabulary, recipe.dim)), recipe, tokenizer)
    words = _input_vectors(encoder, vocabulary)
    module = ElasticEmbedder(encoder, words, recipe.exits, torch.ones(len(words)))
    return State(module, recipe, tokenizer)


def data(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Data:
    """Read the training pairs, the teacher's vectors of them and the tests."""
    tokenizer = _backbone(recipe, seeds)[1] if recipe.kind != "rival" else None
    return read_data(recipe, tokenizer, workspace, special=recipe.kind == "elastic")


def fit(state: State, data: Data, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> None:
    """Train; a rival is taken as it is."""
    if recipe.kind == "rival":
        return
    state.gate = data.gate
    module = state.module
    assert isinstance(module, ElasticEmbedder | StaticTable)  # noqa: S101 - no rival
    _start(state, data, recipe, workspace)
    loss_at = loss_function(module, data, recipe, seeds)
    train(
        module,
        loss_at,
        recipe.train,
        seeds,
        folder=workspace.run,
        progress=workspace.progress,
    )


def evaluate(
    state: State, data: Data, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Measure every exit at every length on the four tests; each text is encoded once."""
    texts = data.tests.texts()
    if recipe.kind == "rival":
        vectors = {0: rival_encode(recipe, workspace)(texts)}
    else:
        vectors = encode_exits(state, recipe, texts)
    observations: list[Observation] = []
    for exit_at, rows in vectors.items():
        for dim in (rows.shape[1], *recipe.loss.dims):
            label = f"{exit_at}x{'all' if dim == rows.shape[1] else dim}"
            observations += _measure(known_texts(texts, rows[:, :dim]), data.tests, label)
    return observations


def report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card."""
    return judge(preset, runs)


def export(state: State, folder: Path) -> Artefact:
    """Write a trained arm as an artefact: the elastic encoder with all exits, or the table.

    Raises:
        UsageError: It was trained on something that no shipped model may be trained on.
        BadInput: The artefact does not answer as the trained arm does.
    """
    if state.tokenizer is None:
        raise UsageError("a rival is not ours to export", received=state.recipe.arm)
    return export_arm(state.module, state.tokenizer, state.recipe, state.encode, state.gate, folder)


def steps(recipe: Recipe) -> int:
    """Return the optimiser steps of an arm."""
    return 0 if recipe.kind == "rival" else recipe.train.steps


def known_texts(texts: Sequence[str], rows: np.ndarray) -> Encode:
    """Return an encoder that knows the vectors of these texts."""
    places = {text: place for place, text in enumerate(texts)}
    return lambda wanted: rows[[places[text] for text in wanted]]


def encode_exits(state: State, recipe: Recipe, texts: Sequence[str]) -> dict[int, np.ndarray]:
    """Return the vectors of some texts at every exit, [texts, D], in one pass without dropout."""
    assert state.tokenizer is not None  # noqa: S101 - rivals never come here
    ids = tokens_of(state.tokenizer, texts, _TEST_TOKENS, special=recipe.kind == "elastic")
    found = {n: np.zeros((len(texts), recipe.dim), dtype=np.float32) for n in recipe.exits}
    state.module.eval()
    with torch.no_grad():
        for batch in plan_batches([len(item) for item in ids], 2048):
            for n, x_BD in state.module(*pad([ids[i] for i in batch])).items():
                found[n][batch] = F.normalize(x_BD, dim=1).numpy()
    return found


def _measure(encode: Encode, tests: Tests, label: str) -> list[Observation]:
    found = []
    for name, pairs in tests.sts.items():
        score = evaluate_sts(encode, pairs, dataset=name)[0]
        found.append(Observation(**{**fields_of(score), "metric": f"spearman@{label}"}))
    for name, task in tests.retrieval.items():
        for score in evaluate_retrieval(encode, task, dataset=name):
            wanted = "ndcg@10" if name == "Cranfield" else "mrr@10"
            if score.metric == wanted:
                metric = f"{wanted.split('@')[0]}10@{label}"
                found.append(Observation(**{**fields_of(score), "metric": metric}))
    return found


def _start(state: State, data: Data, recipe: Recipe, workspace: Workspace) -> None:
    """Set what depends on the corpus: weights of tokens, and the static table's first rows."""
    module = state.module
    with torch.no_grad():
        if isinstance(module, ElasticEmbedder):
            module.token_weight.copy_(smooth_inverse_frequency(data.counts))
        elif isinstance(module, StaticTable) and state.tokenizer is not None:
            vectors = token_vectors(recipe, state.tokenizer, workspace)
            module.bag.weight.copy_(contextless_table(vectors, data.counts, recipe.dim))


def _backbone(
    recipe: Recipe, seeds: SeedTree
) -> tuple[PretrainedEncoder | Transformer, Tokenizer | None]:
    meta = torch.empty(0).device.type == "meta"
    if recipe.backbone == "tiny":
        texts = [text for pair in grammar_pairs(60, SeedTree(0)) for text in pair]
        tokenizer = train_wordpiece(texts, vocabulary=80)
        shape = TransformerShape(
            vocab=tokenizer.get_vocab_size(), width=32, depth=2, heads=2, hidden=64, max_tokens=300
        )
        return Transformer(shape, seeds.child("weights").torch()), tokenizer
    if meta:
        shape = TransformerShape(
            vocab=_VOCABULARY, width=384, depth=3, heads=12, hidden=1536, max_tokens=512
        )
        return Transformer(shape, seeds.child("weights").torch()), None
    encoder, tokenizer = load_backbone(recipe.backbone, default_cache() / "backbones")
    return encoder, tokenizer


def _input_vectors(encoder: PretrainedEncoder | Transformer, vocabulary: int) -> torch.Tensor:
    """Return a copy of the input vectors; the encoder's own are not trained from here on."""
    tables = [module for module in encoder.modules() if isinstance(module, nn.Embedding)]
    for table in tables:
        table.weight.requires_grad_(False)
    return next(t for t in tables if t.num_embeddings == vocabulary).weight.detach().clone()

"""How rows with an encoder learn: each title finds its abstract among those of the batch.

Legend: B pairs, L tokens, U words.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import info_nce
from broadsheet.systems.contract import Workspace
from broadsheet.systems.retrieval.brewing_beir.data import RowData
from broadsheet.systems.retrieval.brewing_beir.model import Batch, Retriever, flops, max_sim
from broadsheet.systems.retrieval.brewing_beir.recipe import Recipe
from broadsheet.systems.retrieval.brewing_beir.states import token_rows, with_states
from broadsheet.train.loop import train
from broadsheet.train.optimiser import TrainSettings


def train_row(
    model: Retriever, data: RowData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Train a retriever in place; goes on from the checkpoint of an earlier piece.

    Args:
        model: Starts from its pretrained weights.
        data: Pairs and tokenizer.
        recipe: Settings.
        seeds: Of the run: which pairs, in which order, which sampled words.
        workspace: Where checkpoints go.
    """
    settings = TrainSettings(steps=recipe.steps, learning_rate=recipe.learning_rate)
    train(
        model,
        loss_function(model, data, recipe, seeds, workspace),
        settings,
        seeds.child("training"),
        folder=workspace.run,
        progress=workspace.progress,
    )


def chosen_pairs(count: int, recipe: Recipe, seeds: SeedTree) -> list[int]:
    """Return the pairs of all steps, in order; every pair comes once before any comes again."""
    needed = recipe.steps * recipe.batch
    order: list[int] = []
    while len(order) < needed:
        draw = seeds.child("order", len(order)).numpy()
        order += draw.permutation(count).tolist()
    return order[:needed]


def loss_function(
    model: Retriever, data: RowData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> Callable[[int], dict[str, Tensor]]:
    """Return the loss of a step as `train.loop.train` wants it."""
    tokenizer, pairs = data.tokenizer, data.training
    assert tokenizer is not None  # noqa: S101 - rows that train have one
    asked = token_rows(tokenizer, [pair.a for pair in pairs], recipe.query_tokens)
    told = token_rows(tokenizer, [pair.b for pair in pairs], recipe.train_tokens)
    asked, told = (with_states(rows, model, recipe, workspace) for rows in (asked, told))
    order = chosen_pairs(len(pairs), recipe, seeds)

    def loss_at(step: int) -> dict[str, Tensor]:
        places = order[step * recipe.batch : (step + 1) * recipe.batch]
        queries, documents = asked.batch(places), told.batch(places)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.fast_matmul):
            if recipe.kind == "late":
                pair = model.tokens(queries), model.tokens(documents)
            elif recipe.kind in ("splade", "unicoil"):
                words_U = batch_words(model, queries, documents, recipe, seeds, step)
                pair = model.words(queries, words_U), model.words(documents, words_U)
            else:
                pair = model.vectors(queries), model.vectors(documents)
        return loss_of(*pair, recipe, step)

    return loss_at


def loss_of(x: Tensor, y: Tensor, recipe: Recipe, step: int) -> dict[str, Tensor]:
    """Return the loss of a batch from its encoded queries and documents.

    The weight of the regulariser rises with the square of the step over the first third.
    """
    x, y = x.float(), y.float()
    if recipe.kind == "late":
        logits_BB = max_sim(x, y) / recipe.temperature
        return {"loss": F.cross_entropy(logits_BB, torch.arange(len(logits_BB)))}
    if recipe.kind not in ("splade", "unicoil"):
        return {"loss": info_nce(x, y, temperature=recipe.temperature)}
    contrast = info_nce(x, y, temperature=recipe.temperature, similarity="dot")
    if recipe.kind == "unicoil":
        return {"loss": contrast}
    share = min(1.0, (step + 1) / max(1, recipe.steps // 3)) ** 2
    dense = recipe.flops[0] * flops(x) + recipe.flops[1] * flops(y)
    words = (y > 0).float().sum(dim=1).mean()
    return {"loss": contrast + share * dense, "contrast": contrast.detach(), "words": words}


def batch_words(
    model: Retriever,
    queries: Batch,
    documents: Batch,
    recipe: Recipe,
    seeds: SeedTree,
    step: int,
) -> Tensor:
    """Return the words that a step computes: those of the batch and, for SPLADE, some others."""
    own: Tensor = torch.unique(torch.cat([queries.ids_BL.flatten(), documents.ids_BL.flatten()]))
    if recipe.kind == "unicoil":
        return own
    if not recipe.sampled or recipe.sampled >= model.vocabulary:
        every: Tensor = torch.arange(model.vocabulary)
        return every
    draw = seeds.child("words", step).torch()
    others = torch.randperm(model.vocabulary, generator=draw)[: recipe.sampled]
    both: Tensor = torch.unique(torch.cat([own, others]))
    return both

"""From a recipe and a step to a loss: the batch, the base loss, the objective.

Legend: B pairs, P texts of a batch (all first texts, all second ones, all hard negatives), D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from broadsheet.core.seeds import SeedTree
from broadsheet.losses.angle import angle
from broadsheet.losses.contrastive import info_nce
from broadsheet.losses.cosent import cosent
from broadsheet.nn.sentence import SentenceEncoder, TokenBatch
from broadsheet.systems.text.matryoshka_2d.corpus import Training
from broadsheet.systems.text.matryoshka_2d.encoder import pooled_exits
from broadsheet.systems.text.matryoshka_2d.model import (
    BaseLoss,
    EspressoLoss,
    LastLayerLoss,
    MatryoshkaLoss,
    Objective,
    StarbucksSchedule,
    TwoDMatryoshkaLoss,
)
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe
from broadsheet.systems.text.matryoshka_2d.reference import ReferenceLoss

#: Weight of the in-batch negatives beside the angle (the reproduction's ibn_w; angle_w is 1).
IN_BATCH_WEIGHT = 30.0
#: Texts of two sides are encoded in one batch unless that would add this share of padding.
MOST_PADDING = 0.25


@dataclass(frozen=True, slots=True)
class Batch:
    """The texts of one micro-batch: first, second and, where there are any, hard negative ones.

    Args:
        sides: One batch of tokens for each side, B rows each.
        gold_B: Grades, empty where pairs simply belong together.
    """

    sides: tuple[TokenBatch, ...]
    gold_B: Tensor

    @classmethod
    def draw(
        cls, training: Training, recipe: Recipe, step: int, seeds: SeedTree, device: torch.device
    ) -> Batch:
        """Return micro-batch number `step`, a pure function of it and the seeds."""
        rows = training.rows(step, recipe.batch, seeds)
        sides = [training.left, training.right, *([training.hard] if len(training.hard) else [])]
        gold = torch.from_numpy(training.gold[rows]) if len(training.gold) else torch.empty(0)
        return cls(tuple(side.batch(rows).to(device) for side in sides), gold.to(device))

    def exits(self, sentence: SentenceEncoder) -> list[Tensor]:
        """Return x_PD of every layer for all sides, in as few passes as padding allows."""
        sizes = [side.ids_BL.shape for side in self.sides]
        longest, texts = max(length for _, length in sizes), sum(rows for rows, _ in sizes)
        if longest * texts <= (1 + MOST_PADDING) * sum(rows * length for rows, length in sizes):
            return pooled_exits(sentence, _stacked(self.sides, longest))
        per_side = [pooled_exits(sentence, side) for side in self.sides]
        return [torch.cat(layer) for layer in zip(*per_side, strict=True)]

    def base_loss(self, recipe: Recipe) -> BaseLoss:
        """Return the recipe's loss of this batch, for vectors of any size."""
        parts = len(self.sides)
        temperature = 1.0 / recipe.scale

        def graded(x_PD: Tensor) -> Tensor:
            a_BD, b_BD = x_PD.chunk(parts)[:2]
            return cosent(functional.cosine_similarity(a_BD, b_BD), self.gold_B, recipe.scale)

        def paired(x_PD: Tensor) -> Tensor:
            a_BD, b_BD, *hard = x_PD.chunk(parts)
            hard_BD = hard[0] if hard else None
            return info_nce(a_BD, b_BD, temperature=temperature, hard_ND=hard_BD)

        def angled(x_PD: Tensor) -> Tensor:
            a_BD, b_BD, hard_BD = x_PD.chunk(parts)
            gold_P = torch.cat([torch.ones(len(a_BD)), torch.zeros(len(a_BD))]).to(x_PD.device)
            both, partners = torch.cat([a_BD, a_BD]), torch.cat([b_BD, hard_BD])
            return IN_BATCH_WEIGHT * paired(x_PD) + angle(both, partners, gold_P, recipe.scale)

        return {"cosent": graded, "mnr": paired, "angle": angled}[recipe.loss]


def objective_of(recipe: Recipe) -> Objective:
    """Return the objective of a recipe, all but sentence-transformers' own."""
    pairs = tuple(zip(recipe.starbucks_layers, recipe.starbucks_dims, strict=True))
    made: dict[str, Objective] = {
        "base": LastLayerLoss(),
        "mse": MatryoshkaLoss(recipe.dims),
        "2dmse": TwoDMatryoshkaLoss(recipe.dims, recipe.kl_weight, recipe.kl_temperature),
        "ese": EspressoLoss(recipe.ese_size, target=recipe.ese_target),
        "starbucks": StarbucksSchedule(pairs, recipe.kl_weight),
    }
    return made[recipe.objective]


def loss_function(
    sentence: SentenceEncoder, training: Training, recipe: Recipe, seeds: SeedTree
) -> Callable[[int], Tensor]:
    """Return the loss of a step as `train.loop.train` wants it.

    With `accumulate` above 1 the micro-batches are run backward one after the other, and the
    value that comes back has no gradient left to give.
    """
    device = sentence.device
    if recipe.objective == "st-matryoshka2d":
        reference = ReferenceLoss(sentence, recipe.loss, recipe.dims, recipe.scale)

        def one(micro: int) -> Tensor:
            batch = Batch.draw(training, recipe, micro, seeds, device)
            return reference(batch.sides, batch.gold_B, seeds.child("draw", micro))
    else:
        objective = objective_of(recipe)

        def one(micro: int) -> Tensor:
            batch = Batch.draw(training, recipe, micro, seeds, device)
            draw = seeds.child("draw", micro).torch()
            return objective(batch.exits(sentence), batch.base_loss(recipe), draw)

    if recipe.accumulate == 1:
        return one

    def many(step: int) -> Tensor:
        total = torch.zeros((), device=device)
        for micro in range(step * recipe.accumulate, (step + 1) * recipe.accumulate):
            loss = one(micro) / recipe.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    return many


def _stacked(sides: tuple[TokenBatch, ...], length: int) -> TokenBatch:
    def padded(x_BL: Tensor) -> Tensor:
        return functional.pad(x_BL, (0, length - x_BL.shape[1]))

    return TokenBatch(
        torch.cat([padded(side.ids_BL) for side in sides]),
        torch.cat([padded(side.mask_BL) for side in sides]),
    )

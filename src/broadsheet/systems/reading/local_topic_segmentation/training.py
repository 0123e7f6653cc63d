"""Training: pairs for the joint model, whole documents for the tagger.

Legend: B documents, L units of the longest, P pairs, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.data import Part, SegmentationData
from broadsheet.systems.reading.local_topic_segmentation.encoders import (
    TransformerTower,
    start_tower,
)
from broadsheet.systems.reading.local_topic_segmentation.model import MultiTaskLoss
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.sampler import SentencePairSampler
from broadsheet.systems.reading.local_topic_segmentation.states import State
from broadsheet.train.loop import train
from broadsheet.train.optimiser import TrainSettings


def train_joint(
    state: State, data: SegmentationData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Train heads, shared layer, and what is not frozen of the encoder."""
    if isinstance(state.tower, TransformerTower):
        start_tower(state.tower, recipe.encoder, workspace)
    part = data.train
    source = state.source(part)
    sampler = SentencePairSampler(
        part.units, recipe.batch, recipe.other_share, seeds.child("pairs")
    )
    weight = boundary_weight(part) if recipe.balanced else 1.0
    loss = MultiTaskLoss(recipe.weights, weight)
    class_N = torch.from_numpy(part.units.class_N)

    def loss_at(step: int) -> dict[str, Tensor]:
        pairs = sampler.at(step)
        if state.joint.nsp is None:  # what is no neighbour teaches the other heads nothing
            pairs = pairs.first(recipe.batch)
        logits = state.joint(*source.pairs(pairs.first_P, pairs.second_P))
        found: dict[str, Tensor] = loss(
            logits,
            torch.from_numpy(pairs.same_P),
            torch.from_numpy(pairs.next_P),
            class_N[pairs.first_P],
            class_N[pairs.second_P],
        )
        return found

    _train(state, loss_at, recipe, seeds, workspace)


def train_tagger(
    state: State, data: SegmentationData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> None:
    """Train the tagger on boundaries and, where there are some, classes of whole documents."""
    part = data.train
    weight_2 = torch.tensor([boundary_weight(part) if recipe.balanced else 1.0, 1.0])
    count = len(part.units.masses)

    def loss_at(step: int) -> dict[str, Tensor]:
        rng = seeds.child("documents", step // -(-count // recipe.batch)).numpy()
        order = rng.permutation(count)
        start = step % -(-count // recipe.batch) * recipe.batch
        chosen = order[start : start + recipe.batch]
        x_BLD, lengths_B, same_BG, class_BL = padded_documents(part, chosen)
        same_BG2, class_BLC = state.tagger(x_BLD, lengths_B)
        parts = {
            "stp": F.cross_entropy(
                same_BG2.flatten(0, 1), same_BG.flatten(), weight_2, ignore_index=-1
            )
        }
        if class_BLC is not None:
            parts["tc"] = F.cross_entropy(
                class_BLC.flatten(0, 1), class_BL.flatten(), ignore_index=-1
            )
        total = torch.stack([*parts.values()]).sum()
        return {"loss": total, **{name: one.detach() for name, one in parts.items()}}

    _train(state, loss_at, recipe, seeds, workspace)


def boundary_weight(part: Part) -> float:
    """Return how many pairs of neighbours share their segment for each pair that does not."""
    neighbours = part.units.neighbours()
    same = part.units.segment_N[neighbours] == part.units.segment_N[neighbours + 1]
    boundaries = int((~same).sum())
    return float(same.sum() / boundaries) if boundaries and same.any() else 1.0


def padded_documents(
    part: Part, chosen: Sequence[int] | np.ndarray
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return vectors, lengths, "same segment" of neighbours and classes; -1 at padding.

    Shape:
        x_BLD, lengths_B, same_BG, class_BL
    """
    units, vectors = part.units, part.vectors
    spans = [(int(units.starts[one]), int(units.starts[one + 1])) for one in chosen]
    lengths_B = torch.tensor([stop - start for start, stop in spans])
    longest = max(int(lengths_B.max()), 2)
    x_BLD = torch.zeros(len(spans), longest, vectors.shape[1])
    same_BG = torch.full((len(spans), longest - 1), -1)
    class_BL = torch.full((len(spans), longest), -1)
    for row, (start, stop) in enumerate(spans):
        x_BLD[row, : stop - start] = torch.from_numpy(vectors[start:stop])
        segment = units.segment_N[start:stop]
        same_BG[row, : stop - start - 1] = torch.from_numpy(
            (segment[:-1] == segment[1:]).astype(np.int64)
        )
        class_BL[row, : stop - start] = torch.from_numpy(units.class_N[start:stop])
    return x_BLD, lengths_B, same_BG, class_BL


def _train(
    state: State,
    loss_at: object,
    recipe: Recipe,
    seeds: SeedTree,
    workspace: Workspace,
) -> None:
    trained: nn.Module = state.trained()
    train(
        trained,
        loss_at,  # type: ignore[arg-type]
        TrainSettings(steps=recipe.steps, learning_rate=recipe.learning_rate),
        seeds.child("training"),
        folder=workspace.run,
        progress=workspace.progress,
    )

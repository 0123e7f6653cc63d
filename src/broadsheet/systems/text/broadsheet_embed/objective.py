"""The loss of a step: find the partner, and be as similar to each other text as the teacher says.

Legend: B pairs, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from broadsheet.core.seeds import SeedTree
from broadsheet.data.batches import Batches, BatchSettings, Mixture
from broadsheet.losses.contrastive import symmetric_info_nce
from broadsheet.losses.distillation import similarity_kl
from broadsheet.losses.matryoshka import cut
from broadsheet.systems.text.broadsheet_embed.data import Data
from broadsheet.systems.text.broadsheet_embed.model import ElasticEmbedder, StaticTable
from broadsheet.systems.text.broadsheet_embed.recipe import LossSettings, Recipe


def loss_function(
    module: ElasticEmbedder | StaticTable, data: Data, recipe: Recipe, seeds: SeedTree
) -> Callable[[int], dict[str, Tensor]]:
    """Return the loss of a step: all exits, all lengths, both parts, each logged by name."""
    texts = data.corpus.texts
    parts = {
        source: Batches(
            [(texts[a], texts[b]) for a, b in rows],
            BatchSettings(
                size=recipe.loss.gloss_pairs if source == "wordnet" else recipe.loss.batch_pairs
            ),
            seeds.child("batches", source),
        )
        for source, rows in data.corpus.pairs.items()
    }
    mixture = Mixture(parts, dict.fromkeys(parts, 1.0), seeds.child("mixture"))

    def loss_at(step: int) -> dict[str, Tensor]:
        source, places = mixture.at(step)
        rows = data.corpus.pairs[source][places]
        x = module(*pad([data.ids[i] for i in rows[:, 0]]))
        y = module(*pad([data.ids[i] for i in rows[:, 1]]))
        teacher = None if data.teacher is None else data.teacher[rows.T.reshape(-1)]
        return step_loss(x, y, teacher, recipe.loss)

    return loss_at


def step_loss(
    x: dict[int, Tensor], y: dict[int, Tensor], teacher_2BE: Tensor | None, settings: LossSettings
) -> dict[str, Tensor]:
    """Return the mean over exits and lengths of both parts, and their weighted sum.

    Args:
        x: One side's vectors of each exit, x_BD.
        y: The other side's.
        teacher_2BE: The teacher's vectors of both sides, one below the other.
        settings: Weights and temperatures.
    """
    contrastive, similarity = [], []
    for exit_at, x_BD in x.items():
        y_BD = y[exit_at]
        for dim in (x_BD.shape[1], *settings.dims):
            a_Bd, b_Bd = cut(x_BD, dim), cut(y_BD, dim)
            contrastive.append(symmetric_info_nce(a_Bd, b_Bd, temperature=settings.temperature))
            if teacher_2BE is not None:
                both_2Bd = torch.cat([a_Bd, b_Bd])
                similarity.append(
                    similarity_kl(both_2Bd, teacher_2BE, settings.similarity_temperature)
                )
    losses = {"contrastive": torch.stack(contrastive).mean()}
    total = settings.contrastive * losses["contrastive"]
    if similarity:
        losses["similarity"] = torch.stack(similarity).mean()
        total = total + settings.similarity * losses["similarity"]
    return {"loss": total, **losses}


def pad(rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return token ids padded on the right with 0, and the mask that is 1 at real tokens."""
    lengths = np.array([len(row) for row in rows])
    places = np.arange(lengths.max())
    mask_BL = (places < lengths[:, None]).astype(np.int64)
    ids_BL = np.zeros_like(mask_BL)
    ids_BL[mask_BL.astype(bool)] = np.concatenate(rows)
    return torch.from_numpy(ids_BL), torch.from_numpy(mask_BL)

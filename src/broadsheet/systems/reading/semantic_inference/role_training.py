"""Training and measuring of role-guided encoders, one for each set of sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.seeds import SeedTree
from broadsheet.data.classification import TASKS
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.reading.semantic_inference.claim_training import vector_size
from broadsheet.systems.reading.semantic_inference.guided import GuidedShape, RoleGuidedEncoder
from broadsheet.systems.reading.semantic_inference.recipe import RoleSettings
from broadsheet.systems.reading.semantic_inference.role_data import Sentences, read_sentences
from broadsheet.train.loop import train

_BLOCK = 128


def shape_of(settings: RoleSettings) -> GuidedShape:
    """Return the sizes of a recipe's encoder.

    Raises:
        UsageError: More roles than heads.
    """
    roles = 0 if settings.control == "none" else len(settings.roles)
    return replace(
        settings.shape,
        inputs=vector_size(settings.words),
        roles=roles,
        scale="model" if settings.mode == "official" else "head",
        max_tokens=settings.max_words + 2,
    )


def make_encoders(settings: RoleSettings, seeds: SeedTree) -> nn.ModuleDict:
    """Return an untrained encoder for each set."""
    shape = shape_of(settings)
    return nn.ModuleDict(
        {
            task: RoleGuidedEncoder(
                shape, len(TASKS[task].classes) if task in TASKS else 2, seeds.child(task).torch()
            )
            for task in settings.tasks
        }
    )


def read_all(
    settings: RoleSettings, seeds: SeedTree, workspace: Workspace
) -> Mapping[str, Sentences]:
    """Return all sets of a recipe."""
    return {task: read_sentences(task, settings, seeds, workspace) for task in settings.tasks}


def train_encoders(
    models: nn.ModuleDict,
    data: Mapping[str, Sentences],
    settings: RoleSettings,
    seeds: SeedTree,
    workspace: Workspace,
) -> None:
    """Train the encoder of each set."""
    for task, sentences in data.items():
        model = models[task]
        loss_at = loss_function(model, sentences, settings, seeds.child(task, "batches"))
        train(
            model,
            loss_at,
            settings.train,
            seeds.child(task, "training"),
            folder=workspace.run / task,
            progress=workspace.progress,
        )


def loss_function(
    model: nn.Module, data: Sentences, settings: RoleSettings, seeds: SeedTree
) -> Callable[[int], Tensor]:
    """Return the cross-entropy of a step."""
    batches = data.batches(settings.batch, seeds)

    def loss_at(step: int) -> Tensor:
        places = data.train_N[batches.at(step)]
        return F.cross_entropy(model(*data.batch(places)), data.gold_N[torch.from_numpy(places)])

    return loss_at


@torch.no_grad()
def measure_encoders(models: nn.ModuleDict, data: Mapping[str, Sentences]) -> list[Observation]:
    """Return the accuracy on each set, and how dense the masks are."""
    found = []
    for task, sentences in data.items():
        model = models[task].eval()
        order = sorted(sentences.test_N, key=lambda place: len(sentences.ids[place]))
        guess: dict[int, int] = {}
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            answers = model(*sentences.batch(block)).argmax(dim=1).tolist()
            guess.update(zip(block, answers, strict=True))
        gold = sentences.gold_N.numpy()[sentences.test_N]
        right = (np.array([guess[place] for place in sentences.test_N]) == gold).astype(np.float64)
        found.append(_observed(task, "accuracy", float(right.mean()), len(right), right))
        if len(sentences.masks[0]):
            dense = np.array([sentences.masks[p].mean() for p in sentences.test_N])
            found.append(_observed(task, "allowed pairs", float(dense.mean()), len(dense), dense))
    return found


def _observed(dataset: str, metric: str, value: float, n: int, scores: np.ndarray) -> Observation:
    items = {"score": scores}
    return Observation(
        dataset=dataset, metric=metric, unit="x100", value=100 * value, n=n, items=items
    )

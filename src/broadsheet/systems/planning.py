"""The dry run: what each arm would take, from its module on the meta device; nothing is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from broadsheet.core.errors import BroadsheetError
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import System

#: What fields of recipes call the items of a batch, and the positions of an item.
_BATCH = ("batch", "batch_size", "batch_pairs")
_LENGTH = ("max_tokens", "tokens", "length", "max_length")
#: Positions per step when a recipe states neither.
_ASSUMED = (32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one arm takes.

    Args:
        arm: Its name.
        parameters: All parameters; None when the module can't be built without weights at hand.
        trainable: Those that are trained.
        steps: Optimiser steps.
        weights_mb: Parameters and buffers.
        optimiser_mb: Gradients and AdamW's two moments, in fp32.
        activations_mb: What the backward pass keeps, under `assumption`.
        assumption: How activations were estimated, or why there is no module to count.
    """

    arm: str
    parameters: int | None
    trainable: int
    steps: int
    weights_mb: float
    optimiser_mb: float
    activations_mb: float
    assumption: str

    @property
    def memory_mb(self) -> float:
        """The sum of the three parts."""
        return self.weights_mb + self.optimiser_mb + self.activations_mb


def plan_arm(system: System, recipe: Any) -> Plan:
    """Return what an arm would take, without weights in memory."""
    steps = system.steps(recipe)
    try:
        module = build_on_meta(system, recipe)
    except BroadsheetError as error:
        return Plan(
            arm=recipe.arm,
            parameters=None,
            trainable=0,
            steps=steps,
            weights_mb=0.0,
            optimiser_mb=0.0,
            activations_mb=0.0,
            assumption=f"not counted: {error}",
        )
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad) if steps else 0
    stored = [*module.parameters(), *module.buffers()]
    activations, assumption = _activations(module, recipe) if trainable else (0, "no training")
    return Plan(
        arm=recipe.arm,
        parameters=sum(p.numel() for p in module.parameters()),
        trainable=trainable,
        steps=steps,
        weights_mb=sum(t.numel() * t.element_size() for t in stored) / 1e6,
        optimiser_mb=12 * trainable / 1e6,
        activations_mb=activations / 1e6,
        assumption=assumption,
    )


def build_on_meta(system: System, recipe: Any) -> nn.Module:
    """Return the module of an arm on the meta device: shapes without numbers."""
    with torch.device("meta"):
        module: nn.Module = system.build(recipe, SeedTree(0)).module
    return module


def _activations(module: nn.Module, recipe: Any) -> tuple[int, str]:
    batch, length = _find(recipe, _BATCH), _find(recipe, _LENGTH)
    stated = batch is not None and length is not None
    rows, positions = batch or _ASSUMED[0], length or _ASSUMED[1]
    width = sum(_outputs(module))
    sentence = (
        "activations: each trained layer keeps input and output in fp32 at "
        f"{rows} x {positions} positions{'' if stated else ' (partly assumed)'}, "
        "attention maps not counted"
    )
    return 2 * 4 * width * rows * positions, sentence


def _outputs(module: nn.Module) -> Iterator[int]:
    """Yield the width of what each trained layer gives for one position."""
    for layer in module.modules():
        if not any(p.requires_grad for p in layer.parameters(recurse=False)):
            continue
        if isinstance(layer, nn.Linear):
            yield layer.out_features
        elif isinstance(layer, nn.Embedding | nn.EmbeddingBag):
            yield layer.embedding_dim
        elif isinstance(layer, nn.LayerNorm):
            yield layer.normalized_shape[-1]


def _find(recipe: object, names: tuple[str, ...]) -> int | None:
    """Return the whole number that a recipe has under one of the names, outer parts first."""
    level = [recipe]
    while level:
        fields = [(f.name, getattr(part, f.name)) for part in level for f in _fields(part)]
        found = [value for name, value in fields if name in names and isinstance(value, int)]
        if found:
            return max(found)
        level = [value for _, value in fields if dataclasses.is_dataclass(value)]
    return None


def _fields(part: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(part)

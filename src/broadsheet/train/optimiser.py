"""What one training run is told (steps, rate, schedule), and the optimiser made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import nn

from broadsheet.core.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Settings of one training run.

    Args:
        steps: Optimiser steps.
        learning_rate: The highest rate, reached at the end of the warm-up.
        weight_decay: Of AdamW; never on biases, norms and other parameters of one dimension.
        warmup: Share of the steps in which the rate rises from almost 0.
        schedule: How the rate falls afterwards; linear and cosine end at 0.
        clip: Longest gradient (L2 norm over all parameters); 0 does not clip.
        checkpoint_every_s: Seconds between checkpoints; 0 keeps one after every step.
        log_every: Steps between lines of metrics.jsonl, each the mean over them.

    Raises:
        BadInput: A setting is out of its range.

    Example:
        >>> settings = TrainSettings(steps=100, learning_rate=1e-3, warmup=0.1)
        >>> [round(settings.rate_at(step), 6) for step in (0, 9, 99)]
        [0.0001, 0.001, 1.1e-05]
    """

    steps: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = 1.0
    checkpoint_every_s: float = 60.0
    log_every: int = 20

    def __post_init__(self) -> None:
        limits = {
            "steps": self.steps >= 1,
            "learning_rate": self.learning_rate > 0 and math.isfinite(self.learning_rate),
            "weight_decay": self.weight_decay >= 0,
            "warmup": 0 <= self.warmup < 1,
            "clip": self.clip >= 0,
            "checkpoint_every_s": self.checkpoint_every_s >= 0,
            "log_every": self.log_every >= 1,
        }
        for name, holds in limits.items():
            if not holds:
                raise BadInput(f"{name} is out of its range", received=getattr(self, name))
        if self.schedule not in ("linear", "cosine", "constant"):
            raise BadInput(
                "no such schedule", received=self.schedule, hint="linear, cosine or constant"
            )

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = round(self.steps * self.warmup)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        share = (step - rising) / (self.steps - rising)
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
        return self.learning_rate * (1 - share)

    def mathematics(self) -> dict[str, float | str]:
        """Return the settings that change the weights: a checkpoint is only good for the same."""
        silent = ("checkpoint_every_s", "log_every")
        return {item.name: getattr(self, item.name) for item in fields(self)} | dict.fromkeys(
            silent, 0.0
        )


def adamw(module: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """Return AdamW over the trainable parameters, without decay on those of one dimension.

    The fused form is taken: on a CPU it saves most of the optimiser's time.

    Raises:
        BadInput: The module has nothing to train.
    """
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not trainable:
        raise BadInput("the module has no trainable parameter", received=type(module).__name__)
    decayed = [p for name, p in trainable.items() if _decays(name, p)]
    kept = [p for name, p in trainable.items() if not _decays(name, p)]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def _decays(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2 and not name.endswith("bias")

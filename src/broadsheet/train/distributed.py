"""Several processes, one model: each takes its slice of the global batch, gradients are averaged.

Started by `torchrun` or `accelerate launch`, which set WORLD_SIZE; alone, nothing here costs time.
Gradients are averaged after the backward pass, all in one message: the loss function may call the
model as often as it likes (early exits, gradient cache), which a wrapped model would not allow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from broadsheet.core.errors import UsageError
from broadsheet.core.optional import require


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train one model together.

    Args:
        rank: Number of this process, 0 for the one that writes files.
        size: How many there are.

    Example:
        >>> Group(rank=1, size=4).share(512)
        slice(128, 256, None)
    """

    rank: int = 0
    size: int = 1

    def share(self, rows: int) -> slice:
        """Return which rows of a global batch are this process's.

        Raises:
            UsageError: The rows can't be shared evenly: a mean of means would not be the mean.
        """
        if rows % self.size:
            raise UsageError(
                f"{rows} rows can't be shared evenly by {self.size} processes",
                received=rows,
                hint="a batch size that is a multiple of the number of processes",
            )
        each = rows // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def average(
        self, parameters: Sequence[nn.Parameter], values: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Average all gradients in place, and the metrics; every process calls it each step.

        A parameter without gradient counts as zeros where another process has one; where no
        process has any it is left without.
        """
        if self.size == 1:
            return dict(values)
        names = sorted(values)
        device = parameters[0].device
        has = [float(p.grad is not None) for p in parameters]
        parts = [torch.stack([values[name].detach().float().to(device) for name in names])]
        parts.append(torch.tensor(has, device=device))
        parts.extend(
            torch.zeros(p.numel(), device=device) if p.grad is None else p.grad.float().flatten()
            for p in parameters
        )
        flat = torch.cat(parts)
        torch.distributed.all_reduce(flat)
        flat /= self.size
        metrics = dict(zip(names, flat[: len(names)], strict=True))
        here = flat[len(names) : len(names) + len(has)].tolist()
        at = len(names) + len(has)
        for parameter, share in zip(parameters, here, strict=True):
            mean = flat[at : at + parameter.numel()]
            at += parameter.numel()
            parameter.grad = mean.view_as(parameter).to(parameter.dtype) if share else None
        return metrics

    def agree(self, step: int) -> None:
        """Check that every process goes on from the same step.

        Raises:
            UsageError: They don't: the run's folder is not shared by all machines.
        """
        if self.size == 1:
            return
        ends = torch.tensor([step, -step], device=_device())
        torch.distributed.all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
        most, least = int(ends[0]), -int(ends[1])
        if most != least:
            raise UsageError(
                "the processes found different checkpoints",
                received=f"steps {least} and {most}",
                hint="a run folder that all machines share",
            )

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.size > 1:
            torch.distributed.barrier()


def _device() -> str:
    return "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"


def join_group() -> Group:
    """Return the group that this process was started in; alone when it was started alone.

    Raises:
        UsageError: WORLD_SIZE asks for several processes and accelerate is not installed.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Group()
    accelerate: Any = require("accelerate", extra="train", why="training on several devices")
    accelerate.PartialState(cpu=not torch.cuda.is_available())  # opens the connections
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())

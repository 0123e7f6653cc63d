"""Rows of all processes, with gradients that flow back to the process each row came from.

Legend: B rows of this process, G rows of all processes, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from broadsheet.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows of all processes in the order of their ranks, and where our own begin.

    Shape:
        rows_GD.
    """

    rows_GD: Tensor
    start: int


#: Collects rows_BD of all processes.
Gather = Callable[[Tensor], Gathered]


def local(rows_BD: Tensor) -> Gathered:
    """Return this process's rows: there are no others.

    Example:
        >>> local(torch.ones(2, 3)).start
        0
    """
    return Gathered(rows_BD, 0)


def across_processes(rows_BD: Tensor) -> Gathered:
    """Return the rows of all processes of the default group; gradients flow to all of them.

    Each process then takes the mean loss over its own B anchors. The gradient of a row is the sum
    over all processes' losses, so the mean of the processes' parameter gradients (what
    DistributedDataParallel takes) is the gradient of the loss of the whole batch in one process.

    Raises:
        BadInput: The processes hold different numbers of rows.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return local(rows_BD)
    counts = [torch.zeros(1, dtype=torch.int64, device=rows_BD.device) for _ in _ranks()]
    own = torch.tensor([len(rows_BD)], device=rows_BD.device)
    dist.all_gather(counts, own)
    if len({int(count.item()) for count in counts}) > 1:
        raise BadInput(
            "the processes hold different numbers of rows",
            received=[int(count.item()) for count in counts],
            hint="drop the last incomplete batch",
        )
    rows_GD: Tensor = _AllGather.apply(rows_BD)  # type: ignore[no-untyped-call]
    return Gathered(rows_GD, dist.get_rank() * len(rows_BD))


def _ranks() -> range:
    return range(dist.get_world_size())


class _AllGather(torch.autograd.Function):
    """The gradient of a row is the sum of what every process found for it."""

    @staticmethod
    def forward(ctx: Any, rows_BD: Tensor) -> Tensor:
        ctx.count = len(rows_BD)
        parts = [torch.empty_like(rows_BD, memory_format=torch.contiguous_format) for _ in _ranks()]
        dist.all_gather(parts, rows_BD.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total_GD = grads[0].contiguous().clone()
        dist.all_reduce(total_GD)
        start = dist.get_rank() * ctx.count
        return total_GD[start : start + ctx.count]

"""Matryoshka: one loss at several lengths of the same vector.

Legend: B rows, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput

PairLoss = Callable[[Tensor, Tensor], Tensor]


def matryoshka(
    loss: PairLoss,
    x_BD: Tensor,
    y_BD: Tensor,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Return the weighted sum of a loss over prefixes of the vectors, scaled to length 1 each.

    Args:
        loss: Takes two sets of vectors. What else it needs (grades, a teacher) it brings along.
        x_BD: One side.
        y_BD: The other side; may have more rows.
        dims: Lengths, such as 384, 128, 64.
        weights: One for each length; 1 when not given. Not normalised: their sum scales the loss.

    Inputs:
        Those of `loss`.

    Negatives per anchor:
        Those of `loss`, at each length.

    Relations:
        A wrapper. `over_dims` is the same for losses of more than two sets (hard negatives).

    Shape:
        -> scalar.

    Raises:
        BadInput: A length the vectors don't have, or not one weight for each.

    Source:
        Matryoshka representation learning (arXiv 2205.13147), equation 1.

    Example:
        >>> x = torch.eye(4)
        >>> gap = lambda a, b: (a - b).square().sum()
        >>> matryoshka(gap, x, x.flip(0), dims=(4, 2), weights=(1.0, 0.5)).item()
        10.0
    """
    return over_dims(lambda dim: loss(cut(x_BD, dim), cut(y_BD, dim)), dims, weights)


def over_dims(
    loss: Callable[[int], Tensor], dims: Sequence[int], weights: Sequence[float] | None = None
) -> Tensor:
    """Return the weighted sum of a loss that cuts its vectors itself (see `cut`).

    Raises:
        BadInput: No length, or not one weight for each.

    Example:
        >>> over_dims(lambda dim: torch.tensor(float(dim)), dims=(4, 2)).item()
        6.0
    """
    factors = [1.0] * len(dims) if weights is None else list(weights)
    if not dims or len(factors) != len(dims):
        raise BadInput("each length needs one weight", received=f"dims {dims}, weights {weights}")
    return torch.stack(
        [factor * loss(dim) for dim, factor in zip(dims, factors, strict=True)]
    ).sum()


def cut(x_BD: Tensor, dim: int) -> Tensor:
    """Return the first `dim` numbers of each vector, scaled to length 1.

    Raises:
        BadInput: The vectors are shorter.

    Example:
        >>> cut(torch.tensor([[3.0, 4.0, 5.0]]), 2).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    if not 1 <= dim <= x_BD.shape[1]:
        raise BadInput(
            "a vector can't be cut there",
            received=dim,
            hint=f"a number from 1 to {x_BD.shape[1]}",
        )
    return F.normalize(x_BD[:, :dim], dim=1)

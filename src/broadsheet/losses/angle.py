"""AnglE: graded pairs, compared by the angle between complex vectors.

Legend: B pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.losses.cosent import cosent
from broadsheet.losses.precision import in_full_precision


@in_full_precision
def angle(x_BD: Tensor, y_BD: Tensor, gold_B: Tensor, scale: float = 20.0) -> Tensor:
    """Return the CoSENT loss of `angle_similarity`: better graded pairs must differ less in angle.

    Where a cosine is near 1 or -1 its gradient vanishes; that of the angle does not.

    Args:
        x_BD: One side; the first half of each vector are real, the second imaginary parts.
        y_BD: The other side.
        gold_B: Grade of each pair; only the order counts.
        scale: Sharpness, the inverse of the paper's temperature.

    Inputs:
        Graded pairs.

    Negatives per anchor:
        None from other pairs' texts, see `cosent`.

    Relations:
        The paper adds `cosent` of cosines and in-batch negatives (`contrastive.info_nce`) to it.

    Shape:
        -> scalar.

    Raises:
        BadInput: An odd width, or sides of different shapes.

    Source:
        AnglE (arXiv 2309.12871).

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> round(angle(x, x, torch.tensor([1.0, 0.0])).item(), 4)
        0.6931
    """
    return cosent(angle_similarity(x_BD, y_BD), gold_B, scale)


def angle_similarity(x_BD: Tensor, y_BD: Tensor) -> Tensor:
    """Return |sum of the real and imaginary parts of x / y, scaled by |y| / |x||, pair by pair.

    Shape:
        x_BD, y_BD -> [B].

    Raises:
        BadInput: An odd width, or sides of different shapes.

    Source:
        AnglE (arXiv 2309.12871); the sum of both parts is that of the authors' code.
    """
    if x_BD.shape != y_BD.shape or x_BD.shape[1] % 2:
        raise BadInput(
            "complex vectors need an even width, the same on both sides",
            received=f"{tuple(x_BD.shape)} and {tuple(y_BD.shape)}",
        )
    a_BH, b_BH = x_BD.chunk(2, dim=1)
    c_BH, d_BH = y_BD.chunk(2, dim=1)
    tiny = torch.finfo(x_BD.dtype).tiny
    # (a + bi) / (c + di) has |y|^2 below it; times |y| / |x| leaves |x| |y|.
    lengths_B = torch.linalg.vector_norm(x_BD, dim=1) * torch.linalg.vector_norm(y_BD, dim=1)
    below_B = lengths_B.clamp_min(tiny)
    real_B = (a_BH * c_BH + b_BH * d_BH).sum(dim=1)
    imaginary_B = (b_BH * c_BH - a_BH * d_BH).sum(dim=1)
    return torch.abs((real_B + imaginary_B) / below_B)

"""The mean over tokens.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from broadsheet.nn.layered import States


class MeanPooling(nn.Module):
    """The mean of the last given layer's states over the real tokens; a row without any gives 0.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        Sentence-BERT (arXiv 1908.10084), section 3.

    Example:
        >>> states = (torch.tensor([[[1.0], [3.0], [50.0]]]),)
        >>> MeanPooling()(states, torch.tensor([[1, 1, 0]])).item()
        2.0
    """

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Average the real tokens of each row."""
        return weighted_mean(states[-1], mask_BL)


def weighted_mean(x_BLD: Tensor, weights_BL: Tensor) -> Tensor:
    """Return the weighted mean over tokens; weights of 0 in all places give 0.

    Shape:
        x_BLD, weights_BL -> x_BD.
    """
    weights_BL = weights_BL.to(x_BLD.dtype)
    tiny = torch.finfo(x_BLD.dtype).tiny
    shares_BL = weights_BL / weights_BL.sum(dim=1, keepdim=True).clamp_min(tiny)
    return torch.einsum("bl,bld->bd", shares_BL, x_BLD)

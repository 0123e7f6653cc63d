"""Learned queries read the tokens of the last layer.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from broadsheet.nn.latents import LatentAttention, LatentShape
from broadsheet.nn.layered import States


class TrainablePooling(nn.Module):
    """Cross-attention of learned latents to the last given layer's real tokens.

    Args:
        shape: Sizes.
        generator: Draws the weights.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        Pooling and attention (arXiv 2409.02727), model 4, with the padding masked.

    Example:
        >>> pooling = TrainablePooling(LatentShape(width=8, heads=2), torch.Generator())
        >>> pooling((torch.zeros(2, 5, 8),), torch.ones(2, 5)).shape
        torch.Size([2, 8])
    """

    def __init__(self, shape: LatentShape, generator: torch.Generator) -> None:
        super().__init__()
        self.reader = LatentAttention(shape, generator)

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Read the tokens of each row."""
        x_BD: Tensor = self.reader(states[-1], mask_BL)
        return x_BD

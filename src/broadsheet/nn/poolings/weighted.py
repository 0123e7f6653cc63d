"""The mean over tokens, later ones counting more.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from broadsheet.nn.layered import States
from broadsheet.nn.poolings.mean import weighted_mean


class WeightedPooling(nn.Module):
    """The mean of the last given layer's states, the k-th real token of a row with weight k.

    In a causal model late tokens have seen more of the text.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        SGPT (arXiv 2202.08904).

    Example:
        >>> import torch
        >>> states = (torch.tensor([[[0.0], [3.0], [50.0]]]),)
        >>> WeightedPooling()(states, torch.tensor([[1, 1, 0]])).item()
        2.0
    """

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Average the real tokens of each row by their rank."""
        mask_BL = mask_BL.long()
        return weighted_mean(states[-1], mask_BL.cumsum(dim=1) * mask_BL)

"""The state of the first token.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from broadsheet.nn.layered import States


class ClsPooling(nn.Module):
    """The last given layer's state of the first real token, on whichever side the padding is.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        BERT (arXiv 1810.04805), section 3.

    Example:
        >>> states = (torch.tensor([[[9.0], [1.0], [3.0]]]),)
        >>> ClsPooling()(states, torch.tensor([[0, 1, 1]])).item()
        1.0
    """

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Take the first real token of each row."""
        return take(states[-1], first_token(mask_BL))


def first_token(mask_BL: Tensor) -> Tensor:
    """Return the position of the first real token of each row (0 where there is none).

    Shape:
        mask_BL -> [B], int64.
    """
    length = mask_BL.shape[1]
    places_L = torch.arange(length, device=mask_BL.device)
    first_B = torch.where(mask_BL.bool(), places_L, length).amin(dim=1)
    return first_B.where(first_B < length, 0)


def take(x_BLD: Tensor, places_B: Tensor) -> Tensor:
    """Return one token's state of each row.

    Shape:
        x_BLD, places_B -> x_BD.
    """
    rows_B = torch.arange(x_BLD.shape[0], device=x_BLD.device)
    return x_BLD[rows_B, places_B]

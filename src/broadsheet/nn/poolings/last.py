"""The state of the last token, which in a causal model alone has seen the whole text.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from broadsheet.nn.layered import States
from broadsheet.nn.poolings.cls import take


class LastPooling(nn.Module):
    """The last given layer's state of the last real token, on whichever side the padding is.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        Pooling and attention (arXiv 2409.02727), model 1.

    Example:
        >>> states = (torch.tensor([[[9.0], [1.0], [3.0]]]),)
        >>> LastPooling()(states, torch.tensor([[1, 1, 0]])).item()
        1.0
    """

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Take the last real token of each row."""
        return take(states[-1], last_token(mask_BL))


def last_token(mask_BL: Tensor) -> Tensor:
    """Return the position of the last real token of each row (0 where there is none).

    Shape:
        mask_BL -> [B], int64.
    """
    places_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    return torch.where(mask_BL.bool(), places_L, 0).amax(dim=1)

"""The top layers beside each other, pooled over tokens.

Legend: B rows, L tokens, D width, P = n D.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.nn.layered import States
from broadsheet.nn.poolings.cls import first_token

Mode = Literal["mean", "sqrt", "max"]


class TopLayersConcatPooling(nn.Module):
    """The states of the last n layers, one after the other in the vector, pooled over tokens.

    Args:
        n: Layers; the last given layer comes last.
        skip_cls: Leave the first token out (the closing one stays in).
        mode: "mean"; "sqrt": the sum over the root of the count; "max": the largest of each number.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BP. A row without any token left gives 0.

    Source:
        Distilled sentence embedding (arXiv 1908.05161).

    Example:
        >>> states = tuple(torch.full((1, 3, 2), float(k)) for k in range(5))
        >>> TopLayersConcatPooling(n=2)(states, torch.ones(1, 3)).tolist()
        [[3.0, 3.0, 4.0, 4.0]]
    """

    def __init__(self, n: int = 4, skip_cls: bool = True, mode: Mode = "mean") -> None:
        super().__init__()
        if n < 1 or mode not in ("mean", "sqrt", "max"):
            raise BadInput("no such pooling of top layers", received=f"n={n}, mode={mode}")
        self.n = n
        self.skip_cls = skip_cls
        self.mode = mode

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return self.n * width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Join the layers and pool each row.

        Raises:
            BadInput: Fewer than n layers were run.
        """
        if len(states) <= self.n:
            raise BadInput(
                "too few layers to pool",
                received=f"{len(states) - 1} layers",
                hint=f"run {self.n} or more, or pool fewer",
            )
        x_BLP = torch.cat(states[-self.n :], dim=-1)
        mask_BL = mask_BL.bool()
        if self.skip_cls:
            mask_BL = mask_BL.scatter(1, first_token(mask_BL)[:, None], False)
        some_B1 = mask_BL.any(dim=1, keepdim=True)
        if self.mode == "max":
            top_BP = x_BLP.masked_fill(~mask_BL[:, :, None], float("-inf")).amax(dim=1)
            return top_BP.masked_fill(~some_B1, 0.0)
        total_BP = torch.einsum("bl,blp->bp", mask_BL.to(x_BLP.dtype), x_BLP)
        count_B1 = mask_BL.sum(dim=1, keepdim=True).clamp_min(1).to(x_BLP.dtype)
        return total_BP / (count_B1 if self.mode == "mean" else count_B1.sqrt())

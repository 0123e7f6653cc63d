"""What every pooling offers.

Legend: B rows, L tokens, D width of a state, P width of a pooled vector.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from broadsheet.nn.layered import States


class Pooling(Protocol):
    """Makes one vector of a row; padding never changes it.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BP.
    """

    def pooled_width(self, width: int) -> int:
        """Return P for states of `width`."""
        ...

    def __call__(self, states: States, mask_BL: Tensor) -> Tensor:
        """Pool all rows."""
        ...

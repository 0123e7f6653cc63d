"""What every encoder here offers: the states after each layer, and the layers not asked for unrun.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

#: Hidden states: index 0 is the embedding output, index n the output of layer n; each x_BLD.
States = tuple[Tensor, ...]


class LayeredEncoder(Protocol):
    """An encoder that can stop early.

    Shape:
        ids_BL int64 and mask_BL (1 at real tokens) -> a tuple of x_BLD: the embedding output, then
        one for each layer that was run.
    """

    @property
    def depth(self) -> int:
        """Return how many layers there are."""
        ...

    @property
    def width(self) -> int:
        """Return D, the length of a state."""
        ...

    def __call__(self, ids_BL: Tensor, mask_BL: Tensor, layers: int | None = None) -> States:
        """Run the first `layers` layers (None: all); later ones are never called.

        Raises:
            BadInput: There are not that many layers.
        """
        ...

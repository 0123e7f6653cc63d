"""Learned queries read all layers.

Legend: B rows, L tokens, D width, M layers, N states that are read.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.nn.latents import LatentAttention, LatentShape
from broadsheet.nn.layered import States
from broadsheet.nn.poolings.cls import take
from broadsheet.nn.poolings.last import last_token
from broadsheet.nn.poolings.mean import weighted_mean

#: What of each layer is read.
Keys = Literal["tokens", "mean", "last"]


class MultiLayerPooling(nn.Module):
    """Cross-attention of learned latents to the states of every layer that was run.

    Each layer's states get that layer's learned row added, so that the latents can tell the layers
    apart. The embedding output is not read.

    Args:
        shape: Sizes.
        depth: Layers of the encoder.
        generator: Draws the weights.
        keys: What is read of each layer: all its "tokens", their "mean", or the "last" token.

    Shape:
        states (tuple of x_BLD), mask_BL -> x_BD.

    Source:
        Pooling and attention (arXiv 2409.02727): model 5 is "mean", model 3 is "last"; "tokens"
        reads layers and tokens at once.

    Example:
        >>> shape = LatentShape(width=8, heads=2)
        >>> pooling = MultiLayerPooling(shape, depth=3, generator=torch.Generator())
        >>> states = tuple(torch.zeros(2, 5, 8) for _ in range(4))
        >>> pooling(states, torch.ones(2, 5)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self, shape: LatentShape, depth: int, generator: torch.Generator, keys: Keys = "tokens"
    ) -> None:
        super().__init__()
        if keys not in ("tokens", "mean", "last") or depth < 1:
            raise BadInput("no such pooling of layers", received=f"keys={keys}, depth={depth}")
        self.keys = keys
        self.reader = LatentAttention(shape, generator)
        self.layer_rows = nn.Embedding(depth, shape.width)
        if not self.layer_rows.weight.is_meta:
            with torch.no_grad():
                self.layer_rows.weight.normal_(0.0, 0.02, generator=generator)

    def pooled_width(self, width: int) -> int:
        """Return the length of a pooled vector."""
        return width

    def forward(self, states: States, mask_BL: Tensor) -> Tensor:
        """Read all layers of each row.

        Raises:
            BadInput: No layer was run, or more than there are rows for.
        """
        x_BD: Tensor = self.reader(*self._read(states, mask_BL))
        return x_BD

    def layer_weights(self, states: States, mask_BL: Tensor) -> Tensor:
        """Return the share of attention that each layer gets, over all heads and latents.

        Shape:
            -> [B, M]; each row sums to 1.
        """
        weights_BHRN = self.reader.weights(*self._read(states, mask_BL))
        weights_BN = torch.mean(weights_BHRN, dim=(1, 2))
        return torch.unflatten(weights_BN, -1, (len(states) - 1, -1)).sum(dim=-1)

    def _read(self, states: States, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is read, x_BND, and its mask_BN; all states of a layer are neighbours."""
        layers = states[1:]
        if not 1 <= len(layers) <= self.layer_rows.num_embeddings:
            raise BadInput(
                "the pooling has no row for so many layers",
                received=len(layers),
                hint=f"1 to {self.layer_rows.num_embeddings}",
            )
        x_BMLD = torch.stack([self._of_layer(x_BLD, mask_BL) for x_BLD in layers], dim=1)
        x_BMLD = x_BMLD + self.layer_rows.weight[: len(layers), None, :]
        mask_B1L = mask_BL.bool()[:, None, :]
        if self.keys != "tokens":
            mask_B1L = mask_B1L.any(dim=-1, keepdim=True)
        return x_BMLD.flatten(1, 2), mask_B1L.expand(-1, len(layers), -1).flatten(1)

    def _of_layer(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        if self.keys == "tokens":
            return x_BLD
        if self.keys == "mean":
            return weighted_mean(x_BLD, mask_BL)[:, None]
        return take(x_BLD, last_token(mask_BL))[:, None]

"""Learned queries that read a set of states: the heart of trainable poolings.

Legend: B rows, N states of a row, D width, R latents, H heads, K head size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.nn.blocks import initialise


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentShape:
    """The sizes of a trainable pooling.

    Args:
        width: D, that of the encoder's states.
        latents: R, learned queries; their mean is the pooled vector.
        heads: H.
        head_size: K; 0 takes width / heads. The paper's 32 heads of 2,048 on width 4,096 have more
            parameters than anything else that it trains.
        expansion: Width of the feed-forward part, in widths.
    """

    width: int
    latents: int = 16
    heads: int = 8
    head_size: int = 0
    expansion: int = 4


class LatentAttention(nn.Module):
    """Cross-attention of learned latents to states, then a gated feed-forward part, then the mean.

    Shape:
        x_BND, mask_BN -> x_BD. A row without any state to read gives what the latents alone give.

    Source:
        Pooling and attention (arXiv 2409.02727); latents: NV-Embed (arXiv 2405.17428).

    Example:
        >>> reader = LatentAttention(LatentShape(width=8, heads=2), torch.Generator())
        >>> reader(torch.zeros(2, 5, 8), torch.ones(2, 5)).shape
        torch.Size([2, 8])
    """

    def __init__(self, shape: LatentShape, generator: torch.Generator) -> None:
        super().__init__()
        if not shape.head_size and shape.width % shape.heads:
            raise BadInput("heads must divide the width", received=shape)
        head_size = shape.head_size or shape.width // shape.heads
        inner, hidden = shape.heads * head_size, shape.expansion * shape.width
        self.heads = shape.heads
        self.latents = nn.Parameter(torch.empty(shape.latents, shape.width))
        self.latent_norm = nn.LayerNorm(shape.width)
        self.state_norm = nn.LayerNorm(shape.width)
        self.query = nn.Linear(shape.width, inner, bias=False)
        self.key = nn.Linear(shape.width, inner, bias=False)
        self.value = nn.Linear(shape.width, inner, bias=False)
        self.output = nn.Linear(inner, shape.width, bias=False)
        self.hidden_norm = nn.LayerNorm(shape.width)
        self.up = nn.Linear(shape.width, 2 * hidden)
        self.down = nn.Linear(hidden, shape.width)
        self._initialise(generator)

    def forward(self, x_BND: Tensor, mask_BN: Tensor) -> Tensor:
        """Read the states of each row."""
        weights_BHRN = self.weights(x_BND, mask_BN)
        value_BHNK = self._heads(self.value(self.state_norm(x_BND)))
        read_BRD = self.output((weights_BHRN @ value_BHNK).transpose(1, 2).flatten(2))
        x_BRD = self.latents + read_BRD
        gate_BRF, up_BRF = self.up(self.hidden_norm(x_BRD)).chunk(2, dim=-1)
        x_BRD = x_BRD + self.down(F.gelu(gate_BRF) * up_BRF)
        pooled_BD: Tensor = x_BRD.mean(dim=1)
        return pooled_BD

    def weights(self, x_BND: Tensor, mask_BN: Tensor) -> Tensor:
        """Return how much each latent reads of each state; 0 at padding.

        Shape:
            x_BND, mask_BN -> [B, H, R, N]; sums over N are 1 (0 in a row that is all padding).
        """
        query_HRK = self._heads(self.query(self.latent_norm(self.latents))[None])[0]
        key_BHNK = self._heads(self.key(self.state_norm(x_BND)))
        scores_BHRN = query_HRK @ key_BHNK.transpose(2, 3) / query_HRK.shape[-1] ** 0.5
        hidden_BN = ~mask_BN.bool()[:, None, None, :]
        low = torch.finfo(scores_BHRN.dtype).min
        weights_BHRN = scores_BHRN.masked_fill(hidden_BN, low).float().softmax(dim=-1)
        return torch.masked_fill(weights_BHRN, hidden_BN, 0.0).to(x_BND.dtype)

    def _heads(self, x_BNI: Tensor) -> Tensor:
        return torch.unflatten(x_BNI, -1, (self.heads, -1)).transpose(1, 2)

    def _initialise(self, generator: torch.Generator) -> None:
        initialise(self, generator)
        if not self.latents.is_meta:
            with torch.no_grad():
                self.latents.normal_(0.0, 0.02, generator=generator)

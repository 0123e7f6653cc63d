"""Transformer layers: attention and a feed-forward part, normalised after or before each.

Legend: B rows, L tokens, D width, F hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.nn.attention import SelfAttention

#: As BERT has it, so that its exported graphs and ours agree.
EPSILON = 1e-12


class FeedForward(nn.Module):
    """Two linear maps with GELU between.

    Shape:
        x_BLD -> x_BLD.

    Example:
        >>> FeedForward(4, 16)(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Apply both maps to each token."""
        y_BLD: Tensor = self.down(F.gelu(self.up(x_BLD)))
        return y_BLD


class PostNormBlock(nn.Module):
    """A layer of BERT: each part's output is added to its input, then normalised.

    Shape:
        x_BLD, bias_BHLL -> x_BLD.

    Source:
        BERT (arXiv 1810.04805).

    Example:
        >>> block = PostNormBlock(8, heads=2, hidden=16)
        >>> block(torch.zeros(1, 3, 8), torch.zeros(1, 1, 1, 3)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.feed_forward: nn.Module = FeedForward(width, hidden)
        self.feed_forward_norm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor, bias_BHLL: Tensor) -> Tensor:
        """Run the layer."""
        x_BLD = self.attention_norm(x_BLD + self.dropout(self.attention(x_BLD, bias_BHLL)))
        y_BLD: Tensor = self.feed_forward_norm(x_BLD + self.dropout(self.feed_forward(x_BLD)))
        return y_BLD


class PreNormBlock(nn.Module):
    """A layer of GPT-2: each part reads a normalised copy and is added to the stream.

    Shape:
        x_BLD, bias_BHLL -> x_BLD.

    Example:
        >>> block = PreNormBlock(8, heads=2, hidden=16)
        >>> block(torch.zeros(1, 3, 8), torch.zeros(1, 1, 1, 3)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, dropout)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward: nn.Module = FeedForward(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor, bias_BHLL: Tensor) -> Tensor:
        """Run the layer."""
        x_BLD = x_BLD + self.dropout(self.attention(self.attention_norm(x_BLD), bias_BHLL))
        y_BLD: Tensor = x_BLD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BLD)))
        return y_BLD


def initialise(module: nn.Module, generator: torch.Generator, std: float = 0.02) -> None:
    """Draw all weights of linear maps and tables anew: normal with `std`; biases are zero.

    Parameters on the meta device are left alone.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding) and not part.weight.is_meta:
            with torch.no_grad():
                part.weight.normal_(0.0, std, generator=generator)
                if isinstance(part, nn.Linear) and part.bias is not None:
                    part.bias.zero_()

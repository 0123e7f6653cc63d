"""A small BERT-like encoder, made from nothing, that stops after any layer.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from broadsheet.nn.attention import attention_bias
from broadsheet.nn.blocks import EPSILON, PostNormBlock, initialise
from broadsheet.nn.embeddings import TokenEmbeddings
from broadsheet.nn.exits import layers_to_run
from broadsheet.nn.layered import States
from broadsheet.nn.shells import with_part


@dataclass(frozen=True, slots=True)
class TransformerShape:
    """The sizes of a transformer.

    Args:
        vocab: Rows of the word table.
        width: Length of a state.
        depth: Layers.
        heads: Attention heads; divides the width.
        hidden: Width inside the feed-forward part.
        max_tokens: Positions.
        causal: A token sees only itself and those before it.
        dropout: In training, on embeddings, attention weights and each part's output.
    """

    vocab: int
    width: int
    depth: int
    heads: int
    hidden: int
    max_tokens: int
    causal: bool = False
    dropout: float = 0.0


class Transformer(nn.Module):
    """An encoder with learned positions and normalisation after each part, as in BERT.

    Every exit is normalised by its own layer, so any of them can be pooled as it is. With dropout
    0 and `causal` off it computes what BERT computes (one segment), so it exports as one.

    Args:
        shape: Sizes.
        generator: Draws the weights.

    Shape:
        ids_BL, mask_BL -> tuple of x_BLD, see `LayeredEncoder`.

    Source:
        BERT (arXiv 1810.04805).

    Example:
        >>> shape = TransformerShape(vocab=50, width=8, depth=3, heads=2, hidden=16, max_tokens=6)
        >>> encoder = Transformer(shape, torch.Generator().manual_seed(1))
        >>> states = encoder(torch.tensor([[2, 7, 3]]), torch.ones(1, 3), layers=2)
        >>> len(states), states[-1].shape
        (3, torch.Size([1, 3, 8]))
    """

    def __init__(self, shape: TransformerShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = TokenEmbeddings(shape.vocab, shape.width, shape.max_tokens)
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            PostNormBlock(shape.width, shape.heads, shape.hidden, shape.dropout)
            for _ in range(shape.depth)
        )
        initialise(self, generator)

    @property
    def depth(self) -> int:
        """Return how many layers there are."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Return the length of a state."""
        return self.shape.width

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, layers: int | None = None) -> States:
        """Return the states of the embeddings and of the first `layers` layers.

        Raises:
            BadInput: More layers or tokens than there are layers or positions.
        """
        x_BLD = self.dropout(self.norm(self.embeddings(ids_BL, mask_BL)))
        return self.resume(x_BLD, mask_BL, 0, layers)

    def resume(
        self, x_BLD: Tensor, mask_BL: Tensor, start: int, layers: int | None = None
    ) -> States:
        """Return given states of layer `start` and those of the layers after it, to `layers`.

        Layers up to `start` are not run: with frozen lower layers their output can be kept.

        Raises:
            BadInput: There are not that many layers.
        """
        count = layers_to_run(layers, self.depth)
        bias_BHLL = attention_bias(mask_BL, causal=self.shape.causal)
        states = [x_BLD]
        for layer in self.layers[layers_to_run(start, count) : count]:
            states.append(layer(states[-1], bias_BHLL))
        return tuple(states)

    def with_causal(self, causal: bool) -> Transformer:
        """Return this encoder with the causal mask on or off; the weights are shared."""
        other = copy.copy(self)
        other.shape = replace(self.shape, causal=causal)
        return other

    def cut(self, layers: int) -> Transformer:
        """Return an encoder of its own with copies of the first `layers` layers only."""
        count = layers_to_run(layers, self.depth)
        other = with_part(self, "layers", nn.ModuleList(self.layers[:count]))
        other.shape = replace(self.shape, depth=count)
        return copy.deepcopy(other)

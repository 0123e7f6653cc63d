"""A small causal language model whose mask can be taken off, to make an encoder of it.

Legend: B rows, L tokens, D width, V vocabulary.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from broadsheet.nn.attention import attention_bias
from broadsheet.nn.blocks import PreNormBlock, initialise
from broadsheet.nn.embeddings import TokenEmbeddings
from broadsheet.nn.exits import layers_to_run
from broadsheet.nn.layered import States
from broadsheet.nn.shells import with_part
from broadsheet.nn.transformer import TransformerShape


class Decoder(nn.Module):
    """A language model like GPT-2: normalisation before each part, the word table as head.

    As an encoder it gives every exit through the final normalisation, so that all have one scale.

    Args:
        shape: Sizes; `causal` is as a rule true.
        generator: Draws the weights.

    Shape:
        ids_BL, mask_BL -> tuple of x_BLD, see `LayeredEncoder`.

    Source:
        GPT-2 (Radford and others, 2019); tied head: arXiv 1608.05859.

    Example:
        >>> shape = TransformerShape(vocab=50, width=8, depth=3, heads=2, hidden=16, max_tokens=6,
        ...                          causal=True)
        >>> model = Decoder(shape, torch.Generator().manual_seed(1))
        >>> model.logits(torch.tensor([[2, 7, 3]]), torch.ones(1, 3)).shape
        torch.Size([1, 3, 50])
    """

    def __init__(self, shape: TransformerShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = TokenEmbeddings(shape.vocab, shape.width, shape.max_tokens)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            PreNormBlock(shape.width, shape.heads, shape.hidden, shape.dropout)
            for _ in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.width)
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
        """Return the normalised states of the embeddings and of the first `layers` layers.

        Raises:
            BadInput: More layers or tokens than there are layers or positions.
        """
        return tuple(self.norm(x_BLD) for x_BLD in self._streams(ids_BL, mask_BL, layers))

    def logits(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return a score for each word to come after each token.

        Shape:
            ids_BL, mask_BL -> [B, L, V].
        """
        x_BLD = self.norm(self._streams(ids_BL, mask_BL, None)[-1])
        logits_BLV: Tensor = x_BLD @ self.embeddings.words.weight.T
        return logits_BLV

    def with_causal(self, causal: bool) -> Decoder:
        """Return this model with the causal mask on or off; the weights are shared."""
        other = copy.copy(self)
        other.shape = replace(self.shape, causal=causal)
        return other

    def cut(self, layers: int) -> Decoder:
        """Return a model of its own with copies of the first `layers` layers only."""
        count = layers_to_run(layers, self.depth)
        other = with_part(self, "layers", nn.ModuleList(self.layers[:count]))
        other.shape = replace(self.shape, depth=count)
        return copy.deepcopy(other)

    def _streams(self, ids_BL: Tensor, mask_BL: Tensor, layers: int | None) -> States:
        count = layers_to_run(layers, self.depth)
        x_BLD = self.dropout(self.embeddings(ids_BL, mask_BL))
        bias_BHLL = attention_bias(mask_BL, causal=self.shape.causal)
        streams = [x_BLD]
        for layer in self.layers[:count]:
            x_BLD = layer(x_BLD, bias_BHLL)
            streams.append(x_BLD)
        return tuple(streams)

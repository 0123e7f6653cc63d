"""A recurrent encoder that reads each text from both ends.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from broadsheet.core.errors import BadInput
from broadsheet.nn.blocks import initialise
from broadsheet.nn.exits import layers_to_run
from broadsheet.nn.layered import States


@dataclass(frozen=True, slots=True)
class GruShape:
    """The sizes of a recurrent encoder.

    Args:
        vocab: Rows of the word table.
        width: Length of a word's row and of a state; even when it reads from both ends.
        depth: Layers.
        directions: 2: half of a state comes from each end; 1: from the front only.
        dropout: In training, on the input of each layer.
    """

    vocab: int
    width: int
    depth: int
    directions: int = 2
    dropout: float = 0.0


class GruEncoder(nn.Module):
    """Gated recurrent layers over packed rows: padding is never read.

    Args:
        shape: Sizes.
        generator: Draws the weights.

    Shape:
        ids_BL, mask_BL (padded on the right) -> tuple of x_BLD, see `LayeredEncoder`; states at
        padding are 0.

    Source:
        arXiv 1406.1078, section 2.3.

    Example:
        >>> encoder = GruEncoder(GruShape(vocab=9, width=4, depth=2), torch.Generator())
        >>> encoder(torch.tensor([[2, 7, 0]]), torch.tensor([[1, 1, 0]]))[-1].shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, shape: GruShape, generator: torch.Generator) -> None:
        super().__init__()
        if shape.directions not in (1, 2) or shape.width % shape.directions:
            raise BadInput(
                "one or two directions, and an even width for two",
                received=f"{shape.directions} directions, width {shape.width}",
            )
        self.shape = shape
        self.words = nn.Embedding(shape.vocab, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            nn.GRU(
                shape.width,
                shape.width // shape.directions,
                batch_first=True,
                bidirectional=shape.directions == 2,
            )
            for _ in range(shape.depth)
        )
        initialise(self, generator)
        bound = (shape.width // shape.directions) ** -0.5
        for parameter in self.layers.parameters():
            if not parameter.is_meta:
                with torch.no_grad():
                    parameter.uniform_(-bound, bound, generator=generator)

    @property
    def depth(self) -> int:
        """Return how many layers there are."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Return the length of a state."""
        return self.shape.width

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, layers: int | None = None) -> States:
        """Return the words' rows and the states of the first `layers` layers.

        Raises:
            BadInput: No such layer, or padding that is not on the right.
        """
        count = layers_to_run(layers, self.depth)
        lengths_B = _lengths(mask_BL)
        mask_BL1 = mask_BL[:, :, None].bool()
        x_BLD = self.words(ids_BL).masked_fill(~mask_BL1, 0.0)
        states = [x_BLD]
        for layer in self.layers[:count]:
            packed = pack_padded_sequence(
                self.dropout(x_BLD),
                lengths_B.clamp_min(1),  # a row without tokens reads one, and is set to 0 below
                batch_first=True,
                enforce_sorted=False,
            )
            x_BLD, _ = pad_packed_sequence(
                layer(packed)[0], batch_first=True, total_length=ids_BL.shape[1]
            )
            x_BLD = x_BLD.masked_fill(~mask_BL1, 0.0)
            states.append(x_BLD)
        return tuple(states)


def _lengths(mask_BL: Tensor) -> Tensor:
    """Return tokens of each row, on the CPU, where packing wants them."""
    real_BL = mask_BL.bool()
    lengths_B = real_BL.sum(dim=1)
    places_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    if bool((real_BL != (places_L < lengths_B[:, None])).any()):
        raise BadInput("a recurrent encoder needs the padding on the right")
    return lengths_B.cpu()

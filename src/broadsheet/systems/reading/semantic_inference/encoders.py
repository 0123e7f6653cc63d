"""Sentence encoders of the verifier: convolutions of several widths, a BiLSTM, or ready vectors.

Each takes texts in any leading shape, because a claim has several passages.

Legend: ... any leading sizes, L tokens, D width, W kernel widths, N filters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from broadsheet.core.errors import UsageError
from broadsheet.nn.blocks import initialise


class MultiScaleTextCNN(nn.Module):
    """Parallel convolutions of several widths over word vectors, the largest value of each kept.

    Padding can't win the maximum, and an empty text gives zeros.

    Args:
        vocab: Rows of the word table; id 0 is padding.
        embed: Length of a word's vector.
        filters: N, per width.
        widths: W.
        generator: Draws the weights.

    Shape:
        ids [..., L] -> [..., W N].

    Source:
        Wang, Simonsen, Larsen, Lioma: the Copenhagen team's CLEF 2018 fact checker; the code has
        128 filters of each width.

    Example:
        >>> cnn = MultiScaleTextCNN(9, 4, 2, (1, 3), torch.Generator().manual_seed(1))
        >>> cnn(torch.tensor([[[3, 4, 0, 0], [0, 0, 0, 0]]])).shape
        torch.Size([1, 2, 4])
    """

    def __init__(
        self,
        vocab: int,
        embed: int,
        filters: int,
        widths: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise UsageError("a kernel covers one word or more", received=tuple(widths))
        self.words = nn.Embedding(vocab, embed, padding_idx=0)
        self.scales = nn.ModuleList(nn.Linear(width * embed, filters) for width in widths)
        self.widths = tuple(widths)
        self.width = filters * len(widths)
        initialise(self, generator, std=embed**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """Encode texts."""
        flat_BL = ids.reshape(-1, ids.shape[-1])
        real_BL = flat_BL != 0
        x_BLE = self.words(flat_BL) * real_BL[..., None]
        found = []
        for width, scale in zip(self.widths, self.scales, strict=True):
            # Windows are centred; those around a padded position don't count.
            before, after = (width - 1) // 2, width // 2
            padded = nn.functional.pad(x_BLE, (0, 0, before, after))
            windows_BLM = padded.unfold(1, width, 1).transpose(2, 3).flatten(2)
            y_BLN = scale(windows_BLM).relu().masked_fill(~real_BL[..., None], 0.0)
            found.append(y_BLN.amax(dim=1))
        return torch.cat(found, dim=1).reshape(*ids.shape[:-1], self.width)


class BiLstmEncoder(nn.Module):
    """The last states of an LSTM from both ends; padding is never read.

    Shape:
        ids [..., L] -> [..., D].

    Example:
        >>> lstm = BiLstmEncoder(9, 4, 6, torch.Generator().manual_seed(1))
        >>> lstm(torch.tensor([[3, 4, 0], [0, 0, 0]])).shape
        torch.Size([2, 6])
    """

    def __init__(self, vocab: int, embed: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab, embed, padding_idx=0)
        self.lstm = nn.LSTM(embed, width // 2, batch_first=True, bidirectional=True)
        self.width = width
        initialise(self, generator, std=embed**-0.5)
        if not self.words.weight.is_meta:
            with torch.no_grad():
                for parameter in self.lstm.parameters():
                    parameter.uniform_(-(width**-0.5), width**-0.5, generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        """Encode texts."""
        flat_BL = ids.reshape(-1, ids.shape[-1])
        lengths_B = (flat_BL != 0).sum(dim=1)
        packed = pack_padded_sequence(
            self.words(flat_BL),
            lengths_B.clamp_min(1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        _, (last_2BK, _) = self.lstm(packed)
        y_BD: Tensor = last_2BK.transpose(0, 1).flatten(1) * (lengths_B > 0)[:, None]
        return y_BD.reshape(*ids.shape[:-1], y_BD.shape[-1])


class ReadyVectors(nn.Module):
    """Vectors that another encoder made, through a linear map or as they are.

    Shape:
        [..., E] -> [..., D].

    Example:
        >>> ReadyVectors(4, 0, torch.Generator())(torch.ones(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, inputs: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.map = nn.Linear(inputs, width) if width else nn.Identity()
        self.width = width or inputs
        initialise(self, generator, std=inputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors, which come with length 1 and are scaled so that a number is about 1."""
        y: Tensor = self.map(x * x.shape[-1] ** 0.5)
        return y


#: What the verifier reads texts with.
TextEncoder = MultiScaleTextCNN | BiLstmEncoder | ReadyVectors

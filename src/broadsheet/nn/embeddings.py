"""Words and learned positions.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from broadsheet.core.errors import BadInput


class TokenEmbeddings(nn.Module):
    """The sum of a word's row and its position's row.

    Positions count real tokens, so padding on the left or right gives the same states.

    Shape:
        ids_BL, mask_BL -> x_BLD.

    Example:
        >>> import torch
        >>> table = TokenEmbeddings(vocab=9, width=4, max_tokens=3)
        >>> table(torch.tensor([[1, 2]]), torch.ones(1, 2)).shape
        torch.Size([1, 2, 4])
    """

    def __init__(self, vocab: int, width: int, max_tokens: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(max_tokens, width)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Look both tables up.

        Raises:
            BadInput: More tokens than positions.
        """
        length, most = ids_BL.shape[1], self.positions.num_embeddings
        if length > most:
            raise BadInput(
                "the text has more tokens than the encoder has positions",
                received=length,
                hint=f"cut at {most}",
            )
        places_BL = (mask_BL.long().cumsum(dim=1) - 1).clamp_min(0)
        x_BLD: Tensor = self.words(ids_BL) + self.positions(places_BL)
        return x_BLD

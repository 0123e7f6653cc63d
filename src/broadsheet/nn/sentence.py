"""Texts to vectors: a tokenizer, an encoder that can stop early, and a pooling.

Legend: B rows, L tokens, D width of a state, P width of a pooled vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.nn.layered import LayeredEncoder, States
from broadsheet.nn.poolings.pooling import Pooling
from broadsheet.runtime.batching import plan_batches


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token ids padded on the right, and the mask that is 1 at real tokens.

    Shape:
        ids_BL int64, mask_BL int64.
    """

    ids_BL: Tensor
    mask_BL: Tensor

    def __len__(self) -> int:
        return len(self.ids_BL)

    def to(self, device: torch.device | str) -> TokenBatch:
        """Return the batch on a device."""
        return TokenBatch(self.ids_BL.to(device), self.mask_BL.to(device))

    def rows(self, start: int, stop: int) -> TokenBatch:
        """Return some rows, cut to the longest of them."""
        mask_BL = self.mask_BL[start:stop]
        length = int(mask_BL.sum(dim=1).max().item()) if len(mask_BL) else 0
        return TokenBatch(self.ids_BL[start:stop, :length], mask_BL[:, :length])


class SentenceEncoder(nn.Module):
    """Makes vectors of texts, after any layer and cut to any length.

    Args:
        encoder: Gives the states of the layers.
        pooling: Makes one vector of them.
        tokenizer: Its own truncation and padding settings are not used, and not changed.
        max_tokens: Where a text is cut, special tokens included.

    Example:
        >>> from tokenizers import models, pre_tokenizers
        >>> from broadsheet.nn.poolings.mean import MeanPooling
        >>> from broadsheet.nn.transformer import Transformer, TransformerShape
        >>> words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, "[UNK]"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> shape = TransformerShape(vocab=3, width=8, depth=2, heads=2, hidden=16, max_tokens=9)
        >>> encoder = Transformer(shape, torch.Generator().manual_seed(1))
        >>> sentence = SentenceEncoder(encoder, MeanPooling(), words, max_tokens=9)
        >>> sentence.encode(["a", "b a"], layers=1, dims=4).shape
        (2, 4)
    """

    def __init__(
        self, encoder: LayeredEncoder, pooling: Pooling, tokenizer: Tokenizer, max_tokens: int
    ) -> None:
        super().__init__()
        if max_tokens < 1:
            raise BadInput("a text must keep some tokens", received=max_tokens)
        self.encoder = encoder
        self.pooling = pooling
        self.max_tokens = max_tokens
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)
        padding = tokenizer.padding or {}
        self._pad_id = int(padding.get("pad_id", tokenizer.token_to_id("[PAD]") or 0))

    @property
    def depth(self) -> int:
        """Return how many layers the encoder has."""
        return self.encoder.depth

    @property
    def width(self) -> int:
        """Return the length of an uncut vector."""
        return self.pooling.pooled_width(self.encoder.width)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return next(self.parameters()).device

    def tokenise(self, texts: Sequence[str]) -> TokenBatch:
        """Return the padded tokens of some texts, on the device of the weights."""
        return self._pad([item.ids for item in self.tokenizer.encode_batch_fast(list(texts))])

    def states(self, batch: TokenBatch, layers: int | None = None) -> States:
        """Return the states of the first `layers` layers; later ones are not run.

        Raises:
            BadInput: There are not that many layers.
        """
        return self.encoder(batch.ids_BL, batch.mask_BL, layers)

    def forward(self, batch: TokenBatch, layers: int | None = None) -> Tensor:
        """Return one vector for each row, not scaled.

        Shape:
            TokenBatch of B rows -> x_BP.
        """
        return self.pooling(self.states(batch, layers), batch.mask_BL)

    def encode(
        self,
        texts: Sequence[str],
        *,
        layers: int | None = None,
        dims: int | None = None,
        batch_tokens: int = 4096,
    ) -> npt.NDArray[np.float32]:
        """Return unit vectors of texts, without gradients and without dropout.

        Texts run in batches of like length; rows come in the order given.

        Args:
            texts: Any number.
            layers: Stop after this layer.
            dims: Keep this many numbers, then scale to length 1 again.
            batch_tokens: Most tokens in a batch, padding included.

        Shape:
            [len(texts), dims], float32; a row is 0 when the vector is.

        Raises:
            BadInput: No such layer, or more dims than there are numbers.
        """
        size = self.width if dims is None else dims
        if not 1 <= size <= self.width:
            raise BadInput(
                "a vector can't be cut there",
                received=dims,
                hint=f"a number from 1 to {self.width}",
            )
        vectors = np.zeros((len(texts), size), dtype=np.float32)
        ids = [item.ids for item in self.tokenizer.encode_batch_fast(list(texts))]
        with self._still(), torch.no_grad():
            for batch in plan_batches([len(item) for item in ids], batch_tokens):
                x_BP = self(self._pad([ids[position] for position in batch]), layers)
                unit_BP = F.normalize(x_BP[:, :size].float(), dim=1)
                vectors[batch] = unit_BP.cpu().numpy()
        return vectors

    def _pad(self, ids: Sequence[Sequence[int]]) -> TokenBatch:
        longest = max((len(item) for item in ids), default=0)
        ids_BL = np.full((len(ids), max(longest, 1)), self._pad_id, dtype=np.int64)
        mask_BL = np.zeros_like(ids_BL)
        for row, item in enumerate(ids):
            ids_BL[row, : len(item)] = item
            mask_BL[row, : len(item)] = 1
        return TokenBatch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL)).to(self.device)

    @contextmanager
    def _still(self) -> Iterator[None]:
        """Switch dropout off for a while."""
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)

"""sentence-transformers' own Matryoshka2dLoss on our encoder: the reference arm.

Only the loss is theirs; batches, weights, optimiser and evaluation are those of the other arms, so
that a difference is one between the losses.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    Matryoshka2dLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch import Tensor, nn

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.sentence import SentenceEncoder, TokenBatch


class ReferenceLoss:
    """Matryoshka2dLoss over a CoSENT or in-batch negatives loss, with the library's defaults.

    Args:
        sentence: Our encoder, with mean pooling; its weights are trained.
        base: "cosent" or "mnr".
        dims: Sizes, the full one among them.
        scale: Of the base loss.

    Raises:
        UsageError: Another base loss.
    """

    def __init__(
        self, sentence: SentenceEncoder, base: str, dims: Sequence[int], scale: float
    ) -> None:
        device = str(sentence.device)
        modules = [_Shell(sentence), Pooling(sentence.width, pooling_mode="mean")]
        self._model = SentenceTransformer(modules=modules, device=device)
        if base == "cosent":
            inner: nn.Module = CoSENTLoss(self._model, scale=scale)
        elif base == "mnr":
            inner = MultipleNegativesRankingLoss(self._model, scale=scale)
        else:
            raise UsageError("no such base loss in this arm", received=base, hint="cosent or mnr")
        self._loss = Matryoshka2dLoss(self._model, inner, list(dims))

    def __call__(self, sides: Sequence[TokenBatch], gold_B: Tensor, seeds: SeedTree) -> Tensor:
        """Return the loss of a batch.

        Args:
            sides: Tokens of the first and of the second texts.
            gold_B: Grades; empty for pairs that belong together.
            seeds: Names the random choice of layer and size, which the library takes from
                Python's global generator.
        """
        features = [{"input_ids": side.ids_BL, "attention_mask": side.mask_BL} for side in sides]
        labels = gold_B if len(gold_B) else torch.zeros(len(sides[0]))
        with _python_random(seeds.integer()):
            loss: Tensor = self._loss(features, labels)
        return loss


class _Shell(Transformer):
    """Looks like the library's transformer module and runs our encoder."""

    def __init__(self, sentence: SentenceEncoder) -> None:
        nn.Module.__init__(self)
        self.encoder: Any = sentence.encoder
        self.switch = SimpleNamespace(config=SimpleNamespace(output_hidden_states=False))

    @property
    def auto_model(self) -> Any:
        """What the loss switches `output_hidden_states` on."""
        return self.switch

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add the states of all layers to a batch, in place: the loss looks for them there."""
        states = self.encoder(features["input_ids"], features["attention_mask"])
        features.update(token_embeddings=states[-1], all_layer_embeddings=states)
        return features


@contextmanager
def _python_random(seed: int) -> Iterator[None]:
    """Seed Python's global generator for a while and put it back."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)

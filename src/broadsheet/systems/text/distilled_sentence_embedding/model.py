"""The student (one pass per sentence, a pair head on top) and the cross-encoder it learns from.

The lower layers may stay frozen; what they say of a text is then computed once and kept.

Legend: B rows, L tokens, D width of a state, P width of a vector, Q its frozen part, C logits.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.nn.layered import States
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.systems.text.distilled_sentence_embedding.heads import Head, PairHead
from broadsheet.systems.text.distilled_sentence_embedding.recipe import EncoderSettings

Encoder = Transformer | PretrainedEncoder


def make_encoder(settings: EncoderSettings, generator: torch.Generator) -> Encoder:
    """Return an encoder with fresh weights: our transformer, or the library's BERT."""
    if settings.family == "bert":
        from transformers import BertConfig, BertModel

        sizes = BertConfig(
            vocab_size=settings.vocab,
            hidden_size=settings.width,
            num_hidden_layers=settings.depth,
            num_attention_heads=settings.heads,
            intermediate_size=settings.hidden,
            max_position_embeddings=settings.max_tokens,
        )
        return PretrainedEncoder(BertModel(sizes, add_pooling_layer=False))
    shape = TransformerShape(
        vocab=settings.vocab,
        width=settings.width,
        depth=settings.depth,
        heads=settings.heads,
        hidden=settings.hidden,
        max_tokens=settings.max_tokens,
    )
    return Transformer(shape, generator)


class Student(nn.Module):
    """An encoder, the pooled top layers, and a head for pairs of vectors.

    Args:
        encoder: Gives the states.
        pooling: Makes a vector of the top layers.
        head: Makes logits of two vectors.
        frozen: Lower layers that keep their weights (the embeddings with them, if any).
        projection: A linear map behind the pooling; None leaves the vectors as they are.

    Source:
        arXiv 1908.05161, section 3.

    Example:
        >>> sizes = EncoderSettings(vocab=9, width=8, depth=3, heads=2, hidden=16, max_tokens=6)
        >>> rng = torch.Generator().manual_seed(1)
        >>> head = PairHead(16, 8, 1, rng)
        >>> student = Student(make_encoder(sizes, rng), TopLayersConcatPooling(2), head, frozen=2)
        >>> ids, mask = torch.tensor([[2, 7, 3]]), torch.ones(1, 3, dtype=torch.long)
        >>> student(ids, mask).shape
        torch.Size([1, 16])
    """

    def __init__(
        self,
        encoder: Encoder,
        pooling: TopLayersConcatPooling,
        head: Head,
        frozen: int = 0,
        projection: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= frozen <= encoder.depth:
            raise BadInput("that many layers can't be frozen", received=frozen)
        self.encoder = encoder
        self.pooling = pooling
        self.projection = projection or nn.Identity()
        self.head = head
        self.frozen = frozen
        _freeze(encoder, frozen)

    def trained(self) -> nn.Module:
        """Return the part that is trained, so that a checkpoint holds no frozen weights."""
        parts = _trained_part(self.encoder, self.frozen)
        return nn.ModuleDict({**parts, "projection": self.projection, "head": self.head})

    @property
    def kept_layers(self) -> int:
        """Return how many frozen layers a vector holds."""
        return max(0, self.pooling.n - (self.encoder.depth - self.frozen)) if self.frozen else 0

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the vectors of texts.

        Shape:
            ids_BL, mask_BL -> x_BP.
        """
        x_BP: Tensor = self.projection(self.pooling(self.encoder(ids_BL, mask_BL), mask_BL))
        return x_BP

    def below(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the frozen layers give: their part of the vectors, and the last states.

        Shape:
            -> x_BQ, x_BLD.
        """
        states = self.encoder(ids_BL, mask_BL, self.frozen)
        return self._pool(states, self.kept_layers, mask_BL), states[-1]

    def above(self, kept_BQ: Tensor, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the vectors of texts from what the frozen layers gave.

        Shape:
            x_BQ, x_BLD, mask_BL -> x_BP.
        """
        trained = self.encoder.depth - self.frozen
        if trained:
            states = self.encoder.resume(x_BLD, mask_BL, self.frozen)
            count = min(self.pooling.n, trained)
            kept_BQ = torch.cat([kept_BQ, self._pool(states, count, mask_BL).float()], dim=1)
        x_BP: Tensor = self.projection(kept_BQ)
        return x_BP

    def _pool(self, states: States, count: int, mask_BL: Tensor) -> Tensor:
        if not count:
            return states[-1].new_zeros((len(mask_BL), 0))
        part = TopLayersConcatPooling(count, self.pooling.skip_cls, self.pooling.mode)
        return part(states, mask_BL)


class CrossEncoder(nn.Module):
    """Both sentences in one pass; the teacher's shape when no library model is at hand.

    Args:
        encoder: Reads [CLS] a [SEP] b [SEP].
        readout: "segments": the mean state of a's tokens and that of b's, through a pair head.
            "first": the first token's state through one linear map, as in BERT.
        hidden: Of the pair head.
        logits: How many to return (two for a binary task).
        generator: Draws the readout's weights.
        frozen: Lower layers that keep their weights.

    Shape:
        ids_BL, mask_BL, second_BL (1 at b's tokens) -> [B, C].

    Example:
        >>> sizes = EncoderSettings(vocab=9, width=8, depth=2, heads=2, hidden=16, max_tokens=6)
        >>> rng = torch.Generator().manual_seed(1)
        >>> cross = CrossEncoder(make_encoder(sizes, rng), "segments", 8, 2, rng)
        >>> ids = torch.tensor([[2, 7, 3, 8, 3]])
        >>> cross(ids, torch.ones_like(ids), torch.tensor([[0, 0, 0, 1, 1]])).shape
        torch.Size([1, 2])
    """

    def __init__(
        self,
        encoder: Encoder,
        readout: Literal["segments", "first"],
        hidden: int,
        logits: int,
        generator: torch.Generator,
        frozen: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.frozen = frozen
        self.head: nn.Module = (
            PairHead(encoder.width, hidden, logits, generator)
            if readout == "segments"
            else nn.Linear(encoder.width, logits)
        )
        _freeze(encoder, frozen)

    def trained(self) -> nn.Module:
        """Return the part that is trained."""
        return nn.ModuleDict({**_trained_part(self.encoder, self.frozen), "head": self.head})

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, second_BL: Tensor) -> Tensor:
        """Return the logits of each pair."""
        if not self.frozen:
            return self._read(self.encoder(ids_BL, mask_BL)[-1], mask_BL, second_BL)
        return self.above(self.below(ids_BL, mask_BL), mask_BL, second_BL)

    @torch.no_grad()
    def below(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the last states of the frozen layers.

        Shape:
            -> x_BLD.
        """
        return self.encoder(ids_BL, mask_BL, self.frozen)[-1]

    def above(self, x_BLD: Tensor, mask_BL: Tensor, second_BL: Tensor) -> Tensor:
        """Return the logits of each pair from what the frozen layers gave."""
        return self._read(self.encoder.resume(x_BLD, mask_BL, self.frozen)[-1], mask_BL, second_BL)

    def _read(self, x_BLD: Tensor, mask_BL: Tensor, second_BL: Tensor) -> Tensor:
        if self.readout == "first":
            return self.head(x_BLD[:, 0]).float()
        first_BL = mask_BL * (1 - second_BL)
        first_BL = torch.cat([torch.zeros_like(first_BL[:, :1]), first_BL[:, 1:]], dim=1)
        u_BD, v_BD = (_mean(x_BLD.float(), part) for part in (first_BL, mask_BL * second_BL))
        return self.head(u_BD, v_BD).float()


class LibraryClassifier(nn.Module):
    """Any sequence classifier of the transformers library, called as `CrossEncoder` is.

    Args:
        model: Such as a `BertForSequenceClassification`.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> sizes = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_labels=3,
        ...                    num_attention_heads=2, intermediate_size=16)
        >>> model = LibraryClassifier(BertForSequenceClassification(sizes))
        >>> ids = torch.tensor([[2, 7, 3]])
        >>> model(ids, torch.ones_like(ids), torch.zeros_like(ids)).shape
        torch.Size([1, 3])
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def trained(self) -> nn.Module:
        """Return the part that is trained: all of it."""
        return self.model

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, second_BL: Tensor) -> Tensor:
        """Return the model's logits."""
        kinds: Any = {"token_type_ids": second_BL} if self._has_segments() else {}
        given = self.model(input_ids=ids_BL, attention_mask=mask_BL, **kinds)
        return given.logits.float()

    def _has_segments(self) -> bool:
        return int(getattr(self.model.config, "type_vocab_size", 0) or 0) > 1


def _freeze(encoder: Encoder, frozen: int) -> None:
    if frozen:
        encoder.requires_grad_(False)
        for layer in encoder.layers[frozen:]:
            layer.requires_grad_(True)


def _trained_part(encoder: Encoder, frozen: int) -> dict[str, nn.Module]:
    if not frozen:
        return {"encoder": encoder}
    return {"layers": nn.ModuleList(encoder.layers[frozen:])}


def _mean(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    weight_BL = mask_BL.to(x_BLD.dtype)
    total_BD = torch.einsum("bl,bld->bd", weight_BL, x_BLD)
    return total_BD / weight_BL.sum(dim=1, keepdim=True).clamp_min(1.0)

"""Four ways to score a document with one encoder: one vector, a vector per token, words, weights.

Legend: B rows, L tokens, D width of a state, P width of a token's vector, V words, U some words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.systems.retrieval.brewing_beir.recipe import EncoderSettings

Encoder = Transformer | PretrainedEncoder

#: A word's bias is learned this many times faster than a weight (one learning rate for all).
BIAS_STEP = 100.0
#: Score of a word for itself before training, about 4 x 0.9.
SHARPNESS = 4.0


def make_encoder(settings: EncoderSettings, generator: torch.Generator) -> Encoder:
    """Return an encoder with fresh weights, without dropout."""
    if settings.family == "bert":
        from transformers import BertConfig, BertModel

        sizes = BertConfig(
            vocab_size=settings.vocab,
            hidden_size=settings.width,
            num_hidden_layers=settings.depth,
            num_attention_heads=settings.heads,
            intermediate_size=settings.hidden,
            max_position_embeddings=settings.max_positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        return PretrainedEncoder(BertModel(sizes, add_pooling_layer=False))
    shape = TransformerShape(
        vocab=settings.vocab,
        width=settings.width,
        depth=settings.depth,
        heads=settings.heads,
        hidden=settings.hidden,
        max_tokens=settings.max_positions,
    )
    return Transformer(shape, generator)


def word_table(encoder: Encoder) -> Tensor:
    """Return the word table of an encoder, V x D, without a gradient."""
    if isinstance(encoder, PretrainedEncoder):
        return encoder.model.get_input_embeddings().weight.detach()
    return encoder.embeddings.words.weight.detach()


def content_of(mask_BL: Tensor) -> Tensor:
    """Return the mask without the first and the last token of each row, which are no words."""
    content_BL = mask_BL.clone()
    content_BL[:, 0] = 0
    last_B = mask_BL.sum(dim=1) - 1
    content_BL[torch.arange(len(mask_BL)), last_B.clamp(min=0)] = 0
    return content_BL


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Token ids padded on the right, the mask that is 1 at real tokens, and known lower states.

    Shape:
        ids_BL, mask_BL int64; below_BLD float32 or None.
    """

    ids_BL: Tensor
    mask_BL: Tensor
    below_BLD: Tensor | None = None


class OneVector(nn.Module):
    """Mean of the states, at length 1: one vector per text."""

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Return x_BD."""
        weights_BL1 = mask_BL[..., None].float()
        mean_BD = (x_BLD.float() * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1).clamp(min=1)
        return nn.functional.normalize(mean_BD, dim=-1)


class TokenVectors(nn.Module):
    """A vector of length 1 per word of the text, for MaxSim (late interaction).

    Source:
        ColBERT (arXiv 2004.12832).
    """

    def __init__(self, width: int, projection: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, projection, bias=False) if projection else None
        if self.project is not None:
            nn.init.orthogonal_(self.project.weight)

    def forward(self, x_BLD: Tensor, content_BL: Tensor) -> Tensor:
        """Return x_BLP, zero where there is no word."""
        x_BLP = x_BLD if self.project is None else self.project(x_BLD)
        return nn.functional.normalize(x_BLP.float(), dim=-1) * content_BL[..., None]


class ExpandedWords(nn.Module):
    """A weight for every word of the vocabulary: log(1 + relu(logit)), largest over the text.

    MiniLM has no head for masked words, so the logits are made from its centred word table E, as a
    nearest-neighbour score: of token i for word v

        logit = sharpness (E_v . (E_i + W h_i) - |E_v|^2 / 2) + bias_v

    W and the biases start at 0: before training a text activates its own words and close
    neighbours ("cancer" also "cancers" and "tumor"), which training then weighs and extends.

    Source:
        SPLADE v2 (arXiv 2109.10086), equations 1 to 4.
    """

    def __init__(self, width: int, vocab: int) -> None:
        super().__init__()
        self.change = nn.Linear(width, width)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        self.bias_V = nn.Parameter(torch.zeros(vocab))

    def forward(
        self, x_BLD: Tensor, ids_BL: Tensor, content_BL: Tensor, table_VD: Tensor, words_U: Tensor
    ) -> Tensor:
        """Return w_BU, the weights of the words `words_U`."""
        centred_VD = table_VD - table_VD.mean(dim=0)
        words_UD = centred_VD[words_U]
        shifted_BLD = centred_VD[ids_BL] + self.change(x_BLD)
        near_BLU = shifted_BLD.to(x_BLD.dtype) @ words_UD.to(x_BLD.dtype).T
        near_BLU = near_BLU.masked_fill(content_BL[..., None] == 0, -1e4)
        offset_U = (
            -0.5 * words_UD.square().sum(dim=1) * SHARPNESS + BIAS_STEP * self.bias_V[words_U]
        )
        return torch.log1p(torch.relu(SHARPNESS * near_BLU.amax(dim=1).float() + offset_U))


class TermWeights(nn.Module):
    """One weight for each token of the text, no expansion; a word that returns keeps its largest.

    Source:
        uniCOIL (arXiv 2106.14807).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(width, 1)
        nn.init.zeros_(self.weigh.weight)
        nn.init.ones_(self.weigh.bias)

    def forward(self, x_BLD: Tensor, ids_BL: Tensor, content_BL: Tensor, words_U: Tensor) -> Tensor:
        """Return w_BU; the words must be sorted and hold those of the text."""
        weight_BL = torch.relu(self.weigh(x_BLD).float()[..., 0]) * content_BL
        place_BL = torch.searchsorted(words_U, ids_BL)
        known_BL = words_U[place_BL.clamp(max=len(words_U) - 1)] == ids_BL
        place_BL = place_BL.where(known_BL, 0)
        weight_BL = weight_BL * known_BL
        empty_BU = weight_BL.new_zeros(len(ids_BL), len(words_U))
        return empty_BU.scatter_reduce(1, place_BL, weight_BL, "amax")


class Retriever(nn.Module):
    """An encoder and one of the four heads.

    Args:
        settings: Of the encoder.
        kind: dense, late, splade or unicoil.
        projection: See `TokenVectors`.
        generator: Draws fresh weights.

    Example:
        >>> tiny = EncoderSettings(start="", family="ours", vocab=9, width=8, depth=1, heads=2,
        ...                        hidden=8, max_positions=6, frozen=0)
        >>> model = Retriever(tiny, "splade", 0, torch.Generator().manual_seed(1))
        >>> ids = torch.tensor([[2, 7, 3]])
        >>> model.words(Batch(ids, torch.ones_like(ids)), torch.arange(9)).shape
        torch.Size([1, 9])
    """

    def __init__(
        self, settings: EncoderSettings, kind: str, projection: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.kind = kind
        self.encoder = make_encoder(settings, generator)
        # The library's own initialisation and ours of the heads draw from torch's global state.
        if kind == "late":
            self.head = TokenVectors(settings.width, projection)
        elif kind == "splade":
            self.head = ExpandedWords(settings.width, settings.vocab)
        elif kind == "unicoil":
            self.head = TermWeights(settings.width)
        else:
            self.head = OneVector()
        self.frozen = settings.frozen
        self._freeze(settings.frozen)

    def _freeze(self, layers: int) -> None:
        whole = self.encoder.model if isinstance(self.encoder, PretrainedEncoder) else self.encoder
        whole.embeddings.requires_grad_(False)
        for layer in list(self.encoder.layers)[:layers]:
            layer.requires_grad_(False)

    @property
    def vocabulary(self) -> int:
        """Return how many words there are."""
        return len(word_table(self.encoder))

    def states(self, batch: Batch) -> Tensor:
        """Return x_BLD of the last layer, from the frozen layers' states where they are known."""
        if batch.below_BLD is None:
            return self.encoder(batch.ids_BL, batch.mask_BL)[-1]
        return self.encoder.resume(batch.below_BLD, batch.mask_BL, self.frozen)[-1]

    def vectors(self, batch: Batch) -> Tensor:
        """Return x_BD of length 1."""
        return self.head(self.states(batch), batch.mask_BL)

    def tokens(self, batch: Batch) -> Tensor:
        """Return x_BLP of length 1 at words, zero elsewhere."""
        return self.head(self.states(batch), content_of(batch.mask_BL))

    def words(self, batch: Batch, words_U: Tensor) -> Tensor:
        """Return w_BU, the weights of some words."""
        x_BLD, content_BL = self.states(batch), content_of(batch.mask_BL)
        if self.kind == "unicoil":
            return self.head(x_BLD, batch.ids_BL, content_BL, words_U)
        return self.head(x_BLD, batch.ids_BL, content_BL, word_table(self.encoder), words_U)


def max_sim(query_BLP: Tensor, document_CMP: Tensor) -> Tensor:
    """Return late interaction scores: of each query token the best document token, averaged.

    Shape:
        [B, L, P], [C, M, P] -> [B, C].
    """
    similarity = torch.einsum("blp,cmp->bclm", query_BLP, document_CMP)
    absent_CM = document_CMP.abs().sum(dim=-1) == 0
    similarity = similarity.masked_fill(absent_CM[None, :, None, :], -1.0)
    present_BL = (query_BLP.abs().sum(dim=-1) > 0).float()
    best_BCL = similarity.amax(dim=-1) * present_BL[:, None, :]
    return best_BCL.sum(dim=-1) / present_BL.sum(dim=-1).clamp(min=1)[:, None]


def flops(w_BU: Tensor) -> Tensor:
    """Return SPLADE's regulariser: sum over words of the squared mean weight in the batch.

    Source:
        Paria et al. (arXiv 2004.05665), equation 4.
    """
    return w_BU.float().mean(dim=0).square().sum()

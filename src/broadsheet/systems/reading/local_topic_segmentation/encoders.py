"""What makes vectors of sentences with a gradient: a transformer's upper layers, or words alone.

Legend: N units, P pairs, B rows, L tokens, D width of a state, W width of a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.lexical_segmenters import lower_words
from broadsheet.nn.bert_names import bert_weights, take_bert
from broadsheet.nn.blocks import initialise
from broadsheet.nn.gru import GruEncoder, GruShape
from broadsheet.nn.pretrained import PretrainedEncoder, load_backbone
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.recipe import EncoderSettings
from broadsheet.systems.reading.local_topic_segmentation.units import Ints

_WORD_WIDTH = 64
_SPANS = (2, 3)


class TransformerTower(nn.Module):
    """A transformer whose lower layers may stay frozen.

    Args:
        encoder: Ours, or one of the transformers library.
        frozen: Lower layers (and the embeddings) without a gradient; 0 trains all.
        fast: Matrix products in bfloat16 on a CPU, which is twice as fast where the hardware has
            them; what comes out is float32.

    Shape:
        ids_BL, mask_BL -> x_BLD

    Example:
        >>> sizes = EncoderSettings(
        ...     kind="tuned", vocab=9, width=8, depth=2, heads=2, hidden=16, max_tokens=6, frozen=1
        ... )
        >>> tower = make_tower(sizes, SeedTree(1))
        >>> tower(torch.tensor([[2, 7, 3]]), torch.ones(1, 3, dtype=torch.long)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self, encoder: Transformer | PretrainedEncoder, frozen: int, fast: bool = False
    ) -> None:
        super().__init__()
        self.fast = fast
        if not 0 <= frozen <= encoder.depth:
            raise BadInput("that many layers can't be frozen", received=frozen)
        self.encoder = encoder
        self.frozen = frozen
        if frozen:
            for parameter in self.encoder.parameters():
                parameter.requires_grad_(False)
            for layer in self.encoder.layers[frozen:]:
                layer.requires_grad_(True)

    def trained(self) -> nn.Module:
        """Return the part with a gradient, so that checkpoints hold nothing else."""
        return nn.ModuleList(self.encoder.layers[self.frozen :]) if self.frozen else self.encoder

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the states of the last layer."""
        with ExitStack() as stack:
            stack.enter_context(
                torch.autocast(
                    "cpu", torch.bfloat16, enabled=self.fast and ids_BL.device.type == "cpu"
                )
            )
            if self.encoder_is_ours:
                stack.enter_context(sdpa_kernel(SDPBackend.MATH))  # on a CPU twice as fast
            if not self.frozen:
                whole_BLD: Tensor = self.encoder(ids_BL, mask_BL)[-1]
                return whole_BLD.float()
            with torch.no_grad():
                lower_BLD = self.encoder(ids_BL, mask_BL, self.frozen)[-1]
            upper_BLD: Tensor = self.encoder.resume(lower_BLD, mask_BL, self.frozen)[-1]
            return upper_BLD.float()

    @property
    def encoder_is_ours(self) -> bool:
        """Tell whether it is our transformer on a CPU."""
        return isinstance(self.encoder, Transformer)


class WordTower(nn.Module):
    """A small encoder over words, for runs that need nothing from elsewhere.

    Args:
        kind: "gru" (both directions, mean over words) or "cnn" (windows of 2 and 3 words, the
            largest value of each filter).
        vocab: Rows of the word table; words are hashed into them.
        width: Length of a sentence's vector, even.
        seeds: Draw the weights.

    Shape:
        ids_BL, mask_BL -> u_BD

    Example:
        >>> tower = WordTower("cnn", 50, 8, SeedTree(1))
        >>> tower(torch.tensor([[2, 7, 3]]), torch.ones(1, 3, dtype=torch.long)).shape
        torch.Size([1, 8])
    """

    def __init__(self, kind: str, vocab: int, width: int, seeds: SeedTree) -> None:
        super().__init__()
        self.gru: GruEncoder | None = None
        if kind == "gru":
            self.gru = GruEncoder(GruShape(vocab, width, depth=1), seeds.child("gru").torch())
            return
        self.words = nn.Embedding(vocab, _WORD_WIDTH)
        self.filters = nn.ModuleList(
            nn.Conv1d(_WORD_WIDTH, width // len(_SPANS), span, padding=span - 1, bias=False)
            for span in _SPANS
        )
        generator = seeds.child("cnn").torch()
        initialise(self, generator, std=_WORD_WIDTH**-0.5)
        for layer in self.filters:
            for parameter in layer.parameters():
                if not parameter.is_meta:
                    with torch.no_grad():
                        parameter.normal_(std=_WORD_WIDTH**-0.5, generator=generator)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Return one vector for each row; of a row without words it is 0."""
        mask_BL1 = mask_BL[:, :, None].float()
        if self.gru is not None:
            states_BLD = self.gru(ids_BL, mask_BL)[-1]
            total_B1 = mask_BL1.sum(dim=1).clamp_min(1.0)
            mean_BD: Tensor = (states_BLD * mask_BL1).sum(dim=1) / total_B1
            return mean_BD
        words_BWL = (self.words(ids_BL) * mask_BL1).transpose(1, 2)
        parts = [F.relu(layer(words_BWL)).amax(dim=2) for layer in self.filters]
        return torch.cat(parts, dim=1)


class Tokens:
    """The token ids of units.

    Args:
        rows: Ids of each unit.

    Example:
        >>> ids, mask = Tokens([[5, 6], [7]]).padded(np.array([1, 0]))
        >>> ids.tolist(), mask.tolist()
        ([[7, 0], [5, 6]], [[1, 0], [1, 1]])
    """

    def __init__(self, rows: Sequence[Sequence[int] | Ints]) -> None:
        self.rows = [np.array(row, np.int64) for row in rows]

    def padded(self, places: Ints) -> tuple[Tensor, Tensor]:
        """Return ids and mask of some units, padded on the right."""
        return pad([self.rows[place] for place in places])


def pad(rows: Sequence[Ints]) -> tuple[Tensor, Tensor]:
    """Return rows of different lengths as ids_BL and mask_BL."""
    longest = max((len(row) for row in rows), default=1)
    ids_BL = np.zeros((len(rows), max(longest, 1)), np.int64)
    mask_BL = np.zeros_like(ids_BL)
    for at, row in enumerate(rows):
        ids_BL[at, : len(row)] = row
        mask_BL[at, : len(row)] = 1
    return torch.from_numpy(ids_BL), torch.from_numpy(mask_BL)


def word_tokens(units: Sequence[str], vocab: int, most: int) -> Tokens:
    """Return the hashed words of units, each in 1 .. vocab - 1.

    Example:
        >>> first, second = word_tokens(["a b", "B a"], 100, 9).rows
        >>> first.tolist() == second[::-1].tolist()
        True
    """

    def number(word: str) -> int:
        return 1 + int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % (vocab - 1)

    return Tokens([[number(word) for word in lower_words(unit)[:most]] for unit in units])


def piece_tokens(units: Sequence[str], tokenizer: Tokenizer, most: int) -> Tokens:
    """Return the word pieces of units, with the tokenizer's first and last token, cut to `most`."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = [item.ids for item in tokenizer.encode_batch_fast(list(units))]
    return Tokens([row if len(row) <= most else [*row[: most - 1], row[-1]] for row in rows])


def make_tower(settings: EncoderSettings, seeds: SeedTree) -> TransformerTower | WordTower:
    """Return an encoder with fresh weights."""
    if settings.kind in ("gru", "cnn"):
        return WordTower(settings.kind, settings.vocab, settings.width, seeds)
    if settings.start.startswith("roberta"):
        from transformers import RobertaConfig, RobertaModel

        sizes = RobertaConfig(
            vocab_size=settings.vocab,
            hidden_size=settings.width,
            num_hidden_layers=settings.depth,
            num_attention_heads=settings.heads,
            intermediate_size=settings.hidden,
            max_position_embeddings=514,
            type_vocab_size=1,
        )
        library = PretrainedEncoder(RobertaModel(sizes, add_pooling_layer=False))
        return TransformerTower(library, settings.frozen)
    shape = TransformerShape(
        vocab=settings.vocab,
        width=settings.width,
        depth=settings.depth,
        heads=settings.heads,
        hidden=settings.hidden,
        max_tokens=settings.max_tokens * (2 if settings.kind == "cross" else 1),
    )
    encoder = Transformer(shape, seeds.child("tower").torch())
    return TransformerTower(encoder, settings.frozen, settings.fast_matmul)


def start_tower(tower: TransformerTower, settings: EncoderSettings, workspace: Workspace) -> None:
    """Give a transformer its pretrained weights; one without a start keeps its own.

    Raises:
        SourceError: The weights could not be fetched.
    """
    if not settings.start:
        return
    encoder = tower.encoder
    if isinstance(encoder, PretrainedEncoder):
        from transformers import RobertaModel

        model = RobertaModel.from_pretrained(settings.start, add_pooling_layer=False)
        encoder.model.load_state_dict(model.state_dict())
        return
    backbone, _ = load_backbone(settings.start, workspace.shared / "backbones", workspace.progress)
    weights = bert_weights(backbone)
    places = encoder.embeddings.positions.weight.shape[0]
    name = "embeddings.position_embeddings.weight"
    take_bert(encoder, {**weights, name: weights[name][:places]})


def tokenizer_of(settings: EncoderSettings, workspace: Workspace) -> Tokenizer:
    """Return the tokenizer of a backbone."""
    if settings.start.startswith("roberta"):
        from transformers import AutoTokenizer

        found: Tokenizer = AutoTokenizer.from_pretrained(settings.start).backend_tokenizer
        return found
    return load_backbone(settings.start, workspace.shared / "backbones", workspace.progress)[1]

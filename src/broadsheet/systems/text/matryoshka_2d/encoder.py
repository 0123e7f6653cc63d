"""The elastic encoder: built, started from pretrained weights, cut to a smaller model of its own.

Legend: T texts, B rows, D width, n layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.layered import States
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.sentence import SentenceEncoder, TokenBatch
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.runtime.batching import plan_batches
from broadsheet.systems.text.matryoshka_2d.corpus import TokenRows
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe

Floats = NDArray[np.float32]


@dataclass
class ElasticState:
    """An encoder and, once its tokenizer is known, the sentence encoder around it.

    Args:
        encoder: All that is trained.
        recipe: How it was built.
        sentence: Texts to vectors; shares the encoder.
    """

    encoder: Transformer | PretrainedEncoder
    recipe: Recipe
    sentence: SentenceEncoder | None = None

    @property
    def module(self) -> nn.Module:
        """Everything trainable."""
        return self.encoder

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return unit rows at full depth and size.

        Raises:
            BadInput: The state has no tokenizer yet: it was not fitted.
        """
        if self.sentence is None:
            raise BadInput("no texts without a tokenizer", hint="fit the state first")
        return self.sentence.encode(texts)

    def with_tokenizer(self, tokenizer: Tokenizer) -> SentenceEncoder:
        """Return the sentence encoder, made at the first call."""
        if self.sentence is None:
            pooling = MeanPooling() if self.recipe.pooling == "mean" else ClsPooling()
            self.sentence = SentenceEncoder(
                self.encoder, pooling, tokenizer, self.recipe.max_tokens
            )
        return self.sentence


def build_encoder(recipe: Recipe, seeds: SeedTree) -> Transformer | PretrainedEncoder:
    """Return an encoder of the recipe's shape with fresh weights.

    Backbones with a pretrained start are `BertModel`s, so that any of them fits; the one from
    nothing is our own `Transformer`.
    """
    shape = recipe.shape
    if recipe.start == "nothing":
        sizes = TransformerShape(
            vocab=shape.vocab,
            width=shape.width,
            depth=recipe.layers,
            heads=shape.heads,
            hidden=shape.hidden,
            max_tokens=shape.positions,
            dropout=shape.dropout,
        )
        encoder: Transformer | PretrainedEncoder = Transformer(
            sizes, seeds.child("weights").torch()
        )
    else:
        encoder = PretrainedEncoder(_bert(recipe, seeds))
    if recipe.frozen_table:
        for parameter in embedding_table(encoder).parameters():
            parameter.requires_grad_(False)
    return encoder


def embedding_table(encoder: nn.Module) -> nn.Module:
    """Return what turns ids into the input of the first layer."""
    if isinstance(encoder, PretrainedEncoder):
        return encoder.model.get_submodule("embeddings")
    return nn.ModuleList([encoder.get_submodule(name) for name in ("embeddings", "norm")])


def start_from(encoder: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put pretrained weights into an encoder that has as many layers or fewer.

    Raises:
        BadInput: A weight of the encoder is not among them.
    """
    missing, _ = encoder.load_state_dict(dict(weights), strict=False)
    if missing:
        raise BadInput("the weights are of another encoder", received=f"no {missing[0]}")


def cut_model(sentence: SentenceEncoder, layers: int) -> SentenceEncoder:
    """Return a sentence encoder of its own that has only the first `layers` layers.

    Its vectors are bit for bit those of `sentence.encode(texts, layers=layers)`; it is smaller on
    the disk, and it can be trained on as a dedicated model.

    Raises:
        UsageError: No layer, or more than there are.
    """
    encoder = sentence.encoder
    if not 1 <= layers <= encoder.depth:
        raise UsageError("no such cut", received=layers, hint=f"1 to {encoder.depth} layers")
    assert isinstance(encoder, Transformer | PretrainedEncoder)  # noqa: S101
    return SentenceEncoder(
        encoder.cut(layers), sentence.pooling, sentence.tokenizer, sentence.max_tokens
    )


def pooled_exits(sentence: SentenceEncoder, batch: TokenBatch) -> list[Tensor]:
    """Return the pooled output x_BD of the embedding table and of every layer, one pass."""
    return _pooled(sentence, sentence.states(batch), batch)


def exit_vectors(
    sentence: SentenceEncoder,
    rows: TokenRows,
    *,
    half: bool = False,
    batch_tokens: int = 4096,
) -> dict[int, Floats]:
    """Return the pooled vectors x_TD of all texts after every layer, in one pass, not scaled.

    Args:
        sentence: The encoder.
        rows: The texts.
        half: Let the encoder multiply in bfloat16; what is pooled and returned is float32.
        batch_tokens: Most tokens in a batch, padding included.
    """
    depth = sentence.depth
    found = {n: np.zeros((len(rows), sentence.width), np.float32) for n in range(1, depth + 1)}
    training = sentence.training
    sentence.eval()
    device = sentence.device
    with torch.no_grad():
        for chosen in plan_batches(rows.lengths.tolist(), batch_tokens):
            batch = rows.batch(chosen).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                states = sentence.states(batch)
            exits = _pooled(sentence, tuple(x_BLD.float() for x_BLD in states), batch)
            for n in found:
                found[n][chosen] = exits[n].float().cpu().numpy()
    sentence.train(training)
    return found


def _pooled(sentence: SentenceEncoder, states: States, batch: TokenBatch) -> list[Tensor]:
    return [sentence.pooling(states[: n + 1], batch.mask_BL) for n in range(len(states))]


def _bert(recipe: Recipe, seeds: SeedTree) -> Any:
    from transformers import BertConfig, BertModel

    shape = recipe.shape
    config = BertConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.hidden,
        max_position_embeddings=shape.positions,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator
        torch.manual_seed(seeds.child("weights").integer())
        return BertModel(config, add_pooling_layer=False)

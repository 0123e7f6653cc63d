"""Groups of like length give the vectors and gradients of one padded batch."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from broadsheet.losses.contrastive import mnr
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.nn.transformer import Transformer
from broadsheet.train.by_length import encode_by_length

TEXTS = ["a paper about tiny encoders", "", "stop early " * 9, "cut", "short , or not at all", "a"]


def gradients(sentence: SentenceEncoder, x_BP: Tensor) -> list[Tensor]:
    sentence.zero_grad()
    mnr(x_BP[:3], x_BP[3:]).backward()  # type: ignore[no-untyped-call]
    return [torch.zeros(1) if p.grad is None else p.grad.clone() for p in sentence.parameters()]


@pytest.mark.parametrize("group_tokens", [1, 30, 10_000])
@pytest.mark.parametrize("layers", [None, 1])
def test_vectors_and_gradients_are_those_of_the_whole_batch(
    encoder: Transformer, tokenizer: Tokenizer, group_tokens: int, layers: int | None
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=20)
    whole = sentence(sentence.tokenise(TEXTS), layers)
    grouped = encode_by_length(sentence, TEXTS, layers=layers, group_tokens=group_tokens)
    torch.testing.assert_close(grouped, whole, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients(sentence, grouped), gradients(sentence, whole), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("padding_id", [0, 7])
def test_a_table_with_a_padding_row_keeps_its_gradient(
    tokenizer: Tokenizer, padding_id: int
) -> None:
    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, pad_token_id=padding_id, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    bert = PretrainedEncoder(BertModel(config, add_pooling_layer=False))
    sentence = SentenceEncoder(bert, ClsPooling(), tokenizer, max_tokens=20)
    table = sentence.get_submodule("encoder.model.embeddings.word_embeddings")
    assert isinstance(table, nn.Embedding)
    assert table.padding_idx == padding_id
    whole = sentence(sentence.tokenise(TEXTS))
    grouped = encode_by_length(sentence, TEXTS, group_tokens=8)
    for one, other in zip(gradients(sentence, grouped), gradients(sentence, whole), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert table.weight.grad is not None
    assert not table.weight.grad[padding_id].any()
    assert table.weight.grad[2].any()

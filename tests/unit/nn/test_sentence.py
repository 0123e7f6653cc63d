"""Sentence encoders: order, cuts, modes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.nn.sentence import SentenceEncoder

TEXTS = ["a cat sat on the mat", "dog", "", "the dog ran home fast and the cat sat slow on a mat"]


@pytest.fixture
def sentence(encoder: Any, tokenizer: Tokenizer) -> SentenceEncoder:
    return SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=10)


def test_vectors_are_units_in_the_order_given(sentence: SentenceEncoder) -> None:
    vectors = sentence.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(sentence.encode([text])[0], vector, atol=1e-5)


def test_small_batches_change_nothing(sentence: SentenceEncoder) -> None:
    many = TEXTS * 5
    np.testing.assert_allclose(
        sentence.encode(many, batch_tokens=11), sentence.encode(many), atol=1e-5
    )


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("dims", [3, 8])
def test_layers_and_dims_cut_and_scale_again(
    sentence: SentenceEncoder, layers: int, dims: int
) -> None:
    with torch.no_grad():
        raw = sentence(sentence.tokenise(TEXTS), layers)[:, :dims].numpy()
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    found = sentence.encode(TEXTS, layers=layers, dims=dims)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_wrong_cuts_are_refused(sentence: SentenceEncoder) -> None:
    for dims in (0, 9):
        with pytest.raises(BadInput, match="can't be cut"):
            sentence.encode(TEXTS, dims=dims)
    with pytest.raises(BadInput, match="no such layer"):
        sentence.encode(TEXTS, layers=4)


def test_no_texts_no_rows(sentence: SentenceEncoder) -> None:
    assert sentence.encode([]).shape == (0, 8)
    assert len(sentence.tokenise([])) == 0


def test_encoding_is_without_dropout_and_restores_the_mode(
    make_encoder: Any, tokenizer: Tokenizer
) -> None:
    sentence = SentenceEncoder(make_encoder("bert"), ClsPooling(), tokenizer, 10).train()
    one, two = sentence.encode(TEXTS), sentence.encode(TEXTS)
    assert np.array_equal(one, two)
    assert sentence.training
    assert sentence.encoder.training  # type: ignore[attr-defined]
    sentence.eval().encode(TEXTS)
    assert not sentence.training


def test_tokens_are_cut_and_padded(make_encoder: Any, tokenizer: Tokenizer) -> None:
    sentence = SentenceEncoder(make_encoder("bert"), ClsPooling(), tokenizer, 6)
    batch = sentence.tokenise(TEXTS)
    assert batch.ids_BL.shape == (4, 6)
    assert batch.mask_BL.sum(dim=1).tolist() == [6, 3, 2, 6]
    assert batch.ids_BL[:, 0].tolist() == [2, 2, 2, 2]
    assert batch.ids_BL[3, 5].item() == 3  # the closing token survives the cut
    assert batch.ids_BL[1].tolist() == [2, 6, 3, 0, 0, 0]
    part = batch.rows(1, 3)
    assert part.ids_BL.tolist() == [[2, 6, 3], [2, 3, 0]]


def test_the_given_tokenizer_keeps_its_own_settings(
    make_encoder: Any, tokenizer: Tokenizer
) -> None:
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=30, pad_id=1)
    sentence = SentenceEncoder(make_encoder("bert"), ClsPooling(), tokenizer, 7)
    batch = sentence.tokenise(TEXTS)
    assert batch.ids_BL.shape == (4, 7)
    assert batch.ids_BL[2].tolist() == [2, 3, 1, 1, 1, 1, 1]
    assert tokenizer.truncation["max_length"] == 5
    assert tokenizer.padding["length"] == 30


def test_the_pooling_decides_the_width(make_encoder: Any, tokenizer: Tokenizer) -> None:
    sentence = SentenceEncoder(make_encoder("bert"), TopLayersConcatPooling(2), tokenizer, 10)
    assert (sentence.width, sentence.depth) == (16, 3)
    assert sentence.encode(TEXTS).shape == (4, 16)


def test_a_copy_is_its_own(sentence: SentenceEncoder) -> None:
    before = sentence.encode(TEXTS)
    other = copy.deepcopy(sentence)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 1.0
    assert np.array_equal(sentence.encode(TEXTS), before)
    assert not np.array_equal(other.encode(TEXTS), before)


def test_state_round_trip(make_encoder: Any, tokenizer: Tokenizer) -> None:
    one = SentenceEncoder(make_encoder("transformer"), MeanPooling(), tokenizer, 10)
    other = copy.deepcopy(one)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    other.load_state_dict(one.state_dict())
    assert np.array_equal(one.encode(TEXTS), other.encode(TEXTS))


def test_a_text_must_keep_some_tokens(make_encoder: Any, tokenizer: Tokenizer) -> None:
    with pytest.raises(BadInput, match="keep some tokens"):
        SentenceEncoder(make_encoder("bert"), MeanPooling(), tokenizer, 0)

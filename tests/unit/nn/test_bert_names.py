"""Our transformer computes what the library's BERT computes, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.bert_names import bert_weights, take_bert
from broadsheet.nn.experts import Route, feed_forward_paths, put_experts
from broadsheet.nn.pretrained import PretrainedEncoder, bert_of
from broadsheet.nn.transformer import Transformer, TransformerShape

Batch = tuple[Tensor, Tensor]
SHAPE = TransformerShape(vocab=16, width=8, depth=3, heads=2, hidden=16, max_tokens=12)


def _same(one: Any, other: Any, batch: Batch) -> None:
    mask = batch[1].bool()
    for x, y in zip(one(*batch), other(*batch), strict=False):
        torch.testing.assert_close(x[mask], y[mask], rtol=1e-5, atol=1e-5)


def test_the_library_computes_the_same_with_our_weights(make_encoder: Any, batch: Batch) -> None:
    ours = make_encoder("transformer")
    _same(ours, PretrainedEncoder(bert_of(bert_weights(ours), heads=2)).eval(), batch)


@pytest.mark.parametrize("depth", [3, 2])
def test_we_compute_the_same_with_the_librarys_weights(
    make_library_model: Any, batch: Batch, depth: int
) -> None:
    model = make_library_model("bert")
    shape = TransformerShape(16, width=8, depth=depth, heads=2, hidden=16, max_tokens=12)
    ours = Transformer(shape, SeedTree(1).torch()).eval()
    take_bert(ours, bert_weights(PretrainedEncoder(model)))
    _same(ours, PretrainedEncoder(model), batch)


def test_weights_of_another_size_change_nothing(make_library_model: Any) -> None:
    weights = bert_weights(PretrainedEncoder(make_library_model("bert")))
    shape = TransformerShape(16, width=8, depth=4, heads=2, hidden=16, max_tokens=12)
    for wrong in (shape, TransformerShape(17, 8, 3, 2, 16, 12)):
        ours = Transformer(wrong, SeedTree(1).torch())
        before = [parameter.clone() for parameter in ours.parameters()]
        with pytest.raises(BadInput, match="don't fit"):
            take_bert(ours, weights)
        assert all(torch.equal(x, y) for x, y in zip(before, ours.parameters(), strict=True))


def test_what_bert_does_not_compute_is_refused(make_encoder: Any) -> None:
    encoder = Transformer(SHAPE, SeedTree(1).torch())
    with pytest.raises(BadInput, match="causal"):
        bert_weights(encoder.with_causal(True))
    for family in ("mpnet", "modernbert"):
        with pytest.raises(BadInput, match=family):
            bert_weights(make_encoder(family))
    for dense in (encoder, make_encoder("bert")):
        put_experts(dense, feed_forward_paths(dense), 2, Route())
        with pytest.raises(BadInput, match="experts"):
            bert_weights(dense)

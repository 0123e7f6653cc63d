"""The mask of the future, and what taking it off changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from broadsheet.core.seeds import SeedTree
from broadsheet.losses.language import next_token
from broadsheet.nn.decoder import Decoder
from broadsheet.nn.transformer import TransformerShape

Batch = tuple[Tensor, Tensor]


@pytest.mark.parametrize("family", ["transformer", "decoder"])
@pytest.mark.parametrize("causal", [True, False])
def test_later_tokens_reach_the_first_only_without_the_mask(
    make_encoder: Any, batch: Batch, family: str, causal: bool
) -> None:
    encoder = make_encoder(family).with_causal(causal)
    ids, mask = batch
    changed = ids.clone()
    changed[0, 3:] = changed[0, 3:].flip(0)
    for before, after in zip(encoder(ids, mask)[1:], encoder(changed, mask)[1:], strict=True):
        moved = (before[0, 0] - after[0, 0]).abs().max().item()
        assert (moved == 0) == causal


def test_switching_the_mask_shares_the_weights_and_leaves_the_first(make_encoder: Any) -> None:
    decoder = make_encoder("decoder")
    free = decoder.with_causal(False)
    assert decoder.shape.causal
    assert not free.shape.causal
    assert all(x is y for x, y in zip(decoder.parameters(), free.parameters(), strict=True))


def test_logits_of_a_prefix_do_not_know_what_follows(make_encoder: Any, batch: Batch) -> None:
    decoder = make_encoder("decoder")
    ids, mask = batch
    whole = decoder.logits(ids, mask)
    prefix = decoder.logits(ids[:, :2], mask[:, :2])
    assert whole.shape == (3, 6, 16)
    torch.testing.assert_close(prefix, whole[:, :2], rtol=1e-5, atol=1e-5)


def test_the_head_is_the_word_table(make_encoder: Any, batch: Batch) -> None:
    decoder = make_encoder("decoder")
    states = decoder(*batch)[-1]
    expected = torch.einsum("bld,vd->blv", states, decoder.embeddings.words.weight)
    torch.testing.assert_close(decoder.logits(*batch), expected, rtol=1e-5, atol=1e-5)


def test_exits_have_one_scale(make_encoder: Any, batch: Batch) -> None:
    decoder = make_encoder("decoder")
    with torch.no_grad():
        decoder.norm.weight.fill_(1.0)
        decoder.norm.bias.zero_()
    for x in decoder(*batch):
        torch.testing.assert_close(x.std(dim=-1, correction=0), torch.ones(3, 6), rtol=0.02, atol=0)


def test_it_learns_a_short_language() -> None:
    """After "1 2" comes 3, after "2 2" comes 4: one token of context is not enough."""
    shape = TransformerShape(8, width=16, depth=2, heads=2, hidden=32, max_tokens=4, causal=True)
    decoder = Decoder(shape, SeedTree(1).torch())
    ids = torch.tensor([[1, 2, 3], [2, 2, 4]])
    mask = torch.ones_like(ids)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=0.01)
    first = next_token(decoder.logits(ids, mask), ids, mask).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = next_token(decoder.logits(ids, mask), ids, mask)
        loss.backward()
        optimiser.step()
    assert first > 1.5
    assert loss.item() < 0.1
    assert decoder.logits(ids, mask)[:, 1].argmax(dim=-1).tolist() == [3, 4]

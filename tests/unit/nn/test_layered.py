"""What every encoder promises: real stops, padding that changes nothing, cut copies."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.decoder import Decoder
from broadsheet.nn.gru import GruEncoder, GruShape
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer, TransformerShape

Batch = tuple[Tensor, Tensor]


def _layers(encoder: nn.Module) -> nn.ModuleList:
    lists = [part for part in encoder.modules() if isinstance(part, nn.ModuleList)]
    return next(part for part in lists if len(part) == 3)


@pytest.mark.parametrize("asked", [0, 1, 2, None])
def test_later_layers_are_never_called(encoder: Any, batch: Batch, asked: int | None) -> None:
    called: list[int] = []
    for number, layer in enumerate(_layers(encoder)):
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
    full = encoder(*batch)
    called.clear()
    states = encoder(*batch, layers=asked)
    count = 3 if asked is None else asked
    assert called == list(range(count))
    assert len(states) == count + 1
    assert {tuple(x.shape) for x in states} == {(3, 6, 8)}
    for early, whole in zip(states, full, strict=False):
        torch.testing.assert_close(early, whole, rtol=0, atol=0)


def test_depth_width_and_wrong_numbers(encoder: Any, batch: Batch) -> None:
    assert (encoder.depth, encoder.width) == (3, 8)
    for wrong in (-1, 4):
        with pytest.raises(BadInput, match="no such layer"):
            encoder(*batch, layers=wrong)


def test_a_row_alone_has_the_states_it_has_in_a_batch(encoder: Any, batch: Batch) -> None:
    ids, mask = batch
    together = encoder(ids, mask)
    for row, count in enumerate(mask.sum(dim=1).tolist()):
        alone = encoder(ids[row : row + 1, :count], mask[row : row + 1, :count])
        for x, y in zip(alone, together, strict=True):
            torch.testing.assert_close(x[0], y[row, :count], rtol=1e-5, atol=1e-5)


def test_layers_change_the_states(encoder: Any, batch: Batch) -> None:
    states = encoder(*batch)
    for x, y in itertools.pairwise(states):
        assert (x[0] - y[0]).abs().max() > 0.05


def test_a_stop_has_no_gradient_for_later_layers(encoder: Any, batch: Batch) -> None:
    encoder(*batch, layers=2)[-1].square().sum().backward()
    layers = _layers(encoder)
    assert all(p.grad is None for p in layers[2].parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in layers[0].parameters())


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert", "transformer", "decoder"])
def test_a_cut_encoder_is_the_first_layers_and_its_own(
    make_encoder: Any, batch: Batch, family: str
) -> None:
    encoder = make_encoder(family)
    small = encoder.cut(2)
    before = encoder(*batch)
    for x, y in zip(small(*batch), before, strict=False):
        torch.testing.assert_close(x, y, rtol=0, atol=0)
    assert small.depth == 2
    assert encoder.depth == 3
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    torch.testing.assert_close(encoder(*batch)[-1], before[-1], rtol=0, atol=0)


@pytest.mark.parametrize("family", ["transformer", "decoder"])
def test_padding_on_the_left_changes_nothing(make_encoder: Any, batch: Batch, family: str) -> None:
    encoder = make_encoder(family)
    ids, mask = batch
    right = encoder(ids, mask)[-1]
    turned = [torch.roll(part[1], 3) for part in (ids, mask)]
    left = encoder(turned[0][None], turned[1][None])[-1]
    torch.testing.assert_close(left[0, 3:], right[1, :3], rtol=1e-5, atol=1e-5)


def test_a_row_without_tokens_stays_finite(encoder: Any, batch: Batch) -> None:
    ids, mask = batch
    mask = mask.clone()
    mask[1] = 0
    assert all(bool(x.isfinite().all()) for x in encoder(ids, mask))


@pytest.mark.parametrize("kind", [Transformer, Decoder])
def test_the_seed_decides_the_weights(kind: Any) -> None:
    shape = TransformerShape(vocab=9, width=4, depth=1, heads=2, hidden=8, max_tokens=5)
    one, same = (kind(shape, SeedTree(1).child("weights").torch()) for _ in range(2))
    other = kind(shape, SeedTree(2).child("weights").torch())
    for (name, x), y in zip(one.named_parameters(), same.parameters(), strict=True):
        assert torch.equal(x, y), name
    assert not torch.equal(one.embeddings.words.weight, other.embeddings.words.weight)


def test_the_seed_decides_the_weights_of_a_recurrent_encoder() -> None:
    one, same = (
        GruEncoder(GruShape(vocab=9, width=4, depth=2), SeedTree(1).torch()) for _ in range(2)
    )
    assert all(torch.equal(x, y) for x, y in zip(one.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize("kind", [Transformer, Decoder])
def test_a_large_model_is_built_on_the_meta_device(kind: Any) -> None:
    shape = TransformerShape(
        vocab=30_522, width=768, depth=12, heads=12, hidden=3072, max_tokens=512
    )
    with torch.device("meta"):
        model = kind(shape, torch.Generator())
    count = sum(p.numel() for p in model.parameters())
    # BERT-base has 109,482,240 with its pooler (590,592) and two segments (1,536).
    assert count == 109_482_240 - 590_592 - 1_536
    assert all(p.is_meta for p in model.parameters())


@pytest.mark.parametrize("kind", [Transformer, Decoder])
def test_more_tokens_than_positions(kind: Any) -> None:
    shape = TransformerShape(vocab=9, width=4, depth=1, heads=2, hidden=8, max_tokens=5)
    with pytest.raises(BadInput, match="more tokens"):
        kind(shape, torch.Generator())(torch.zeros(1, 6, dtype=torch.long), torch.ones(1, 6))


def test_heads_that_do_not_divide_the_width() -> None:
    shape = TransformerShape(vocab=9, width=6, depth=1, heads=4, hidden=8, max_tokens=5)
    with pytest.raises(BadInput, match="heads must divide"):
        Transformer(shape, torch.Generator())


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(BadInput, match="layers were not found"):
        PretrainedEncoder(nn.Linear(2, 2))


@pytest.mark.parametrize("family", ["bert", "mpnet", "transformer"])
@pytest.mark.parametrize(("start", "layers"), [(0, None), (1, None), (1, 2), (2, 2), (3, None)])
def test_going_on_from_kept_states(
    make_encoder: Any, batch: Batch, family: str, start: int, layers: int | None
) -> None:
    encoder = make_encoder(family)
    whole = encoder(*batch, layers=layers)
    called: list[int] = []
    for number, layer in enumerate(_layers(encoder)):
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
    rest = encoder.resume(whole[start], batch[1], start, layers)
    assert called == list(range(start, 3 if layers is None else layers))
    for x, y in zip(rest, whole[start:], strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


@pytest.mark.parametrize("family", ["bert", "transformer"])
def test_going_on_from_nowhere(make_encoder: Any, batch: Batch, family: str) -> None:
    for start, layers in ((4, None), (2, 1), (-1, None)):
        with pytest.raises(BadInput, match="no such layer"):
            make_encoder(family).resume(torch.zeros(3, 6, 8), batch[1], start, layers)


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert", "transformer", "decoder", "gru"])
def test_layers_are_listed(make_encoder: Any, family: str) -> None:
    assert len(make_encoder(family).layers) == 3

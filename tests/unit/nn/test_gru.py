"""Recurrent encoders against the library's layer, one row at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.gru import GruEncoder, GruShape

Batch = tuple[Tensor, Tensor]


@pytest.mark.parametrize("directions", [1, 2])
def test_states_are_those_of_unpadded_rows(batch: Batch, directions: int) -> None:
    shape = GruShape(vocab=16, width=8, depth=2, directions=directions)
    encoder = GruEncoder(shape, SeedTree(1).torch())
    ids, mask = batch
    states = encoder(ids, mask)
    for row, count in enumerate(mask.sum(dim=1).tolist()):
        x = encoder.words(ids[row, :count])
        for layer, found in zip(encoder.layers, states[1:], strict=True):
            x, _ = layer(x)
            torch.testing.assert_close(found[row, :count], x, rtol=1e-5, atol=1e-6)
            assert found[row, count:].abs().sum() == 0


def test_one_direction_does_not_see_what_follows(batch: Batch) -> None:
    ids, mask = batch
    changed = ids.clone()
    changed[0, 4:] = 4
    for directions, same in ((1, True), (2, False)):
        shape = GruShape(vocab=16, width=8, depth=1, directions=directions)
        encoder = GruEncoder(shape, SeedTree(1).torch())
        first, second = encoder(ids, mask)[-1], encoder(changed, mask)[-1]
        assert torch.equal(first[0, 0], second[0, 0]) == same


def test_padding_on_the_left_is_refused(make_encoder: Any, batch: Batch) -> None:
    with pytest.raises(BadInput, match="padding on the right"):
        make_encoder("gru")(batch[0], batch[1].flip(1))


@pytest.mark.parametrize(("width", "directions"), [(7, 2), (8, 3)])
def test_wrong_shapes_are_refused(width: int, directions: int) -> None:
    shape = GruShape(vocab=16, width=width, depth=1, directions=directions)
    with pytest.raises(BadInput, match="directions"):
        GruEncoder(shape, SeedTree(1).torch())

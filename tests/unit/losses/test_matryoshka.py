"""One loss at several lengths."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import info_nce
from broadsheet.losses.matryoshka import cut, matryoshka, over_dims


def _draw(name: str, rows: int = 5) -> Tensor:
    generator = SeedTree(3).child(name).torch()
    return torch.randn(rows, 8, generator=generator, dtype=torch.float64)


def test_a_weighted_sum_over_prefixes() -> None:
    x, y = _draw("x"), _draw("y")
    found = matryoshka(info_nce, x, y, dims=(8, 4, 2), weights=(1.0, 0.5, 0.25))
    expected = sum(
        weight * info_nce(x[:, :dim], y[:, :dim]) for dim, weight in ((8, 1.0), (4, 0.5), (2, 0.25))
    )
    torch.testing.assert_close(found, expected)


def test_without_weights_each_length_counts_once() -> None:
    x, y = _draw("x"), _draw("y")
    expected = info_nce(x, y) + info_nce(x[:, :3], y[:, :3])
    torch.testing.assert_close(matryoshka(info_nce, x, y, dims=(8, 3)), expected)


def test_prefixes_are_scaled_after_the_cut() -> None:
    x = _draw("x")
    torch.testing.assert_close(cut(x, 3), F.normalize(x[:, :3], dim=1))
    torch.testing.assert_close(cut(x, 3).norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_losses_of_three_sets_cut_themselves() -> None:
    x, y, hard = _draw("x"), _draw("y"), _draw("hard", 3)
    found = over_dims(lambda d: info_nce(cut(x, d), cut(y, d), hard_ND=cut(hard, d)), (8, 2))
    expected = sum(info_nce(x[:, :d], y[:, :d], hard_ND=hard[:, :d]) for d in (8, 2))
    torch.testing.assert_close(found, expected)


def test_the_tail_gets_its_gradient_from_long_prefixes_only() -> None:
    x, y = _draw("x").requires_grad_(), _draw("y")
    matryoshka(info_nce, x, y, dims=(4, 2)).backward()
    assert x.grad is not None
    assert x.grad[:, 4:].abs().sum() == 0
    assert (x.grad[:, :4].abs() > 0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    x, y = (_draw(name, 3).requires_grad_() for name in "xy")
    torch.autograd.gradcheck(lambda x, y: matryoshka(info_nce, x, y, (8, 3), (1, 0.3)), (x, y))


def test_wrong_lengths_and_weights_are_refused() -> None:
    x, y = _draw("x"), _draw("y")
    for dims in ((9,), (0,)):
        with pytest.raises(BadInput, match="can't be cut"):
            matryoshka(info_nce, x, y, dims=dims)
    for dims, weights in (((8, 4), (1.0,)), ((), None)):
        with pytest.raises(BadInput, match="one weight"):
            matryoshka(info_nce, x, y, dims=dims, weights=weights)

"""Soups: means by hand, the greedy recipe, and what can't be averaged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.train.soup import StateDict, average_weights, greedy_soup


def test_the_mean_of_half_precision_is_rounded_once() -> None:
    states = [{"w": torch.tensor([1.0 + k / 512], dtype=torch.float16)} for k in range(3)]
    mean = average_weights(states)["w"]
    exact = sum(state["w"].double() for state in states) / 3
    assert mean.dtype == torch.float16
    assert torch.equal(mean, exact.half())  # type: ignore[union-attr]


def test_a_soup_of_copies_is_the_same_bits() -> None:
    weights = torch.randn(50, generator=torch.Generator().manual_seed(1))
    soup = average_weights([{"w": weights}] * 4)
    assert torch.equal(soup["w"], weights)


def test_integer_buffers_pass_through_only_when_equal() -> None:
    one, other = {"n": torch.tensor([3])}, {"n": torch.tensor([4])}
    assert average_weights([one, one])["n"].item() == 3
    with pytest.raises(BadInput, match="integers"):
        average_weights([one, other])


@pytest.mark.parametrize(
    ("states", "shares"),
    [
        ([], None),
        ([{"w": torch.ones(2)}], [1, 2]),
        ([{"w": torch.ones(2)}], [0]),
        ([{"w": torch.ones(2)}, {"v": torch.ones(2)}], None),
        ([{"w": torch.ones(2)}, {"w": torch.ones(3)}], None),
    ],
)
def test_what_can_not_be_averaged(states: list[dict[str, Tensor]], shares: list[float]) -> None:
    with pytest.raises(BadInput):
        average_weights(states, shares)


def test_the_greedy_soup_keeps_only_what_helps() -> None:
    goal = torch.tensor([1.0, 1.0])
    states = [{"w": torch.tensor(w)} for w in ([0.0, 0.0], [2.0, 1.0], [0.0, 1.2], [9.0, 9.0])]

    def score(state: StateDict) -> float:
        return -float((state["w"] - goal).norm())

    soup, taken = greedy_soup(states, score)
    assert taken == (1, 2)
    torch.testing.assert_close(soup["w"], torch.tensor([1.0, 1.1]))
    assert score(soup) >= max(score(state) for state in states)

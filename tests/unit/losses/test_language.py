"""The next word, without padding."""

from __future__ import annotations

import pytest
import torch

from broadsheet.core.seeds import SeedTree
from broadsheet.losses.language import next_token


def test_next_word_by_its_definition() -> None:
    logits = torch.randn(3, 4, 6, generator=SeedTree(1).torch(), dtype=torch.float64)
    ids = torch.tensor([[1, 2, 3, 4], [5, 1, 0, 0], [0, 0, 2, 3]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])
    losses = [
        -float(logits[row, at].log_softmax(0)[ids[row, at + 1]])
        for row in range(3)
        for at in range(3)
        if mask[row, at] and mask[row, at + 1]
    ]
    assert len(losses) == 5
    assert next_token(logits, ids, mask).item() == pytest.approx(sum(losses) / 5)


def test_a_single_word_has_no_next() -> None:
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    loss = next_token(logits, torch.tensor([[1, 0]]), torch.tensor([[1, 0]]))
    assert loss.item() == 0.0
    loss.backward()


def test_gradients_are_those_of_finite_differences() -> None:
    logits = torch.randn(2, 3, 4, generator=SeedTree(1).torch(), dtype=torch.float64)
    ids, mask = torch.tensor([[1, 2, 3], [3, 1, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    torch.autograd.gradcheck(lambda x: next_token(x, ids, mask), (logits.requires_grad_(),))

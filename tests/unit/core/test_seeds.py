"""Seed trees: the same path gives the same numbers, another path others, and nothing is global."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.seeds import SeedTree

NAMES = st.lists(st.text(min_size=1, max_size=5) | st.integers(0, 99), max_size=4)


def test_numbers_stay_what_they_are_on_every_machine() -> None:
    """Runs are resumed and compared across machines: these values must never change."""
    leaf = SeedTree(7).child("data", 3)
    assert SeedTree(7).integer() == 4359823973405836615
    assert leaf.integer() == 8254590873595807052
    assert leaf.numpy().integers(0, 1000, 3).tolist() == [563, 92, 920]
    assert torch.randint(0, 1000, (3,), generator=leaf.torch()).tolist() == [484, 950, 330]


@given(st.integers(0, 2**40), NAMES)
def test_a_path_can_be_walked_in_any_steps(root: int, names: list[str | int]) -> None:
    tree = SeedTree(root)
    for name in names:
        tree = tree.child(name)
    assert tree == SeedTree(root).child(*names)
    assert 0 <= tree.integer() < 2**63


def test_siblings_parents_and_roots_differ() -> None:
    trees = [
        SeedTree(1),
        SeedTree(11),
        SeedTree(1).child("1"),
        SeedTree(1).child("a"),
        SeedTree(1).child("a", "b"),
        SeedTree(1).child("ab"),
        SeedTree(1).child("b", "a"),
    ]
    assert len({tree.integer() for tree in trees}) == len(trees)


def test_numpy_and_torch_begin_anew_each_time() -> None:
    tree = SeedTree(5).child("weights")
    first, second = tree.torch(), tree.torch()
    assert torch.equal(torch.rand(4, generator=first), torch.rand(4, generator=second))
    np.testing.assert_array_equal(tree.numpy().random(4), tree.numpy().random(4))


def test_nothing_global_is_seeded() -> None:
    random.seed(1)
    torch.manual_seed(1)
    before = (random.random(), torch.rand(1).item())
    random.seed(1)
    torch.manual_seed(1)
    SeedTree(9).child("x").torch()
    SeedTree(9).child("x").numpy()
    assert (random.random(), torch.rand(1).item()) == before

"""Recipes: typed changes, canonical hashes, and mistakes answered with the names that exist."""

from __future__ import annotations

import dataclasses
import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import UsageError
from broadsheet.core.recipe import as_json, override, recipe_hash


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    steps: int = 100
    rate: float = 1e-3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    arm: str = "base"
    train: Train = Train()
    dims: tuple[int, ...] = (64, 32)
    names: tuple[str, ...] = ()
    loss: Literal["angle", "cosent"] = "angle"
    share: float | None = None
    causal: bool = False
    bits: Literal[1, 8] = 8
    span: tuple[int, float] = (1, 0.5)
    pairs: tuple[tuple[int, int], ...] = ((2, 64),)


def test_each_kind_of_setting_is_read_as_its_type() -> None:
    changes = {
        "arm": "other",
        "train.steps": "250",
        "train.rate": "5e-5",
        "dims": "8, 16,32",
        "names": "",
        "loss": "cosent",
        "share": "0.5",
        "causal": "yes",
        "bits": "1",
        "span": "2,0.25",
    }
    assert override(Recipe(), changes) == Recipe(
        arm="other",
        train=Train(steps=250, rate=5e-5),
        dims=(8, 16, 32),
        loss="cosent",
        share=0.5,
        causal=True,
        bits=1,
        span=(2, 0.25),
    )
    assert override(Recipe(share=0.5), {"share": "none"}).share is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("step", "3", "one of arm, train"),
        ("train.step", "3", "one of steps, rate"),
        ("train", "3", "one of its parts"),
        ("train.steps", "many", "type int"),
        ("train.steps", "2.5", "type int"),
        ("train.steps.more", "2", "a shorter name"),
        ("dims", "8,x", "type int"),
        ("loss", "mse", "one of angle, cosent"),
        ("causal", "maybe", "true or false"),
        ("train.rate", "nan", "a finite number"),
        ("bits", "4", "one of 1, 8"),
        ("span", "1", "2 values"),
        ("pairs", "2,64", "a list of lists"),
    ],
)
def test_a_mistake_says_what_would_have_worked(name: str, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        override(Recipe(), {name: text})


@given(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_can_be_written_and_read(steps: int, rate: float) -> None:
    changed = override(Recipe(), {"train.steps": str(steps), "train.rate": repr(rate)})
    assert changed.train == Train(steps=steps, rate=rate)


@given(st.lists(st.integers(0, 4096), max_size=6))
def test_tuples_can_be_written_and_read(dims: list[int]) -> None:
    assert override(Recipe(), {"dims": ",".join(map(str, dims))}).dims == tuple(dims)


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_hash_tells_recipes_apart_and_only_them(one: int, other: int) -> None:
    first, second = (Recipe(train=Train(steps=steps)) for steps in (one, other))
    assert (recipe_hash(first) == recipe_hash(second)) == (one == other)


def test_the_hash_of_a_recipe_never_changes() -> None:
    assert recipe_hash(Recipe()) == "77f6aea55f28"
    assert json.loads(json.dumps(as_json(Recipe())))["dims"] == [64, 32]

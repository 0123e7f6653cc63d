"""Selections over another order against the slow reference, for small and for large sets."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.index import selecting
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.bitmaps import Bits
from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Between,
    Contains,
    Document,
    In,
    Not,
    Predicate,
    matches,
)

LETTERS = "abcdefgh"
leaves = st.one_of(
    st.builds(Contains, st.just("cat"), st.sampled_from(LETTERS + "z")),
    st.builds(In, st.just("cat"), st.lists(st.sampled_from(LETTERS), max_size=4).map(tuple)),
    st.builds(
        Between,
        st.sampled_from(["year", "none"]),
        st.integers(-5, 400),
        st.one_of(st.integers(-5, 400), st.just(2**70)),
    ),
)
predicates: st.SearchStrategy[Predicate] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


def corpus(size: int, seed: int) -> list[Document]:
    """Documents with terms from frequent to rare; every ninth has no number."""
    chance = random.Random(seed)
    papers = []
    for number in range(size):
        terms = tuple(one for i, one in enumerate(LETTERS) if chance.random() < 0.6 / 3**i)
        numbers = {"year": chance.randint(0, 400)} if number % 9 else {}
        papers.append(Document(number=number, title="", terms={"cat": terms}, numbers=numbers))
    return papers


PAPERS = corpus(700, 3)
STORE = AttributeStore().apply(PAPERS).apply([], deleted=range(0, 700, 7))
LIVING = {one.number: one for one in PAPERS if one.number % 7}
#: Positions of a compact index: another order, some papers missing, some unknown to the store.
ORDER = np.array(random.Random(5).sample(range(720), 500))


@settings(deadline=None)
@given(predicates, st.sampled_from([1, 8, 64]))
def test_every_order_agrees_with_the_reference(predicate: Predicate, list_below: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selecting, "LIST_BELOW", list_below)
        selector = STORE.in_order(ORDER)
        expected = [
            place
            for place, number in enumerate(ORDER.tolist())
            if number in LIVING and matches(predicate, LIVING[number])
        ]
        assert selector.select(predicate).ids().tolist() == expected
        assert selector.select(predicate).ids().tolist() == expected  # remembered
        found = selector.selection(predicate)
        assert isinstance(found, Bits) == (len(expected) * list_below >= selector.size)
        mask = STORE.mask(predicate)
        by_number = [number for number, one in LIVING.items() if matches(predicate, one)]
        assert np.flatnonzero(mask).tolist() == by_number
        fewest, most = STORE.bounds(predicate)
        assert fewest <= len(by_number) <= most


def test_leaves_are_counted_exactly_without_evaluation() -> None:
    for leaf in (Contains("cat", "b"), Between("year", 10, 90)):
        exact = int(STORE.mask(leaf).sum())
        assert STORE.bounds(leaf) == (exact, exact)


def test_a_mask_may_be_changed_by_its_owner() -> None:
    mask = STORE.mask(EVERYTHING)
    mask[:] = False
    assert STORE.mask(EVERYTHING).sum() == len(LIVING)


def test_equal_predicates_share_what_is_remembered() -> None:
    selector = STORE.in_order(ORDER)
    one = selector.selection(AllOf((Contains("cat", "a"), Not(Contains("cat", "b")))))
    other = selector.selection(Not(AnyOf((Contains("cat", "b"), Not(Contains("cat", "a"))))))
    assert one is other

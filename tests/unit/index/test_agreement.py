"""Words index, attribute store and the reference evaluate every predicate alike."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.index.attributes import AttributeStore
from broadsheet.index.predicates import (
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
from broadsheet.index.words import WordIndex, WordWriter

TERMS, NUMBERS = ("cat", "author"), ("year", "day")

values = st.sampled_from(["a", "b", "b c", "é", "A", "a.b", "", "the", "x" * 300])
integers = st.one_of(st.integers(-3, 3), st.sampled_from([-(2**62), 2**62]))
bounds = st.one_of(integers, st.sampled_from([-(2**80), 2**80]))
documents = st.builds(
    lambda number, terms, numbers: Document(
        number=number, title="any title", terms=terms, numbers=numbers
    ),
    st.integers(0, 40),
    st.dictionaries(st.sampled_from(TERMS), st.lists(values, max_size=3).map(tuple)),
    st.dictionaries(st.sampled_from(NUMBERS), integers),
)
predicates: st.SearchStrategy[Predicate] = st.recursive(
    st.one_of(
        st.builds(Contains, st.sampled_from(TERMS), values),
        st.builds(In, st.sampled_from(TERMS), st.lists(values, max_size=3).map(tuple)),
        st.builds(Between, st.sampled_from(NUMBERS), bounds, bounds),
    ),
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(documents, max_size=12),
    st.lists(documents, max_size=4),
    st.sets(st.integers(0, 40), max_size=3),
    st.lists(predicates, min_size=1, max_size=20),
)
def test_all_three_agree(
    first: list[Document],
    second: list[Document],
    deleted: set[int],
    asked: list[Predicate],
) -> None:
    alive = {document.number: document for document in first}
    latest = {document.number: document for document in second}
    living = {n: d for n, d in alive.items() if n not in deleted} | latest
    store = AttributeStore().apply(alive.values()).apply(latest.values(), deleted=deleted)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words"
        with WordWriter(path, terms=TERMS, numbers=NUMBERS) as writer:
            writer.apply(alive.values(), deleted=[], revision=1)
            writer.apply(latest.values(), deleted=deleted, revision=2)
        index = WordIndex(path, terms=TERMS, numbers=NUMBERS)
        for predicate in asked:
            expected = sorted(n for n, one in living.items() if matches(predicate, one))
            assert np.flatnonzero(store.mask(predicate)).tolist() == expected
            assert sorted(index.matching([], predicate).tolist()) == expected

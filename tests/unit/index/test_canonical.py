"""The canonical form keeps what a predicate selects, and equal predicates meet in it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.index.canonical import canonical
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

NOTHING = AnyOf(())
A, B, C = (Contains("cat", value) for value in "abc")

leaves = st.one_of(
    st.builds(Contains, st.sampled_from(["cat", "tag"]), st.sampled_from("abc")),
    st.builds(
        In, st.sampled_from(["cat", "tag"]), st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
    ),
    st.builds(Between, st.sampled_from(["year", "day"]), st.integers(-4, 4), st.integers(-4, 4)),
)
predicates: st.SearchStrategy[Predicate] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=10,
)
documents = st.builds(
    lambda terms, numbers: Document(number=0, title="", terms=terms, numbers=numbers),
    st.dictionaries(
        st.sampled_from(["cat", "tag"]), st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
    ),
    st.dictionaries(st.sampled_from(["year", "day"]), st.integers(-6, 6)),
)


@given(predicates, st.lists(documents, min_size=1, max_size=12))
def test_it_selects_the_same_and_is_its_own_form(
    predicate: Predicate, papers: list[Document]
) -> None:
    form = canonical(predicate)
    for paper in papers:
        assert matches(form, paper) == matches(predicate, paper)
    assert canonical(form) == form
    hash(form)


def rewritten(predicate: Predicate, chance: random.Random) -> Predicate:
    """Return the predicate in other words: order, nesting, repetition, negations."""
    match predicate:
        case AllOf(parts) | AnyOf(parts):
            kind = type(predicate)
            again = [rewritten(part, chance) for part in parts]
            again += chance.choices(again, k=chance.randint(0, 2)) if again else []
            chance.shuffle(again)
            if len(again) > 2 and chance.random() < 0.5:
                again = [kind(tuple(again[:2])), *again[2:]]
            if chance.random() < 0.3:
                other = AnyOf if kind is AllOf else AllOf
                return Not(other(tuple(Not(part) for part in again)))
            return kind(tuple(again))
        case Not(part):
            return Not(rewritten(part, chance))
        case In(name, values):
            parts = [Contains(name, value) for value in values]
            chance.shuffle(parts)
            return AnyOf(tuple(parts))
        case Between(name, low, high) if low < high:
            middle = chance.randint(low, high - 1)
            return AnyOf((Between(name, middle + 1, high), Between(name, low, middle)))
    return Not(Not(predicate)) if chance.random() < 0.5 else AllOf((predicate,))


@given(predicates, st.randoms(use_true_random=False))
def test_other_words_have_the_same_form(predicate: Predicate, chance: random.Random) -> None:
    assert canonical(rewritten(predicate, chance)) == canonical(predicate)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (AllOf((A, AllOf((B, A)))), AllOf((A, B))),
        (AnyOf((C, A)), In("cat", ("a", "c"))),
        (Not(AllOf((Not(A), Not(B)))), In("cat", ("a", "b"))),
        (AllOf((A, Not(A))), NOTHING),
        (AnyOf((A, Not(A))), EVERYTHING),
        (AllOf((A, AnyOf((A, Between("day", 1, 2))))), A),
        (AllOf((In("cat", ("a", "b")), Not(B))), AllOf((A, Not(B)))),
        (AllOf((In("cat", ("a", "b")), A)), A),
        (AllOf((Between("day", 1, 9), Between("day", 5, 20))), Between("day", 5, 9)),
        (AnyOf((Between("day", 1, 4), Between("day", 5, 20))), Between("day", 1, 20)),
        (AllOf((Between("day", 1, 4), Between("day", 5, 20))), NOTHING),
        (AllOf((In("cat", ()), B)), NOTHING),
        (AnyOf((In("cat", ()), B)), B),
        (Not(Not(Between("day", 3, 3))), Between("day", 3, 3)),
        (AllOf((Between("day", 9, 1), A)), NOTHING),
        (AnyOf((NOTHING, AllOf((EVERYTHING, B)))), B),
    ],
)
def test_forms(written: Predicate, form: Predicate) -> None:
    assert canonical(written) == form


def test_what_has_no_number_is_not_lost() -> None:
    """Not(Between) holds without a number, so it isn't the two ranges around it."""
    around = AnyOf((Between("day", -(2**62), 0), Between("day", 9, 2**62)))
    assert canonical(Not(Between("day", 1, 8))) != canonical(around)
    assert matches(canonical(Not(Between("day", 1, 8))), Document(number=1, title=""))

"""Pruning may keep a shard without a match; it must never leave out one that has some."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.index.predicates import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Between,
    Contains,
    In,
    Not,
    Predicate,
)
from broadsheet.scale import summaries
from broadsheet.scale.rows import Attributes, Labels
from broadsheet.scale.summaries import Chance, Summary

leaves = st.one_of(
    st.builds(Contains, st.sampled_from(["cat", "author", "no"]), st.sampled_from("abcdz")),
    st.builds(In, st.just("cat"), st.lists(st.sampled_from("abcdz"), max_size=4).map(tuple)),
    st.builds(
        Between, st.sampled_from(["day", "no"]), st.integers(990, 1180), st.integers(0, 1200)
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


@settings(max_examples=300)
@given(st.integers(0, 12), st.integers(0, 5), predicates, st.sampled_from([1000, 2]))
def test_none_means_none_and_all_means_all(
    count: int, seed: int, predicate: Predicate, listed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summaries, "LISTED", listed)
        made = _MADE[seed]
        rows = made.rows.take(np.arange(count))
        summary = Summary.of(rows.attributes, count)
    held = made.holding(predicate)[:count]
    chance = summary.chance(predicate)
    if chance is Chance.NONE:
        assert not held.any()
    if chance is Chance.ALL:
        assert held.all()


_MADE: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def _made(papers: Callable[..., Any]) -> None:
    _MADE[:] = [papers(12, seed) for seed in range(6)]


def test_what_a_summary_can_rule_out() -> None:
    attributes = Attributes(
        {"cat": Labels.of([("a",), ("a", "b")]), "author": Labels.of([("x",), ()])},
        {"day": np.array([5, 9])},
    )
    summary = Summary.of(attributes, 2)
    assert summary.chance(EVERYTHING) is Chance.ALL
    assert summary.chance(Between("day", 10, 12)) is Chance.NONE
    assert summary.chance(Between("day", 6, 8)) is Chance.SOME
    assert summary.chance(Not(Between("day", 1, 99))) is Chance.NONE
    assert summary.chance(Contains("cat", "c")) is Chance.NONE
    assert summary.chance(In("cat", ("a", "b"))) is Chance.ALL
    assert summary.chance(Contains("author", "x")) is Chance.SOME
    assert summary.chance(AllOf((Contains("cat", "a"), Contains("cat", "c")))) is Chance.NONE
    assert summary.chance(AnyOf((Contains("cat", "c"), Contains("author", "y")))) is Chance.NONE
    assert Summary(0, {}, {}).chance(EVERYTHING) is Chance.NONE


def test_too_many_values_rule_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "LISTED", 1)
    summary = Summary.of(Attributes({"cat": Labels.of([("a",), ("b",)])}), 2)
    assert summary.chance(Contains("cat", "z")) is Chance.SOME
    assert summary.chance(Contains("other", "z")) is Chance.NONE


def test_a_summary_survives_json(papers: Callable[..., Any]) -> None:
    summary = Summary.of(papers(50, 3).rows.attributes, 50)
    assert Summary.from_facts(json.loads(json.dumps(summary.as_facts()))) == summary

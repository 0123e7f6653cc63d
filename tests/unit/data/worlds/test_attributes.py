"""Columns of labels and numbers against plain Python sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.data.worlds.attributes import Attributes, Labels

ROWS = st.lists(st.lists(st.sampled_from("abcde"), max_size=4), min_size=1, max_size=12)


@given(ROWS)
def test_labels_are_the_sets_they_were_made_of(rows):
    labels = Labels.of(rows)
    assert labels.rows == len(rows)
    for row, given_labels in enumerate(rows):
        assert labels.row(row) == tuple(sorted(set(given_labels)))
    for value in "abcdef":
        wanted = [row for row, given_labels in enumerate(rows) if value in given_labels]
        assert labels.rows_with(value).tolist() == wanted
    counted = dict(zip(labels.values, labels.frequencies().tolist(), strict=True))
    assert counted == {v: sum(v in row for row in rows) for v in labels.values}


@given(ROWS, st.data())
def test_taken_rows_keep_their_labels(rows, data):
    labels = Labels.of(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    taken = labels.take(np.array(chosen, np.int64))
    assert [taken.row(place) for place in range(len(chosen))] == [labels.row(r) for r in chosen]


def test_pairs_may_come_in_any_order_and_twice():
    labels = Labels.of_pairs(
        ("x", "y", "z"), 4, np.array([2, 0, 2, 2]), np.array([2, 1, 0, 2], np.int32)
    )
    assert [labels.row(row) for row in range(4)] == [("y",), (), ("x", "z"), ()]


def test_rows_without_attributes_are_none():
    assert Attributes().rows == 0
    papers = Attributes({}, {"year": np.array([3, 4, 5])})
    assert papers.take(np.array([2, 0])).numbers["year"].tolist() == [5, 3]

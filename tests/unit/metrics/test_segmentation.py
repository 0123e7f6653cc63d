"""Segmentation metrics against segeval, a slow reference and their definitions."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.metrics.segmentation import (
    boundaries_of,
    boundary_scores,
    masses_of,
    pk,
    window_diff,
    window_size,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # segeval 2 has escapes that Python 3.12 warns of
    import segeval

Masses = Sequence[int]
masses = st.lists(st.integers(1, 12), min_size=1, max_size=20)


@st.composite
def two(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    reference = draw(masses)
    units = sum(reference)
    cuts = draw(st.lists(st.booleans(), min_size=units - 1, max_size=units - 1))
    return reference, list(masses_of(cuts))


@given(two())
def test_agrees_with_segeval(pair: tuple[Masses, Masses]) -> None:
    reference, hypothesis = pair
    assert window_size(reference) == segeval.compute_window_size(tuple(reference))
    if window_size(reference) >= sum(reference):
        with pytest.raises(BadInput, match="wider"):
            pk(reference, hypothesis)
        return
    expected = segeval.pk(tuple(hypothesis), tuple(reference))
    assert pk(reference, hypothesis) == pytest.approx(float(expected), abs=1e-12)
    expected = segeval.window_diff(tuple(hypothesis), tuple(reference))
    assert window_diff(reference, hypothesis) == pytest.approx(float(expected), abs=1e-12)


@given(two(), st.integers(1, 6))
def test_windows_are_counted_as_defined(pair: tuple[Masses, Masses], width: int) -> None:
    reference, hypothesis = pair
    units = sum(reference)
    if width >= units:
        return
    owners = [np.repeat(np.arange(len(m)), m) for m in pair]
    apart = [[owner[i] != owner[i + width] for i in range(units - width)] for owner in owners]
    assert pk(reference, hypothesis, width) == np.mean(np.array(apart[0]) != np.array(apart[1]))
    between = [[owner[i + width] - owner[i] for i in range(units - width)] for owner in owners]
    wrong = np.array(between[0]) != np.array(between[1])
    assert window_diff(reference, hypothesis, width) == np.mean(wrong)


@given(masses)
def test_masses_and_boundaries_are_one_thing(given_masses: list[int]) -> None:
    assert list(masses_of(boundaries_of(given_masses))) == given_masses
    if window_size(given_masses) < sum(given_masses):
        assert pk(given_masses, given_masses) == window_diff(given_masses, given_masses) == 0


@given(two(), st.integers(0, 3))
def test_as_many_boundaries_as_possible_are_matched(
    pair: tuple[Masses, Masses], tolerance: int
) -> None:
    reference, hypothesis = (list(m)[:5] for m in pair)
    short = min(sum(reference), sum(hypothesis))
    reference, hypothesis = (_first(m, short) for m in (reference, hypothesis))
    true, found = (list(np.cumsum(m)[:-1]) for m in (reference, hypothesis))
    few, many = sorted((true, found), key=len)
    most = max(
        sum(abs(a - b) <= tolerance for a, b in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    )
    scores = boundary_scores([reference], [hypothesis], tolerance=tolerance)
    assert scores.precision == pytest.approx(most / len(found) if found else 0)
    assert scores.recall == pytest.approx(most / len(true) if true else 0)


def _first(given_masses: list[int], units: int) -> list[int]:
    return list(masses_of(boundaries_of(given_masses)[: units - 1]))


def test_boundaries_are_pooled_over_documents() -> None:
    scores = boundary_scores([[2, 2], [1, 1, 1]], [[2, 2], [3]])
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 1 / 3, 0.5)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "message"),
    [([2, 2], [3], "different numbers"), ([0, 4], [4], "at least one"), ([], [], "at least one")],
)
def test_what_is_no_segmentation_is_refused(
    reference: Masses, hypothesis: Masses, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        pk(reference, hypothesis)
    with pytest.raises(BadInput, match=message):
        boundary_scores([reference], [hypothesis])


def test_documents_are_compared_in_pairs() -> None:
    with pytest.raises(BadInput, match="every document"):
        boundary_scores([[2, 2]], [])

"""Passages hold every sentence, and a document is as good as its best one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import UsageError
from broadsheet.evals.passages import MARK, best_passages, passages, sentences_of


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 4))
def test_every_sentence_is_in_a_passage(count: int, sentences: int, step: int) -> None:
    parts = [f"Sentence {n}." for n in range(count)]
    cut = passages({"d": " ".join(parts)}, sentences=sentences, step=min(step, sentences))
    assert all(name.startswith(f"d{MARK}") for name in cut)
    assert set(parts) <= {part for text in cut.values() for part in sentences_of(text)}
    assert all(len(sentences_of(text)) <= sentences for text in cut.values())


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(UsageError):
        passages({"d": "One."}, sentences=0)


def test_the_best_passage_counts() -> None:
    run = {"q": {f"a{MARK}0": 1.0, f"b{MARK}0": 2.0, f"a{MARK}1": 3.0, f"c{MARK}0": 0.5}}
    assert list(best_passages(run, depth=2)["q"].items()) == [("a", 3.0), ("b", 2.0)]

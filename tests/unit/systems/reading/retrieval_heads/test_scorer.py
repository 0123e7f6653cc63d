"""The score of a head against a slow count, and what must not count."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.model import RetrievalScorer, Span


def slow_scores(prompt: list[int], span: Span, steps: list[tuple[int, int]]) -> tuple[float, float]:
    counted = [
        place
        for token, place in steps
        if span.start <= place < span.stop and prompt[place] == token
    ]
    return len(counted) / len(span), len(set(counted)) / len(span)


@given(st.data())
def test_the_score_is_the_papers_set_and_the_codes_count(data: st.DataObject) -> None:
    prompt = data.draw(st.lists(st.integers(0, 3), min_size=3, max_size=12))
    start = data.draw(st.integers(0, len(prompt) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(prompt))))
    # Keys beyond the prompt are tokens that were written already.
    step = st.tuples(st.integers(0, 3), st.integers(0, len(prompt) + 3))
    steps = data.draw(st.lists(step, min_size=1, max_size=9))
    scorer = RetrievalScorer(prompt, span)
    for token, place in steps:
        scorer.step(token, torch.tensor([[place]]))
    found = scorer.scores()
    by_steps, by_tokens = slow_scores(prompt, span, steps)
    assert found.by_steps_NH[0, 0] == pytest.approx(by_steps)
    assert found.by_tokens_NH[0, 0] == pytest.approx(by_tokens)
    assert found.by_tokens_NH[0, 0] <= 1.0


def test_looking_without_copying_and_copying_without_looking_count_nothing() -> None:
    scorer = RetrievalScorer([1, 2, 3, 2], Span(1, 2))
    scorer.step(3, torch.tensor([[1]]))  # looks at the needle, writes something else
    scorer.step(2, torch.tensor([[3]]))  # writes the needle's token, looks at its double
    assert scorer.scores().by_steps_NH[0, 0] == 0.0
    with pytest.raises(BadInput, match="beyond the prompt"):
        RetrievalScorer([1, 2], Span(1, 3))
    with pytest.raises(BadInput, match="no step"):
        RetrievalScorer([1, 2], Span(1, 2)).scores()

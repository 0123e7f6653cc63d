"""The world of symbols: facts where they should be, answers only where they can be had."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads.world import (
    ASK,
    KEY,
    STOP,
    Alphabet,
    World,
)

ALPHABET = Alphabet(filler=16, open_keys=8, closed_keys=5, values=20, answer=3)
WORLD = World(ALPHABET, SeedTree(1))


def stated(document: list[int]) -> dict[int, list[int]]:
    """The facts of a text, by their keys."""
    places = [n for n, symbol in enumerate(document) if symbol == KEY]
    return {document[n + 1]: document[n + 2 : n + 5] for n in places}


@given(
    seed=st.integers(0, 999),
    facts=st.integers(1, 4),
    questions=st.integers(1, 5),
    extra=st.integers(0, 30),
)
def test_every_answer_is_what_the_text_or_the_table_says(
    seed: int, facts: int, questions: int, extra: int
) -> None:
    length = questions * 6 + facts * 6 + facts * 8 + extra
    ids, answers = WORLD.documents(
        SeedTree(seed), count=6, length=length, facts=facts, questions=questions
    )
    assert ids.shape == answers.shape == (6, length)
    assert ids.min() >= 0
    assert ids.max() < ALPHABET.size
    for document, marks in zip(ids.tolist(), answers, strict=True):
        known = stated(document)
        assert len(known) == facts
        asked = [n for n, symbol in enumerate(document) if symbol == ASK]
        assert len(asked) == questions
        expected = np.zeros(length)
        for place in asked:
            key, answer = document[place + 1], document[place + 2 : place + 5]
            assert document[place + 5] == STOP
            if key >= ALPHABET.first_closed:
                assert answer == WORLD.table_CV[key - ALPHABET.first_closed].tolist()
                assert key not in known
            else:
                assert answer == known[key]
            expected[place + 2 : place + 5] = 1
        np.testing.assert_array_equal(marks, expected)


@pytest.mark.parametrize("closed", [False, True])
def test_questions_say_where_the_answer_stands(closed: bool) -> None:
    found = WORLD.questions(SeedTree(3), count=50, length=60, facts=3, closed=closed)
    assert found.prompts_BL.shape == (50, 60)
    for prompt, answer, start in zip(
        found.prompts_BL.tolist(), found.answers_BV.tolist(), found.starts_B, strict=True
    ):
        assert prompt[-2] == ASK
        if closed:
            assert start == -1
            assert prompt[-1] not in stated(prompt)
        else:
            assert prompt[start : start + 3] == answer
            assert prompt[start - 2] == KEY
            assert prompt[start - 1] == prompt[-1]


def test_values_are_drawn_anew_for_each_document_and_depths_vary() -> None:
    found = WORLD.questions(SeedTree(3), count=400, length=80, facts=1)
    by_key: dict[int, set[tuple[int, ...]]] = {}
    for prompt, answer in zip(found.prompts_BL.tolist(), found.answers_BV.tolist(), strict=True):
        by_key.setdefault(prompt[-1], set()).add(tuple(answer))
    assert len(by_key) == ALPHABET.open_keys
    assert min(len(answers) for answers in by_key.values()) > 20
    assert len(set(found.starts_B.tolist())) > 6


def test_the_world_belongs_to_its_seed() -> None:
    same, other = World(ALPHABET, SeedTree(1)), World(ALPHABET, SeedTree(2))
    np.testing.assert_array_equal(same.table_CV, WORLD.table_CV)
    assert not np.array_equal(other.table_CV, WORLD.table_CV)
    one, two = (
        WORLD.documents(SeedTree(5), count=3, length=60, facts=2, questions=2)[0] for _ in "ab"
    )
    np.testing.assert_array_equal(one, two)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInput, match="don't fit"):
        WORLD.questions(SeedTree(1), count=1, length=20, facts=3)
    with pytest.raises(BadInput, match="don't fit"):
        WORLD.questions(SeedTree(1), count=1, length=900, facts=9)
    with pytest.raises(BadInput, match="distinct values"):
        World(Alphabet(filler=4, open_keys=2, closed_keys=2, values=2, answer=3), SeedTree(1))
    with pytest.raises(BadInput, match="every kind"):
        World(Alphabet(filler=0, open_keys=2, closed_keys=2, values=2, answer=1), SeedTree(1))

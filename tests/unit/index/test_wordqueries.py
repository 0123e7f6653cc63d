"""What words are asked for: their idf, and what they add for being there at all."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from broadsheet.index.clauses import Clause
from broadsheet.index.predicates import Contains, Document
from broadsheet.index.wordqueries import HELD
from broadsheet.index.words import WordIndex, WordWriter

PAPERS = (
    Document(number=1, title="Wings", body="A wing in a flow.", names="Ida Stone"),
    Document(number=2, title="Wing, wing, wing", body="Wings and more wings.", names="Bo Wing"),
    Document(number=3, title="Flow", body="Supersonic flow.", terms={"cat": ("cs",)}),
    Document(number=4, title="Stones", body="Geology."),
)


def word(text: str, *, excluded: bool = False) -> Clause:
    return Clause(text=text, excluded=excluded)


def idf(holding: int, documents: int = len(PAPERS)) -> float:
    return math.log(1 + (documents - holding + 0.5) / (holding + 0.5))


@pytest.fixture
def index(tmp_path: Path) -> WordIndex:
    with WordWriter(tmp_path / "words", terms=("cat",), numbers=()) as writer:
        writer.apply(PAPERS, deleted=[], revision=1)
    return WordIndex(tmp_path / "words", terms=("cat",), numbers=())


def presence(index: WordIndex, *clauses: Clause) -> dict[int, float]:
    """Return by document what presence adds to BM25, for one idf each."""
    plain = dict(index.search(clauses).hits)
    both = dict(index.search(clauses, presence=1.0).hits)
    assert both.keys() == plain.keys()
    return {number: both[number] - plain[number] for number in both}


def test_a_word_adds_its_idf_once_wherever_it_stands(index: WordIndex) -> None:
    added = presence(index, word("wing"), word("flow"))
    assert added == {
        1: pytest.approx(2 * idf(2), rel=1e-4),
        2: pytest.approx(idf(2), rel=1e-4),
        3: pytest.approx(idf(2), rel=1e-4),
    }


def test_a_word_in_a_name_is_there_too(index: WordIndex) -> None:
    assert presence(index, word("stone")) == {
        1: pytest.approx(idf(1), rel=1e-4),
        4: pytest.approx(idf(1), rel=1e-4),
    }


def test_presence_puts_a_document_with_both_before_one_that_repeats(index: WordIndex) -> None:
    clauses = [word("wing"), word("flow")]
    assert next(number for number, _ in index.search(clauses, presence=1.0).hits) == 1
    assert next(number for number, _ in index.search(clauses).hits) == 2


def test_what_is_asked_for_weighs_its_idf_each_stem_once(index: WordIndex) -> None:
    assert index.weight([word("wing")]) == pytest.approx(idf(2))
    assert index.weight([word("wing"), word("wings")]) == pytest.approx(idf(2))
    assert index.weight([word("wing"), word("unheardof")]) == pytest.approx(idf(2) + idf(0))
    assert index.weight([word("wing"), word("flow", excluded=True)]) == pytest.approx(idf(2))
    assert index.weight([word("the")]) == index.weight([]) == 0.0


def test_phrases_and_prefixes_weigh_too(index: WordIndex) -> None:
    phrase, prefix = (
        Clause(text="supersonic flow", kind="phrase"),
        Clause(text="wi", kind="prefix"),
    )
    assert index.weight([phrase]) == pytest.approx(idf(1) + idf(2))
    assert presence(index, phrase) == {3: pytest.approx(idf(1) + idf(2), rel=1e-4)}
    assert index.weight([prefix]) == pytest.approx(idf(2))
    assert presence(index, prefix) == dict.fromkeys((1, 2), pytest.approx(idf(2), rel=1e-4))
    both = presence(index, phrase, word("flow"))
    assert both == {3: pytest.approx(idf(1) + 2 * idf(2), rel=1e-4)}


@pytest.mark.parametrize("amount", [0.0, 0.25, 1.0])
def test_scores_of_some_are_those_of_the_search(index: WordIndex, amount: float) -> None:
    for clauses in (
        [word("wing"), word("flow")],
        [word("flow"), word("supersonic", excluded=True)],
        [Clause(text="supersonic flow", kind="phrase"), word("wing")],
        [Clause(text="w", kind="prefix")],
    ):
        every = dict(index.search(clauses, presence=amount).hits)
        some = index.scores(clauses, [1, 3, 4, 77], presence=amount)
        assert some == {n: pytest.approx(s) for n, s in every.items() if n in (1, 3, 4)}
    assert index.scores([word("wing")], []) == {}


def test_presence_does_not_look_past_a_filter(index: WordIndex) -> None:
    hits = index.search([word("flow")], Contains("cat", "cs"), presence=1.0).hits
    assert hits == [(3, pytest.approx(dict(index.search([word("flow")], presence=1.0).hits)[3]))]


def test_the_parts_of_a_score_tell_presence_apart(index: WordIndex) -> None:
    clauses = [word("wing"), word("flow"), Clause(text="supers", kind="prefix")]
    scores = dict(index.search(clauses, presence=0.5).hits)
    explained = index.explain(clauses, list(scores), presence=0.5)
    for number, parts in explained.items():
        assert sum(value for _, _, value in parts) == pytest.approx(scores[number], rel=1e-4)
    held = {text: value for field, text, value in explained[3] if field == HELD}
    assert held == {
        "flow": pytest.approx(idf(2) / 2, rel=1e-4),
        "supers*": pytest.approx(idf(1) / 2, rel=1e-4),
    }
    assert not [
        1 for parts in index.explain(clauses, [3]).values() for f, _, _ in parts if f == HELD
    ]

"""BM25 against its formula written out, Lucene's lengths, fields, ties and Anserini's rules."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.beir import read_cranfield
from broadsheet.index.lexical.analysis import STOP_WORDS, EnglishAnalyser, plain_words, words_of
from broadsheet.index.lexical.bm25 import Bm25Index, Bm25Settings
from broadsheet.index.lexical.lengths import length_table, stored_lengths
from broadsheet.metrics import ranking

TEXTS = st.dictionaries(
    st.text("dxyz123", min_size=1, max_size=3),
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), max_size=9).map(" ".join),
    min_size=1,
    max_size=8,
)


def by_formula(documents: dict[str, str], query: str, k1: float, b: float) -> dict[str, float]:
    """Return Lucene's BM25, one document and one word at a time."""
    words = {key: text.lower().split() for key, text in documents.items()}
    holding = sum(map(bool, words.values()))
    mean = sum(map(len, words.values())) / max(1, holding)
    scores = {}
    for key, terms in words.items():
        counts, total = Counter(terms), 0.0
        for word in query.lower().split():
            df = sum(word in other for other in words.values())
            if counts[word]:
                idf = math.log(1 + (holding - df + 0.5) / (df + 0.5))
                norm = k1 * (1 - b + b * len(terms) / mean)
                total += idf * counts[word] / (counts[word] + norm)
        if total:
            scores[key] = total
    return scores


ASKED = st.lists(st.sampled_from(["alpha", "beta", "gamma", "omega"]), min_size=1, max_size=4)


@given(TEXTS, ASKED)
def test_scores_are_the_formula_s(documents: dict[str, str], words: list[str]) -> None:
    query = " ".join(words)
    index = Bm25Index.build(documents, analyser=plain_words)
    found = index.search(query)
    expected = by_formula(documents, query, 0.9, 0.4)
    assert found == pytest.approx(expected, rel=1e-5)
    assert list(found) == ranking.ranked(found)


@given(TEXTS, st.integers(1, 4))
def test_the_best_k_are_the_first_of_all(documents: dict[str, str], k: int) -> None:
    index = Bm25Index.build(documents, analyser=plain_words)
    assert list(index.search("alpha beta", k)) == list(index.search("alpha beta"))[:k]


def test_ties_go_by_falling_or_rising_id() -> None:
    index = Bm25Index.build({f"d{n}": "alpha" for n in range(5)}, analyser=plain_words)
    assert list(index.search("alpha", 3)) == ["d4", "d3", "d2"]
    assert list(index.search("alpha", 3, ties="rising ids")) == ["d0", "d1", "d2"]
    with pytest.raises(UsageError):
        index.search("alpha", 0)


def test_a_query_that_is_a_document_can_be_left_out() -> None:
    index = Bm25Index.build({"q": "alpha beta", "d": "alpha"}, analyser=plain_words)
    assert list(index.search("alpha beta", 1)) == ["q"]
    assert index.search_many({"q": "alpha beta"}, 1, remove_query=True)["q"].keys() == {"d"}


def test_fields_add_up_and_have_lengths_of_their_own() -> None:
    papers = {
        "a": {"title": "alpha beta", "text": "gamma alpha alpha"},
        "b": {"title": "", "text": "beta gamma"},
        "c": {"text": "alpha"},
    }
    index = Bm25Index.build_fields(
        papers, weights={"title": 2.0, "text": 1.0}, analyser=plain_words
    )
    parts = [
        by_formula({key: fields.get(name, "") for key, fields in papers.items()}, "alpha", 0.9, 0.4)
        for name in ("title", "text")
    ]
    expected = {key: 2 * parts[0].get(key, 0.0) + parts[1].get(key, 0.0) for key in "ac"}
    assert index.search("alpha") == pytest.approx(expected, rel=1e-5)
    with pytest.raises(UsageError, match="weighs"):
        Bm25Index.build_fields(papers, weights={"title": 0.0}, analyser=plain_words)


def test_one_byte_of_length_is_exact_to_40_and_has_8_steps_an_octave() -> None:
    table = length_table()
    assert len(table) == 256
    assert (np.diff(table) > 0).all()
    assert table[:40].tolist() == list(range(40))
    # Steps above double with each octave of (length - 24).
    assert table[40:57].tolist() == [
        40,
        42,
        44,
        46,
        48,
        50,
        52,
        54,
        56,
        60,
        64,
        68,
        72,
        76,
        80,
        84,
        88,
    ]
    lengths = np.arange(5000)
    stored = stored_lengths(lengths)
    assert (stored <= lengths).all()
    assert ((lengths - stored) <= np.maximum(0, (lengths - 24) / 8)).all()


def test_lossy_lengths_change_scores_of_long_documents_only() -> None:
    documents = {"long": "alpha " * 43, "short": "alpha beta"}
    exact, lossy = (
        Bm25Index.build(
            documents, analyser=plain_words, settings=Bm25Settings(lengths=kind)
        ).search("alpha")
        for kind in ("exact", "lucene")
    )
    assert exact["short"] == lossy["short"]
    assert lossy["long"] > exact["long"]  # 43 words are kept as 42


@pytest.mark.parametrize("wrong", [{"k1": -1.0}, {"b": 1.5}, {"lengths": "rounded"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="no such BM25"):
        Bm25Settings(**wrong)  # type: ignore[arg-type]


def test_an_index_needs_documents() -> None:
    with pytest.raises(BadInput):
        Bm25Index.build({}, analyser=plain_words)
    assert Bm25Index.build({"d": ""}, analyser=plain_words).search("alpha") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("e.g. U.S.A.'s", ["e.g", "U.S.A", "s"]),
        ("3,000 x 2.5; 7:30", ["3,000", "x", "2.5", "7", "30"]),
        ("a_b c-d", ["a_b", "c", "d"]),
        # A digit and a letter are not joined by an apostrophe.
        ("IL-2's α/β", ["IL", "2", "s", "α", "β"]),
        ("x" * 300, ["x" * 255, "x" * 45]),
    ],
)
def test_words_are_cut_as_unicode_says(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_the_english_chain_is_lucene_s() -> None:
    analyse = EnglishAnalyser()
    assert len(STOP_WORDS) == 33
    assert analyse("The flies' relational conditions, not theirs") == [
        "fli", "relat", "condit", "their"
    ]  # fmt: skip
    assert analyse("Newton's NOT") == ["newton"]
    assert EnglishAnalyser(stop_words=())("not a") == ["not", "a"]


@pytest.mark.data
def test_cranfield_has_its_known_score(data_folder: Path) -> None:
    even = read_cranfield(data_folder, "even")
    run = Bm25Index.build(even.documents).search_many(even.queries)
    assert ranking.mean(ranking.ndcg(run, even.qrels)) == pytest.approx(0.4947, abs=2e-4)

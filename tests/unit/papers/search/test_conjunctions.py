"""Questions about two things ("papers that use X and Y"), which a single vector can't answer.

LIMIT's trap in small: every pair of topics has one paper of its own, so a vector of three numbers
per text can't rank all of them first. Words, and terms in quotes, can.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

Desk = Any  # tests/unit/papers/search/conftest.py

#: The first five have a meaning in the tiny encoder of conftest.py; the others have none.
TOPICS = ("retrieval", "search", "image", "picture", "translation", "parsing", "prosody")
PAIRS = tuple(itertools.combinations(TOPICS, 2))


def paper(first: str, second: str) -> dict[str, Any]:
    """A paper whose abstract names two topics; no title tells which."""
    return {
        "title": f"Notes {TOPICS.index(first)}-{TOPICS.index(second)}",
        "abstract": f"We combine {first} with {second} in one system.",
        "day": "2025-05-06",
        "authors": ("Ana Müller",),
    }


@pytest.fixture
def pairs(desk: Desk, install: Callable[..., None]) -> Desk:
    """A library with one paper for every two topics, and the tiny static encoder."""
    desk.add(*(paper(*pair) for pair in PAIRS), first=len(PAIRS))
    install(desk.home, "tiny")
    desk.searcher.refresh()
    return desk


def found_first(desk: Desk, query: str, **options: Any) -> float:
    """Return for how many of all pairs a paper that has both topics comes first."""
    right = 0
    for first, second in PAIRS:
        work = desk.searcher.search(query.format(first, second), limit=1, **options).hits[0].work
        words = set(f"{work.title} {work.abstract}".lower().replace(".", "").split())
        right += {first, second} <= words
    return right / len(PAIRS)


def test_hybrid_search_ranks_the_paper_with_both_topics_first(pairs: Desk) -> None:
    assert found_first(pairs, "papers that combine {} and {} year:2025") >= 0.9


def test_words_alone_do_and_one_vector_does_not(pairs: Desk) -> None:
    assert found_first(pairs, "papers that combine {} and {} year:2025", mode="words") >= 0.9
    assert found_first(pairs, "papers that combine {} and {} year:2025", mode="dense") <= 0.5


@pytest.mark.parametrize("mode", ["hybrid", "words", "dense"])
def test_terms_in_quotes_are_a_filter_in_every_mode(pairs: Desk, mode: str) -> None:
    assert found_first(pairs, '"{}" "{}"', mode=mode) == 1.0
    page = pairs.searcher.search('"parsing" "prosody"', mode=mode)
    assert (page.total, len(page.hits)) == (1, 1)


def test_a_topic_that_is_left_out_stays_out(pairs: Desk) -> None:
    page = pairs.searcher.search('"parsing" -prosody', limit=50)
    titles = {hit.work.title for hit in page.hits}
    expected = {paper(*pair)["title"] for pair in PAIRS if "parsing" in pair}
    assert titles == expected - {paper("parsing", "prosody")["title"]}


@pytest.mark.parametrize("mode", ["hybrid", "words"])
def test_a_title_that_names_one_topic_does_not_get_past_quotes(pairs: Desk, mode: str) -> None:
    loud = {
        "title": "Parsing by parsing",
        "abstract": "Parsing, parsing and parsing.",
        "day": "2025-05-07",
        "authors": (),
    }
    pairs.add(loud, first=200)
    pairs.searcher.refresh()
    assert pairs.titles('"parsing" "prosody"', mode=mode) == [paper("parsing", "prosody")["title"]]
    assert loud["title"] in pairs.titles("parsing prosody", mode=mode, limit=50)

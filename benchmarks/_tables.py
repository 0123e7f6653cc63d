"""What words and meaning say of every document for every question, as tables, for `fusion.py`.

Tables have a row for each question and a column for each document.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import word_fields
from _report import DATA
from _texts import lines, vectors
from broadsheet.data.beir import read_beir
from broadsheet.data.limit import read_limit_small
from broadsheet.data.records import RetrievalSet
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import RANK_CONSTANT, nearness
from broadsheet.index.predicates import Document
from broadsheet.papers.search.ranking import DEPTH, NEAREST
from broadsheet.runtime.encoder import Encoder
from search_quality import read_cranfield, words_index

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """Documents, questions, and the places of the right documents of each question."""

    name: str
    documents: Sequence[Document]
    queries: Sequence[str]
    right: Sequence[frozenset[int]]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Scores of a world, and the documents that a search looks at.

    Args:
        bm25: 0 where a document holds no word.
        held: The share of the question's idf whose words a document holds.
        asked: That idf.
        cosine: By one encoder.
        listed: Whether a document is among the first 1,000 by words, or near and holds a word.
        near: Whether it is among the 200 nearest.
        words_rank: 1 / (60 + rank) by words, 0 outside of the list.
        meaning_rank: The same by meaning.
        nearness: As `index.fusion` counts it, 0 outside of the list.
    """

    world: World
    bm25: Floats
    held: Floats
    asked: Floats
    cosine: Floats
    listed: npt.NDArray[np.bool_]
    near: npt.NDArray[np.bool_]
    words_rank: Floats
    meaning_rank: Floats
    nearness: Floats


def cranfield(odd: bool) -> World:
    """Return Cranfield with its odd or its even questions."""
    documents, queries, judged = read_cranfield(DATA / "cranfield")
    places = {str(one.number): place for place, one in enumerate(documents)}
    kept = {name: text for name, text in queries.items() if int(name) % 2 == odd}
    right: dict[str, set[int]] = {name: set() for name in kept}
    for query, document, _ in judged:
        if query in right:
            right[query].add(places[document])
    return World(
        name=f"cranfield {'odd' if odd else 'even'}",
        documents=documents,
        queries=list(kept.values()),
        right=[frozenset(right[name]) for name in kept],
    )


def two_terms(year: int, seed: int) -> World:
    """Return "papers that use X and Y" over a year of the ACL (`word_fields.py`)."""
    chooser = random.Random(seed)
    documents = word_fields.abstracts(chooser, year)
    asked = word_fields.questions(documents, chooser)
    return World(
        name=f"two terms, {year}",
        documents=documents,
        queries=[text for text, _ in asked],
        right=[frozenset(map(int, both)) for _, both in asked],
    )


def titles(papers: int = 2_000) -> World:
    """Return titles against abstracts without titles: the papers of `search_quality.py`."""
    folder = DATA / "acl-anthology"
    names = ("acl-2016-2019.jsonl.zst", "acl-2020-2022.jsonl.zst")
    rows = [row for name in names for row in lines(folder / name)]
    random.Random(7).shuffle(rows)
    rows = rows[:papers]
    return World(
        name="titles",
        documents=[
            Document(number=n, title="", body=row["abstract"]) for n, row in enumerate(rows)
        ],
        queries=[row["title"] for row in rows],
        right=[frozenset({n}) for n in range(len(rows))],
    )


def limit_small() -> World:
    """Return LIMIT-small."""
    return _of_set("limit-small", read_limit_small(DATA))


def beir(folder: Path) -> World:
    """Return the test questions of a set in BEIR's layout."""
    return _of_set(folder.name, read_beir(folder))


def _of_set(name: str, found: RetrievalSet) -> World:
    ids = sorted(found.documents)
    places = {one: place for place, one in enumerate(ids)}
    judged = {key: value for key, value in found.qrels.items() if key in found.queries}
    return World(
        name=name,
        documents=[_document(place, found.documents[one]) for one, place in places.items()],
        queries=[found.queries[key] for key in judged],
        right=[
            frozenset(places[one] for one, gain in value.items() if gain > 0 and one in places)
            for value in judged.values()
        ],
    )


def _document(number: int, text: str) -> Document:
    title, line, body = text.partition("\n")
    return Document(number=number, title=title if line else "", body=body if line else text)


def clauses_of(text: str) -> list[Clause]:
    """Return the words of a question, as the query language would."""
    return [Clause(text=word) for word in re.findall(r"\w[\w'-]*", text)]


def tables(world: World, encoder: Encoder) -> Tables:
    """Ask the words index and an encoder about all documents."""
    shape = (len(world.queries), len(world.documents))
    places = {one.number: place for place, one in enumerate(world.documents)}
    bm25, both, asked = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    listed, near = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    texts = ["\n".join(part for part in (one.title, one.body) if part) for one in world.documents]
    cosine = (
        vectors(encoder, list(world.queries), "query") @ vectors(encoder, texts, "document").T
    ).astype(np.float64)
    with words_index(world.documents) as index:
        for row, text in enumerate(world.queries):
            clauses = clauses_of(text)
            asked[row] = index.weight(clauses)
            plain = index.search(clauses, limit=shape[1]).hits
            for number, score in plain:
                bm25[row, places[number]] = score
            listed[row, [places[number] for number, _ in plain[:DEPTH]]] = True
            for number, score in index.search(clauses, limit=shape[1], presence=1.0).hits:
                both[row, places[number]] = score
            near[row, np.argsort(-cosine[row], kind="stable")[:NEAREST]] = True
    listed |= near & (bm25 > 0)
    counted = np.zeros(shape)
    for row in range(shape[0]):
        counted[row, near[row]] = nearness(cosine[row, near[row]].tolist())
    return Tables(
        world=world,
        bm25=bm25,
        held=(both - bm25) / np.maximum(asked, 1e-9)[:, None],
        asked=asked,
        cosine=cosine,
        listed=listed,
        near=near,
        words_rank=_reciprocal(bm25, listed),
        meaning_rank=_reciprocal(cosine, near),
        nearness=counted,
    )


def _reciprocal(scores: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Return 1 / (60 + rank) inside of lists; equal scores by place."""
    values = np.zeros(scores.shape)
    for row in range(len(scores)):
        places = np.flatnonzero(inside[row])
        ordered = places[np.argsort(-scores[row, places], kind="stable")]
        values[row, ordered] = 1 / (RANK_CONSTANT + np.arange(1, len(ordered) + 1))
    return values

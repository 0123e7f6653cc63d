"""The searcher: one home folder's search, for pages, feeds, commands and programs alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from broadsheet.core.errors import UsageError
from broadsheet.core.progress import Progress, Silent
from broadsheet.papers.model import Work
from broadsheet.papers.query import Query, parse
from broadsheet.papers.results import Hit, ScorePart, SearchPage
from broadsheet.papers.search import ranking
from broadsheet.papers.search.facets import facets
from broadsheet.papers.search.meaning import Meaning
from broadsheet.papers.search.opened import Indexes, OpenIndexes
from broadsheet.papers.search.ranking import DEPTH, Question, Ranked, explain
from broadsheet.papers.search.refreshing import refresh_indexes
from broadsheet.papers.search.reranking import READ, Reranking
from broadsheet.papers.store import Store

MODES = ("hybrid", "words", "dense")
SORTS = ("best", "new")

_NO_ENCODER = (
    "No encoder with vectors is installed, so only words are compared:"
    " broadsheet model install wordllama-256."
)
_NO_RERANKER = (
    "No reranker is installed, so the order is unchanged:"
    " broadsheet model install ms-marco-minilm-l12."
)


class Searcher:
    """Searches one home folder. Reading from several threads is safe.

    Nothing is opened before it is needed, and indexes that another process has refreshed are
    opened again by themselves.

    Args:
        home: The home folder.
        store: Its store.
    """

    def __init__(self, home: Path, store: Store) -> None:
        self._home = home
        self._store = store
        self._indexes = OpenIndexes(home)
        self._meaning = Meaning(home)
        self._reranking = Reranking(home)

    def close(self) -> None:
        """Let go of the indexes."""
        self._indexes.close()
        self._meaning.close()

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring words, attributes and the vectors of the static encoder up to date.

        Raises:
            SourceError: Another process is writing.
        """
        progress = progress or Silent()
        refresh_indexes(self._home, self._store, progress)
        from broadsheet.papers import embedding
        from broadsheet.runtime import models

        if quick := models.quick(self._home):
            encoder = models.open_encoder(self._home, quick)
            embedding.fill(self._store, self._home, encoder, progress=progress)

    def search(
        self,
        query: str | Query,
        *,
        mode: str = "hybrid",
        sort: str = "best",
        limit: int = 20,
        offset: int = 0,
        explain: bool = False,
        rerank: bool = False,
    ) -> SearchPage:
        """Answer a query with one page of papers and the facets of all that match.

        Args:
            query: A query, or its text in the language of `broadsheet.papers.query`.
            mode: "hybrid" (words and meaning, added up), "words" or "dense" (meaning alone).
            sort: "best", or "new": papers that hold the words, by date.
            limit: How many papers, at most 1,000.
            offset: How many to pass over; a ranked list ends at 1,000.
            explain: Fill the parts of each score, and tell how vectors were searched.
            rerank: Read the best ten again with the installed cross-encoder (about half a second).

        Raises:
            UsageError: The query, mode, sort or page is not understood.
            NotFound: A paper in sim: does not exist, or the indexes were never built.
            BadInput: An index is damaged.
        """
        begun = time.perf_counter()
        asked = parse(query) if isinstance(query, str) else query
        _check(mode, sort, limit, offset)
        page = SearchPage(
            query=str(asked), hits=(), total=0, offset=offset, limit=limit, mode=mode, sort=sort
        )
        if self._store.revision:
            page = self._answer(asked, page, explaining=explain, rerank=rerank)
        return replace(page, took_ms=(time.perf_counter() - begun) * 1e3)

    def related(self, work_id: str, *, limit: int = 10) -> list[Hit]:
        """Return the papers whose text is most similar to a paper's.

        Raises:
            NotFound: There is no such paper, or the indexes were never built.
        """
        work = self._store.work(work_id)
        indexes = self._indexes.current()
        question = self._question(Query(similar=(work.id,)), indexes)
        ranked = ranking.rank(question, indexes, self._meaning, "hybrid")
        page = ranked.order[:limit]
        return list(self._hits(page, 1, explain(ranked, question, indexes, page)))

    def complete(self, prefix: str, *, limit: int = 8) -> list[tuple[str, int]]:
        """Return words of the corpus that begin like the last word of `prefix`, with counts."""
        if not self._store.revision:
            return []
        clean = prefix.encode("utf-8", "replace").decode()
        return self._indexes.current().words.complete(clean, limit=limit)

    def _answer(
        self, query: Query, page: SearchPage, *, explaining: bool, rerank: bool
    ) -> SearchPage:
        indexes = self._indexes.current()
        question = self._question(query, indexes)
        sort = page.sort if question.has_words or question.similar else "new"
        ranked = self._ranked(question, indexes, page.mode, sort)
        if ranked.lists and page.offset + page.limit > DEPTH:
            raise UsageError(
                f"a ranked list can be paged to its first {DEPTH:,} papers",
                received=f"offset {page.offset}, limit {page.limit}",
                hint="narrow the query, or sort by new",
            )
        notes = self._notes(query, question, indexes, ranked, page.mode)
        order, lifts = ranked.order, dict[int, ScorePart]()
        if rerank and ranked.lists and question.text:
            order, lifts = self._reread(question.text, order, notes)

        shown = order[page.offset : page.offset + page.limit]
        parts: dict[int, tuple[ScorePart, ...]] = {}
        how: tuple[str, ...] = ()
        if explaining:
            how = tuple(sentence for dense in ranked.searched for sentence in dense.how())
            before = [(n, s - lifts[n].value if n in lifts else s) for n, s in shown]
            parts = explain(ranked, question, indexes, before)
            parts |= {n: (*parts[n], lifts[n]) for n, _ in shown if n in lifts}
        return replace(
            page,
            mode=ranked.mode,
            sort=sort,
            hits=self._hits(shown, page.offset + 1, parts),
            total=int(ranked.matching.sum()),
            facets=facets(indexes.attributes, ranked.matching, query),
            notes=tuple(notes),
            how=how,
        )

    def _hits(
        self,
        page: Sequence[tuple[int, float]],
        first: int,
        parts: Mapping[int, tuple[ScorePart, ...]],
    ) -> tuple[Hit, ...]:
        works = self._store.works_by_number(number for number, _ in page)
        return tuple(
            Hit(work=works[number], rank=rank, score=score, parts=parts.get(number, ()))
            for rank, (number, score) in enumerate(page, first)
            if number in works  # else merged into another paper since it was indexed
        )

    def _question(self, query: Query, indexes: Indexes) -> Question:
        """Look up what the query names and settle which papers may be found at all."""
        similar: dict[int, Work] = {}
        for reference in query.similar:
            work = self._store.find(reference)
            similar[self._store.number(work.id)] = work
        predicate = query.predicate()
        allowed = indexes.attributes.mask(predicate)
        clauses = indexes.words.effective(query.clauses)
        strict = [clause for clause in clauses if clause.excluded or clause.kind == "phrase"]
        if strict:
            allowed &= indexes.attributes.mask_of(indexes.words.matching(strict, predicate))
        for number in similar:
            if number < len(allowed):
                allowed[number] = False
        text = " ".join(clause.text for clause in clauses if not clause.excluded)
        return Question(
            clauses=clauses,
            text=text and query.text,
            predicate=predicate,
            allowed=allowed,
            similar=similar,
        )

    def _ranked(self, question: Question, indexes: Indexes, mode: str, sort: str) -> Ranked:
        if not (question.has_words or question.similar):
            matching = question.allowed
            return Ranked(order=ranking.by_date(indexes, matching), matching=matching, mode="words")
        if sort == "best":
            return ranking.rank(question, indexes, self._meaning, mode)
        mode = "words" if mode == "hybrid" else mode
        ranked = ranking.rank(question, indexes, self._meaning, mode)
        order = ranking.by_date(indexes, ranked.matching)
        return Ranked(order=order, matching=ranked.matching, mode=ranked.mode)

    def _reread(
        self, text: str, order: list[tuple[int, float]], notes: list[str]
    ) -> tuple[list[tuple[int, float]], dict[int, ScorePart]]:
        if not self._reranking.installed():
            notes.append(_NO_RERANKER)
            return order, {}
        works = self._store.works_by_number(number for number, _ in order[:READ])
        return self._reranking.reorder(text, order, works)

    def _notes(
        self, query: Query, question: Question, indexes: Indexes, ranked: Ranked, mode: str
    ) -> list[str]:
        """Return what a reader should know about how this page came to be."""
        notes = []
        if query.clauses and not question.clauses and not question.similar:
            notes.append("These words are so common that they are not searched.")
        if ranked.mode == "hybrid" and not any(one.numbers for one in ranked.lists if one.asked):
            notes.append("No paper holds these words; these are near in meaning.")
        if ranked.lists and mode != "words":
            notes += self._meaning.problems
            candidates = int(question.allowed.sum())
            covered = self._meaning.coverage(question.allowed)
            if not self._meaning.available:
                notes.append(_NO_ENCODER)
            elif covered < candidates:
                notes.append(
                    f"{candidates - covered:,} of {candidates:,} papers have no vector yet"
                    " and are found by their words only."
                )
        behind = self._store.revision - indexes.revision
        if behind > 0:
            notes.append(f"{behind:,} changes are not searchable yet: broadsheet index build.")
        return notes


def _check(mode: str, sort: str, limit: int, offset: int) -> None:
    for name, value, known in (("mode", mode, MODES), ("sort", sort, SORTS)):
        if value not in known:
            raise UsageError(f"unknown {name}", received=value, hint="one of " + ", ".join(known))
    if not 1 <= limit <= DEPTH or offset < 0:
        raise UsageError(
            f"a page has 1 to {DEPTH:,} papers and begins at 0 or later",
            received=f"offset {offset}, limit {limit}",
        )

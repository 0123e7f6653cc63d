"""The words index: BM25 over title, body and names on tantivy, with filters inside the search.

A word is looked up stemmed in title and body, which are one text, and as printed in names. The
title counts a little more: a fifth of its own score is added. A sum of title and body as two fields
ranks Cranfield as well, but puts a title with one word of a question above an abstract with both
(docs/decisions/words-search.md). An unstemmed field serves prefixes and completion.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tantivy
from tantivy import Occur, Query

from broadsheet.core.errors import BadInput, NotFound, SourceError
from broadsheet.core.paths import write_atomically
from broadsheet.index.clauses import Clause
from broadsheet.index.filtering import to_filter
from broadsheet.index.predicates import EVERYTHING, Document, Predicate
from broadsheet.index.wordfiles import (
    SCHEMA_VERSION,
    SPELLING,
    STATE_FILE,
    layout_of,
    open_index,
    register_analysers,
    schema_of,
    stored_revision,
)
from broadsheet.index.wordqueries import WordQueries

__all__ = ["WordHits", "WordIndex", "WordWriter", "stored_revision"]

_HEAP_BYTES = 64_000_000
#: Words that stand for a document in "more like this", and in how many documents each must stand.
_LIKENESS_WORDS = 25
_FEWEST_HOLDING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WordHits:
    """Ranked `(number, score)` pairs of one page, and how many documents match in all."""

    total: int
    hits: list[tuple[int, float]]


class WordIndex:
    """A words index in a folder.

    Args:
        folder: Where the index lies.
        terms: Names of the set-valued attributes that predicates may use.
        numbers: Names of the integer attributes that predicates may use.

    Raises:
        NotFound: There is no index in the folder.
        BadInput: The index is damaged or was written by other code; build it again.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with WordWriter(folder, terms=("cat",), numbers=("year",)) as writer:
        ...     writer.apply([Document(number=7, title="Late interaction")], deleted=[], revision=1)
        >>> index = WordIndex(folder, terms=("cat",), numbers=("year",))
        >>> [number for number, _ in index.search([Clause(text="interactions")]).hits]
        [7]
    """

    def __init__(self, folder: Path, *, terms: Sequence[str], numbers: Sequence[str]) -> None:
        self._folder = folder
        self._terms = tuple(terms)
        self._numbers = tuple(numbers)
        self.revision = stored_revision(folder, terms=terms, numbers=numbers)
        self._index = open_index(folder)
        self._schema = self._index.schema
        self._stem, self._fold = register_analysers(self._index)
        self._searcher = self._index.searcher()
        self._queries = WordQueries(self._schema, self._stem, self._fold, self._searcher)

    @property
    def size(self) -> int:
        """Return how many documents the index holds."""
        return int(self._searcher.num_docs)

    def effective(self, clauses: Sequence[Clause]) -> list[Clause]:
        """Return the clauses that can match: those that are not made of very common words only."""
        return [clause for clause in clauses if self._queries.units(clause)]

    def search(
        self,
        clauses: Sequence[Clause],
        predicate: Predicate = EVERYTHING,
        *,
        limit: int = 20,
        offset: int = 0,
        presence: float = 0.0,
    ) -> WordHits:
        """Rank the documents that match the words, within those that satisfy the predicate.

        Args:
            clauses: What is asked for.
            predicate: Must hold.
            limit: How many hits.
            offset: How many to pass over.
            presence: What a word adds for being there at all, in its idf; BM25 alone when 0.
        """
        query = self._queries.compose(clauses, predicate, presence)
        return self._hits(query, limit, offset)

    def scores(
        self, clauses: Sequence[Clause], numbers: Sequence[int], *, presence: float = 0.0
    ) -> dict[int, float]:
        """Return the scores of those of some documents that match, as `search` gives them."""
        if not numbers:
            return {}
        query = self._queries.compose(clauses, EVERYTHING, presence)
        both = [(Occur.Must, query), (Occur.Must, self._queries.among(numbers))]
        return dict(self._hits(Query.boolean_query(both), len(numbers)).hits)

    def weight(self, clauses: Sequence[Clause]) -> float:
        """Return the summed idf of what is asked for: about what a document scores by BM25 that
        holds each word once and is as long as most.
        """
        return sum(unit.idf for unit in self._queries.wanted(clauses))

    def matching(
        self, clauses: Sequence[Clause], predicate: Predicate = EVERYTHING
    ) -> npt.NDArray[np.int64]:
        """Return the numbers of all documents that match, in no useful order."""
        query = Query.const_score_query(self._queries.compose(clauses, predicate), 0.0)
        result = self._searcher.search(
            query, max(self.size, 1), count=False, order_by_field="number"
        )
        return np.fromiter(map(itemgetter(0), result.hits), dtype=np.int64)

    def similar(
        self, document: Document, predicate: Predicate = EVERYTHING, *, limit: int = 20
    ) -> WordHits:
        """Rank other documents by the weightiest words of this one.

        tantivy's own "more like this" chooses among words of equal weight by chance; here ties go
        by field and word, so that the same index gives the same answer.
        """
        both = f"{document.title}\n{document.body}"
        words = self._weightiest({"title": document.title, "text": both})
        likeness = Query.boolean_query([(Occur.Should, query) for query in words])
        itself = Query.term_query(self._schema, "number", document.number)
        query = self._queries.within([(Occur.Must, likeness), (Occur.MustNot, itself)], predicate)
        return self._hits(query, limit)

    def _weightiest(self, texts: Mapping[str, str]) -> list[Query]:
        """Return queries for the words with the most tf-idf, each boosted by its share of it."""
        weights: dict[tuple[str, str], float] = {}
        for field, text in texts.items():
            for word, count in Counter(self._stem.analyze(text)).items():
                holding = self._searcher.doc_freq(field, word)
                if holding >= _FEWEST_HOLDING:
                    weights[field, word] = count * math.log((self.size + 1) / holding)
        ordered = sorted(weights, key=lambda place: (-weights[place], place))[:_LIKENESS_WORDS]
        best = max(weights.values(), default=1.0) or 1.0
        return [
            Query.boost_query(Query.term_query(self._schema, *place), weights[place] / best)
            for place in ordered
        ]

    def explain(
        self, clauses: Sequence[Clause], numbers: Sequence[int], *, presence: float = 0.0
    ) -> dict[int, list[tuple[str, str, float]]]:
        """Return `(field, text, value)` for each part of documents' scores; they sum to them.

        What is given for presence stands under the field `wordqueries.HELD`.
        """
        explained: dict[int, list[tuple[str, str, float]]] = {number: [] for number in numbers}
        asked = self._queries.among(numbers)
        for field, text, query in self._queries.scoring(clauses, presence) if numbers else ():
            both = Query.boolean_query([(Occur.Must, query), (Occur.Must, asked)])
            for number, value in self._hits(both, len(numbers)).hits:
                explained[number].append((field, text, value))
        return explained

    def complete(
        self, prefix: str, predicate: Predicate = EVERYTHING, *, limit: int = 8
    ) -> list[tuple[str, int]]:
        """Return printed words that begin with `prefix`, most frequent first, with counts."""
        words = self._fold.analyze(prefix)
        if not words or limit < 1:
            return []
        within = None if predicate == EVERYTHING else to_filter(self._schema, predicate)
        found = self._searcher.terms_with_prefix(SPELLING, words[-1], within, limit)
        return [(str(word), int(count)) for word, count in found]

    def _hits(self, query: Query, limit: int, offset: int = 0) -> WordHits:
        result = self._searcher.search(query, max(limit, 1), offset=offset)
        addresses = [address for _, address in result.hits[:limit]]
        numbers = self._searcher.fast_field_values("number", addresses)
        pairs = [(int(n or 0), hit[0]) for n, hit in zip(numbers, result.hits, strict=False)]
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return WordHits(total=int(result.count), hits=pairs)  # type: ignore[attr-defined]


class WordWriter:
    """Writes a words index; a context manager. Every `apply` is one atomic commit.

    The revision is recorded after the commit: a crash in between makes the same documents come
    again, which is harmless, since each replaces the one with its number. A folder that holds
    nothing, a damaged index or one of another schema is started anew (`revision` is 0 then).

    Args:
        folder: Where the index lies; created when missing.
        terms: Names of the set-valued attributes.
        numbers: Names of the integer attributes.

    Raises:
        SourceError: Another process is writing to the folder.
    """

    def __init__(self, folder: Path, *, terms: Sequence[str], numbers: Sequence[str]) -> None:
        self._folder = folder
        self._layout = layout_of(terms, numbers)
        self._terms = tuple(terms)
        self._numbers = tuple(numbers)
        try:
            self.revision = stored_revision(folder, terms=terms, numbers=numbers)
            self._index = open_index(folder)
        except (NotFound, BadInput):
            self._index = self._begin()
            self.revision = 0
        register_analysers(self._index)
        self._empty = self._index.searcher().num_docs == 0
        try:
            self._writer = self._index.writer(_HEAP_BYTES, 1)
        except ValueError as error:
            raise SourceError(
                "another process is writing the words index", received=error, hint="try again"
            ) from None

    def __enter__(self) -> WordWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def clear(self) -> None:
        """Begin again with nothing: the next `apply` commits this together with its documents.

        The files stay, since threads of tantivy may still write into the folder. Without its state
        a half-cleared index is built anew by whoever opens it next.
        """
        (self._folder / STATE_FILE).unlink(missing_ok=True)
        self._writer.delete_all_documents()
        self.revision = 0
        self._empty = True

    def apply(
        self, documents: Iterable[Document], *, deleted: Iterable[int], revision: int
    ) -> None:
        """Add or replace documents, remove deleted ones, commit, then record the revision.

        Raises:
            SourceError: The disk is full; nothing of this call is committed.
        """
        if not self._empty:
            documents = list(documents)
            for number in (*deleted, *(document.number for document in documents)):
                self._writer.delete_documents_by_term("number", number)
        for document in documents:
            self._writer.add_document(self._row(document))
        try:
            self._writer.commit()
        except (ValueError, OSError) as error:
            raise SourceError(
                "the words index can't be written; what was committed before stays",
                received=error,
                hint="free some space and run the same command again",
            ) from None
        self._empty = False
        self.revision = revision
        state = {"schema": SCHEMA_VERSION, "layout": self._layout, "revision": revision}
        write_atomically(self._folder / STATE_FILE, json.dumps(state).encode())

    def close(self) -> None:
        """Wait for segment merges and let go of the folder."""
        self._writer.wait_merging_threads()

    def _begin(self) -> tantivy.Index:
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        return tantivy.Index(schema_of(self._terms, self._numbers), str(self._folder))

    def _row(self, document: Document) -> tantivy.Document:
        row = tantivy.Document()
        row.add_integer("number", document.number)
        for field, text in (
            ("title", document.title),
            ("text", document.title),
            ("text", document.body),
            ("names", document.names),
        ):
            if text:
                row.add_text(field, text)
                if field != "title":
                    row.add_text(SPELLING, text)
        for name in self._terms:
            for value in document.terms.get(name, ()):
                row.add_text(f"term_{name}", value)
        for name in self._numbers:
            if name in document.numbers:
                row.add_integer(f"number_{name}", document.numbers[name])
        return row

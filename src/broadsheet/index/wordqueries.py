"""What is asked of the words index, in tantivy's terms.

The pieces of a question are its units: a word, a phrase or a prefix, each with the fields it may
stand in and its idf. A unit scores by BM25 in every field, and, where that is wanted, a fixed
amount for being there at all: BM25+ (Lv and Zhai, "Lower-bounding term frequency normalization",
CIKM 2011), which keeps a word that is repeated from making up for one that is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tantivy
from tantivy import Occur, Query

from broadsheet.index.clauses import Clause
from broadsheet.index.filtering import to_filter
from broadsheet.index.predicates import EVERYTHING, Predicate
from broadsheet.index.wordfiles import SPELLING, WEIGHTS, WHOLE

#: The name of the part that a unit adds for being there, beside the names of the fields.
HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A word, phrase or prefix that is asked for.

    Args:
        text: As it is looked up, or as it was written.
        strict: A phrase: it must stand in a document, and scores on its own.
        fields: (field, text in it, scoring query).
        idf: How rare it is: ln(1 + (N - df + .5) / (df + .5)), of its commonest field; of a phrase
            the sum over its words.
    """

    text: str
    strict: bool
    fields: tuple[tuple[str, str, Query], ...]
    idf: float

    def presence(self, weight: float) -> Query:
        """Return a query that gives `weight` idfs to the documents that hold the unit."""
        inside = [(Occur.Should, query) for field, _, query in self.fields if field != "title"]
        return Query.const_score_query(Query.boolean_query(inside), weight * self.idf)


class WordQueries:
    """Makes queries of clauses for one state of an index.

    Args:
        schema: Its fields.
        stem: The analyser of title and text.
        fold: The analyser of names and spelling.
        searcher: Knows how many documents hold a word.
    """

    def __init__(
        self,
        schema: tantivy.Schema,
        stem: tantivy.TextAnalyzer,
        fold: tantivy.TextAnalyzer,
        searcher: tantivy.Searcher,
    ) -> None:
        self._schema = schema
        self._stem = stem
        self._fold = fold
        self._searcher = searcher

    def units(self, clause: Clause) -> list[Unit]:
        """Return what a clause asks for; nothing, if it is made of very common words only."""
        if clause.kind == "prefix":
            return self._prefix(clause.text)
        stems = self._stem.pre_tokenize(clause.text).tokens
        folded = self._fold.pre_tokenize(clause.text).tokens
        if not stems:
            return []
        if clause.kind == "phrase" or clause.excluded:
            fields = tuple(
                (field, clause.text, self._phrase(field, folded if field == "names" else stems))
                for field in WHOLE
            )
            idf = sum(self._idf(("text", token.text)) for token in stems)
            return [Unit(text=clause.text, strict=True, fields=fields, idf=idf)]
        printed = {token.position: token.text for token in folded}
        return [self._word(token.text, printed[token.position]) for token in stems]

    def wanted(self, clauses: Sequence[Clause]) -> list[Unit]:
        """Return what is asked for, each stem, phrase and prefix once."""
        return _distinct(self._positive(clauses))

    def scoring(
        self, clauses: Sequence[Clause], presence: float = 0.0
    ) -> Iterator[tuple[str, str, Query]]:
        """Yield the parts that add to a score; a word that is asked for twice counts once."""
        units = self._positive(clauses)
        seen: set[tuple[bool, str, str]] = set()
        for unit in units:
            for field, text, query in unit.fields:
                key = (unit.strict, field, text)
                if key not in seen:
                    seen.add(key)
                    yield field, text, query
        for unit in _distinct(units) if presence else ():
            yield HELD, unit.text, unit.presence(presence)

    def compose(
        self, clauses: Sequence[Clause], predicate: Predicate, presence: float = 0.0
    ) -> Query:
        """Return the query of a search: phrases and exclusions hold, of the words any is enough."""
        strict: list[tuple[Occur, Query]] = []
        for clause in clauses:
            if clause.excluded or clause.kind == "phrase":
                union = [
                    (Occur.Should, query)
                    for unit in self.units(clause)
                    for _, _, query in unit.fields
                ]
                if union:
                    occur = Occur.MustNot if clause.excluded else Occur.Must
                    strict.append((occur, Query.boolean_query(union)))
        enough = any(occur == Occur.Must for occur, _ in strict)
        ranking = [clause for clause in clauses if clause.kind != "phrase"]
        optional = [(Occur.Should, query) for _, _, query in self.scoring(ranking, presence)]
        if optional:
            strict.append((Occur.Should if enough else Occur.Must, Query.boolean_query(optional)))
        if presence:
            phrases = self.wanted([clause for clause in clauses if clause.kind == "phrase"])
            strict += [(Occur.Should, unit.presence(presence)) for unit in phrases]
        return self.within(strict, predicate)

    def within(self, clauses: list[tuple[Occur, Query]], predicate: Predicate) -> Query:
        """Add the filter, which must hold and does not score."""
        positive = any(occur == Occur.Must for occur, _ in clauses)
        if predicate != EVERYTHING or not positive:
            accepted = Query.const_score_query(to_filter(self._schema, predicate), 0.0)
            clauses = [*clauses, (Occur.Must, accepted)]
        return clauses[0][1] if len(clauses) == 1 else Query.boolean_query(clauses)

    def among(self, numbers: Sequence[int]) -> Query:
        """Return a query for some documents, which does not score."""
        one_each = [Query.term_query(self._schema, "number", number) for number in numbers]
        any_of = Query.boolean_query([(Occur.Should, query) for query in one_each])
        return Query.const_score_query(any_of, 0.0)

    def _positive(self, clauses: Sequence[Clause]) -> list[Unit]:
        return [unit for one in clauses if not one.excluded for unit in self.units(one)]

    def _word(self, stem: str, printed: str) -> Unit:
        places = [(field, printed if field == "names" else stem) for field in WEIGHTS]
        fields = tuple(
            (field, text, Query.boost_query(self._term(field, text), WEIGHTS[field]))
            for field, text in places
        )
        return Unit(text=stem, strict=False, fields=fields, idf=self._idf(*places))

    def _term(self, field: str, text: str) -> Query:
        return Query.term_query(self._schema, field, text)

    def _idf(self, *places: tuple[str, str]) -> float:
        documents = self._searcher.num_docs
        holding = max(self._searcher.doc_freq(field, text) for field, text in places)
        return _rarity(documents, min(holding, documents))

    def _phrase(self, field: str, tokens: Sequence[tantivy.Token]) -> Query:
        if len(tokens) == 1:
            return self._term(field, tokens[0].text)
        first = tokens[0].position
        return Query.phrase_query(
            self._schema, field, [(token.position - first, token.text) for token in tokens]
        )

    def _prefix(self, text: str) -> list[Unit]:
        """A prefix scores like one word that stands in all the documents its words stand in."""
        *whole, prefix = self._fold.analyze(text) or [""]
        if not prefix:
            return []
        # Words are letters and digits only, so the prefix needs no escaping.
        query = Query.regex_query(self._schema, SPELLING, f"{prefix}.*")
        if whole:
            before = [self._term(SPELLING, word) for word in whole]
            query = query.and_must_match(*before)
        documents = self._searcher.num_docs
        holding = min(self._searcher.search(query, 1).count, documents)  # type: ignore[attr-defined]
        idf = _rarity(documents, holding)
        fields = ((SPELLING, f"{text}*", Query.const_score_query(query, idf)),)
        return [Unit(text=f"{text}*", strict=False, fields=fields, idf=idf)]


def _distinct(units: Sequence[Unit]) -> list[Unit]:
    """Keep the first of equal units; what stands first in a unit tells which it is."""
    first: dict[tuple[bool, str, str], Unit] = {}
    for unit in units:
        first.setdefault((unit.strict, *unit.fields[0][:2]), unit)
    return list(first.values())


def _rarity(documents: int, holding: int) -> float:
    return math.log(1 + (documents - holding + 0.5) / (holding + 0.5))

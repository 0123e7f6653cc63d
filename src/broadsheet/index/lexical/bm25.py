"""BM25 as Lucene computes it, over one field or the weighted sum of several.

    score(q, d) = sum over t of q:  idf(t) tf / (tf + k1 (1 - b + b |d| / mean |d|))
    idf(t)      = ln(1 + (N - df + 0.5) / (df + 0.5))

Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework" (2009); the idf and the missing
factor (k1 + 1) as in Apache Lucene since version 8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import UsageError
from broadsheet.index.lexical.analysis import Analyser, EnglishAnalyser
from broadsheet.index.lexical.lengths import stored_lengths
from broadsheet.index.lexical.postings import Names, Postings, Ties


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25Settings:
    """How a term's frequency and a document's length count.

    Args:
        k1: How slowly repetitions lose their worth.
        b: How much the length counts, from 0 to 1.
        lengths: exact, or lucene: as they come back from the one byte that Lucene keeps.

    Raises:
        UsageError: A number is outside its range.

    Example:
        >>> Bm25Settings(lengths="lucene").k1
        0.9
    """

    k1: float = 0.9
    b: float = 0.4
    lengths: Literal["exact", "lucene"] = "exact"

    def __post_init__(self) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1 or self.lengths not in ("exact", "lucene"):
            raise UsageError(
                "no such BM25",
                received=f"k1 {self.k1}, b {self.b}, lengths {self.lengths}",
                hint="k1 from 0, b from 0 to 1, lengths exact or lucene",
            )


@dataclass(frozen=True, slots=True)
class _Field:
    postings: Postings
    terms: Mapping[str, int]
    weight: float


class Bm25Index:
    """BM25 over documents in memory.

    Args:
        fields: Of each field its lists and its weight.
        names: Ids of the documents.
        analyser: Makes words of queries.

    Example:
        >>> index = Bm25Index.build({"d1": "a thin wing", "d2": "wings in supersonic flow"})
        >>> list(index.search("supersonic wing"))
        ['d2', 'd1']
        >>> index.search_many({"q": "heat"})
        {'q': {}}
    """

    def __init__(self, fields: Sequence[_Field], names: Names, analyser: Analyser) -> None:
        self._fields = tuple(fields)
        self._names = names
        self._analyser = analyser

    @classmethod
    def build(
        cls,
        documents: Mapping[str, str],
        *,
        analyser: Analyser | None = None,
        settings: Bm25Settings | None = None,
    ) -> Bm25Index:
        """Index texts by id: BM25 "flat".

        Args:
            documents: Text by id.
            analyser: Makes words of documents and queries; `EnglishAnalyser` by default.
            settings: k1 .9 and b .4 with exact lengths by default.

        Raises:
            BadInput: There is no document.
            UsageError: The default analyser is not installed.
        """
        return cls.build_fields(
            {key: {"text": text} for key, text in documents.items()},
            weights={"text": 1.0},
            analyser=analyser,
            settings=settings,
        )

    @classmethod
    def build_fields(
        cls,
        documents: Mapping[str, Mapping[str, str]],
        *,
        weights: Mapping[str, float],
        analyser: Analyser | None = None,
        settings: Bm25Settings | None = None,
    ) -> Bm25Index:
        """Index documents of several fields: a score is the weighted sum of the fields' BM25.

        Each field has its own frequencies, idf and mean length (over the documents that have it).

        Args:
            documents: Text by field by id; a field that is missing is empty.
            weights: Weight by field; fields that are not named are not indexed.
            analyser: See `build`.
            settings: See `build`; the same for all fields.

        Raises:
            BadInput: There is no document.
            UsageError: A weight is not above 0, or the default analyser is not installed.

        Example:
            >>> papers = {"a": {"title": "Wings", "text": "wings"}, "b": {"text": "wings"}}
            >>> index = Bm25Index.build_fields(papers, weights={"title": 1.0, "text": 1.0})
            >>> list(index.search("wings"))
            ['a', 'b']
        """
        if not weights or min(weights.values()) <= 0:
            raise UsageError("a field weighs more than 0", received=dict(weights))
        names = Names.of(list(documents))
        words = analyser or EnglishAnalyser()
        fields = []
        for field, weight in weights.items():
            texts = [documents[key].get(field, "") for key in names.ids]
            fields.append(_index_field(texts, words, settings or Bm25Settings(), weight))
        return cls(fields, names, words)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of the documents, ascending: the order of `scores`."""
        return self._names.ids

    @property
    def postings(self) -> int:
        """Return how many postings all fields hold."""
        return sum(len(field.postings.documents_P) for field in self._fields)

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """Return the score of every document, in the order of `ids`.

        A word that the query repeats counts as often.

        Shape:
            [N].
        """
        counts = Counter(self._analyser(query))
        total = np.zeros(len(self._names.ids), np.float32)
        for field in self._fields:
            known = {field.terms[w]: float(n) for w, n in counts.items() if w in field.terms}
            total += np.float32(field.weight) * field.postings.scores(known)
        return total

    def search(
        self,
        query: str,
        k: int = 1000,
        *,
        without: str | None = None,
        ties: Ties = "falling ids",
    ) -> dict[str, float]:
        """Return the k best documents that hold a word of the query, best first.

        Args:
            query: A text.
            k: How many at most.
            without: An id that may not be returned ("remove query").
            ties: Order of equal scores: by falling id (trec_eval) or by rising id (Anserini).

        Raises:
            UsageError: k is less than 1.
        """
        return self._names.ranking(self.scores(query), k, without, ties)

    def search_many(
        self,
        queries: Mapping[str, str],
        k: int = 1000,
        *,
        remove_query: bool = False,
        ties: Ties = "falling ids",
    ) -> dict[str, dict[str, float]]:
        """Return the run of many queries by id.

        Args:
            queries: Text by id.
            k: Documents per query at most.
            remove_query: Leave out the document whose id is the query's.
            ties: See `search`.
        """
        return {
            key: self.search(text, k, without=key if remove_query else None, ties=ties)
            for key, text in queries.items()
        }


def _index_field(
    texts: Sequence[str], analyser: Analyser, settings: Bm25Settings, weight: float
) -> _Field:
    terms: dict[str, int] = {}
    term_ids: list[int] = []
    lengths = np.zeros(len(texts), np.int64)
    for number, text in enumerate(texts):
        words = analyser(text)
        lengths[number] = len(words)
        term_ids += [terms.setdefault(word, len(terms)) for word in words]
    holders = np.repeat(np.arange(len(texts)), lengths)
    pairs, counts = np.unique(
        np.array(term_ids, np.int64) * len(texts) + holders, return_counts=True
    )
    term_P, document_P = np.divmod(pairs, len(texts))  # noqa: N806
    weights = _weights(term_P, document_P, counts, lengths, settings)
    lists = Postings.of_triples(term_P, document_P, weights, terms=len(terms), documents=len(texts))
    return _Field(lists, terms, weight)


def _weights(
    term_P: npt.NDArray[np.int64],  # noqa: N803
    document_P: npt.NDArray[np.int64],  # noqa: N803
    counts_P: npt.NDArray[np.int64],  # noqa: N803
    lengths_N: npt.NDArray[np.int64],  # noqa: N803
    settings: Bm25Settings,
) -> npt.NDArray[np.float32]:
    """Return what each posting adds to a score."""
    holding = int(np.count_nonzero(lengths_N))
    if not holding:
        return np.zeros(0, np.float32)
    df_V = np.bincount(term_P)  # noqa: N806
    idf_V = np.log1p((holding - df_V + 0.5) / (df_V + 0.5))  # noqa: N806
    known_N = stored_lengths(lengths_N) if settings.lengths == "lucene" else lengths_N  # noqa: N806
    mean = lengths_N.sum() / holding
    norm_N = settings.k1 * (1 - settings.b + settings.b * known_N / mean)  # noqa: N806
    weights: npt.NDArray[np.float32] = (
        idf_V[term_P] * counts_P / (counts_P + norm_N[document_P])
    ).astype(np.float32)
    return weights

"""Learned term weights in an inverted index: eight bits per posting, scores in whole numbers.

    score(q, d) = sum over terms t of  round(255 q_t / max q) x round(255 d_t / max d)

The maximum of the documents is that of the whole index, the maximum of a query its own, so that
quantising a query never changes the order of documents by its scale. Many scores are equal; ties
are broken as the postings engine says.

Source: Mackenzie et al., "Wacky Weights in Learned Sparse Representations" (arXiv 2110.11540).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.index.lexical.postings import Names, Postings, Ties

#: The largest impact.
TOP = 255


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Term weights of many texts as triples.

    Args:
        rows_P: Number of the text.
        terms_P: Number of the term.
        weights_P: Weight, not negative; each (text, term) at most once.
        rows: How many texts.
        terms: How many terms.

    Example:
        >>> rows = SparseRows.of([{3: 0.5}, {}], terms=5)
        >>> rows.row(0), rows.row(1)
        ({3: 0.5}, {})
    """

    rows_P: npt.NDArray[np.int64]  # noqa: N815 - the shape
    terms_P: npt.NDArray[np.int64]  # noqa: N815
    weights_P: npt.NDArray[np.float32]  # noqa: N815
    rows: int
    terms: int

    def __post_init__(self) -> None:
        if not np.isfinite(self.weights_P).all() or (self.weights_P < 0).any():
            raise BadInput("a term's weight is a number from 0", received="negative or not finite")

    @classmethod
    def of(cls, texts: Sequence[Mapping[int, float]], *, terms: int) -> SparseRows:
        """Return rows from one mapping of term to weight per text."""
        pairs = [(n, t, w) for n, text in enumerate(texts) for t, w in text.items()]
        columns = tuple(zip(*pairs, strict=True)) or ((), (), ())
        return cls(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.float32),
            len(texts),
            terms,
        )

    def row(self, number: int) -> dict[int, float]:
        """Return the weights of one text."""
        part = self.rows_P == number
        return dict(zip(self.terms_P[part].tolist(), self.weights_P[part].tolist(), strict=True))

    def heaviest(self, most: int) -> SparseRows:
        """Return rows with at most so many terms each, the heaviest; equal weights by term."""
        order = np.lexsort((self.terms_P, -self.weights_P, self.rows_P))
        rows_P = self.rows_P[order]  # noqa: N806
        first_P = np.searchsorted(rows_P, rows_P, side="left")  # noqa: N806
        kept = order[np.arange(len(order)) - first_P < most]
        return SparseRows(
            self.rows_P[kept], self.terms_P[kept], self.weights_P[kept], self.rows, self.terms
        )


def quantised(
    weights_P: npt.NDArray[np.float32],  # noqa: N803
    largest: float,
) -> npt.NDArray[np.uint8]:
    """Return weights as whole numbers from 0 to 255, 255 being the largest.

    Example:
        >>> quantised(np.array([0.0, 0.001, 1.0, 2.0], np.float32), 2.0).tolist()
        [0, 0, 128, 255]
    """
    if largest <= 0:
        return np.zeros(len(weights_P), np.uint8)
    return np.rint(weights_P.astype(np.float64) * (TOP / largest)).clip(0, TOP).astype(np.uint8)


class ImpactIndex:
    """An inverted index of learned term weights.

    Args:
        postings: Impacts.
        names: Ids of the documents.

    Example:
        >>> rows = SparseRows.of([{0: 1.0, 1: 0.2}, {1: 0.9}], terms=2)
        >>> index = ImpactIndex.build(["d1", "d2"], rows)
        >>> index.search({1: 1.0})
        {'d2': 58395.0, 'd1': 13005.0}
    """

    def __init__(self, postings: Postings, names: Names) -> None:
        self._postings = postings
        self._names = names

    @classmethod
    def build(cls, ids: Sequence[str], rows: SparseRows) -> ImpactIndex:
        """Quantise and index.

        Args:
            ids: Of the documents, in the order of the rows.
            rows: Their term weights; those that round to 0 are not indexed.

        Raises:
            BadInput: Not one row per id, or an id comes twice.
        """
        if len(ids) != rows.rows:
            raise BadInput("one row per document", received=f"{len(ids)} ids, {rows.rows} rows")
        names = Names.of(ids)
        places_N = np.array([names.numbers[name] for name in ids], np.int64)  # noqa: N806
        impacts = quantised(rows.weights_P, float(rows.weights_P.max(initial=0.0)))
        kept = impacts > 0
        postings = Postings.of_triples(
            rows.terms_P[kept],
            places_N[rows.rows_P[kept]],
            impacts[kept],
            terms=rows.terms,
            documents=len(ids),
        )
        return cls(postings, names)

    @property
    def postings(self) -> int:
        """Return how many postings there are."""
        return len(self._postings.documents_P)

    def search(
        self,
        query: Mapping[int, float],
        k: int = 1000,
        *,
        without: str | None = None,
        ties: Ties = "falling ids",
    ) -> dict[str, float]:
        """Return the k best documents that share a term with the query, best first.

        Args:
            query: Weight by term.
            k: How many at most.
            without: An id that may not be returned.
            ties: Order of equal scores.
        """
        terms, weights = list(query), np.array(list(query.values()), np.float32)
        impacts = quantised(weights, float(weights.max(initial=0.0))).tolist()
        known = {term: float(w) for term, w in zip(terms, impacts, strict=True) if w}
        return self._names.ranking(self._postings.scores(known), k, without, ties)

"""The postings engine: weighted lists of documents by term, scored term by term.

Legend: N documents, V terms, P postings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, UsageError

#: Which of equal scores comes first: trec_eval sorts ids falling, Anserini breaks ties rising.
Ties = Literal["falling ids", "rising ids"]

Weights = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Postings:
    """What each term adds to the score of each document that holds it.

    A score is a sum over the query's terms. Weights in float32 are added in float32, in the order
    of the query's terms; impacts in uint8 are added in integers, exactly and in any order.

    Args:
        starts_V: Where the list of each term begins, and the end of the last: V + 1 numbers.
        documents_P: Documents, ascending within a term.
        weights_P: Their weights, float32 or uint8.
        count: How many documents there are.

    Example:
        >>> lists = Postings.of_triples(
        ...     np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 2.0, 4.0], np.float32),
        ...     terms=2, documents=3)
        >>> lists.scores({0: 1, 1: 2}).tolist()
        [1.0, 10.0, 0.0]
    """

    starts_V: npt.NDArray[np.int64]  # noqa: N815 - the shape
    documents_P: npt.NDArray[np.int32]  # noqa: N815
    weights_P: Weights  # noqa: N815
    count: int

    @classmethod
    def of_triples(
        cls,
        terms_P: npt.NDArray[np.int64],  # noqa: N803
        documents_P: npt.NDArray[np.int64],  # noqa: N803
        weights_P: Weights,  # noqa: N803
        *,
        terms: int,
        documents: int,
    ) -> Postings:
        """Return postings from (term, document, weight), each pair once, in any order."""
        order = np.lexsort((documents_P, terms_P))
        starts = np.zeros(terms + 1, np.int64)
        np.cumsum(np.bincount(terms_P, minlength=terms), out=starts[1:])
        return cls(starts, documents_P[order].astype(np.int32), weights_P[order], documents)

    def scores(self, query: Mapping[int, float]) -> npt.NDArray[np.float32]:
        """Return the score of every document.

        Args:
            query: Weight by term; of impacts, whole numbers.

        Shape:
            [N].
        """
        whole = self.weights_P.dtype == np.uint8
        total_N: npt.NDArray[Any] = np.zeros(self.count, np.int64 if whole else np.float32)  # noqa: N806
        for term, weight in query.items():
            part = slice(int(self.starts_V[term]), int(self.starts_V[term + 1]))
            factor = np.int64(weight) if whole else np.float32(weight)
            total_N[self.documents_P[part]] += factor * self.weights_P[part]
        return total_N.astype(np.float32)


def best(
    scores_N: npt.NDArray[np.float32],  # noqa: N803
    k: int,
    ties: Ties = "falling ids",
) -> npt.NDArray[np.int64]:
    """Return the k best of all documents with a score above 0, best first.

    Of equal scores the last document comes first, or the first one, also at the cut. With
    documents in ascending order of their ids the former is trec_eval's rule, the latter Anserini's.

    Raises:
        UsageError: k is less than 1, or there is no such order.

    Example:
        >>> scores = np.array([1, 3, 3, 0], np.float32)
        >>> best(scores, 2).tolist(), best(scores, 1, "rising ids").tolist()
        ([2, 1], [1])
    """
    if k < 1 or ties not in ("falling ids", "rising ids"):
        raise UsageError("no such search", received=f"{k} documents, ties by {ties}")
    found = np.flatnonzero(scores_N > 0)
    if ties == "falling ids":
        found = found[::-1]
    if len(found) > k:
        values = scores_N[found]
        found = found[values >= np.partition(values, len(values) - k)[len(values) - k]]
    return found[np.argsort(-scores_N[found], kind="stable")][:k]


@dataclass(frozen=True, slots=True)
class Names:
    """Document ids in ascending order, which is their number.

    Example:
        >>> Names.of(["d2", "d1"]).number_of("d2")
        1
    """

    ids: tuple[str, ...]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, ids: Sequence[str]) -> Names:
        """Return names from ids in any order.

        Raises:
            BadInput: There is none, or one comes twice.
        """
        ordered = tuple(sorted(ids))
        numbers = {name: number for number, name in enumerate(ordered)}
        if not ordered or len(numbers) < len(ordered):
            raise BadInput("an index needs documents, each id once", received=f"{len(ids)} ids")
        return cls(ordered, numbers)

    def number_of(self, name: str) -> int | None:
        """Return the number of an id, None when it is not here."""
        return self.numbers.get(name)

    def ranking(
        self,
        scores_N: npt.NDArray[np.float32],  # noqa: N803
        k: int,
        without: str | None = None,
        ties: Ties = "falling ids",
    ) -> dict[str, float]:
        """Return the k best documents with their scores, best first.

        Args:
            scores_N: All scores.
            k: How many at most.
            without: A document that may not be returned, such as the query itself where queries
                are documents too (ArguAna, Quora); an unknown id is no error.
            ties: Order of equal scores.
        """
        number = None if without is None else self.numbers.get(without)
        if number is not None:
            scores_N = scores_N.copy()  # noqa: N806
            scores_N[number] = 0.0
        places = best(scores_N, k, ties).tolist()
        return {self.ids[place]: float(scores_N[place]) for place in places}

"""Late interaction: documents as one vector per token, scored by MaxSim, exactly.

    score(q, d) = 1/|q| sum over tokens i of q:  max over tokens j of d:  <q_i, d_j>

Legend: N documents, T tokens of all documents, L tokens of a query, P width of a token's vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, UsageError

Floats = npt.NDArray[np.float32]

#: Tokens that are scored at a time.
_BLOCK = 65_536


class LateIndex:
    """Token vectors of documents, searched without approximation.

    Args:
        ids: Of the documents, ascending.
        starts: Where the tokens of each document begin, and the end: N + 1 numbers.
        tokens_TP: All token vectors; float16 is widened block by block.

    Source:
        ColBERT (arXiv 2004.12832); the mean over the query's tokens instead of the sum changes no
        order.

    Example:
        >>> x, y = np.eye(2, dtype=np.float32)
        >>> index = LateIndex.build({"a": np.stack([x, y]), "b": np.stack([x])})
        >>> index.search(np.stack([x, y]))
        {'a': 1.0, 'b': 0.5}
    """

    def __init__(
        self,
        ids: Sequence[str],
        starts: npt.NDArray[np.int64],
        tokens_TP: npt.NDArray[np.floating],  # noqa: N803
    ) -> None:
        self.ids = tuple(ids)
        self._starts = starts
        self._tokens_TP = tokens_TP

    @classmethod
    def build(cls, documents: Mapping[str, npt.NDArray[np.floating]]) -> LateIndex:
        """Index documents by id, each an array of token vectors with at least one row.

        Raises:
            BadInput: No documents, one without a token, or vectors of several widths.
        """
        ids = sorted(documents)
        sizes = [len(documents[name]) for name in ids]
        widths = {documents[name].shape[1:] for name in ids}
        if not ids or not all(sizes) or len(widths) != 1:
            raise BadInput(
                "documents need tokens of one width", received=f"widths {sorted(widths)[:3]}"
            )
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(ids, starts, np.concatenate([documents[name] for name in ids]))

    def scores(self, query_LP: Floats) -> Floats:  # noqa: N803
        """Return the score of every document, in the order of `ids`.

        Shape:
            [L, P] -> [N].

        Raises:
            BadInput: The query has no token, or another width.
        """
        if query_LP.ndim != 2 or not len(query_LP) or query_LP.shape[1] != self._tokens_TP.shape[1]:
            raise BadInput("a query needs tokens of the index's width", received=query_LP.shape)
        found = np.empty(len(self.ids), np.float32)
        first = 0
        while first < len(self.ids):
            limit = self._starts[first] + _BLOCK
            last = max(first + 1, int(np.searchsorted(self._starts, limit, side="right")) - 1)
            begin, end = int(self._starts[first]), int(self._starts[last])
            block = self._tokens_TP[begin:end].astype(np.float32, copy=False)
            best_LN = np.maximum.reduceat(  # noqa: N806
                query_LP @ block.T, self._starts[first:last] - begin, axis=1
            )
            found[first:last] = best_LN.mean(axis=0)
            first = last
        return found

    def search(
        self,
        query_LP: Floats,  # noqa: N803
        k: int = 1000,
        *,
        without: str | None = None,
    ) -> dict[str, float]:
        """Return the k best documents, best first; equal scores by falling id.

        Args:
            query_LP: Token vectors of the query.
            k: How many at most.
            without: An id that may not be returned.

        Raises:
            UsageError: k is less than 1.
        """
        if k < 1:
            raise UsageError("a search returns 1 document or more", received=k)
        scores = self.scores(query_LP)
        order = np.lexsort((-np.arange(len(scores)), -scores))
        found = [(self.ids[n], float(scores[n])) for n in order[: k + 1] if self.ids[n] != without]
        return dict(found[:k])

"""Parity gates: an export that does not answer as the trained module does is refused.

The gates: the float32 graph within 1e-4 of torch in every number of a unit vector; int8 with a mean
cosine of .99 or more to torch, and at most .5 % of nDCG lost on a retrieval sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.data.records import RetrievalSet
from broadsheet.evals.score import Encode
from broadsheet.metrics.ranking import ndcg
from broadsheet.runtime.encoder import Vectors

MAX_ERROR = 1e-4
MIN_COSINE = 0.99
MAX_NDCG_LOSS = 0.005

_HINT = "check the pooling and the exit, or export weights that quantise better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What was measured of an export that was let through.

    Args:
        max_error: Largest difference of a number of a unit vector, float32 graph against torch.
        mean_cosine: Mean cosine of int8 vectors to torch's.
        ndcg_loss: Share of nDCG@10 lost through int8; below 0 where it gained.
    """

    max_error: float
    mean_cosine: float
    ndcg_loss: float

    def as_gate(self) -> dict[str, float]:
        """Return the numbers as a variant keeps them.

        Example:
            >>> Gates(max_error=1e-6, mean_cosine=0.9987654, ndcg_loss=0.0).as_gate()["mean_cosine"]
            0.998765
        """
        return {name: round(value, 6) for name, value in asdict(self).items()}


def check_float32(module: Vectors, graph: Vectors) -> float:
    """Return the largest difference between a float32 graph's unit vectors and the module's.

    Shape:
        two of [n, dim].

    Raises:
        BadInput: It is above 1e-4.

    Example:
        >>> check_float32(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
        0.0
    """
    _check_shapes(module, graph)
    error = float(np.abs(module - graph).max())
    if not error <= MAX_ERROR:  # also where it is not a number
        raise BadInput(
            "the float32 graph does not answer as the module does",
            received=f"a largest difference of {error:.2g}, allowed {MAX_ERROR:g}",
            hint=_HINT,
        )
    return error


def check_int8(module: Vectors, exported: Vectors) -> float:
    """Return the mean cosine of int8 unit vectors to the module's.

    Shape:
        two of [n, dim].

    Raises:
        BadInput: It is below .99.

    Example:
        >>> check_int8(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
        1.0
    """
    _check_shapes(module, exported)
    cosine = float((module * exported).sum(axis=1).mean())
    if not cosine >= MIN_COSINE:
        raise BadInput(
            "the int8 export is too far from the module",
            received=f"a mean cosine of {cosine:.4g}, wanted {MIN_COSINE}",
            hint=_HINT,
        )
    return cosine


def check_retrieval(module: Encode, exported: Encode, sample: RetrievalSet) -> float:
    """Return the share of nDCG@10 that an export loses on a sample.

    Raises:
        BadInput: It is above .5 %.
    """
    before, after = mean_ndcg(module, sample), mean_ndcg(exported, sample)
    loss = (before - after) / before if before else 0.0
    if not loss <= MAX_NDCG_LOSS:
        raise BadInput(
            "the export searches worse than the module",
            received=f"nDCG@10 {after:.4f}, module {before:.4f}: {loss:.2%} lost",
            hint=f"{MAX_NDCG_LOSS:.1%} is allowed; {_HINT}",
        )
    return loss


def mean_ndcg(encode: Encode, sample: RetrievalSet) -> float:
    """Return the mean nDCG@10 of exact search by the dot product of vectors.

    Raises:
        BadInput: The sample has no documents or no queries.
    """
    if not sample.documents or not sample.queries:
        raise BadInput("the retrieval sample is empty", received=f"{len(sample.queries)} queries")
    documents, queries = list(sample.documents), list(sample.queries)
    found = encode([sample.queries[query] for query in queries])
    similar = found @ encode([sample.documents[document] for document in documents]).T
    run = {
        query: dict(zip(documents, map(float, row), strict=True))
        for query, row in zip(queries, similar, strict=True)
    }
    return float(np.mean(list(ndcg(run, sample.qrels).values())))


def _check_shapes(module: Vectors, exported: Vectors) -> None:
    if module.shape != exported.shape or not len(module):
        raise BadInput(
            "the export gives vectors of another shape",
            received=f"{exported.shape}, module {module.shape}",
        )

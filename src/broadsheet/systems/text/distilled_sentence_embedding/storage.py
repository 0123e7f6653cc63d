"""Smaller copies of stored vectors, and how much a shortlist by cosine keeps of the head's best.

Legend: N texts, P width, Q queries, M candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broadsheet.systems.contract import Observation
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData
from broadsheet.systems.text.distilled_sentence_embedding.heads import Head, PairIndex

Floats = NDArray[np.float32]
_QUERIES, _CANDIDATES, _SHORTLIST, _BEST = 50, 2000, 100, 10


def int8_copy(vectors_NP: Floats) -> Floats:
    """Return vectors as they come back from int8 with one scale per row.

    Example:
        >>> copy = int8_copy(np.array([[1.0, -0.5, 0.001]], np.float32))
        >>> bool(np.abs(copy - [[1.0, -0.5, 0.001]]).max() <= 0.5 / 127)
        True
    """
    scale_N1 = np.abs(vectors_NP).max(axis=1, keepdims=True) / 127.0
    scale_N1 = np.where(scale_N1 > 0, scale_N1, 1.0)
    codes = np.rint(vectors_NP / scale_N1).astype(np.int8)
    return codes.astype(np.float32) * scale_N1.astype(np.float32)


def top_components(vectors_NP: Floats, count: int) -> Floats:
    """Return vectors rebuilt from `count` main components, as a trained head can read them."""
    mean_P = vectors_NP.mean(axis=0, dtype=np.float64)
    centred = (vectors_NP - mean_P).astype(np.float64)
    _, basis = np.linalg.eigh(centred.T @ centred)
    top_PK = basis[:, ::-1][:, :count]
    rebuilt: Floats = (centred @ top_PK @ top_PK.T + mean_P).astype(np.float32)
    return rebuilt


def shortlist_recall(head: Head, vectors_NP: Floats, data: PairData, dataset: str) -> Observation:
    """Return how many of the head's best 10 of 2,000 a shortlist of 100 by cosine keeps."""
    queries = np.unique(data.test.first_N)[:_QUERIES]
    candidates = np.setdiff1d(np.unique(data.test.second_N), queries)[:_CANDIDATES]
    index = PairIndex(head, vectors_NP[candidates])
    size = len(candidates)
    short, _ = index.search(
        vectors_NP[queries], shortlist=min(_SHORTLIST, size), k=min(_BEST, size)
    )
    exact, _ = index.search(vectors_NP[queries], shortlist=size, k=min(_BEST, size))
    kept = [
        len(set(a) & set(b)) / len(b) for a, b in zip(short.tolist(), exact.tolist(), strict=True)
    ]
    return Observation(
        dataset=dataset,
        metric="best 10 kept by shortlist of 100",
        unit="x100",
        value=100 * float(np.mean(kept)),
        n=len(kept),
    )

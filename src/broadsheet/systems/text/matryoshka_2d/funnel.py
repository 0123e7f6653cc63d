"""Funnel search: shallow, short vectors find candidates; deep, long ones order them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.systems.text.matryoshka_2d.grid import Setting

Floats = NDArray[np.float32]
#: Texts and a setting to unit rows of that size.
Encode = Callable[[Sequence[str], Setting], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Unit vectors that know by which setting they were made.

    Args:
        setting: Layers and numbers.
        x_ND: The vectors.

    Raises:
        BadInput: The vectors are not of the setting's size.

    Example:
        >>> Vectors(Setting(2, 2), np.eye(2, dtype=np.float32)).setting
        Setting(layers=2, dims=2)
    """

    setting: Setting
    x_ND: Floats

    def __post_init__(self) -> None:
        if self.x_ND.ndim != 2 or self.x_ND.shape[1] != self.setting.dims:
            raise BadInput(
                "vectors of another size than their setting",
                received=f"{self.x_ND.shape} for {self.setting}",
            )


def similarity(queries: Vectors, documents: Vectors) -> Floats:
    """Return the cosine of every query with every document.

    Raises:
        UsageError: They were made by different settings: layers of one encoder do not share a
            space, so such cosines mean nothing.

    Example:
        >>> a = Vectors(Setting(2, 2), np.eye(2, dtype=np.float32))
        >>> similarity(a, Vectors(Setting(3, 2), a.x_ND))
        Traceback (most recent call last):
            ...
        broadsheet.core.errors.UsageError: queries and documents were encoded differently. \
Received: 2x2 and 3x2. Try: the same layers and dims for both
    """
    if queries.setting != documents.setting:
        raise UsageError(
            "queries and documents were encoded differently",
            received=f"{queries.setting} and {documents.setting}",
            hint="the same layers and dims for both",
        )
    return queries.x_ND @ documents.x_ND.T


@dataclass(frozen=True, slots=True)
class Hits:
    """The answer to one query: positions of documents, best first, and their cosines."""

    documents: tuple[int, ...]
    scores: tuple[float, ...]


class FunnelSearch:
    """Search in two stages over one elastic encoder.

    Args:
        encode: The encoder.
        coarse: Setting of the first stage, over all documents.
        fine: Setting of the second stage, over the candidates.

    Example:
        >>> table = {"a": (1.0, 0.0), "b": (0.6, 0.8), "c": (0.0, 1.0)}
        >>> def encode(texts, setting):
        ...     return np.array([table[t] for t in texts], np.float32)[:, : setting.dims]
        >>> funnel = FunnelSearch(encode, Setting(1, 1), Setting(2, 2))
        >>> funnel.add(["a", "b", "c"])
        >>> funnel.search(["c"], top=1, candidates=2)[0].documents
        (1,)
        >>> funnel.search(["c"], top=1, candidates=3)[0].documents
        (2,)
    """

    def __init__(self, encode: Encode, coarse: Setting, fine: Setting) -> None:
        if coarse.layers > fine.layers or coarse.dims > fine.dims:
            raise UsageError(
                "the first stage costs more than the second",
                received=f"{coarse}, then {fine}",
                hint="fewer layers and numbers for the first",
            )
        self._encode = encode
        self.coarse, self.fine = coarse, fine
        self._short = Vectors(coarse, np.empty((0, coarse.dims), np.float32))
        self._long = Vectors(fine, np.empty((0, fine.dims), np.float32))

    def __len__(self) -> int:
        return len(self._short.x_ND)

    def add(self, texts: Sequence[str]) -> None:
        """Encode documents by both settings and keep the vectors."""
        short, long = (self._vectors(texts, setting) for setting in (self.coarse, self.fine))
        self._short = Vectors(self.coarse, np.concatenate([self._short.x_ND, short.x_ND]))
        self._long = Vectors(self.fine, np.concatenate([self._long.x_ND, long.x_ND]))

    def search(self, queries: Sequence[str], *, top: int, candidates: int) -> tuple[Hits, ...]:
        """Return the `top` documents of every query out of `candidates` from the first stage.

        Raises:
            UsageError: Fewer candidates than answers are wanted, or none at all.
        """
        if not 1 <= top <= candidates:
            raise UsageError(
                "a funnel needs at least as many candidates as answers",
                received=f"top {top} of {candidates}",
            )
        short_QN = similarity(self._vectors(queries, self.coarse), self._short)
        long = self._vectors(queries, self.fine)
        answers = []
        for row, scores_N in enumerate(short_QN):
            kept = best(scores_N, candidates)
            query = Vectors(self.fine, long.x_ND[row : row + 1])
            fine_C = similarity(query, Vectors(self.fine, self._long.x_ND[kept]))[0]
            order = best(fine_C, top)
            answers.append(Hits(tuple(map(int, kept[order])), tuple(map(float, fine_C[order]))))
        return tuple(answers)

    def recall(self, queries: Sequence[str], *, top: int, candidates: int) -> float:
        """Return the share of the full search's `top` documents that the funnel finds."""
        full = similarity(self._vectors(queries, self.fine), self._long)
        found = self.search(queries, top=top, candidates=candidates)
        pairs = zip(full, found, strict=True)
        return float(
            np.mean([len(set(best(f, top).tolist()) & set(h.documents)) / top for f, h in pairs])
        )

    def _vectors(self, texts: Sequence[str], setting: Setting) -> Vectors:
        return Vectors(setting, np.asarray(self._encode(texts, setting), np.float32))


def best(scores_N: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the positions of the largest scores, best first; ties by position."""
    return np.argsort(-scores_N, kind="stable")[:count]

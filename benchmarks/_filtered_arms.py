"""Ours, numpy and faiss behind one face: an engine built once, and arms that are its settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import Segment, build_segment
from broadsheet.index.predicates import Predicate
from broadsheet.systems.retrieval.filtered_ann.oracle import nearest
from broadsheet.systems.retrieval.filtered_ann.ours import bits_of

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Ours is given positions instead of bits from here down, as numpy and others are given ids.
LIST_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """A predicate in the two forms that an engine may start from.

    Args:
        predicate: As asked.
        mask: [n], the rows that satisfy it.
    """

    predicate: Predicate
    mask: Mask


class Arm(Protocol):
    """One setting of one engine.

    Attributes:
        name: Unique.
        engine: Name of the engine: arms of an engine share one index.
        clock: CPU time of the calling thread, or of the whole process for engines with threads.
        evaluates: The engine evaluates the predicate itself, inside `search`.
    """

    name: str
    engine: str
    clock: Callable[[], float]
    evaluates: bool

    def prepare(self, asked: Asked) -> Any:
        """Return the filter in the engine's own form."""
        ...

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        """Return at most k rows, best first."""
        ...


@dataclass(slots=True)
class Gather:
    """Exact float32 scores of the rows that pass; the whole matrix where most do."""

    vectors: Vectors
    dense: bool
    name: str = field(init=False)
    engine: str = "numpy"
    clock: Callable[[], float] = time.thread_time
    evaluates: bool = False

    def __post_init__(self) -> None:
        self.name = "numpy all rows, then mask" if self.dense else "numpy gather"

    def prepare(self, asked: Asked) -> Any:
        return asked.mask if self.dense else np.flatnonzero(asked.mask)

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        if self.dense:
            scores = self.vectors @ query
            scores[~handle] = -np.inf
            best = nearest(np.arange(len(scores)), scores, k)
            found: Ids = best[scores[best] > -np.inf]
            return found
        ids: Ids = handle
        return ids[nearest(ids, self.vectors[ids] @ query, k)]


def numpy_arms(vectors: Vectors) -> list[Arm]:
    return [Gather(vectors, dense=False), Gather(vectors, dense=True)]


@dataclass(slots=True)
class Faiss:
    """An index of faiss with a bitmap selector at one setting."""

    name: str
    engine: str
    index: Any
    parameters: Callable[[Any], Any]
    clock: Callable[[], float] = time.thread_time
    evaluates: bool = False

    def prepare(self, asked: Asked) -> Any:
        import faiss

        bits = np.packbits(asked.mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(asked.mask), faiss.swig_ptr(bits))
        return self.parameters(selector), selector, bits

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        _, ids = self.index.search(query[None], k, params=handle[0])
        found: Ids = ids[0][ids[0] >= 0]
        return found


def build_faiss(kind: str, vectors: Vectors) -> Any:
    """Build flat, hnsw (M 16, efConstruction 120) or ivf (8-bit, 2.3 sqrt(n) lists)."""
    import faiss

    faiss.omp_set_num_threads(1)
    n, d = vectors.shape
    metric = faiss.METRIC_INNER_PRODUCT
    if kind == "flat":
        index = faiss.IndexFlat(d, metric)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, 16, metric)
        index.hnsw.efConstruction = 120
    else:
        coarse = faiss.IndexFlat(d, metric)
        kind8 = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(coarse, d, faiss_lists(n), kind8, metric)
        index.own_fields = True
        coarse.this.disown()
        step = max(1, n // min(n, 100_000))
        index.train(np.ascontiguousarray(vectors[::step]))
    for begin in range(0, n, 50_000):
        index.add(np.ascontiguousarray(vectors[begin : begin + 50_000]))
    return index


def faiss_lists(rows: int) -> int:
    return max(4, round(2.3 * rows**0.5))


def kept_faiss(kind: str, vectors: Vectors, path: Path) -> Any:
    """Build an index, or read the one that an earlier run built over the same vectors."""
    import faiss

    faiss.omp_set_num_threads(1)
    if kind == "flat":
        return build_faiss(kind, vectors)
    if not path.is_file():
        partial = path.with_suffix(".partial")
        faiss.write_index(build_faiss(kind, vectors), str(partial))
        partial.rename(path)
    return faiss.read_index(str(path))


def faiss_arms(kind: str, vectors: Vectors, path: Path) -> list[Arm]:
    import faiss

    index = kept_faiss(kind, vectors, path.with_suffix(f".faiss-{kind}"))
    if kind == "flat":
        return [Faiss("faiss Flat", "faiss Flat", index, lambda s: faiss.SearchParameters(sel=s))]
    if kind == "hnsw":
        return [
            Faiss(f"faiss HNSW ef {ef}", "faiss HNSW", index, _hnsw_parameters(ef))
            for ef in (32, 64, 128, 256, 512)
        ]
    lists = faiss_lists(len(vectors))
    return [
        Faiss(
            f"faiss IVF-SQ8 nprobe {'all' if probes == lists else probes}",
            "faiss IVF-SQ8",
            index,
            _ivf_parameters(probes),
        )
        for probes in (8, 32, 128, lists)
    ]


def _hnsw_parameters(ef: int) -> Callable[[Any], Any]:
    import faiss

    return lambda selector: faiss.SearchParametersHNSW(sel=selector, efSearch=ef)


def _ivf_parameters(probes: int) -> Callable[[Any], Any]:
    import faiss

    return lambda selector: faiss.SearchParametersIVF(sel=selector, nprobe=probes)


@dataclass(slots=True)
class Ours:
    """The compact index with one recall target for everything."""

    segment: Segment
    order: npt.NDArray[np.int32]
    recall: float
    name: str
    engine: str = "ours"
    clock: Callable[[], float] = time.thread_time
    evaluates: bool = False
    found: Any = None

    def prepare(self, asked: Asked) -> Any:
        mask = asked.mask[self.order]
        if mask.all():
            return None
        positions = np.flatnonzero(mask)
        if len(positions) <= LIST_AT_MOST:
            return positions.astype(np.int32)
        return bits_of(mask)

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        self.found = self.segment.search(query, k, handle, recall=self.recall)
        ids: Ids = self.order[self.found.positions].astype(np.int64)
        return ids


def ours_arms(vectors: Vectors, progress: Progress, recall: float, graph: bool) -> list[Arm]:
    built = build_segment(
        vectors, seeds=SeedTree(20261123), graph=graph, progress=progress, threads=1
    )
    segment = Segment(built.arrays, built.facts)
    return [Ours(segment, built.order, recall, f"ours {recall:g}")]


def checked(arm: Arm, found: Ids, mask: Mask, k: int) -> Ids:
    """Return an answer that is in order.

    Raises:
        RuntimeError: It holds a row twice, too many, or one that the predicate excludes.
    """
    if len(found) > k or len(np.unique(found)) < len(found) or not mask[found].all():
        raise RuntimeError(f"{arm.name} gave rows that it must not give: {found[:20]}")
    return found


def engines(arms: Sequence[Arm]) -> list[str]:
    return list(dict.fromkeys(arm.engine for arm in arms))

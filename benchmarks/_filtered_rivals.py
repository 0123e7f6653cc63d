"""Other libraries and embedded databases as arms: hnswlib, usearch, LanceDB, zvec."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _filtered_arms import Arm, Asked
from broadsheet.core.errors import UsageError
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.index.predicates import AllOf, AnyOf, Between, Contains, In, Not, Predicate

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

#: A post-filter asks for so many times what it needs by the share that passes, at most `_MOST`.
_SLACK, _MOST = 1.5, 10_000
_NONE: Ids = np.zeros(0, np.int64)


@dataclass(slots=True)
class Hnswlib:
    """hnswlib with a Python predicate inside its walk."""

    name: str
    index: Any
    ef: int
    engine: str = "hnswlib"
    clock: Callable[[], float] = time.thread_time
    evaluates: bool = False

    def prepare(self, asked: Asked) -> Any:
        if asked.mask.all():
            return None
        return asked.mask.tolist().__getitem__

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        self.index.set_ef(max(self.ef, k))
        try:
            ids, _ = self.index.knn_query(query, k=k, num_threads=1, filter=handle)
        except RuntimeError:  # it found fewer than k, and gives none then
            return _NONE
        return ids[0].astype(np.int64)


def hnswlib_arms(vectors: Vectors) -> list[Arm]:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), M=16, ef_construction=120, random_seed=100)
    index.set_num_threads(1)
    for begin in range(0, len(vectors), 50_000):
        block = np.ascontiguousarray(vectors[begin : begin + 50_000])
        index.add_items(block, np.arange(begin, begin + len(block)), num_threads=1)
    return [Hnswlib(f"hnswlib filter ef {ef}", index, ef) for ef in (64, 256)]


@dataclass(slots=True)
class Usearch:
    """usearch asked for more, then filtered: its Python search takes no predicate."""

    name: str
    index: Any
    expansion: int
    engine: str = "usearch"
    clock: Callable[[], float] = time.thread_time
    evaluates: bool = False

    def prepare(self, asked: Asked) -> Any:
        return asked.mask, max(float(asked.mask.mean()), 1e-9)

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        mask, share = handle
        count = min(int(np.ceil(k * _SLACK / share)) if share < 1 else k, _MOST, len(mask))
        self.index.expansion_search = max(self.expansion, count)
        ids = self.index.search(query, count, threads=1).keys.astype(np.int64)
        return ids[mask[ids]][:k]


def usearch_arms(vectors: Vectors) -> list[Arm]:
    from usearch.index import Index

    index = Index(
        ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=16, expansion_add=120
    )
    for begin in range(0, len(vectors), 50_000):
        block = np.ascontiguousarray(vectors[begin : begin + 50_000])
        index.add(np.arange(begin, begin + len(block)), block, threads=1)
    return [Usearch(f"usearch post-filter ef {ef}", index, ef) for ef in (64, 256)]


def sql(predicate: Predicate, single: Sequence[str]) -> str:
    """Write a predicate for LanceDB."""
    match predicate:
        case Contains(name, value):
            quoted = value.replace("'", "''")
            if name in single:
                return f"{name} = '{quoted}'"
            return f"array_has_any({name}, ['{quoted}'])"
        case Between(name, low, high):
            return f"({name} >= {low} AND {name} <= {high})"
        case In(name, values):
            return sql(AnyOf(tuple(Contains(name, value) for value in values)), single)
        case AllOf(parts):
            return " AND ".join(f"({sql(part, single)})" for part in parts)
        case AnyOf(parts):
            return " OR ".join(f"({sql(part, single)})" for part in parts)
        case Not(part):
            return f"NOT ({sql(part, single)})"


@dataclass(slots=True)
class Lance:
    """A LanceDB table with scalar indexes, filtered before the search (its default).

    It visits `probes` lists, and more while it has found fewer than k.
    """

    name: str
    engine: str
    table: Any
    single: tuple[str, ...]
    probes: int
    clock: Callable[[], float] = time.process_time
    evaluates: bool = True

    def prepare(self, asked: Asked) -> Any:
        return sql(asked.predicate, self.single)

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        asked = self.table.search(query).distance_type("dot").limit(k).select(["row", "_distance"])
        asked = asked.minimum_nprobes(self.probes).maximum_nprobes(0).refine_factor(4)
        if handle:
            asked = asked.where(handle)
        return asked.to_arrow()["row"].to_numpy().astype(np.int64)


def lance_arms(
    kind: str, vectors: Vectors, attributes: Attributes, single: Sequence[str], folder: Path
) -> list[Arm]:
    import lancedb
    import pyarrow as pa

    n, d = vectors.shape
    shutil.rmtree(folder, ignore_errors=True)
    database = lancedb.connect(folder)
    columns: dict[str, Any] = {"row": pa.array(np.arange(n))}
    for name, column in attributes.numbers.items():
        columns[name] = pa.array(column)
    for name, labels in attributes.labels.items():
        values = pa.array(labels.values).take(pa.array(labels.codes))
        lists = pa.ListArray.from_arrays(pa.array(labels.starts.astype(np.int32)), values)
        columns[name] = lists.flatten() if name in single else lists
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, d)
    table = database.create_table("rows", pa.table(columns))
    for name in attributes.numbers:
        table.create_scalar_index(name, index_type="BTREE")
    for name in attributes.labels:
        table.create_scalar_index(name, index_type="BITMAP" if name in single else "LABEL_LIST")
    lists_ = max(4, round(2.3 * n**0.5))
    if kind == "IVF_RQ":
        table.create_index(metric="dot", index_type="IVF_RQ", num_partitions=lists_)
        probes: tuple[int, ...] = (20, 80)
    else:
        table.create_index(
            metric="dot",
            index_type="IVF_HNSW_SQ",
            num_partitions=max(1, n // 50_000),
            m=16,
            ef_construction=120,
        )
        probes = (max(1, n // 50_000),)
    return [
        Lance(f"LanceDB {kind} from {p} lists", f"LanceDB {kind}", table, tuple(single), p)
        for p in probes
    ]


def zvec_filter(predicate: Predicate, single: Sequence[str], *, negated: bool = False) -> str:
    """Write a predicate for zvec, which knows no NOT before a bracket."""
    match predicate:
        case Contains(name, value):
            quoted = value.replace("'", "\\'")
            if name in single:
                return f"{name} {'!=' if negated else '='} '{quoted}'"
            return f"{name} {'not ' if negated else ''}contain_any ('{quoted}')"
        case Between(name, low, high):
            if negated:
                return f"({name} < {low} or {name} > {high})"
            return f"({name} >= {low} and {name} <= {high})"
        case In(name, values):
            parts = tuple(Contains(name, value) for value in values)
            return zvec_filter(AnyOf(parts), single, negated=negated)
        case AllOf(parts) | AnyOf(parts):
            word = "and" if isinstance(predicate, AllOf) != negated else "or"
            inner = [zvec_filter(part, single, negated=negated) for part in parts]
            return f"({f' {word} '.join(inner)})" if inner else ""
        case Not(part):
            return zvec_filter(part, single, negated=not negated)


@dataclass(slots=True)
class Zvec:
    """A zvec collection with inverted indexes on its columns."""

    name: str
    collection: Any
    single: tuple[str, ...]
    ef: int
    engine: str = "zvec HNSW"
    clock: Callable[[], float] = time.process_time
    evaluates: bool = True

    def prepare(self, asked: Asked) -> Any:
        return zvec_filter(asked.predicate, self.single) or None

    def search(self, query: Vectors, handle: Any, k: int) -> Ids:
        import zvec

        query_ = zvec.Query("vector", vector=query, param=zvec.HnswQueryParam(ef=max(self.ef, k)))
        found = self.collection.query(query_, topk=k, filter=handle, output_fields=[])
        return np.array([int(doc.id) for doc in found], np.int64)


def zvec_arms(
    vectors: Vectors, attributes: Attributes, single: Sequence[str], folder: Path
) -> list[Arm]:
    import zvec

    _single_thread()
    shutil.rmtree(folder, ignore_errors=True)
    inverted = zvec.InvertIndexParam()
    fields = [
        zvec.FieldSchema(
            name,
            zvec.DataType.INT64,
            nullable=True,
            index_param=zvec.InvertIndexParam(enable_range_optimization=True),
        )
        for name in attributes.numbers
    ]
    for name in attributes.labels:
        kind = zvec.DataType.STRING if name in single else zvec.DataType.ARRAY_STRING
        fields.append(zvec.FieldSchema(name, kind, nullable=True, index_param=inverted))
    graph = zvec.HnswIndexParam(metric_type=zvec.MetricType.IP, m=16, ef_construction=120)
    place = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, vectors.shape[1], graph)
    schema = zvec.CollectionSchema("rows", fields, [place])
    collection = zvec.create_and_open(str(folder), schema)
    for begin in range(0, len(vectors), 500):
        end = min(begin + 500, len(vectors))
        collection.insert(
            [_zvec_doc(row, vectors, attributes, single) for row in range(begin, end)]
        )
    collection.optimize(zvec.OptimizeOption())
    return [Zvec(f"zvec HNSW ef {ef}", collection, tuple(single), ef) for ef in (100, 300)]


def _single_thread() -> None:
    import zvec

    try:
        zvec.init(query_threads=1, optimize_threads=1, log_level=zvec.LogLevel.FATAL)
    except RuntimeError as error:
        raise UsageError("zvec was set up before, with its own threads") from error


def _zvec_doc(row: int, vectors: Vectors, attributes: Attributes, single: Sequence[str]) -> Any:
    import zvec

    fields: dict[str, Any] = {name: int(col[row]) for name, col in attributes.numbers.items()}
    for name, labels in attributes.labels.items():
        values = labels.row(row)
        fields[name] = values[0] if name in single else list(values)
    return zvec.Doc(id=str(row), fields=fields, vectors={"vector": vectors[row]})

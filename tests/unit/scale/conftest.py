"""Made documents, the slow oracle over them, and the one Ray cluster of these tests."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.optional import available
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.arithmetic import dots
from broadsheet.index.predicates import Document, Predicate, matches
from broadsheet.scale.cluster import connected
from broadsheet.scale.rows import MISSING, Attributes, Labels, Rows
from broadsheet.scale.shard import Manifest, write_shard


@dataclass(frozen=True)
class Papers:
    """Rows, the same as documents, and the exact answers about them."""

    rows: Rows
    documents: list[Document]

    def holding(self, predicate: Predicate) -> np.ndarray:
        return np.array([matches(predicate, one) for one in self.documents], dtype=bool)

    def nearest(
        self, query: np.ndarray, k: int, predicate: Predicate
    ) -> tuple[list[int], np.ndarray]:
        """Numbers and scores of the k nearest, equal scores by number: a complete sort."""
        allowed = np.flatnonzero(self.holding(predicate))
        scores = dots(self.rows.vectors[allowed], query)
        numbers = self.rows.numbers[allowed]
        order = np.lexsort((numbers, -scores))[:k]
        return numbers[order].tolist(), scores[order]


def documents_of(rows: Rows) -> list[Document]:
    found = []
    for place, number in enumerate(rows.numbers):
        columns = {name: int(c[place]) for name, c in rows.attributes.numbers.items()}
        found.append(
            Document(
                number=int(number),
                title="",
                terms={name: one.row(place) for name, one in rows.attributes.labels.items()},
                numbers={name: value for name, value in columns.items() if value != MISSING},
            )
        )
    return found


def make_papers(count: int, seed: int, dim: int = 24) -> Papers:
    """Clustered vectors, a third of them twice, days that drift with the topic, some without."""
    draw = SeedTree(seed).numpy()
    topics = draw.integers(0, 12, count)
    vectors = draw.standard_normal((12, dim))[topics] + 0.7 * draw.standard_normal((count, dim))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[2::3] = vectors[1::3][: len(vectors[2::3])]
    days = 1000 + 10 * topics + draw.integers(0, 40, count)
    days[draw.random(count) < 0.1] = MISSING
    cats = [tuple(c for c in "abcd" if draw.random() < 0.6 / (1 + ord(c) - 97)) for _ in topics]
    people = [(f"p{draw.integers(0, 40)}", f"p{topic}") for topic in topics]
    numbers = draw.permutation(20 * count + 1)[:count].astype(np.int64)
    attributes = Attributes(
        {"cat": Labels.of(cats), "author": Labels.of(people)}, {"day": days.astype(np.int64)}
    )
    rows = Rows(numbers=numbers, vectors=vectors, attributes=attributes)
    return Papers(rows, documents_of(rows))


@pytest.fixture(scope="session")
def papers() -> Callable[..., Papers]:
    return make_papers


@pytest.fixture(scope="session")
def put() -> Callable[[Path, Rows], Manifest]:
    """How rows become a shard in a folder."""

    def write(folder: Path, rows: Rows) -> Manifest:
        return write_shard(
            folder,
            rows,
            plan="p",
            seeds=SeedTree(5),
            graph=False,
            progress=Silent(),
            begun=(0.0, 0.0),
        )

    return write


@pytest.fixture(scope="session")
def extra() -> None:
    """Ray, Lance and pyarrow, which come with an extra that is not for development."""
    if not all(available(module) for module in ("ray", "lance", "pyarrow")):
        pytest.skip("no Ray here (pip install 'broadsheet[scale]')")


@pytest.fixture(scope="module")
def ray(extra: None) -> Iterator[Any]:
    """A Ray cluster of two cores on this machine, for the tests of one module."""

    stack = ExitStack()
    yield stack.enter_context(connected(cpus=2))
    with warnings.catch_warnings():
        # Ray forgets its processes before they have ended.
        warnings.simplefilter("ignore", ResourceWarning)
        stack.close()
        gc.collect()

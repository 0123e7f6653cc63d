"""The compact index against a dictionary: every operation, every order, and searches in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.paths import exclusive
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact import merging, store
from broadsheet.index.compact.reference import dots
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.predicates import (
    AllOf,
    AnyOf,
    Between,
    Contains,
    Document,
    In,
    Not,
    Predicate,
    matches,
)

DIM = 5
HIGHEST = 90
PAPERS = [
    Document(
        number=number,
        title="",
        terms={"cat": tuple("abc"[: number % 4])},
        numbers={"year": number // 3} if number % 5 else {},
    )
    for number in range(HIGHEST - 4)  # the last few have a vector, but no attributes
]
ATTRIBUTES = AttributeStore().apply(PAPERS)
PREDICATES: list[Predicate] = [
    AllOf(()),
    AnyOf(()),
    Contains("cat", "a"),
    In("cat", ("b", "c")),
    Not(Contains("cat", "b")),
    Between("year", 4, 9),
    AllOf((Contains("cat", "b"), Not(Between("year", 0, 12)))),
    AnyOf((Contains("cat", "c"), Between("year", 20, 2**70))),
]
Vectors = npt.NDArray[np.float32]


def vectors_of(numbers: list[int], version: int) -> Vectors:
    """Return vectors that depend on number and version alone; every third is one of two."""
    rows = np.empty((len(numbers), DIM), dtype=np.float32)
    for row, number in zip(rows, numbers, strict=True):
        seed = [number % 2, 999] if number % 3 == 0 else [number, version]
        row[:] = np.random.default_rng(seed).standard_normal(DIM)
    return rows


def oracle(
    held: dict[int, Vectors], query: Vectors, k: int, allowed: set[int]
) -> list[tuple[int, float]]:
    numbers = sorted(set(held) & allowed)
    if not numbers:
        return []
    scores = dots(np.stack([held[number] for number in numbers]), query)
    order = np.lexsort((np.array(numbers), -scores))[:k]
    return [(numbers[place], float(scores[place])) for place in order]


class Updates(RuleBasedStateMachine):
    """Adds, removals, merges and openings in any order; searches must be those of a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(merging, "RECENT", 12)
        self.patch.setattr(merging, "FEWEST", 6)
        self.folder = tempfile.TemporaryDirectory()
        self.index = self.opened()
        self.reader = self.opened()
        self.held: dict[int, Vectors] = {}
        self.version = 0

    def opened(self) -> CompactIndex:
        return CompactIndex(Path(self.folder.name), DIM, attributes=ATTRIBUTES)

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            self.folder.cleanup()

    @rule(
        numbers=st.sets(st.integers(0, HIGHEST), max_size=25),
        removed=st.sets(st.integers(0, HIGHEST), max_size=6),
    )
    def add(self, numbers: set[int], removed: set[int]) -> None:
        self.version += 1
        rows = vectors_of(list(numbers), self.version)
        self.index.add(list(numbers), rows, removed=list(removed), mark=str(self.version))
        for number in removed:
            self.held.pop(number, None)
        self.held |= dict(zip(numbers, rows, strict=True))

    @rule(numbers=st.sets(st.integers(0, HIGHEST), max_size=25))
    def delete(self, numbers: set[int]) -> None:
        self.index.delete(list(numbers))
        for number in numbers:
            self.held.pop(number, None)

    @rule()
    def tidy(self) -> None:
        self.index.tidy()

    @rule()
    def compact(self) -> None:
        self.index.compact()

    @rule()
    def reopen(self) -> None:
        self.index = self.opened()
        assert self.index.verify() >= 0

    @rule(
        predicate=st.sampled_from(PREDICATES),
        k=st.one_of(st.integers(0, 12), st.just(2 * HIGHEST)),
        seed=st.integers(0, 2**16),
    )
    def search(self, predicate: Predicate, k: int, seed: int) -> None:
        query = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
        allowed = {one.number for one in PAPERS if matches(predicate, one)}
        mask = ATTRIBUTES.mask(predicate)
        expected = oracle(self.held, query, k, allowed)
        self.reader.reload()
        for index in (self.index, self.reader):
            for said in (predicate, mask, np.array(sorted(allowed), dtype=np.int64)):
                assert index.search(query, k, said, recall=1.0).hits == expected
                hits = index.search(query, k, said, recall=0.5).hits
                assert {number for number, _ in hits} <= allowed & set(self.held)
                assert len(hits) == len(expected)
                # Asked for all that match, every way of searching gives the oracle's list.
                assert hits == expected or k < len(set(self.held) & allowed)
            everything = oracle(self.held, query, k, set(self.held))
            assert index.search(query, k, recall=1.0).hits == everything

    @invariant()
    def holds_what_it_should(self) -> None:
        if hasattr(self, "index"):
            assert len(self.index) == len(self.held)
            assert self.index.numbers().tolist() == sorted(self.held)


TestUpdates = Updates.TestCase
TestUpdates.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompactIndex:
    monkeypatch.setattr(merging, "FEWEST", 6)
    index = CompactIndex(tmp_path / "index", DIM, attributes=ATTRIBUTES)
    numbers = list(range(60))
    index.add(numbers, vectors_of(numbers, 1), mark="first")
    index.compact()
    index.add([3, 70], vectors_of([3, 70], 2))
    index.delete([5])
    return index


def test_vectors_and_neighbours(filled: CompactIndex) -> None:
    assert filled.vector(5) is None
    assert filled.vector(1000) is None
    np.testing.assert_array_equal(filled.vector(70), vectors_of([70], 2)[0])
    np.testing.assert_array_equal(filled.vector(4), vectors_of([4], 1)[0])
    vector = filled.vector(4)
    assert vector is not None
    near = filled.similar(4, 3, recall=1.0).hits
    assert near == [hit for hit in filled.search(vector, 4, recall=1.0).hits if hit[0] != 4][:3]
    assert filled.similar(5, 3).hits == []


def test_what_is_remembered_with_a_state(filled: CompactIndex) -> None:
    assert filled.mark == "first"
    filled.add([], vectors_of([], 0), mark="second")
    filled.compact()
    assert CompactIndex(filled.folder, DIM).mark == "second"


def test_an_explanation_has_a_line_for_each_part(filled: CompactIndex) -> None:
    query = vectors_of([1], 7)[0]
    lines = filled.explain(query, 3, Contains("cat", "a")).splitlines()
    assert len(lines) == 2
    assert "exact: 2 allowed rows" in lines[1]
    assert "of 60 rows allowed" in lines[0]


def test_searching_many_is_searching_each(filled: CompactIndex) -> None:
    queries = vectors_of([1, 2, 4], 8)
    together = filled.search_many(queries, 4, Contains("cat", "a"))
    assert together == [filled.search(query, 4, Contains("cat", "a")) for query in queries]


def test_equal_predicates_give_equal_results_and_plans(filled: CompactIndex) -> None:
    query = vectors_of([1], 9)[0]
    one = AllOf((Contains("cat", "a"), Not(Between("year", 0, 9))))
    other = Not(AnyOf((Between("year", 0, 4), Not(Contains("cat", "a")), Between("year", 3, 9))))
    mask = ATTRIBUTES.mask(one)
    expected = filled.search(query, 5, one)
    assert expected.plans
    for said in (other, mask, np.flatnonzero(mask)):
        assert filled.search(query, 5, said) == expected
        assert filled.search(query, 5, said).plans == expected.plans


def test_updates_during_a_merge_are_kept(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = merging.build_segment
    writer = CompactIndex(filled.folder, DIM)

    def meanwhile(*arguments: object, **named: object) -> object:
        writer.add([8, 80], vectors_of([8, 80], 3))
        writer.delete([9, 70])
        return build(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(merging, "build_segment", meanwhile)
    filled.compact()
    expected = (set(range(60)) | {80}) - {5, 9}
    for index in (filled, CompactIndex(filled.folder, DIM)):
        assert index.numbers().tolist() == sorted(expected)
        np.testing.assert_array_equal(index.vector(8), vectors_of([8], 3)[0])
        np.testing.assert_array_equal(index.vector(3), vectors_of([3], 2)[0])


def test_bad_arguments_are_named(filled: CompactIndex) -> None:
    query = np.ones(DIM, dtype=np.float32)
    with pytest.raises(BadInput, match="5 numbers"):
        filled.search(query[:2], 1)
    with pytest.raises(BadInput, match="finite"):
        filled.search(query * np.nan, 1)
    with pytest.raises(BadInput, match="recall"):
        filled.search(query, 1, recall=0)
    with pytest.raises(BadInput, match="each document once"):
        filled.add([1, 1], vectors_of([1, 1], 1))
    with pytest.raises(BadInput, match="finite"):
        filled.add([1], np.full((1, DIM), np.inf, dtype=np.float32))
    with pytest.raises(BadInput, match="other vectors"):
        CompactIndex(filled.folder, DIM + 1)
    assert len(filled) == 60


def test_one_writer_at_a_time(filled: CompactIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_WAIT_S", 0.0)
    with exclusive(filled.folder / "write.lock", "testing"), pytest.raises(SourceError):
        filled.delete([1])
    with exclusive(filled.folder / "compact.lock", "testing"), pytest.raises(SourceError):
        filled.compact()
    filled.delete([1])
    assert len(filled) == 59


def test_merging_keeps_segments_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FEWEST", 8)
    monkeypatch.setattr(merging, "RECENT", 16)
    index = CompactIndex(tmp_path, DIM)
    most = 0
    for first in range(0, 1000, 20):
        numbers = list(range(first, first + 20))
        index.add(numbers, vectors_of(numbers, 1))
        index.tidy()
        most = max(most, len(index.snapshot.tiers))
        assert len(index.snapshot.recent.matrix) <= 20
    assert len(index) == 1000
    assert most <= 4
    index.delete(range(0, 900))
    assert index.tidy()  # most rows are dead
    assert [bits.count for bits in index.snapshot.alive] == [100]
    assert index.snapshot.tiers[0].size == 100
    assert not index.tidy()

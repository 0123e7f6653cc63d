"""The compact index beside a vector store: in step with its log, and searched only then."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Silent
from broadsheet.index.compact import following, merging
from broadsheet.index.compact.files import read_sealed, write_sealed
from broadsheet.index.compact.following import (
    FOLDER,
    follow,
    mark_of,
    moved,
    open_beside,
    wanted_early,
)
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.vectors import VectorStore

DIM = 8
Vectors = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "COMPACT_FROM", 40)
    monkeypatch.setattr(following, "_BATCH", 16)
    monkeypatch.setattr(merging, "FEWEST", 16)
    monkeypatch.setattr(merging, "RECENT", 24)


def rows(numbers: list[int], version: int = 0) -> Vectors:
    drawn = [np.random.default_rng([number, version]).standard_normal(DIM) for number in numbers]
    return np.array(drawn, dtype=np.float32).reshape(-1, DIM)


def digest(number: int, version: int = 0) -> bytes:
    return f"{number}.{version}".encode().ljust(16, b".")


def put(store: VectorStore, numbers: list[int], version: int = 0, removed: list[int] = []) -> None:  # noqa: B006
    hashes = [digest(number, version) for number in numbers]
    store.add(numbers, hashes, rows(numbers, version), removed=removed)


def agree(store: VectorStore, index: CompactIndex) -> None:
    assert index.numbers().tolist() == store.numbers.tolist()
    for number in store.numbers.tolist():
        np.testing.assert_array_equal(index.vector(number), store.vector(number))
    mask = np.arange(500) % 3 > 0
    for query in rows([1000, 1001]):
        for allowed in (None, mask):
            exact = store.search(query, 9, allowed)
            found = index.search(query, 9, allowed, recall=1.0).hits
            assert [number for number, _ in found] == [number for number, _ in exact]
            np.testing.assert_allclose(
                [score for _, score in found], [score for _, score in exact], rtol=1e-5
            )


def test_a_small_library_has_none(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(39)))
        follow(store)
        assert not (tmp_path / FOLDER).exists()
        assert open_beside(store) is None
        put(store, [39])
        follow(store)
        assert open_beside(store) is not None


def test_a_long_fill_has_one_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BUILD_EARLY_FROM", 60)
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(50)))
        assert not wanted_early(store)
        put(store, list(range(50, 60)))
        assert wanted_early(store)
        put(store, [], removed=list(range(10)))
        assert not wanted_early(store)
        follow(store)
        assert wanted_early(store)


def test_it_follows_any_changes(tmp_path: Path) -> None:
    chance = random.Random(4)
    with VectorStore(tmp_path, DIM, writable=True) as store:
        for version in range(12):
            numbers = chance.sample(range(200), 30 if version else 90)
            removed = [n for n in chance.sample(range(200), 15) if n not in numbers]
            put(store, numbers, version, removed)
            if version % 3:
                index = open_beside(store)
                assert index is None or index.mark != mark_of(store)
                follow(store, progress=Silent())
                index = open_beside(store)
                assert index is not None
                agree(store, index)


def test_one_that_is_behind_is_not_searched(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(50)))
        follow(store)
        put(store, [60])
        assert open_beside(store) is None
        follow(store)
        index = open_beside(store)
        assert index is not None
        agree(store, index)


def test_files_written_anew_are_no_reason_to_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(60)))
        put(store, list(range(0, 60, 2)), 1)
        follow(store)
        before = mark_of(store)
        store.compact()
        assert open_beside(store) is None
        moved(store, before)
        index = open_beside(store)
        assert index is not None
        agree(store, index)
        moved(store, "something else")
        assert open_beside(store) is not None
        store.compact()  # and the process dies before it can say so
        follow(store)
        again = open_beside(store)
        assert again is not None
        agree(store, again)


def test_a_damaged_one_and_one_of_other_vectors_are_made_anew(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(60)))
        follow(store)
        (tmp_path / FOLDER / "meta.json").write_bytes(b"?")
        follow(store)
        index = open_beside(store)
        assert index is not None
        agree(store, index)
    with VectorStore(tmp_path, DIM, version="2", writable=True) as store:
        put(store, list(range(20, 70)), 5)
        follow(store)
        index = open_beside(store)
        assert index is not None
        agree(store, index)
    with VectorStore(tmp_path, DIM - 1, version="3", writable=True) as store:
        numbers = list(range(45))
        store.add(numbers, [digest(n, 9) for n in numbers], rows(numbers)[:, 1:])
        follow(store)
        index = open_beside(store)
        assert index is not None
        assert index.dim == DIM - 1
        assert index.numbers().tolist() == numbers


def test_killed_while_catching_up_it_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = CompactIndex.add
    calls = 0

    def dying(self: CompactIndex, *arguments: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        add(self, *arguments, **named)  # type: ignore[arg-type]

    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(100)))
        with monkeypatch.context() as patch:
            patch.setattr(CompactIndex, "add", dying)
            with pytest.raises(KeyboardInterrupt):
                follow(store)
        assert open_beside(store) is None
        follow(store)
        index = open_beside(store)
        assert index is not None
        agree(store, index)


def test_one_of_an_older_layout_is_refused_and_made_anew(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        put(store, list(range(50)))
        follow(store)
        path = next((tmp_path / FOLDER).glob("segment.*/facts.json"))
        body = read_sealed(path)
        older = {**body["facts"], "layout": body["facts"]["layout"] - 1}
        write_sealed(path, {**body, "facts": older})
        with pytest.raises(BadInput, match="another layout"):
            open_beside(store)
        follow(store)
        index = open_beside(store)
        assert index is not None
        agree(store, index)

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.index import vectors as module
from broadsheet.index.vectors import HASH_BYTES, VectorStore

Vectors = npt.NDArray[np.float32]
DIM = 6


def unit(count: int, seed: int = 0, dim: int = DIM) -> Vectors:
    made = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    found: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return found


def name(item: int) -> bytes:
    return item.to_bytes(HASH_BYTES, "big")


def filled(folder: Path, numbers: list[int], vectors: Vectors) -> None:
    with VectorStore(folder, DIM, writable=True) as store:
        store.add(numbers, [name(number) for number in numbers], vectors)


def brute(
    numbers: list[int], vectors: Vectors, query: Vectors, k: int, allowed: set[int] | None
) -> list[int]:
    scored = [
        (-float(vector @ query), number)
        for number, vector in zip(numbers, vectors, strict=True)
        if allowed is None or number in allowed
    ]
    return [number for _, number in sorted(scored)[:k]]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None
)
@given(data=st.data())
def test_search_equals_brute_force(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("vectors")
    numbers = data.draw(st.lists(st.integers(0, 80), unique=True, max_size=40))
    vectors = unit(len(numbers), seed=len(numbers)).reshape(-1, DIM)
    filled(folder, numbers, vectors)
    size = data.draw(st.integers(0, 90))
    bits = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    allowed = None if data.draw(st.booleans()) else np.array(bits, dtype=np.bool_)
    inside = None if allowed is None else set(np.flatnonzero(allowed).tolist())
    k = data.draw(st.integers(0, 50))
    queries = unit(2, seed=99)
    store = VectorStore(folder, DIM)
    found = store.search_many(queries, k, allowed)
    for query, hits in zip(queries, found, strict=True):
        assert [number for number, _ in hits] == brute(numbers, vectors, query, k, inside)
        if inside is not None:
            assert {number for number, _ in hits} <= inside
        for number, score in hits:
            assert score == pytest.approx(float(vectors[numbers.index(number)] @ query), abs=1e-5)


def test_few_allowed_are_gathered_and_many_are_not(tmp_path: Path) -> None:
    numbers, vectors, query = list(range(200)), unit(200), unit(1, seed=7)[0]
    filled(tmp_path, numbers, vectors)
    store = VectorStore(tmp_path, DIM)
    for keep in (1, 10, 39, 41, 200):
        allowed = np.zeros(200, dtype=np.bool_)
        allowed[:keep] = True
        found = [number for number, _ in store.search(query, 15, allowed)]
        assert found == brute(numbers, vectors, query, 15, set(range(keep)))


def test_ties_go_to_the_smaller_number(tmp_path: Path) -> None:
    same = np.repeat(unit(1), 30, axis=0)
    filled(tmp_path, list(range(29, -1, -1)), same)
    found = VectorStore(tmp_path, DIM).search(same[0], 5)
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]


def test_similar_leaves_itself_out(tmp_path: Path) -> None:
    vectors = unit(20)
    filled(tmp_path, list(range(20)), vectors)
    store = VectorStore(tmp_path, DIM)
    everyone = brute(list(range(20)), vectors, vectors[4], 20, None)
    assert everyone[0] == 4
    assert [number for number, _ in store.similar(4, 6)] == everyone[1:7]
    assert store.similar(99, 6) == []


def test_replace_remove_and_reuse(tmp_path: Path) -> None:
    vectors = unit(4)
    with VectorStore(tmp_path, DIM, writable=True) as store:
        store.add([1, 2], [name(1), name(2)], vectors[:2], seen=5)
        store.add([2, 3], [name(20), name(1)], vectors[2:], removed=[1, 77], seen=9)
        assert store.vectors_for([name(1), name(2), name(20), name(5)]) == [0, 1, 2, -1]
    store = VectorStore(tmp_path, DIM)
    assert (store.numbers.tolist(), len(store), store.seen) == ([2, 3], 2, 9)
    np.testing.assert_array_equal(store.vector(2), vectors[2])
    np.testing.assert_array_equal(store.vector(3), vectors[0])  # the text of number 1, once encoded
    assert store.vector(1) is None
    assert store.has(2, name(20))
    assert not store.has(2, name(2))
    assert not store.has(1, name(1))


def test_compacting_changes_no_answer(tmp_path: Path) -> None:
    vectors, query = unit(60), unit(1, seed=4)[0]
    with VectorStore(tmp_path, DIM, writable=True) as store:
        store.add(list(range(30)), [name(item) for item in range(30)], vectors[:30])
        fresh = [name(item) for item in range(100, 120)]
        store.add(list(range(5, 25)), fresh, vectors[30:50], removed=[0, 29], seen=3)
        before = store.search(query, 50)
        assert store.wasted() == pytest.approx(22 / 50)
        store.compact()
        after = store.search(query, 50)
        assert [number for number, _ in after] == [number for number, _ in before]
        assert [score for _, score in after] == pytest.approx([score for _, score in before])
        assert (store.wasted(), store.seen) == (0, 3)
        assert store.vectors_for([name(1), name(7), name(100)])[1] == -1
        store.add([200], [name(200)], vectors[59:])
    assert len(list(tmp_path.glob("vectors.*"))) == 1
    again = VectorStore(tmp_path, DIM)
    assert len(again) == 29
    np.testing.assert_array_equal(again.vector(200), vectors[59])


def test_another_version_shows_nothing_and_is_replaced(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, version="a@1", writable=True) as store:
        store.add([1], [name(1)], unit(1), seen=4)
    other = VectorStore(tmp_path, DIM, version="a@2")
    assert (len(other), other.seen, other.search(unit(1)[0], 3)) == (0, 0, [])
    assert len(VectorStore(tmp_path, DIM, version="a@1")) == 1
    with VectorStore(tmp_path, 3, version="b@1", writable=True) as store:
        store.add([2], [name(1)], unit(1, dim=3))
    assert len(VectorStore(tmp_path, DIM, version="a@1")) == 0
    assert VectorStore(tmp_path, 3, version="b@1").numbers.tolist() == [2]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_crash_at_any_write_leaves_the_committed_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    vectors = unit(10)
    filled(tmp_path, [1, 2, 3], vectors[:3])
    writes = 0
    real_append, real_write = module.append_at, module.write_atomically

    class Died(BaseException):
        pass

    def dying_append(path: Path, offset: int, array: bytes) -> None:
        nonlocal writes
        if writes == after:
            real_append(path, offset, array[: len(array) // 2])
            raise Died
        writes += 1
        real_append(path, offset, array)

    def dying_write(path: Path, data: bytes) -> None:
        raise Died

    monkeypatch.setattr(module, "append_at", dying_append)
    monkeypatch.setattr(module, "write_atomically", dying_write)
    with VectorStore(tmp_path, DIM, writable=True) as store, pytest.raises(Died):
        store.add([3, 4], [name(30), name(4)], vectors[3:5], seen=8)
    monkeypatch.setattr(module, "append_at", real_append)
    monkeypatch.setattr(module, "write_atomically", real_write)
    store = VectorStore(tmp_path, DIM)
    assert (store.numbers.tolist(), store.seen) == ([1, 2, 3], 0)
    np.testing.assert_array_equal(store.vector(3), vectors[2])
    filled(tmp_path, [5], vectors[5:6])  # overwrites the remains
    store = VectorStore(tmp_path, DIM)
    assert store.numbers.tolist() == [1, 2, 3, 5]
    np.testing.assert_array_equal(store.vector(5), vectors[5])


def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit(3)

    def full(path: Path, offset: int, array: bytes) -> None:
        raise OSError(28, "No space left on device")

    with VectorStore(tmp_path, DIM, writable=True) as store:
        store.add([1], [name(1)], vectors[:1])
        with monkeypatch.context() as patch:
            patch.setattr(module, "append_at", full)
            with pytest.raises(SourceError, match=r"No space left on device.*stay.*free some"):
                store.add([2], [name(2)], vectors[1:2])
        assert store.vectors_for([name(2)]) == [-1]
        store.add([2], [name(2)], vectors[1:2])  # after space was made, the same store goes on
    np.testing.assert_array_equal(VectorStore(tmp_path, DIM).vector(2), vectors[1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").write_text('{"rows": 1}'),
        lambda folder: next(folder.glob("vectors.*")).write_bytes(b"short"),
        lambda folder: next(folder.glob("entries.*")).write_bytes(b"short"),
        lambda folder: next(folder.glob("entries.*")).unlink(),
    ],
)
def test_damage_is_named(tmp_path: Path, damage) -> None:
    filled(tmp_path, [1, 2], unit(2))
    damage(tmp_path)
    with pytest.raises(BadInput, match="delete that folder"):
        VectorStore(tmp_path, DIM)
    with pytest.raises(BadInput):  # and the lock was given back
        VectorStore(tmp_path, DIM, writable=True)


def test_wrong_shapes(tmp_path: Path) -> None:
    with VectorStore(tmp_path, DIM, writable=True) as store:
        with pytest.raises(BadInput, match="expected 2 vectors of 6"):
            store.add([1, 2], [name(1), name(2)], unit(1))
        with pytest.raises(BadInput, match="must have 6 numbers"):
            store.search(unit(1, dim=3)[0], 1)
    with pytest.raises(BadInput, match="opened for reading"):
        VectorStore(tmp_path, DIM).add([1], [name(1)], unit(1))


def _second_writer(folder: str, answer: multiprocessing.Queue[str]) -> None:
    try:
        VectorStore(Path(folder), DIM, writable=True)
        answer.put("opened")
    except SourceError as error:
        answer.put(str(error))


def test_one_writer_many_readers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[str] = context.Queue()
    vectors = unit(3)
    with VectorStore(tmp_path, DIM, writable=True) as store:
        reader = VectorStore(tmp_path, DIM)
        process = context.Process(target=_second_writer, args=(str(tmp_path), answer))
        process.start()
        assert "another process is writing" in answer.get(timeout=30)
        process.join()
        assert not reader.reload()
        store.add([1], [name(1)], vectors[:1])
        assert len(reader) == 0
        assert reader.reload()
        assert not reader.reload()
        assert reader.numbers.tolist() == [1]
        store.add([1], [name(2)], vectors[1:2])
        store.compact()
        # The reader still holds the files of before; they answer until it reloads.
        np.testing.assert_array_equal(reader.vector(1), vectors[0])
        assert reader.reload()
        np.testing.assert_array_equal(reader.vector(1), vectors[1])


def test_meta_holds_no_path(tmp_path: Path) -> None:
    filled(tmp_path, [1], unit(1))
    text = (tmp_path / "meta.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["rows"] == 1

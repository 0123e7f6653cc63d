"""Damage to any byte of any file is named, or was never committed; it never changes an answer."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.index.compact import files, merging, updates
from broadsheet.index.compact.files import StoredArray, read_sealed, write_sealed
from broadsheet.index.compact.store import CompactIndex

DIM = 6


@pytest.mark.parametrize("shape", [(0,), (0, 3), (5,), (4, 3)])
def test_arrays_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    stored = StoredArray.of(StoredArray.write(tmp_path, "a.bin", array).as_facts())
    for small in (files.SMALL_BYTES, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "SMALL_BYTES", small)
            found = stored.open(tmp_path)
            np.testing.assert_array_equal(found, array)
            assert not found.size or not found.flags.writeable
    assert stored.check(tmp_path) == array.nbytes


def test_a_large_array_is_mapped_and_checked_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 0)
    stored = StoredArray.write(tmp_path, "a.bin", np.zeros(100, dtype=np.int64))
    raw = bytearray((tmp_path / "a.bin").read_bytes())
    raw[8] = 1
    (tmp_path / "a.bin").write_bytes(raw)
    assert stored.open(tmp_path)[1] == 1
    with pytest.raises(BadInput, match=r"checksum.*index build"):
        stored.check(tmp_path)
    (tmp_path / "a.bin").write_bytes(raw[:-1])
    with pytest.raises(BadInput, match="799 bytes, not 800"):
        stored.open(tmp_path)


def test_a_sealed_file_notices_any_change(tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    write_sealed(path, {"rows": 12, "name": "a"})
    assert read_sealed(path) == {"rows": 12, "name": "a"}
    path.write_bytes(path.read_bytes().replace(b"12", b"13"))
    with pytest.raises(BadInput):
        read_sealed(path)
    path.write_bytes(b"[]")
    with pytest.raises(BadInput):
        read_sealed(path)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompactIndex:
    """An index with two tiers, dead rows in the first, and recent updates."""
    monkeypatch.setattr(merging, "FEWEST", 4)
    monkeypatch.setattr(merging, "RECENT", 8)
    draw = np.random.default_rng(7)
    index = CompactIndex(tmp_path / "index", DIM)
    for numbers in (range(100), range(90, 102), range(101, 105)):
        rows = draw.standard_normal((len(numbers), DIM)).astype(np.float32)
        index.add(list(numbers), rows, removed=[1, 2], mark=str(len(numbers)))
        index.tidy()
    assert [bits.count for bits in index.snapshot.alive] == [88, 11]
    assert len(index.snapshot.recent.numbers) == 4
    return index


def answers(index: CompactIndex) -> object:
    queries = np.random.default_rng(8).standard_normal((3, DIM)).astype(np.float32)
    return (
        [answer.hits for answer in index.search_many(queries, 20, recall=1.0)],
        index.numbers().tolist(),
        index.mark,
    )


def test_what_is_saved_answers_alike(index: CompactIndex) -> None:
    expected = answers(index)
    assert answers(CompactIndex(index.folder, DIM)) == expected
    assert CompactIndex(index.folder, DIM).verify() > 100 * DIM * 4


def test_every_wrong_byte_is_found(index: CompactIndex, tmp_path: Path) -> None:
    expected = answers(index)
    chance = random.Random(3)
    paths = [path for path in index.folder.rglob("*") if path.is_file() and path.stat().st_size]
    paths = [path for path in paths if path.suffix != ".lock"]
    assert len(paths) > 30
    for path in paths:
        whole = path.read_bytes()
        for place in {0, len(whole) - 1, *chance.choices(range(len(whole)), k=3)}:
            wrong = bytearray(whole)
            wrong[place] ^= 1 << chance.randrange(8)
            path.write_bytes(wrong)
            with pytest.raises(BadInput, match="index build"):
                answers(CompactIndex(index.folder, DIM))
        path.write_bytes(whole)
    assert answers(CompactIndex(index.folder, DIM)) == expected


def test_every_cut_file_is_found(index: CompactIndex) -> None:
    for path in [one for one in index.folder.rglob("*.*") if one.is_file()]:
        if path.suffix == ".lock":
            continue
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BadInput):
            CompactIndex(index.folder, DIM)
        path.unlink()
        if path.name != "meta.json":
            with pytest.raises(BadInput, match="missing"):
                CompactIndex(index.folder, DIM)
        path.write_bytes(whole)


def test_the_remains_of_a_crash_are_written_over(index: CompactIndex) -> None:
    expected = answers(index)
    for name in index.snapshot.meta.log.files:
        with (index.folder / name).open("ab") as handle:
            handle.write(b"torn" * 50)
    generation = index.snapshot.meta.generation + 1
    (index.folder / f"segment.{generation}").mkdir()
    (index.folder / f"segment.{generation}" / "rows.bin").write_bytes(b"half")
    (index.folder / f"recent.{generation}.log").write_bytes(b"half")
    again = CompactIndex(index.folder, DIM)
    assert answers(again) == expected
    assert again.verify() > 0
    again.delete([50])
    again.compact()
    assert CompactIndex(index.folder, DIM).numbers().tolist() == [
        number for number in [0, *range(3, 105)] if number != 50
    ]
    shown = {path.name.partition(".")[0] for path in index.folder.iterdir()}
    assert shown == {"meta", "segment", "recent", "write", "compact"}
    assert len(list(index.folder.glob("segment.*"))) == 1


def test_large_logs_are_checked_by_verify(
    index: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "_CHECKED_BYTES", 0)
    rows = index.folder / index.snapshot.meta.log.files[1]
    raw = bytearray(rows.read_bytes())
    raw[5] ^= 1
    rows.write_bytes(raw)
    again = CompactIndex(index.folder, DIM)
    with pytest.raises(BadInput, match="rows"):
        again.verify()


def test_nothing_and_a_folder_of_nothing(tmp_path: Path) -> None:
    index = CompactIndex(tmp_path / "none", DIM)
    assert len(index) == 0
    assert index.verify() == 0
    assert not (tmp_path / "none").exists()
    index.add([], np.zeros((0, DIM), dtype=np.float32))
    index.compact()
    assert len(CompactIndex(tmp_path / "none", DIM)) == 0
    shutil.rmtree(tmp_path / "none")
    assert index.reload()
    assert len(index) == 0

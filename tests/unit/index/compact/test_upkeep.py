"""Merges beside searches and updates: what goes on meanwhile, what a crash leaves, what is read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact import merging, store, tiers
from broadsheet.index.compact.files import read_sealed, write_sealed
from broadsheet.index.compact.reference import dots
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.predicates import (
    AllOf,
    Between,
    Contains,
    Document,
    Not,
    Predicate,
    matches,
)

DIM = 16
Vectors = npt.NDArray[np.float32]


def drawn(count: int, seed: int) -> Vectors:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def nearest(held: dict[int, Vectors], query: Vectors, allowed: set[int]) -> list[tuple[int, float]]:
    numbers = np.array(sorted(set(held) & allowed), dtype=np.int64)
    if not len(numbers):
        return []
    scores = dots(np.stack([held[number] for number in numbers.tolist()]), query)
    order = np.lexsort((numbers, -scores))
    return list(zip(numbers[order].tolist(), scores[order].tolist(), strict=True))


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompactIndex:
    monkeypatch.setattr(merging, "FEWEST", 20)
    index = CompactIndex(tmp_path / "index", DIM)
    index.add(np.arange(300), drawn(300, 1), mark="1")
    index.compact()
    index.add(np.arange(280, 340), drawn(60, 2), removed=[7, 8], mark="2")
    return index


# -- any order of operations, in segments large enough to have clusters ------------------------

PAPERS = [
    Document(
        number=number,
        title="",
        terms={"cat": tuple("abc"[: number % 4])},
        numbers={"year": number // 50} if number % 7 else {},
    )
    for number in range(6000)
]
PREDICATES: list[Predicate] = [
    Contains("cat", "a"),
    Not(Contains("cat", "b")),
    AllOf((Contains("cat", "c"), Between("year", 3, 9))),
    Between("year", 200, 300),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_asking_for_all_gives_the_oracles_list(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    attributes = AttributeStore().apply(PAPERS)
    allowed = [{one.number for one in PAPERS if matches(p, one)} for p in PREDICATES]
    index = CompactIndex(tmp_path, DIM, attributes=attributes)
    held: dict[int, Vectors] = {}
    seen = set()
    for step in range(12):
        numbers = draw.choice(6000, 3500 if not step else draw.integers(1, 700), replace=False)
        gone = draw.choice(6000, draw.integers(0, 400), replace=False)
        rows = drawn(len(numbers), 100 * seed + step)
        index.add(numbers, rows, removed=gone)
        for number in gone.tolist():
            held.pop(number, None)
        held |= dict(zip(numbers.tolist(), rows, strict=True))
        work = draw.choice(["compact", "tidy", "reopen", "nothing"])
        if work == "reopen":
            index = CompactIndex(tmp_path, DIM, attributes=attributes)
        elif work != "nothing":
            getattr(index, str(work))()
        query = drawn(1, 1000 + step)[0]
        for predicate, inside in zip(PREDICATES, allowed, strict=True):
            expected = nearest(held, query, inside)
            for recall in (0.5, 0.95):
                answer = index.search(query, len(expected) + 3, predicate, recall=recall)
                assert answer.hits == expected
                few = index.search(query, 5, predicate, recall=recall)
                assert set(few.hits) <= set(expected)
                assert len(few.hits) == min(5, len(expected))
                seen |= {plan.path for plan in few.plans}
        everything = nearest(held, query, set(held))
        assert index.search(query, len(held)).hits == everything
        few = index.search(query, 5)
        assert set(few.hits) <= set(everything)
        seen |= {plan.path for plan in few.plans}
    assert "clusters" in seen


# -- meanwhile ---------------------------------------------------------------------------------


def test_searches_and_updates_go_on_during_a_merge(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, building, enough = merging.build_segment, threading.Event(), threading.Event()

    def slowly(*arguments: object, **named: object) -> object:
        building.set()
        assert enough.wait(30)
        return build(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(merging, "build_segment", slowly)
    other = CompactIndex(filled.folder, DIM)
    query = drawn(1, 5)[0]
    before = filled.search(query, 10).hits
    merge = threading.Thread(target=filled.compact)
    merge.start()
    try:
        assert building.wait(30)
        assert filled.search(query, 10).hits == before == other.search(query, 10).hits
        filled.add([before[0][0]], -query.reshape(1, -1))
        other.delete([before[1][0]])
        filled.reload()
        meanwhile = filled.search(query, 8).hits
        assert meanwhile == before[2:]
    finally:
        enough.set()
        merge.join(30)
    assert [tier.size for tier in filled.snapshot.tiers] == [338]
    assert filled.search(query, 8).hits == meanwhile
    # A reader that has not looked yet answers from files that are gone by name.
    assert len(other) == 337
    assert other.search(query, 8).hits == meanwhile
    assert other.reload()
    assert other.search(query, 8).hits == meanwhile
    assert [tier.size for tier in other.snapshot.tiers] == [338]


def test_a_reader_that_opens_while_files_are_replaced_looks_again(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, left = store.Meta.read, iter([True])

    def then_compacts(folder: Path, dim: int) -> store.Meta:
        meta = read(folder, dim)
        if next(left, False):
            filled.compact()
        return meta

    monkeypatch.setattr(store.Meta, "read", then_compacts)
    assert len(CompactIndex(filled.folder, DIM)) == len(filled) == 338


# -- crashes -----------------------------------------------------------------------------------


class CrashError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("module", "name", "left"),
    [
        (merging, "build_segment", "nothing"),
        (merging, "write_tier", "nothing"),
        (tiers, "write_sealed", "a segment without facts"),
        (merging, "carried", "a segment"),
        (store, "write_sealed", "a segment and a log"),
    ],
)
@pytest.mark.parametrize("mapped", [0, 1 << 26])
def test_a_crash_in_a_merge_loses_nothing(
    filled: CompactIndex,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    name: str,
    left: str,
    mapped: int,
) -> None:
    def crash(*_: object, **__: object) -> object:
        raise CrashError

    monkeypatch.setattr(merging, "MAPPED_FROM", mapped)
    query = drawn(1, 6)[0]
    expected = filled.search(query, 400).hits
    with monkeypatch.context() as patch:
        patch.setattr(module, name, crash)
        with pytest.raises(CrashError):
            filled.compact()
    assert (filled.folder / "segment.2").exists() is (left != "nothing")
    for index in (filled, CompactIndex(filled.folder, DIM)):
        assert index.mark == "2"
        assert index.search(query, 400).hits == expected
        index.verify()
    (filled.folder / ".meta.json.123.tmp").write_text("of a process that was killed")
    again = CompactIndex(filled.folder, DIM)
    again.add([900], query.reshape(1, -1))
    again.compact()
    again.verify()
    assert again.search(query, 400, np.arange(900)).hits == expected
    names = {path.name for path in filled.folder.iterdir()}
    assert names == {"meta.json", "write.lock", "compact.lock", "segment.2"}


def test_a_full_disk_ends_a_merge_and_nothing_else(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object) -> Iterator[Vectors]:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(merging, "MAPPED_FROM", 0)
    monkeypatch.setattr(merging._Sources, "blocks", full)
    before = filled.numbers()
    with pytest.raises(SourceError, match="No space"):
        filled.compact()
    assert not list(filled.folder.glob("segment.2*"))
    assert CompactIndex(filled.folder, DIM).numbers().tolist() == before.tolist()


# -- through a file, in blocks -----------------------------------------------------------------


def test_a_merge_through_a_file_builds_the_same_segment(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = store.SeedTree(3)
    made = []
    for bound in (1 << 26, 0):
        monkeypatch.setattr(merging, "MAPPED_FROM", bound)
        monkeypatch.setattr(merging, "_BLOCK", 7 if not bound else 16_384)
        merging.build(filled.snapshot, 0, seeds, graph=False, progress=store.Silent())
        folder = filled.folder / "segment.2"
        made.append({path.name: path.read_bytes() for path in sorted(folder.glob("*.bin"))})
    assert made[0] == made[1]
    assert len(made[0]["numbers.bin"]) == 8 * len(filled)
    assert not (filled.folder / "segment.2.rows").exists()


# -- files of other code -----------------------------------------------------------------------


def changed_facts(folder: Path, **facts: object) -> None:
    """Write other facts into a segment's sealed file, as other code would have."""
    path = folder / "segment.1" / "facts.json"
    body = read_sealed(path)
    write_sealed(path, {**body, "facts": {**body["facts"], **facts}})


def test_a_segment_of_another_layout_is_refused(filled: CompactIndex) -> None:
    changed_facts(filled.folder, layout=0)
    with pytest.raises(BadInput, match=r"another (layout|version).*index build"):
        CompactIndex(filled.folder, DIM)


def test_a_segment_without_a_fact_is_refused(filled: CompactIndex) -> None:
    path = filled.folder / "segment.1" / "facts.json"
    body = read_sealed(path)
    for fact in ("costs", "slack", "reach", "rows", "lists"):
        facts = {name: value for name, value in body["facts"].items() if name != fact}
        write_sealed(path, {**body, "facts": facts})
        with pytest.raises(BadInput, match="index build"):
            CompactIndex(filled.folder, DIM)


def test_a_cost_model_of_other_code_is_refused(filled: CompactIndex) -> None:
    facts = read_sealed(filled.folder / "segment.1" / "facts.json")["facts"]
    changed_facts(filled.folder, costs={**facts["costs"], "moon": 1.0})
    with pytest.raises(BadInput, match="index build"):
        CompactIndex(filled.folder, DIM)


def test_changed_bytes_of_the_facts_are_named(filled: CompactIndex) -> None:
    path = filled.folder / "segment.1" / "facts.json"
    sealed = json.loads(path.read_bytes())
    sealed["body"]["facts"]["slack"] = 0.5
    path.write_text(json.dumps(sealed))
    with pytest.raises(BadInput, match=r"facts.json.*index build"):
        CompactIndex(filled.folder, DIM)


# -- lists, masks and many queries -------------------------------------------------------------


def test_lists_in_any_order_are_the_same_filter(filled: CompactIndex) -> None:
    draw = np.random.default_rng(8)
    query = drawn(1, 9)[0]
    for count in (0, 1, 40, 300):
        asked = draw.choice(400, count, replace=False) - 5
        expected = filled.search(query, 400, np.sort(asked))
        assert filled.search(query, 400, asked) == expected
        assert filled.search(query, 400, np.concatenate((asked, asked))) == expected
        assert {number for number, _ in expected.hits} == set(asked.tolist()) & set(
            filled.numbers().tolist()
        )


def test_many_queries_under_filters_of_their_own(
    filled: CompactIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.attributes = AttributeStore().apply(PAPERS[:400])
    queries = drawn(7, 10)
    mask = np.arange(400) % 3 == 0
    a, not_b = Contains("cat", "a"), Not(Contains("cat", "b"))
    asked = [a, None, AllOf((a, a)), mask, not_b, mask, np.array([3, 1, 2])]
    alone = [filled.search(q, 6, one) for q, one in zip(queries, asked, strict=True)]
    looked = []
    select = tiers.Tier.select

    def counted(self: tiers.Tier, *arguments: object) -> object:
        looked.append(arguments[0])
        return select(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tiers.Tier, "select", counted)
    assert filled.search_many(queries, 6, list(asked)) == alone
    assert len(looked) == 4 * len(filled.snapshot.tiers)
    assert filled.search_many(queries, 0, list(asked)) == [store.Answer(hits=[])] * 7
    with pytest.raises(BadInput, match="one filter for each"):
        filled.search_many(queries, 6, [a])

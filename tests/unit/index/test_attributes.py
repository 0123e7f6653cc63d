"""The attribute store: columns, posting lists, counts and its one file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.predicates import AllOf, Between, Contains, Document, Not

PAPERS = (
    Document(number=2, title="A", terms={"cat": ("cs.cl", "cs")}, numbers={"year": 2020}),
    Document(number=5, title="B", terms={"cat": ("cs",)}, numbers={"year": 2021, "day": 7}),
    Document(number=6, title="C"),
)


@pytest.fixture
def store() -> AttributeStore:
    return AttributeStore().apply(PAPERS, revision=3)


def numbers(store: AttributeStore, *parts: Contains | Between | Not) -> list[int]:
    return np.flatnonzero(store.mask(AllOf(parts))).tolist()


def test_masks_are_by_document_number(store: AttributeStore) -> None:
    assert store.capacity == 7
    assert store.size == 3
    assert numbers(store) == [2, 5, 6]
    assert numbers(store, Contains("cat", "cs")) == [2, 5]
    assert numbers(store, Not(Contains("cat", "cs"))) == [6]
    assert numbers(store, Between("year", 2021, 2030)) == [5]
    assert numbers(store, Contains("nothing", "x")) == numbers(store, Between("none", 0, 9)) == []


def test_replacing_and_deleting_leave_the_old_snapshot_alone(store: AttributeStore) -> None:
    after = store.apply(
        [Document(number=2, title="A", terms={"cat": ("math",)}), Document(number=9, title="D")],
        deleted=[5, 77],
        revision=4,
    )
    assert numbers(after) == [2, 6, 9]
    assert numbers(after, Contains("cat", "math")) == [2]
    assert numbers(after, Contains("cat", "cs")) == numbers(after, Between("year", 0, 9999)) == []
    assert numbers(store, Contains("cat", "cs")) == [2, 5]
    assert (store.revision, after.revision) == (3, 4)


def test_counts_are_of_masked_documents_only(store: AttributeStore) -> None:
    everything = store.mask(AllOf(()))
    assert store.counts("cat", everything, limit=9) == [("cs", 2), ("cs.cl", 1)]
    assert store.counts("cat", everything, limit=1) == [("cs", 2)]
    assert store.counts("cat", store.mask(Contains("cat", "cs.cl")), limit=9) == [
        ("cs", 1),
        ("cs.cl", 1),
    ]
    assert (
        store.counts("cat", ~everything, limit=9) == store.counts("no", everything, limit=9) == []
    )
    assert store.number_counts("year", everything) == [(2020, 1), (2021, 1)]
    assert store.number_counts("no", everything) == []


def test_columns_and_masks_of_numbers(store: AttributeStore) -> None:
    assert store.column("year", np.array([5, 6, 2]), missing=-1).tolist() == [2021, -1, 2020]
    assert store.column("no", np.array([5]), missing=-1).tolist() == [-1]
    assert np.flatnonzero(store.mask_of(np.array([2, 3, 6, 500]))).tolist() == [2, 6]


def test_saved_and_loaded_it_is_the_same(store: AttributeStore, tmp_path: Path) -> None:
    store.save(tmp_path)
    loaded = AttributeStore.load(tmp_path)
    assert loaded.revision == 3
    assert numbers(loaded, Contains("cat", "cs.cl")) == [2]
    assert loaded.counts("cat", loaded.mask(AllOf(())), limit=9) == [("cs", 2), ("cs.cl", 1)]
    assert numbers(loaded.apply([], deleted=[2])) == [5, 6]


def test_an_empty_store_saves_and_answers(tmp_path: Path) -> None:
    AttributeStore().save(tmp_path)
    loaded = AttributeStore.load(tmp_path)
    assert (loaded.size, loaded.capacity) == (0, 0)
    assert numbers(loaded, Contains("cat", "cs")) == []


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="attribute index"):
        AttributeStore.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 30, 400])
def test_a_cut_file_is_named(store: AttributeStore, tmp_path: Path, keep: int) -> None:
    store.save(tmp_path)
    path = tmp_path / "attributes.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="index build"):
        AttributeStore.load(tmp_path)


def test_a_wrong_byte_is_named_or_changes_nothing(store: AttributeStore, tmp_path: Path) -> None:
    store.save(tmp_path)
    path = tmp_path / "attributes.npz"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        wrong = bytearray(whole)
        wrong[place] ^= 1 << (place % 8)
        path.write_bytes(wrong)
        try:
            loaded = AttributeStore.load(tmp_path)
        except BadInput:
            continue
        assert (loaded.revision, numbers(loaded), loaded.capacity) == (3, [2, 5, 6], 7)
        assert numbers(loaded, Contains("cat", "cs")) == [2, 5]
        assert numbers(loaded, Between("year", 2021, 2021)) == [5]


documents = st.lists(
    st.builds(
        lambda number, values: Document(number=number, title="A", terms={"cat": values}),
        st.integers(0, 30),
        st.lists(st.sampled_from("abcdefg"), max_size=4).map(tuple),
    ),
    max_size=30,
    unique_by=lambda one: one.number,
)


@given(documents, st.sets(st.integers(0, 30)), st.integers(1, 9))
def test_counts_are_those_of_a_plain_count(
    papers: list[Document], chosen: set[int], limit: int
) -> None:
    store = AttributeStore().apply(papers)
    mask = store.mask_of(np.array(sorted(chosen), dtype=np.int64))
    counted = Counter(
        value for one in papers if one.number in chosen for value in set(one.terms["cat"])
    )
    expected = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
    assert store.counts("cat", mask, limit=limit) == expected

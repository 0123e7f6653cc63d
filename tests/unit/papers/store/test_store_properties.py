"""Laws of the store, over random records: batches, order, interruption, history."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.papers.matching import effective_ids, match_keys
from broadsheet.papers.store import Store, canonical_state

Fresh = Callable[[], Store]
few = settings(max_examples=40, deadline=None)

#: Long titles, so that saved pages match; "gecko" is too short to match alone.
TITLES = ("a title that is long enough", "another title that is long", "gecko", "")


@pytest.fixture(autouse=True)
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-02T08:00:00+00:00")


def _facts(ids: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "source": st.sampled_from(["arxiv", "acl", "hf", "page", "unheard-of"]),
            "ids": ids,
            "title": st.sampled_from(TITLES),
            "authors": st.sampled_from([[], ["A Li"], ["B Wu"]]),
            "year": st.sampled_from([0, 2020, 2021, 2024]),
            "version": st.sampled_from([0, 1, 2]),
            "signals": st.sampled_from([{}, {"upvotes": 0}, {"upvotes": 7}]),
            "listed": st.sampled_from(["", "2025-09-01", "2025-09-02"]),
        }
    )


ANY_IDS = st.dictionaries(
    st.sampled_from(["arxiv", "doi", "acl", "s2"]),
    st.sampled_from(["2401.00001", "2401.00002", "10.1234/a", "10.1234/b"]),
    max_size=3,
)
RECORDS = st.lists(_facts(ANY_IDS), min_size=1, max_size=12)
#: Ids that never contradict each other: none is of an archive that gives one id per paper.
LOOSE_IDS = st.dictionaries(
    st.sampled_from(["s2", "openalex", "hf"]), st.sampled_from("abc"), min_size=1, max_size=3
)


@few
@given(records=RECORDS, cuts=st.lists(st.integers(0, 12), max_size=6))
def test_batches_do_not_matter(
    records: list[dict[str, Any]], cuts: list[int], fresh: Fresh, tell: Any
) -> None:
    told = [tell(**record) for record in records]
    with fresh() as whole, fresh() as parts:
        whole.add(told)
        edges = [0, *sorted(cuts), len(told)]
        for start, end in pairwise(edges):
            parts.add(told[start:end])
        assert canonical_state(whole) == canonical_state(parts)


@few
@given(records=RECORDS, cut=st.integers(0, 12))
def test_an_interrupted_run_is_resumed_by_running_again(
    records: list[dict[str, Any]], cut: int, fresh: Fresh, tell: Any
) -> None:
    told = [tell(**record) for record in records]
    with fresh() as undisturbed, fresh() as resumed:
        undisturbed.add(told)
        resumed.add(told[:cut])
        resumed.add(told)
        assert canonical_state(undisturbed) == canonical_state(resumed)


@few
@given(records=RECORDS)
def test_history_and_rereading_agree_with_what_was_seen(
    records: list[dict[str, Any]], fresh: Fresh, tell: Any
) -> None:
    with fresh() as store:
        seen: dict[int, list[Any]] = {0: []}
        for record in records:
            store.add([tell(**record)])
            numbers = [number for number, _, content, _ in store.work_states() if content]
            now = sorted(store.works_by_number(numbers).values(), key=lambda w: (w.date, w.id))
            seen[store.last_sequence()] = now
        for sequence, works in seen.items():
            assert list(store.works_as_of(sequence)) == works
        assert store.reread() == 0


@few
@given(records=RECORDS)
def test_indexes_can_follow_the_changes(
    records: list[dict[str, Any]], fresh: Fresh, tell: Any
) -> None:
    with fresh() as store:
        index: dict[int, Any] = {}
        seen = 0
        for record in records:
            store.add([tell(**record)])
            for change in store.changes(seen, 1000):
                seen = change.revision
                index.pop(change.number, None)
                if change.work is not None:
                    index[change.number] = change.work
        assert store.works_by_number(index) == index
        assert len(index) == store.counts().works


@few
@given(
    records=st.lists(_facts(LOOSE_IDS).map(lambda facts: {**facts, "title": ""}), min_size=1),
    data=st.data(),
)
def test_ids_give_the_same_works_in_every_order(
    records: list[dict[str, Any]], data: st.DataObject, fresh: Fresh, tell: Any
) -> None:
    told = [tell(**record) for record in records]
    shuffled = data.draw(st.permutations(told))
    expected = _components(told)
    for order in (told, shuffled):
        with fresh() as store:
            for one in order:
                store.add([one])
            assert _partition(store) == expected


@few
@given(
    papers=st.lists(st.sampled_from(["2401.00001", "2401.00002", "2401.00003"]), min_size=1),
    data=st.data(),
)
def test_titles_of_different_papers_join_in_every_order(
    papers: list[str], data: st.DataObject, fresh: Fresh, tell: Any
) -> None:
    told = []
    for paper in papers:
        title = f"The one and only title of {paper}"
        told.append(tell("arxiv", ids={"arxiv": paper}, title=title, authors=["A Li"], year=2024))
        told.append(tell("page", title=title.upper(), year=2024))
        told.append(tell("acl", ids={"acl": f"P-{paper}"}, title=title, authors=["Li"], year=2025))
    with fresh() as store:
        for one in data.draw(st.permutations(told)):
            store.add([one])
        assert store.counts().works == len(set(papers))


def _partition(store: Store) -> set[frozenset[bytes]]:
    numbers = [number for number, _, content, _ in store.work_states() if content]
    works = store.works_by_number(numbers).values()
    return {frozenset(record.sha256 for record in store.records(work.id)) for work in works}


def _components(told: list[Any]) -> set[frozenset[bytes]]:
    """Group records by shared ids, the slow and obvious way."""
    groups = [(set(match_keys(effective_ids(facts))), {record.sha256}) for record, facts in told]
    merged = True
    while merged:
        merged = False
        for i, (keys, members) in enumerate(groups):
            for other in groups[i + 1 :]:
                if keys & other[0]:
                    keys |= other[0]
                    members |= other[1]
                    groups.remove(other)
                    merged = True
                    break
    return {frozenset(members) for _, members in groups}

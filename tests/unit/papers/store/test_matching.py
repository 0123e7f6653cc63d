from __future__ import annotations

from typing import Any

import pytest

from broadsheet.papers.identity import work_id_for
from broadsheet.papers.matching import MOST_SHARING, effective_ids, match_keys, year_of
from broadsheet.papers.model import Facts

LONG = "A long enough title for matching"


def ids(store: Any) -> list[str]:
    return sorted(state[1] for state in store.work_states() if state[2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"doi": "https://doi.org/10.48550/arXiv.2401.00001v2"}, {"arxiv": "2401.00001"}),
        ({"arxiv": "arXiv:2401.00001v3"}, {"arxiv": "2401.00001"}),
        ({"doi": "10.18653/V1/X"}, {"doi": "10.18653/v1/x"}),
        ({"acl": "", "s2": "x"}, {"s2": "x"}),
    ],
)
def test_effective_ids(given: dict[str, str], expected: dict[str, str]) -> None:
    assert effective_ids(Facts(ids=given)) == expected


def test_keys_are_ordered_by_strength() -> None:
    keys = match_keys({"hf": "1", "acl": "2", "arxiv": "3", "bibkey": "no"})
    assert keys == ["arxiv:3", "acl:2", "hf:1"]


def test_year_falls_back_to_dates() -> None:
    assert year_of(Facts(dates={"published": "2022-05", "hf_daily": "2024-01-01"})) == 2022
    assert year_of(Facts(year=2020, dates={"published": "2022"})) == 2020
    assert year_of(Facts()) == 0


def test_versions_of_one_paper_are_one_work(store: Any, tell: Any) -> None:
    added = store.add(
        [
            tell(key="v1", ids={"arxiv": "2401.00001v1"}, title="One", version=1),
            tell(key="v2", ids={"arxiv": "2401.00001v2"}, title="Two", version=2),
        ]
    )
    assert (added.new_records, added.new_works, added.joined) == (2, 1, 1)
    assert ids(store) == [work_id_for("arxiv:2401.00001")]


def test_a_bridging_record_merges_two_works(store: Any, tell: Any) -> None:
    store.add([tell("acl", ids={"acl": "2022.acl-long.1"}, title="First")])
    store.add([tell("arxiv", ids={"arxiv": "2401.00001"}, title="Second")])
    revision = store.revision
    added = store.add([tell("bibtex", ids={"acl": "2022.acl-long.1", "arxiv": "2401.00001"})])
    assert (added.merged_works, added.new_works, added.joined) == (1, 0, 1)
    kept, gone = work_id_for("acl:2022.acl-long.1"), work_id_for("arxiv:2401.00001")
    assert ids(store) == [kept]
    assert store.work(gone).id == kept
    assert store.work(gone).aliases == (gone,)
    changes = store.changes(revision, 10)
    assert [(c.number, c.work is None) for c in changes] == [(1, False), (2, True)]
    assert store.counts().merged == 1
    assert store.find("2401.00001").id == kept


def test_chained_mergers_keep_the_earliest_id(store: Any, tell: Any) -> None:
    for key in ("a", "b", "c"):
        store.add([tell(ids={"s2": key}, title=key)])
    store.add([tell(ids={"s2": "b", "openalex": "x"}), tell(ids={"s2": "c", "openalex": "x"})])
    store.add(
        [tell(ids={"s2": "a", "doi": "10.1234/d"}), tell(ids={"doi": "10.1234/d", "s2": "b"})]
    )
    expected = work_id_for("s2:a")
    assert ids(store) == [expected]
    assert {store.work(work_id_for(f"s2:{key}")).id for key in "abc"} == {expected}
    assert store.work(expected).aliases == (work_id_for("s2:b"), work_id_for("s2:c"))


def test_archives_overrule_a_misprinted_doi(store: Any, tell: Any) -> None:
    store.add(
        [
            tell("acl", ids={"acl": "W18-6481", "doi": "10.18653/v1/w18-6481"}, title="One"),
            tell("acl", ids={"acl": "W18-6482", "doi": "10.18653/v1/w18-6481"}, title="Two"),
        ]
    )
    assert len(ids(store)) == 2


class TestTitles:
    def test_join_needs_author_and_year(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title="Short", authors=["A Li"], year=2024)])
        store.add([tell("acl", ids={"acl": "P1"}, title="SHORT!", authors=["B Li"], year=2025)])
        assert len(ids(store)) == 1
        store.add([tell("acl", ids={"acl": "P2"}, title="Short", authors=["B Wu"], year=2025)])
        store.add([tell("acl", ids={"acl": "P3"}, title="Short", authors=["A Li"], year=2027)])
        assert len(ids(store)) == 3

    def test_long_title_is_enough_for_a_saved_page(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title=LONG, authors=["A Li"], year=2024)])
        store.add([tell("page", title=LONG.upper(), year=2025)])
        assert len(ids(store)) == 1

    def test_short_title_is_not(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title="Gecko", authors=["A Li"], year=2024)])
        store.add([tell("page", title="Gecko", year=2024)])
        assert len(ids(store)) == 2

    def test_known_parts_must_not_contradict(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title=LONG, authors=["A Li"], year=2024)])
        store.add([tell("page", title=LONG, year=2019)])
        store.add([tell("bibtex", title=LONG, authors=["B Wu"], year=2024)])
        assert len(ids(store)) == 3

    def test_never_joins_two_ids_of_one_scheme(self, store: Any, tell: Any) -> None:
        facts = {"title": LONG, "authors": ["A Li"], "year": 2024}
        store.add([tell(ids={"arxiv": "2401.00001"}, **facts)])
        store.add([tell(ids={"arxiv": "2401.00002"}, **facts)])
        assert len(ids(store)) == 2

    def test_ambiguous_title_stays_alone(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title=LONG, authors=["A Li"], year=2024)])
        store.add([tell(ids={"arxiv": "2401.00002"}, title=LONG, authors=["B Wu"], year=2024)])
        store.add([tell("page", title=LONG)])
        assert len(ids(store)) == 3

    def test_author_and_year_decide_between_two(self, store: Any, tell: Any) -> None:
        store.add([tell(ids={"arxiv": "2401.00001"}, title=LONG, authors=["A Li"], year=2024)])
        store.add([tell(ids={"arxiv": "2401.00002"}, title=LONG, authors=["B Wu"], year=2024)])
        store.add([tell("bibtex", title=LONG, authors=["B Wu"], year=2025)])
        assert len(ids(store)) == 2
        assert len(store.records(work_id_for("arxiv:2401.00002"))) == 2

    def test_title_and_id_bridge_together(self, store: Any, tell: Any) -> None:
        store.add([tell("page", title=LONG)])
        store.add([tell(ids={"arxiv": "2401.00001"}, title="An earlier title, quite different")])
        added = store.add([tell(ids={"arxiv": "2401.00001"}, title=LONG, version=2)])
        assert added.merged_works == 1
        assert len(ids(store)) == 1

    def test_tex_and_case_do_not_matter(self, store: Any, tell: Any) -> None:
        store.add([tell("bibtex", title=r"On the {\'E}tale Topology of $x$-Spaces")])
        store.add([tell("page", title="On the Étale topology of x-spaces")])
        assert len(ids(store)) == 1

    def test_same_short_title_gets_its_own_id(self, store: Any, tell: Any) -> None:
        store.add([tell("page", key="1", title="Gecko"), tell("page", key="2", title="Gecko")])
        assert len(set(ids(store))) == 2


def test_a_title_that_everybody_uses_joins_nothing_more(store: Any, tell: Any) -> None:
    title = "Preface to the Proceedings of the Workshop"
    told = [
        tell(key=f"k{n}", title=title, authors=[f"A Editor{n}"], year=2000 + n % 20)
        for n in range(MOST_SHARING + 6)
    ]
    added = store.add(told)
    assert added.new_works == len(told)
    again = tell(key="again", title=title, authors=["B Editor3"], year=2003)
    assert store.add([again]).new_works == 1, "by author and year it would have joined"

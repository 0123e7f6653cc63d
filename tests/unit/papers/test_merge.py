from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.papers.merge import PRECEDENCE, MergeInput, merge
from broadsheet.papers.model import Author, Facts, Signal, Version, Work


def said(sequence: int, source: str, *, work_id: str = "first", **facts: Any) -> MergeInput:
    return MergeInput(
        sequence=sequence, source=source, key=f"k{sequence}", facts=Facts(**facts), work_id=work_id
    )


def test_nothing_makes_no_work() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        merge([])


def test_arxiv_wins_abstract_and_acl_wins_venue() -> None:
    work = merge(
        [
            said(1, "page", title="T", abstract="from the page", venue="page"),
            said(2, "hf", title="T", abstract="from hf", venue="hf"),
            said(3, "acl", title="T", abstract="from acl", venue="ACL 2024", year=2024),
            said(4, "arxiv", title="T", abstract="from arxiv", venue="arxiv", year=2023),
        ]
    )
    assert (work.abstract, work.venue, work.year) == ("from arxiv", "ACL 2024", 2024)
    assert work.provenance["abstract"] == "arxiv:k4"
    assert work.provenance["venue"] == work.provenance["year"] == "acl:k3"


def test_empty_never_overwrites() -> None:
    work = merge(
        [said(1, "arxiv", title="T"), said(2, "jsonl-hf", abstract="kept", organization="A lab")]
    )
    assert (work.title, work.abstract, work.organization) == ("T", "kept", "A lab")


def test_ties_go_to_the_newest_version_then_the_earliest_record() -> None:
    first, second = said(1, "arxiv", title="v1", version=1), said(2, "arxiv", title="v2", version=2)
    assert merge([first, second]).title == "v2"
    assert merge([second, said(3, "arxiv", title="again", version=2)]).title == "v2"


def test_versions_collect_texts_dates_and_sizes() -> None:
    listed = (
        Version(number=1, date="2024-01-01", size="9kb"),
        Version(number=2, date="2024-02-02"),
    )
    work = merge(
        [
            said(1, "arxiv", title="old", abstract="x", version=1, dates={"submitted_v1": "2024"}),
            said(2, "arxiv", versions=listed, version=3, title="new"),
        ]
    )
    assert work.version == 3
    assert work.versions == (
        Version(number=1, date="2024-01-01", size="9kb", title="old", abstract="x"),
        Version(number=2, date="2024-02-02"),
        Version(number=3, title="new"),
    )


def test_ids_dates_and_links_fill_name_by_name() -> None:
    work = merge(
        [
            said(1, "bibtex", ids={"doi": "10.48550/arXiv.2401.00001"}, links={"pdf": "b"}),
            said(2, "arxiv", ids={"arxiv": "2401.00001v2", "doi": "10.1234/J"}, links={"abs": "a"}),
            said(3, "hf", ids={"hf": "2401.00001"}, links={"code": "c", "pdf": "other"}),
        ]
    )
    assert work.ids == {"arxiv": "2401.00001", "doi": "10.1234/j", "hf": "2401.00001"}
    assert work.links == {"abs": "a", "code": "c", "pdf": "other"}
    assert work.provenance["links.pdf"] == "hf:k3"


def test_days_of_listing_and_announcement_are_the_earliest() -> None:
    work = merge(
        [
            said(1, "hf", listed="2025-09-03", dates={"hf_daily": "2025-09-03"}),
            said(2, "page", listed="2025-09-02", dates={"hf_daily": "2025-09-02"}),
        ]
    )
    assert work.dates["hf_daily"] == work.day == "2025-09-02"
    assert work.listed == ("2025-09-02", "2025-09-03")
    assert work.provenance["dates.hf_daily"] == "page:k2"


def test_signals_are_a_series_and_the_last_of_a_day_counts() -> None:
    work = merge(
        [
            said(1, "hf", signals={"upvotes": 9}, observed="2025-09-02T18:00"),
            said(2, "hf", signals={"upvotes": 4, "stars": 0}, observed="2025-09-02T08:00"),
            said(3, "hf", signals={"upvotes": 12}, observed="2025-09-03"),
            said(4, "page", signals={"upvotes": 5}, listed="2025-09-02"),
            said(5, "page", signals={"upvotes": 6}),
        ]
    )
    assert work.signals == (
        Signal(day="2025-09-02", source="hf", name="stars", value=0),
        Signal(day="2025-09-02", source="hf", name="upvotes", value=9),
        Signal(day="2025-09-02", source="page", name="upvotes", value=5),
        Signal(day="2025-09-03", source="hf", name="upvotes", value=12),
    )


def test_flags_and_notes_are_united_and_ids_become_aliases() -> None:
    work = merge(
        [
            said(2, "acl", flags=frozenset({"retracted"}), notes=("b", "a"), work_id="second"),
            said(1, "arxiv", flags=frozenset({"withdrawn"}), notes=("a",), work_id="first"),
            said(3, "acl", work_id="second"),
        ]
    )
    assert (work.id, work.aliases) == ("first", ("second",))
    assert work.flags == {"withdrawn", "retracted"}
    assert work.notes == ("a", "b")
    assert work.provenance["flags.withdrawn"] == "arxiv:k1"


def test_texts_are_plain() -> None:
    work = merge([said(1, "bibtex", title=r"{\'E}tale", abstract=r"We \emph{study} it")])
    assert (work.title_text, work.abstract_text) == ("Étale", "We study it")
    assert work.title == r"{\'E}tale"


FACTS = st.builds(
    Facts,
    title=st.sampled_from(["", "T", "U"]),
    abstract=st.sampled_from(["", "x y"]),
    authors=st.sampled_from([(), (Author(full="A Li", affiliations=("X",)),)]),
    year=st.sampled_from([0, 2024]),
    version=st.integers(0, 2),
    ids=st.dictionaries(st.sampled_from(["s2", "doi"]), st.sampled_from(["", "10.1234/a", "b"])),
    flags=st.frozensets(st.sampled_from(["withdrawn", "removed"])),
    signals=st.dictionaries(st.sampled_from(["upvotes", "stars"]), st.integers(0, 9)),
    observed=st.sampled_from(["", "2025-09-02", "2025-09-03T10:00"]),
    notes=st.lists(st.sampled_from(["a", "b"])).map(tuple),
)


@given(
    facts=st.lists(st.tuples(st.sampled_from([*PRECEDENCE["venue"], "new"]), FACTS), min_size=1),
    data=st.data(),
)
def test_merge_is_pure_and_survives_storage(
    facts: list[tuple[str, Facts]], data: st.DataObject
) -> None:
    records = [
        MergeInput(sequence=n, source=source, key=str(n), facts=item, work_id="id")
        for n, (source, item) in enumerate(facts)
    ]
    work = merge(records)
    assert merge(data.draw(st.permutations(records))) == work
    assert Work.from_json(work.to_json()) == work
    assert Work.from_json(work.to_json()).content_hash() == work.content_hash()
    for name in ("title", "abstract", "authors"):
        given_values = [getattr(item, name) for _, item in facts if getattr(item, name)]
        assert bool(getattr(work, name)) == bool(given_values)
        assert (name in work.provenance) == bool(given_values)

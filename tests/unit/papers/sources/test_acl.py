from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest


def test_old_shape(golden: Path, read: Any) -> None:
    got = read(golden / "acl" / "2022.xml")
    assert got.source == "acl"
    assert got.rejects == []
    first, second = got.facts
    assert first.ids == {
        "acl": "2022.maps-long.1",
        "doi": "10.18653/v1/2022.maps-long.1",
        "bibkey": "okafor-solo-2022-lantern",
    }
    assert first.title == "Lantern$^N$: Reading Small Maps"
    assert (
        first.abstract == r"We read small maps at https://lantern.example.org & win $\alpha < 1$."
    )
    assert [author.full for author in first.authors] == ["Mira Okafor", "Solo"]
    assert first.authors[0].affiliations == ("Map House",)
    assert (first.year, first.dates) == (2022, {"published": "2022-05"})
    assert first.venue == "maps, towns"
    assert first.comments == "Best Paper"
    assert first.journal_ref == "Proceedings of the 3rd Meeting on Maps, pages 1-15"
    assert [(item.number, item.date) for item in first.versions] == [(1, ""), (2, "2022-08-02")]
    assert first.links["code"] == "https://github.com/example/lantern"
    assert first.links["pdf"] == "https://aclanthology.org/2022.maps-long.1.pdf"
    assert second.flags == {"retracted"}


def test_new_shape(golden: Path, read: Any) -> None:
    facts = read(golden / "acl" / "2026.xml").facts[0]
    assert facts.ids["acl"] == "2026.maps-1.12"
    assert facts.authors[0].orcid == "0000-0001-2345-6789"
    assert facts.dates == {"published": "2026-02"}
    assert facts.links["pdf"] == "https://aclanthology.org/2026.maps-1.12.pdf"
    assert facts.flags == {"removed"}


def test_ids_of_the_old_kind(golden: Path, read: Any) -> None:
    facts = read(golden / "acl" / "J89.xml").facts[0]
    assert facts.ids["acl"] == "J89-1001"
    assert facts.dates == {"published": "1989"}
    assert facts.links["pdf"] == "http://old.example.org/parsing.pdf"


def test_a_record_is_read_alone(golden: Path, read: Any) -> None:
    content = (golden / "acl" / "2022.xml").read_bytes()
    for record in read(content).records:
        assert content[record.offset :].startswith(record.raw)
        assert record.context["year"] == "2022"
        assert record.context["venue"] == "maps, towns"


def test_front_matter_and_events_are_not_papers(golden: Path, read: Any) -> None:
    assert len(read(golden / "acl" / "2022.xml").records) == 2


def test_damage_costs_one_paper(golden: Path, read: Any) -> None:
    content = (golden / "acl" / "2022.xml").read_bytes()
    broken = read(content.replace(b"<b>small</b>", b"<b>small</i>"))
    assert [facts.ids["acl"] for facts in broken.facts] == ["2022.maps-long.2"]
    assert len(broken.unparsed) == 1
    unended = content.index(b"</paper>")
    missing = read(content[:unended] + content[unended + 8 :])
    assert [record.key for record in missing.records] == ["2022.maps-long.2"]
    assert "does not end" in missing.rejects[0].reason


def test_broken_volume_data_leave_the_papers(golden: Path, read: Any) -> None:
    content = (golden / "acl" / "2022.xml").read_bytes()
    got = read(content.replace(b"<year>2022</year>", b"<year>2022</yeer>"))
    assert len(got.facts) == 2
    assert "can't be read" in got.rejects[0].reason
    assert got.facts[0].year == 2022, "the collection's id holds the year"


@pytest.mark.parametrize("cut", [0.4, 0.8, 0.99])
def test_truncation_is_reported(golden: Path, read: Any, cut: float) -> None:
    content = (golden / "acl" / "2022.xml").read_bytes()
    kept = content[: int(len(content) * cut)]
    got = read(kept)
    assert len(got.records) == kept.count(b"</paper>")
    assert "stops" in got.rejects[-1].reason


def test_entities_are_refused(read: Any) -> None:
    bomb = b'<!DOCTYPE c [<!ENTITY a "ha">]><collection id="2022.x"><volume id="1">'
    got = read(bomb, "acl")
    assert "refused" in got.rejects[0].reason


def test_deep_nesting_is_refused(golden: Path, read: Any) -> None:
    content = (golden / "acl" / "2022.xml").read_bytes()
    deep = b"<b>" * 5_000 + b"x" + b"</b>" * 5_000
    got = read(content.replace(b"<b>small</b>", deep))
    assert "broken XML" in got.unparsed[0]


@pytest.mark.parametrize("piece", [b"<" + b"a" * 100_000, b"<a " * 50_000, b"<!--" * 50_000])
def test_tags_that_do_not_end_do_not_hang(read: Any, piece: bytes) -> None:
    begun = time.process_time()
    got = read(b'<collection id="2022.a"><volume id="1"><paper id="1">' + piece, "acl")
    assert len(got.rejects) == 1
    assert time.process_time() - begun < 10, "a guard against hanging, not a measurement"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"),
    [("2022.acl.xml", 774), ("2022.naloma.xml", 5), ("J89.xml", 58), ("L06.xml", 4)],
)
def test_real_files(data_folder: Path, read: Any, name: str, count: int) -> None:
    content = (data_folder / "formats" / "acl-toy" / name).read_bytes()
    got = read(content, name=name)
    assert (got.source, len(got.facts)) == ("acl", count)
    assert got.rejects == got.unparsed == []
    for record, facts in zip(got.records, got.facts, strict=True):
        printed = b"<url" in record.raw and b"http" not in record.raw.split(b"<url")[1][:90]
        if printed:
            assert f">{facts.ids['acl']}<".encode() in record.raw, "our id is the printed one"

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_feed(golden: Path, read: Any) -> None:
    got = read(golden / "arxiv" / "feed.xml")
    assert got.source == "arxiv"
    assert got.rejects == []
    first, second = got.facts
    assert [record.key for record in got.records] == ["2511.00011v2", "math/0309136v1"]
    assert first.title == "Lantern-7: Reading Small Maps without a Tutor"
    assert first.abstract.startswith("We train a lantern")
    assert first.ids == {"arxiv": "2511.00011", "doi": "10.1234/lantern.7"}
    assert first.categories == ("cs.CL", "I.2.6")
    assert first.primary_category == "cs.CL"
    assert first.dates == {
        "submitted_v1": "2025-10-31T17:20:01Z",
        "latest_version": "2025-11-03T10:00:00Z",
    }
    assert first.version == 2
    assert [(item.number, item.date[:10]) for item in first.versions] == [
        (1, "2025-10-31"),
        (2, "2025-11-03"),
    ]
    assert first.authors[0].affiliations == ("Institute of Invented Towns", "Map House")
    assert first.authors[1].full == "Jürgen Østgård"
    assert first.comments == "12 pages, 3 maps"
    assert first.journal_ref.startswith("Journal of Invented Towns")
    assert first.links["pdf"] == "https://arxiv.org/pdf/2511.00011"
    assert first.flags == frozenset()
    assert second.title == r"Knots & $\alpha$-kettles"
    assert second.flags == {"withdrawn"}
    assert second.links["pdf"] == "https://arxiv.org/pdf/math/0309136", "also without a pdf link"


def test_records_are_verbatim_with_byte_offsets(golden: Path, read: Any) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    for record in read(content).records:
        assert content[record.offset :].startswith(record.raw)
        assert record.raw.endswith(b"</entry>")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("error.xml", "arXiv answered with an error: incorrect id format for abc"),
        ("rate.txt", "not a feed: arXiv refused for now (Rate exceeded.)"),
        ("empty.xml", "a feed without entries: arXiv found nothing for the query"),
        ("answer.html", "not a feed: a page of HTML"),
    ],
)
def test_error_answers(golden: Path, read: Any, name: str, reason: str) -> None:
    got = read(golden / "arxiv" / name, "arxiv")
    assert got.records == []
    assert [reject.reason for reject in got.rejects] == [reason]


@pytest.mark.parametrize("cut", [0.5, 0.9, 0.995])
def test_a_truncated_feed_keeps_what_was_good(golden: Path, read: Any, cut: float) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    kept = content[: int(len(content) * cut)]
    got = read(kept)
    assert len(got.records) == kept.count(b"</entry>")
    assert len(got.rejects) == 1
    assert "stops" in got.rejects[0].reason


def test_damage_in_one_entry_costs_that_entry(golden: Path, read: Any) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    got = read(content.replace(b"<name>Mira Okafor</name>", b"<name>Mira & Okafor</nam>"))
    assert [facts.ids["arxiv"] for facts in got.facts] == ["math/0309136"]
    assert got.unparsed
    assert "broken XML" in got.unparsed[0]


def test_entity_bomb_is_refused(read: Any) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><feed>&b;'
    got = read(bomb, "arxiv")
    assert got.records == []
    assert "entities" in got.rejects[0].reason
    inside = b"<feed><entry><!ENTITY a 'x'><id>http://arxiv.org/abs/2501.00001</id></entry></feed>"
    assert "refused" in read(inside, "arxiv").rejects[0].reason


def test_versions_one_to_nine(golden: Path, read: Any) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    for number in range(1, 10):
        changed = content.replace(b"2511.00011v2", b"2511.00011v%d" % number)
        facts = read(changed).facts[0]
        assert facts.version == number
        assert facts.versions[-1].number == number
        assert len(facts.versions) == min(number, 2)


def test_other_name_spaces_travel_with_the_record(golden: Path, read: Any) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    changed = content.replace(b"<feed ", b'<feed xmlns:x="urn:x" ', 1).replace(
        b"<published>", b"<x:mark/><published>"
    )
    got = read(changed)
    assert len(got.facts) == 2
    assert "urn:x" in got.records[0].context["root"]


def test_a_comment_may_hold_tags(golden: Path, read: Any) -> None:
    content = (golden / "arxiv" / "feed.xml").read_bytes()
    got = read(content.replace(b"  <entry>", b"  <!-- <entry> -->\n  <entry>", 1))
    assert (len(got.facts), got.rejects) == (2, [])


@pytest.mark.data
def test_recorded_answers(data_folder: Path, read: Any) -> None:
    folder = data_folder / "formats" / "arxiv-atom"
    total = 0
    for path in sorted(folder.glob("*.json")):
        answer = json.loads(path.read_text())
        body = answer["body"].encode()
        got = read(body, name=path.name)
        assert got.source == "arxiv"
        assert got.unparsed == []
        if answer["status_code"] == 200 and b"<entry>" in body:
            assert got.rejects == []
            assert len(got.facts) == body.count(b"<entry>")
        else:
            assert len(got.rejects) == 1
        total += len(got.facts)
    assert total > 200

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broadsheet.papers.model import Author


def test_daily_list(golden: Path, read: Any) -> None:
    got = read(golden / "hf" / "daily.json", date="2025-11-05")
    assert got.source == "hf"
    assert got.rejects == []
    first, second, third = got.facts
    assert first.title == "Lantern-7: Reading Small Maps without a Tutor", "the inner title"
    assert [author.full for author in first.authors] == ["Mira Okafor", "Jürgen Østgård"]
    assert first.listed == "2025-11-04", "the day it was listed, not the day that was asked for"
    assert first.dates["submitted_v1"] == "2025-10-31T17:20:01.000Z", "the inner date"
    assert first.signals == {"upvotes": 48, "comments": 3, "stars": 12}
    assert first.links["code"] == "https://github.com/example/lantern"
    assert first.organization == "Institute of Invented Towns"
    assert first.keywords == ("lantern", "maps")
    assert second.listed == "2025-11-05", "the day that was asked for, where none is given"
    assert second.signals == {"upvotes": 0, "comments": 0}
    assert third.ids == {"hf": "kitchen-notes-7"}, "not every paper is on arXiv"
    assert third.authors == (Author(full="Some Cook"),)
    assert third.signals == {}, "a missing count isn't zero"


def test_single_paper(golden: Path, read: Any) -> None:
    got = read(golden / "hf" / "paper.json")
    assert [facts.ids["arxiv"] for facts in got.facts] == ["2511.00011"]
    assert got.facts[0].signals == {"upvotes": 50, "stars": 12}


def test_records_are_verbatim_with_byte_offsets(golden: Path, read: Any) -> None:
    content = b"\xef\xbb\xbf \n" + (golden / "hf" / "daily.json").read_bytes()
    for record in read(content).records:
        assert content[record.offset :].startswith(record.raw)


def test_a_broken_element_costs_itself_only(golden: Path, read: Any) -> None:
    content = (golden / "hf" / "daily.json").read_bytes().replace(b'"upvotes": 0', b'"upvotes": ,')
    got = read(content)
    assert [record.key for record in got.records] == ["2511.00011", "kitchen-notes-7"]
    assert [reject.unit for reject in got.rejects] == ["byte"]
    assert content[got.rejects[0].offset :].startswith(b"{")


def test_a_truncated_list_keeps_what_was_good(golden: Path, read: Any) -> None:
    content = (golden / "hf" / "daily.json").read_bytes()
    middle = content.index(b'"2511.00012"')
    got = read(content[: middle + 30])
    assert [record.key for record in got.records] == ["2511.00011"]
    assert len(got.rejects) == 1


def test_error_answer_and_empty_list(golden: Path, read: Any) -> None:
    assert "Internal Error" in read(golden / "hf" / "error.json").rejects[0].reason
    assert read(b"[]", "hf").rejects[0].reason == "the list of papers is empty"


def test_live_answers_remember_the_day_they_were_fetched(golden: Path, read: Any) -> None:
    content = (golden / "hf" / "daily.json").read_bytes()
    live = read(content, name="https://huggingface.co/api/daily_papers", modified="2025-11-06")
    assert live.facts[0].observed == "2025-11-06"
    from_file = read(content, name="daily.json", modified="2025-11-06")
    assert from_file.facts[0].observed == "2025-11-04"
    assert from_file.records[0].context == {}, "a copied file gives the same record"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'[{"paper":' * 20_000,
        b'[{"paper":{"id":"a","title":"' + b"x" * 100_000,
        b'{"paper":{"id":' + b"9" * 5_000 + b',"title":"t"}}',
        b'[{"id":"\\ud800","title":"\\udfff half"}]',
        b'[1,null,"a",{},[],{"id":3}]',
    ],
)
def test_hostile_json_is_reported(read: Any, content: bytes) -> None:
    got = read(content, "hf")
    assert got.rejects or got.unparsed
    assert all(0 <= reject.offset <= len(content) for reject in got.rejects)

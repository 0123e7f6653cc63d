from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from broadsheet.papers.tex import to_plain


def test_library(golden: Path, read: Any) -> None:
    got = read(golden / "bibtex" / "library.bib")
    assert got.source == "bibtex"
    assert [record.key for record in got.records] == [
        "okafor2022lantern",
        "boats",
        "boats",
        "untitled",
    ]
    first = got.facts[0]
    assert first.title == "Lantern-7: Reading Small Maps, and Streets in $k_{i}$ Steps"
    assert to_plain(first.title) == "Lantern-7: Reading Small Maps, and Streets in kᵢ Steps"
    assert [author.full for author in first.authors] == [
        "Mira Okafor",
        "Jürgen Østgård",
        "The Map Group and Friends",
        "Ludwig van Kettle",
    ]
    assert first.authors[3].family == "van Kettle"
    assert first.venue == "Invented Transactions of Maps"
    assert (first.year, first.dates) == (2022, {"published": "2022-05"})
    assert first.ids == {
        "doi": "10.1234/lantern.7",
        "acl": "2022.maps-long.1",
        "bibkey": "okafor2022lantern",
    }
    assert first.keywords == ("lanterns", "maps", "streets")
    assert first.journal_ref == "Invented Transactions of Maps, pages 1–15"
    assert first.abstract == r"We read small maps at 5\% of the oil."


def test_arxiv_ids_wherever_they_are(golden: Path, read: Any) -> None:
    got = read(golden / "bibtex" / "library.bib")
    boats, again = got.facts[1:3]
    assert boats.ids["arxiv"] == "2511.00013"
    assert (boats.primary_category, boats.dates) == ("cs.CV", {"published": "2025-11-02"})
    assert (boats.authors[0].full, boats.authors[0].suffix) == ("A. B. Cook Jr.", "Jr.")
    assert again.ids["arxiv"] == "2511.00014"
    assert again.venue == "", "arXiv isn't a venue"


def test_broken_entries_cost_themselves(golden: Path, read: Any) -> None:
    got = read(golden / "bibtex" / "library.bib")
    assert [(reject.offset, reject.unit) for reject in got.rejects] == [(18, "line")]
    assert got.rejects[0].reason.startswith("broken entry (")
    assert got.unparsed == ["no title in this entry"]


def test_records_are_verbatim_with_lines(golden: Path, read: Any) -> None:
    content = (golden / "bibtex" / "library.bib").read_bytes()
    lines = content.splitlines(keepends=True)
    for record in read(content).records:
        assert b"".join(lines[record.offset - 1 :]).startswith(record.raw)


def test_latin_1_is_read(read: Any) -> None:
    got = read("@misc{a, title={Über Karten}, author={Müller, Jörg}}".encode("latin-1"))
    assert got.facts[0].title == "Über Karten"
    assert got.facts[0].authors[0].family == "Müller"


def test_the_parser_does_not_chatter(read: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read(b"@misc{a, title={x\n@misc{b, title={y}}")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("doi", "ids"),
    [
        ("10.48550/arXiv.2401.00001", {"arxiv": "2401.00001"}),
        ("10.48550/arXiv.kettle", {"doi": "10.48550/arxiv.kettle"}),
    ],
)
def test_doi_of_arxiv(read: Any, doi: str, ids: dict[str, str]) -> None:
    got = read(f"@misc{{a, title={{T}}, doi={{{doi}}}}}".encode())
    assert got.facts[0].ids == ids | {"bibkey": "a"}

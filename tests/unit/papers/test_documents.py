"""Works as documents: the terms, numbers and texts that the indexes get."""

from __future__ import annotations

from datetime import date

import pytest

from broadsheet.papers.documents import author_forms, fold_author, period, to_document, venue_names
from broadsheet.papers.model import Author, Work

WORK = Work(
    id="abcdefghijkl",
    ids={"arxiv": "2401.00001", "doi": "10.1234/AB"},
    aliases=("mnopqrstuvwx",),
    title="On $x^2$",
    title_text="On x²",
    abstract="We $\\alpha$.",
    abstract_text="We α.",
    authors=(Author(full="Ana María Núñez"), Author(full="Li, Bo", given="Bo", family="Li")),
    categories=("cs.CL", "cs.IR", "quant-ph"),
    dates={"published": "2022-12"},
    year=2022,
    venue="findings, acl",
    keywords=("Large  Language Models",),
    links={"code": "https://example.org", "pdf": "https://example.org/a.pdf"},
    flags=frozenset({"withdrawn"}),
    provenance={"title": "arxiv:2401.00001v1", "venue": "acl:2022.acl-long.1"},
)


def test_a_whole_work() -> None:
    document = to_document(7, WORK)
    assert (document.number, document.title, document.body) == (7, "On x²", "We α.")
    assert document.names == "Ana María Núñez\nLi, Bo"
    assert document.numbers == {"day": date(2022, 12, 1).toordinal(), "year": 2022}
    assert document.terms == {
        "author": ("nunez", "anamarianunez", "anunez", "li", "boli", "libo", "bli"),
        "author_name": ("Ana María Núñez", "Li, Bo"),
        "cat": ("cs.cl", "cs", "cs.ir", "quant-ph"),
        "cat_name": ("cs.cl", "cs.ir", "quant-ph"),
        "venue": ("findings", "acl"),
        "venue_name": ("findings", "acl"),
        "keyword": ("large language models",),
        "has": ("abstract", "code", "doi", "pdf"),
        "flag": ("withdrawn",),
        "source": ("acl", "arxiv"),
        "id": ("abcdefghijkl", "mnopqrstuvwx", "2401.00001", "10.1234/ab"),
    }


def test_an_almost_empty_work() -> None:
    document = to_document(1, Work(id="abcdefghijkl", title="T"))
    assert document.title == "T"
    assert document.terms == {"id": ("abcdefghijkl",)}
    assert document.numbers == {}


def test_the_year_comes_from_the_date_when_it_is_not_given() -> None:
    document = to_document(1, Work(id="a", dates={"hf_daily": "2025-09-02"}))
    assert document.numbers == {"day": date(2025, 9, 2).toordinal(), "year": 2025}


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("Vaswani", "vaswani"),
        ("Vaswani, Ashish", "ashishvaswani"),
        ("A. Vaswani", "avaswani"),
        ("Vaswani,", "vaswani"),
        ("--", ""),
    ],
)
def test_an_author_as_typed(typed: str, form: str) -> None:
    assert fold_author(typed) == form
    assert not form or form in author_forms(Author(full="Ashish Vaswani"))


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("", []),
        ("acl", ["acl"]),
        ("NeurIPS 2024", ["NeurIPS 2024"]),
        ("Nature, Volume 7", ["Nature, Volume 7"]),
        ("emnlp, , acl", ["emnlp", "acl"]),
    ],
)
def test_venues(printed: str, names: list[str]) -> None:
    assert venue_names(printed) == names


def test_a_venue_is_found_without_its_year() -> None:
    document = to_document(1, Work(id="a", venue="NeurIPS 2024"))
    assert document.terms["venue"] == ("neurips 2024", "neurips")


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2024", ("2024-01-01", "2024-12-31")),
        ("2024-02", ("2024-02-01", "2024-02-29")),
        ("9999-12", ("9999-12-01", "9999-12-31")),
        ("2024-02-29", ("2024-02-29", "2024-02-29")),
        ("2023-02-29", None),
        ("2024-13", None),
        ("0000", None),
        ("24", None),
        ("", None),
    ],
)
def test_periods(text: str, days: tuple[str, str] | None) -> None:
    found = period(text)
    assert (found and tuple(day.isoformat() for day in found)) == days

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.pagedate import PrintedDay, newest_named, read_day, resolve


def test_saved_page_is_read_whole(golden: Path, read: Any) -> None:
    got = read(golden / "page" / "page.txt", modified="2026-11-23")
    assert got.source == "page"
    assert got.rejects == []
    assert [facts.title for facts in got.facts] == [
        "Lantern-7: Reading Small Maps without a Tutor",
        "on the Whistling of Kettles",
        "3D Paper Boats (and $k^2$ Folds)",
    ]
    assert got.facts[0].abstract.endswith("at ~10x less oil.")
    assert {facts.listed for facts in got.facts} == {"2025-09-02"}
    assert got.facts[0].dates == {"hf_daily": "2025-09-02"}
    assert "GPT-Image-1 (2025-04)" in got.facts[0].notes[0]
    assert [record.offset for record in got.records] == [13, 17, 21]


def test_records_are_verbatim(golden: Path, read: Any) -> None:
    content = (golden / "page" / "page.txt").read_bytes()
    for record in read(content).records:
        assert record.raw in content
        assert content[: content.index(record.raw)].count(b"\n") + 1 == record.offset


def test_pasted_page_keeps_counters_and_reports_the_rest(golden: Path, read: Any) -> None:
    got = read(golden / "page" / "pasted.txt")
    assert [facts.title for facts in got.facts] == [
        "Lantern-7: Reading Small Maps without a Tutor",
        "on the Whistling of Kettles",
        "3D Paper Boats",
    ]
    assert {facts.listed for facts in got.facts} == {"2025-11-04"}
    assert got.facts[0].notes == ()
    assert [(reject.offset, reject.unit, reject.excerpt) for reject in got.rejects] == [
        (27, "line", "A title that lost its abstract on the way")
    ]


def test_a_given_day_wins_and_a_contradiction_is_said(golden: Path, read: Any) -> None:
    path = golden / "page" / "page.txt"
    agreeing = read(path, date="2024-09-02").facts[0]
    assert (agreeing.listed, agreeing.notes) == ("2024-09-02", ())
    other = read(path, date="2024-09-03").facts[0]
    assert other.listed == "2024-09-03"
    assert "Sep 2" in other.notes[0]


SEP_2 = PrintedDay(text="Sep 2", month=9, day=2)


@pytest.mark.parametrize("modified", ["", "2024-01-01", "2026-11-23", "2031-05-05"])
@pytest.mark.parametrize("now", ["2025-09-20", "2026-11-23", "2031-09-20"])
def test_evidence_in_the_text_gives_one_year_on_every_machine(
    monkeypatch: pytest.MonkeyPatch, now: str, modified: str
) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", now)
    day, note = resolve(SEP_2, "as GPT-Image-1 draws", Origin(name="x", modified=modified))
    assert day == "2025-09-02"
    assert "inferred" in note


@pytest.mark.parametrize(
    ("text", "modified", "now", "expected"),
    [
        ("names GPT-4o", "2026-09-04", "2026-11-23", "2026-09-02"),  # saved two days after
        ("names GPT-4o", "", "2026-09-02", "2026-09-02"),  # piped in on the day itself
        ("names GPT-4o", "2026-11-01", "2026-11-23", "2024-09-02"),
        ("see 2506.01234 and 9999.99999", "2026-11-01", "2026-11-23", "2025-09-02"),
        ("nothing dated", "2026-11-01", "2026-11-23", "2026-09-02"),
        ("nothing dated", "2026-08-01", "2026-11-23", "2025-09-02"),
        ("nothing dated", "2030-08-01", "2026-08-01", "2025-09-02"),  # a clock that was wrong
        ("names GPT-5", "2026-11-01", "2025-03-01", "2024-09-02"),  # never in the future
    ],
)
def test_rules_for_the_year(
    monkeypatch: pytest.MonkeyPatch, text: str, modified: str, now: str, expected: str
) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", now)
    assert resolve(SEP_2, text, Origin(name="x", modified=modified))[0] == expected


def test_a_weekday_narrows_the_year(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_NOW", "2026-11-23")
    printed = read_day("Tuesday, September 2")
    assert printed is not None
    assert resolve(printed, "", Origin(name="x", modified="2026-11-23"))[0] == "2025-09-02"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sep 2", (9, 2, 0)),
        ("2 September 2024", (9, 2, 2024)),
        ("Feb 29", (2, 29, 0)),
        ("2025-12-31", (12, 31, 2025)),
        ("Feb 29, 2023", None),
        ("Feb 30", None),
        ("2025-13-01", None),
        ("May we read maps", None),
        ("September", None),
    ],
)
def test_printed_days(text: str, expected: tuple[int, int, int] | None) -> None:
    printed = read_day(text)
    got = printed and (printed.month, printed.day, printed.year)
    assert got == expected


def test_longer_model_names_are_not_their_beginnings() -> None:
    assert newest_named("GPT-4.1 and Llama 3.1") == ("", "")
    assert newest_named("GPT-4.") == ("2023-03", "GPT-4")


def test_page_without_date_says_so(read: Any) -> None:
    page = b"Daily Papers\n\nA title of a paper\n\n" + b"An abstract of it. " * 20
    got = read(page)
    assert got.facts[0].listed == ""
    assert "--date" in got.facts[0].notes[0]


def test_abstract_without_title_and_empty_page_are_reported(read: Any) -> None:
    lonely = read(b"Daily Papers\n\nSep 2\n\n" + b"An abstract of it. " * 20)
    assert [reject.reason for reject in lonely.rejects] == ["an abstract without a title before it"]
    assert read(b"Daily Papers\n\nSep 2\n").rejects[0].reason == "no title and abstract found"


def test_wrapped_lines_are_one_block(read: Any) -> None:
    abstract = "\n".join(["words of an abstract that was wrapped at a column"] * 8)
    got = read(f"Daily Papers\nSep 2\n\nA title on\ntwo lines\n\n{abstract}\n".encode())
    assert [facts.title for facts in got.facts] == ["A title on two lines"]
    assert len(got.facts[0].abstract) > 300


@pytest.mark.data
def test_seed_page(data_folder: Path, read: Any) -> None:
    got = read(data_folder / "seed-page" / "page.txt", modified="2026-11-23")
    assert len(got.facts) == 40
    assert got.rejects == []
    assert {facts.listed for facts in got.facts} == {"2025-09-02"}
    assert len({record.key for record in got.records}) == 40

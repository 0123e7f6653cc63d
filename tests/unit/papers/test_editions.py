from __future__ import annotations

import io
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.papers import editions
from broadsheet.papers.model import Facts, SourceRecord, Work
from broadsheet.papers.results import EditionEntry
from broadsheet.papers.sections import LEAD, REST, arrange
from broadsheet.papers.shelf import Shelf
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.jsonl import DAILY_LINES
from broadsheet.papers.store import Store

DAYS = ["2025-08-25", "2025-08-26", "2025-08-27", "2025-08-28", "2025-08-29", "2025-09-01"]
WORDS = ["kestrel", "anvil", "lantern", "meadow", "copper", "violin", "glacier", "saffron"]


def listing(number: int, day: str, *, title: str = "", upvotes: int = 0) -> dict[str, object]:
    words = random.Random(number).sample(WORDS, 5)
    return {
        "day": day,
        "id": f"2508.{number:05d}",
        "title": title or f"{words[0].title()} and {words[1]} {number}",
        "authors": ["Ada Example"],
        "abstract": " ".join(words * 2),
        "published": f"{day}T00:00:00",
        "upvotes": upvotes,
        "comments": number % 3,
    }


def add(store: Store, *rows: dict[str, object]) -> None:
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    records = list(DAILY_LINES.split(io.BytesIO(lines), Origin(name="test")))
    batch = [
        (record, DAILY_LINES.parse(record))
        for record in records
        if isinstance(record, SourceRecord)
    ]
    assert len(batch) == len(rows)
    store.add(batch)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-01T08:00:00+00:00")
    with Store.open(tmp_path / "home", create=True) as opened:
        rows = [
            listing(10 * place + number, day, upvotes=number)
            for place, day in enumerate(DAYS)
            for number in range(1, 9)
        ]
        add(opened, *rows)
        yield opened


def test_a_preview_is_what_is_published(store: Store) -> None:
    preview = editions.edition(store, "2025-08-29")
    assert store.get_edition("2025-08-29") is None
    published = editions.publish(store, "2025-08-29")
    assert published == preview == editions.edition(store, "2025-08-29")
    assert (published.number, published.printing, published.formula) == (5, 1, "trend-v1")
    assert published.as_of == store.last_sequence()
    assert sorted(entry.rank for entry in published.entries) == list(range(1, 9))


def test_documents_round_trip(store: Store) -> None:
    edition = editions.edition(store, "2025-09-01")
    assert editions.from_document(editions.to_document(edition)) == edition
    with pytest.raises(BadInput):
        editions.from_document(b'{"day": 1}')
    with pytest.raises(BadInput):
        editions.from_document(b"[]")


def test_a_published_edition_does_not_change(store: Store) -> None:
    first = editions.publish(store, "2025-08-29")
    add(store, listing(900, "2025-08-29", upvotes=500))
    assert editions.edition(store, "2025-08-29") == first
    with pytest.raises(UsageError, match="already published"):
        editions.publish(store, "2025-08-29")
    assert editions.verify(store, "2025-08-29").matches


def test_a_late_edition_is_the_next_printing_and_both_can_be_rebuilt(store: Store) -> None:
    first = editions.publish(store, "2025-08-29")
    with pytest.raises(UsageError, match="nothing has changed"):
        editions.publish(store, "2025-08-29", late=True)
    add(store, listing(900, "2025-08-29", upvotes=500))
    late = editions.publish(store, "2025-08-29", late=True)
    assert (late.printing, len(late.entries)) == (2, 9)
    assert late.entries[0].title.endswith("900")
    assert editions.edition(store, "2025-08-29") == late
    assert editions.edition(store, "2025-08-29", printing=1) == first
    add(store, listing(901, "2025-08-27"), listing(11, "2025-08-26", title="Renamed", upvotes=77))
    assert [item.matches for item in editions.verify_all(store)] == [True, True]
    with pytest.raises(NotFound):
        editions.edition(store, "2025-08-29", printing=3)


def test_verify_finds_a_changed_document_and_a_changed_record(store: Store, tmp_path: Path) -> None:
    editions.publish(store, "2025-08-29")
    editions.publish(store, "2025-08-28")
    with sqlite3.connect(tmp_path / "home" / "broadsheet.sqlite") as connection:
        connection.execute(
            "UPDATE editions SET document = CAST('{}' AS BLOB) WHERE day = '2025-08-29'"
        )
        work = store.works_between("2025-08-28", "2025-08-28")[0]
        connection.execute("DELETE FROM records WHERE key = ?", (work.ids["hf"],))
        connection.execute("DELETE FROM works WHERE work_id = ?", (work.id,))
    connection.close()
    changed = editions.verify(store, "2025-08-29")
    assert not changed.matches
    assert changed.rebuilt == "the document is damaged"
    assert not editions.verify(store, "2025-08-28").matches
    with pytest.raises(NotFound):
        editions.verify(store, "2025-08-27")


def test_publish_all_skips_what_is_published_and_the_future(store: Store) -> None:
    add(store, listing(990, "2025-09-03"))
    editions.publish(store, "2025-08-26")
    done = editions.publish_all(store, until="2025-08-28")
    assert [day for day, _ in done] == ["2025-08-25", "2025-08-27", "2025-08-28"]
    assert [day for day, _ in editions.publish_all(store)] == ["2025-08-29", "2025-09-01"]
    assert editions.publish_all(store) == []
    for day in DAYS:
        assert editions.edition(store, day).number == DAYS.index(day) + 1
    with pytest.raises(UsageError, match="on its day"):
        editions.publish(store, "2025-09-03")


def test_publish_all_equals_publishing_one_by_one(store: Store) -> None:
    previews = {day: editions.edition(store, day).sha256 for day in DAYS}
    assert dict(editions.publish_all(store)) == previews


def test_an_empty_day_is_not_found_and_says_why(store: Store) -> None:
    with pytest.raises(NotFound, match="weekend"):
        editions.edition(store, "2025-08-30")
    with pytest.raises(NotFound):
        editions.publish(store, "2025-08-22")
    with pytest.raises(UsageError):
        editions.edition(store, "today")


def test_week_and_month_are_put_together_from_editions(store: Store) -> None:
    editions.publish(store, "2025-08-29")
    week = editions.week(store, "2025-W35")
    assert (week.first, week.last, week.earlier, week.later) == (
        "2025-08-25",
        "2025-08-31",
        "2025-W34",
        "2025-W36",
    )
    assert len(week.entries) == 40
    assert {entry.section for entry in week.entries} == set(DAYS[:5])
    scores = [entry.score for entry in week.entries]
    assert scores == sorted(scores, reverse=True)
    assert [entry.rank for entry in week.entries] == list(range(1, 41))
    assert [day.published for day in week.days] == [False] * 4 + [True, False, False]
    month = editions.month(store, "2025-08")
    assert len(month.entries) == 40
    assert month.undated == ()
    assert (month.earlier, month.later) == ("2025-07", "2025-09")
    empty = editions.month(store, "2025-10")
    assert (empty.entries, len(empty.days)) == ((), 31)


def test_a_month_lists_papers_without_a_day(store: Store) -> None:
    record = SourceRecord(source="jsonl-acl", key="A-1", raw=b"{}")
    facts = Facts(ids={"acl": "A-1"}, title="An undated paper", dates={"published": "2025-08"})
    store.add([(record, facts)])
    month = editions.month(store, "2025-08")
    assert [work.title for work in store.works(month.undated)] == ["An undated paper"]


def test_trending_looks_back_a_window_of_announcement_days(store: Store) -> None:
    entries = editions.trending(store, until="2025-08-31", window=2, rank="votes")
    assert len(entries) == 16, "Sunday: the window ends with Friday"
    assert editions.trending(store, until="2025-08-31", window=1)[0].rank == 1
    assert len(editions.trending(store, until="2025-09-01", window=366)) == 48
    assert editions.trending(store, until="2020-01-01") == []
    for bad in ({"window": 0}, {"rank": "best"}, {"until": "now"}):
        with pytest.raises(UsageError):
            editions.trending(store, **{"until": "2025-09-01", **bad})  # type: ignore[arg-type]


def test_trending_in_a_category_keeps_the_scores_of_the_whole_list(store: Store) -> None:
    for number, category in enumerate(["cs.CL", "cs.CV", "math.CO"]):
        record = SourceRecord(source="arxiv", key=f"c{number}", raw=b"{}")
        facts = Facts(
            ids={"arxiv": f"2509.0000{number}"},
            title=f"Categorised {number}",
            categories=(category,),
            primary_category=category,
            dates={"announced": "2025-09-01"},
        )
        store.add([(record, facts)])
    every = {entry.work_id: entry for entry in editions.trending(store, until="2025-09-01")}
    some = editions.trending(store, until="2025-09-01", category="CS")
    assert {entry.title for entry in some} == {"Categorised 0", "Categorised 1"}
    assert [entry.rank for entry in some] == [1, 2]
    assert all(every[entry.work_id].score == entry.score for entry in some)
    assert len(editions.trending(store, until="2025-09-01", category="math.co")) == 1


def entry(number: int) -> EditionEntry:
    return EditionEntry(work_id=f"w{number:02d}", title="", rank=number, score=0.0, terms=())


def work(number: int, title: str, category: str = "") -> Work:
    return Work(
        id=f"w{number:02d}",
        title_text=title,
        primary_category=category,
        dates={"hf_daily": "2025-09-01"},
    )


def arranged(works: list[Work]) -> list[tuple[str, str]]:
    entries = [entry(number) for number in range(1, len(works) + 1)]
    done = arrange(entries, {item.id: item for item in works}, works)
    return [(item.work_id, item.section) for item in done]


def test_sections_are_named_by_a_word_that_all_their_papers_share() -> None:
    titles = ["Ants", "Bees", "Cats", "LLM kites", "Dew", "Fast LLMs", "Fog", "LLMs at sea", "Gum"]
    assert arranged([work(n, title) for n, title in enumerate(titles, start=1)]) == [
        ("w01", LEAD),
        ("w02", LEAD),
        ("w03", LEAD),
        ("w04", "LLMs"),
        ("w06", "LLMs"),
        ("w08", "LLMs"),
        ("w05", REST),
        ("w07", REST),
        ("w09", REST),
    ]


def test_sections_go_by_category_where_papers_have_one() -> None:
    codes = ["cs.CL"] * 4 + [
        "cs.XX",
        "cs.CV",
        "cs.XX",
        "cs.CV",
        "cs.XX",
        "cs.CV",
        "cs.XX",
        "q-fin.ST",
    ]
    done = arranged([work(n, f"T{n}", code) for n, code in enumerate(codes, start=1)])
    assert [name for _, name in done] == [LEAD] * 3 + ["cs.XX"] * 4 + ["Computer Vision"] * 3 + [
        REST
    ] * 2


def test_three_papers_or_fewer_all_lead() -> None:
    assert {name for _, name in arranged([work(1, "A"), work(2, "B")])} == {LEAD}


def test_a_shelf_gives_each_day_once_and_forgets_old_ones() -> None:
    asked: list[tuple[str, str]] = []
    works = {day: [work(number, "T")] for number, day in enumerate(DAYS)}
    for number, day in enumerate(DAYS):
        works[day] = [Work(id=f"w{number}", dates={"hf_daily": day})]

    def load(first: str, last: str) -> list[Work]:
        asked.append((first, last))
        return [item for day in DAYS if first <= day <= last for item in works[day]]

    shelf = Shelf([(day, 1) for day in DAYS], load, days_kept=3)
    assert [item.day for item in shelf.window("2025-08-27", 2)] == ["2025-08-26", "2025-08-27"]
    assert [item.day for item in shelf.works_of("2025-08-27")] == ["2025-08-27"]
    assert asked == [("2025-08-26", "2025-08-27")]
    assert len(shelf.window("2025-09-01", 31)) == 6
    assert shelf.works_of("2025-08-25")
    assert shelf.works_of("2025-08-26")
    assert asked[1:] == [("2025-08-25", "2025-09-01"), ("2025-08-26", "2025-08-26")]


@pytest.mark.data
def test_real_listings_are_rebuilt_byte_for_byte(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zstandard

    monkeypatch.setenv("BROADSHEET_NOW", "2026-01-01T00:00:00+00:00")
    path = data_folder / "hf-daily-papers" / "daily-2025.jsonl.zst"
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(next(lines)) for _ in range(900)]
    with Store.open(tmp_path / "home", create=True) as store:
        add(store, *rows[:600])
        early = editions.publish_all(store)
        add(store, *rows[600:])
        editions.publish_all(store)
        late = editions.publish(store, early[-1][0], late=True)
        results = list(editions.verify_all(store))
        assert late.printing == 2
        assert len(results) == len({row["day"] for row in rows}) + 1
        assert all(result.matches for result in results)
        assert sum(day[1] for day in store.days()) == 900

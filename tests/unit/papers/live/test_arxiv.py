"""arXiv's answers: good ones, its four kinds of error, and feeds that contradict themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.papers.live.arxiv import DEFAULT_CATEGORIES, PAGE_SIZE, ArxivApi, categories
from broadsheet.papers.live.client import Answer
from broadsheet.papers.live.source import Ask, Page
from broadsheet.papers.live.trouble import Kind, Trouble

DAY = "2025-09-01"
ARXIV = ArxivApi()
ASK = ARXIV.first(DAY, "cat:cs.CL OR cat:cs.IR")
ERROR = (
    "<entry><id>https://arxiv.org/api/errors#incorrect_id_format_for_x</id><title>Error</title>"
    "<summary>incorrect id format for x</summary></entry>"
)


def answer(body: bytes, status: int = 200, cut: str = "") -> Answer:
    return Answer(url="http://x", status=status, content_type="text/x", body=body, cut=cut)


def refusal(body: bytes, status: int = 200) -> Trouble:
    with pytest.raises(Trouble) as caught:
        ARXIV.read(answer(body, status), ASK)
    return caught.value


def test_the_question_names_categories_and_the_whole_day(tmp_path: Path) -> None:
    assert ASK.params == {
        "search_query": "(cat:cs.CL OR cat:cs.IR) AND submittedDate:[202509010000 TO 202509012359]",
        "sortBy": "submittedDate",
        "sortOrder": "ascending",
        "start": "0",
        "max_results": "200",
    }
    assert ARXIV.question(tmp_path) == "cat:cs.CL OR cat:cs.IR OR cat:cs.LG OR cat:cs.CV"


def test_a_good_feed(atom: Any) -> None:
    page = ARXIV.read(answer(atom(DAY, 3)), ASK)
    assert page == Page(
        keys=tuple(f"http://arxiv.org/abs/2509.{n:05d}v1" for n in range(3)), total=3
    )
    assert ARXIV.more(ASK, page, 3) == []


def test_an_empty_feed_is_a_day_without_papers(atom: Any) -> None:
    page = ARXIV.read(answer(atom(DAY, 0)), ASK)
    assert page == Page(keys=(), total=0)
    assert ARXIV.more(ASK, page, 0) == []


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_feed_is_a_refusal_with_its_reason(atom: Any, status: int) -> None:
    caught = refusal(atom(DAY, 0, total=1, extra=ERROR), status)
    assert caught.kind is Kind.REFUSED
    assert "incorrect id format for x" in caught.why


def test_other_statuses_are_refusals(atom: Any) -> None:
    assert refusal(b"", 403).kind is Kind.REFUSED
    assert refusal(atom(DAY, 2), 404).why == "answered 404"


def test_lies_about_the_format_are_seen_through() -> None:
    assert refusal(b"\n<!DOCTYPE html><html><body>Log in</body>").kind is Kind.UNREACHABLE
    assert refusal(b'[{"paper": {}}]').kind is Kind.FAILING
    assert refusal(b"").kind is Kind.FAILING
    assert refusal(b"<rss><channel/></rss>").kind is Kind.FAILING


def test_a_bomb_is_not_expanded(atom: Any) -> None:
    bomb = b'<!DOCTYPE f [<!ENTITY a "' + b"x" * 1000 + b'">'
    bomb += b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 50) for n in range(9))
    body = atom(DAY, 1, extra="<rights>&j;</rights>").replace(b"<feed", bomb + b"]><feed", 1)
    assert len(ARXIV.read(answer(body), ASK).keys) <= 1


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_feed_that_breaks_off_gives_its_whole_entries(atom: Any, part: float) -> None:
    body = atom(DAY, 5)
    page = ARXIV.read(answer(body[: int(len(body) * part)]), ASK)
    assert "broke off" in page.cut
    assert len(page.keys) == body[: int(len(body) * part)].count(b"</entry>")
    assert ARXIV.read(answer(body[:600], cut="too slow"), ASK).cut == "too slow"


def test_papers_of_another_day_leave_the_day_open(atom: Any) -> None:
    assert ARXIV.read(answer(atom("2024-01-01", 2)), ASK).doubt.startswith("asked for 2025-09-01")
    assert ARXIV.read(answer(atom("2025-08-31", 2)), ASK).doubt == ""


def full(total: int, first: int = 0) -> Page:
    return Page(keys=tuple(map(str, range(first, first + PAGE_SIZE))), total=total)


def test_pages_follow_each_other() -> None:
    (second,) = ARXIV.more(ASK, full(450), PAGE_SIZE)
    assert second.params["start"] == "200"
    assert second.params["search_query"] == ASK.params["search_query"]
    (third,) = ARXIV.more(second, full(450, 200), PAGE_SIZE)
    assert third.params["start"] == "400"
    assert ARXIV.more(third, Page(keys=("1",) * 50, total=450), 50) == []
    assert ARXIV.more(ASK, full(PAGE_SIZE), PAGE_SIZE) == []


@pytest.mark.parametrize("total", [-1, 10, 100])
def test_totals_that_are_missing_or_too_small_do_not_end_a_day(total: int) -> None:
    (following,) = ARXIV.more(ASK, full(total), PAGE_SIZE)
    assert following.first == PAGE_SIZE


def doubt(ask: Ask, page: Page, fresh: int) -> str:
    with pytest.raises(Trouble) as caught:
        ARXIV.more(ask, page, fresh)
    assert caught.value.kind is Kind.DOUBTFUL
    return caught.value.why


def test_contradictions_are_doubted() -> None:
    (second,) = ARXIV.more(ASK, full(450), PAGE_SIZE)
    assert "promised 450" in doubt(ASK, Page(keys=("1", "2"), total=450), 2)
    assert "gave 200" in doubt(second, Page(keys=(), total=450), 0)
    assert "same papers again" in doubt(second, full(450), 0)


def test_a_window_over_ten_thousand_is_halved_down_to_a_minute() -> None:
    asks, seen = [ASK], []
    while asks:
        ask = asks.pop()
        halves = ARXIV.more(ask, full(10_001), PAGE_SIZE)
        if len(halves) == 2:
            asks += halves
        else:
            seen.append(ask.low)
            assert ask.low == ask.high
    assert len(set(seen)) == len(seen) == 24 * 60
    last = Ask(day=DAY, params=ASK.params, first=9_900, low="202509010000", high="202509010000")
    assert "more than 10,000" in doubt(last, full(20_000), PAGE_SIZE)


def test_categories_come_from_the_settings(tmp_path: Path) -> None:
    assert categories(tmp_path) == DEFAULT_CATEGORIES
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"encoder": "x"}))
    assert categories(tmp_path) == DEFAULT_CATEGORIES
    chosen = ["hep-th", "cs.CL", "cond-mat.mes-hall", "cs.CL"]
    settings.write_text(json.dumps({"arxiv_categories": chosen}))
    assert categories(tmp_path) == ("hep-th", "cs.CL", "cond-mat.mes-hall")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"arxiv_categories": "cs.CL"}',
        '{"arxiv_categories": []}',
        '{"arxiv_categories": [3]}',
        '{"arxiv_categories": ["cs.CL) OR (all:x"]}',
        '{"arxiv_categories": ["cs.CL\\n"]}',
    ],
)
def test_settings_that_are_no_categories_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(BadInput, match="arxiv_categories"):
        categories(tmp_path)


@pytest.mark.data
def test_recorded_answers_of_the_real_service(data_folder: Path) -> None:
    for path in sorted((data_folder / "formats" / "arxiv-atom").glob("*.json")):
        recorded = json.loads(path.read_text())
        body, status = recorded["body"].encode(), recorded["status_code"]
        if status != 200:
            assert refusal(body, status).kind is Kind.REFUSED
            continue
        page = ARXIV.read(answer(body), ASK)
        assert page.cut == ""
        assert len(page.keys) == recorded["body"].count("<entry>")
        assert page.total >= len(page.keys)

"""Fetching from servers that throttle, break off, contradict themselves or lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import PartialResult, SourceError
from broadsheet.papers.live import FetchReport, SourceReport, source_status
from broadsheet.papers.store import Store

TODAY, YESTERDAY = "2025-09-02", "2025-09-01"
CAPTIVE = b"<!DOCTYPE html><html><body>Please log in to HotelNet</body></html>"


def only(report: FetchReport) -> SourceReport:
    (source,) = report.sources
    return source


def test_a_long_throttle_closes_the_source_until_its_time(
    ask: Any, server: Any, reply: Any, clock: Any, home: Path
) -> None:
    server.replies(reply(status=429, body=b"Rate exceeded.", headers={"Retry-After": "600"}))
    report = ask("arxiv")
    assert only(report).state == "late"
    assert only(report).why == "asks us to slow down (429)"
    assert only(report).not_before == "2025-09-02T08:10:00+00:00"
    error = report.failure()
    assert isinstance(error, SourceError)
    assert error.exit_code == 3
    asked = len(server.requests)
    again = only(ask("arxiv"))
    assert (again.state, again.requests, len(server.requests)) == ("skipped", 0, asked)
    assert again.why == "asks us to slow down (429); not before 2025-09-02T08:10:00+00:00"
    assert clock.slept == []
    (status,) = [s for s in source_status(home, clock=clock) if s.name == "arxiv"]
    assert (status.late, status.not_before) == (True, "2025-09-02T08:10:00+00:00")


def test_throttles_without_a_time_are_waited_out_then_given_up(
    ask: Any, server: Any, reply: Any, clock: Any
) -> None:
    server.replies(reply(status=429, body=b"Rate exceeded."))
    report = only(ask("arxiv"))
    assert (report.state, report.requests) == ("late", 3)
    assert clock.slept == pytest.approx([5, 20], abs=0.1)
    assert report.not_before == "2025-09-02T08:01:45+00:00"


@pytest.mark.usefixtures("good")
def test_a_short_throttle_is_waited_out_and_forgotten(
    ask: Any, server: Any, reply: Any, clock: Any, home: Path
) -> None:
    answer = server.answer
    server.answer = lambda request: (
        reply(status=503, headers={"Retry-After": "7"})
        if len(server.requests) == 1
        else answer(request)
    )
    report = only(ask("arxiv"))
    assert (report.state, report.requests, report.new_works) == ("complete", 3, 4)
    assert clock.slept[0] == pytest.approx(7, abs=0.1)
    (gate,) = (home / "fetch").glob("127.0.0.1*.json")
    assert json.loads(gate.read_text())["strikes"] == 0


@pytest.mark.usefixtures("good")
def test_after_its_time_a_throttled_source_is_asked_again(
    ask: Any, server: Any, reply: Any, clock: Any
) -> None:
    answer = server.answer
    server.replies(reply(status=429, headers={"Retry-After": "600"}))
    ask("arxiv")
    server.answer = answer
    clock.now += 601
    assert only(ask("arxiv")).state == "complete"


@pytest.mark.parametrize("part", [0.2, 0.7])
@pytest.mark.parametrize("name", ["arxiv", "huggingface"])
def test_a_cut_answer_keeps_its_good_part_and_is_asked_again(
    ask: Any,
    server: Any,
    reply: Any,
    atom: Any,
    daily: Any,
    store: Store,
    clock: Any,
    name: str,
    part: float,
) -> None:
    body = atom(TODAY, 10) if name == "arxiv" else daily(TODAY, 10)
    whole = body[: int(len(body) * part)].count(b"</entry>" if name == "arxiv" else b"numComments")
    server.replies(reply(body=body[: int(len(body) * part)], length=len(body)))
    report = only(ask(name, since=TODAY))
    assert report.state == "late"
    assert "broke off" in report.why
    assert report.new_works == store.counts().works == whole
    assert store.counts().rejects == 0
    assert all(work.title for work in store.works_between("2000-01-01", "2030-01-01"))
    server.replies(reply(body=body))
    clock.now += 100
    assert only(ask(name, since=TODAY)).new_works == 10 - whole
    assert store.counts().records == 10


def test_after_a_cut_answer_the_rest_comes_with_the_next_one(
    ask: Any, server: Any, reply: Any, atom: Any, store: Store
) -> None:
    body = atom(TODAY, 10)
    server.replies(reply(body=body[:2000], length=len(body)), reply(body=body))
    report = only(ask("arxiv", since=TODAY))
    assert (report.state, report.requests, report.new_works) == ("complete", 2, 10)
    assert store.counts().records == 10


LIES = {
    "another day": ("late", "got the list of 2025-08-01"),
    "html": ("late", "hidden behind a web page"),
    "json for xml": ("late", "not a JSON list"),
    "huge": ("late", "announced an answer of 1,000,000,000,000 bytes"),
    "elsewhere": ("late", "sends us to another place (login.example)"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_reported_and_nothing_of_them_is_kept(
    ask: Any, server: Any, reply: Any, atom: Any, daily: Any, store: Store, lie: str
) -> None:
    server.replies(
        {
            "another day": reply(body=daily("2025-08-01", 5)),
            "html": reply(body=CAPTIVE, headers={"Content-Type": "application/json"}),
            "json for xml": reply(body=atom(TODAY, 2)),
            "huge": reply(body=b"[]", length=10**12),
            "elsewhere": reply(status=302, headers={"Location": "http://login.example/"}),
        }[lie]
    )
    report = only(ask("huggingface"))
    state, why = LIES[lie]
    assert report.state == state
    assert why in report.why
    counts = store.counts()
    assert (counts.works, counts.rejects, report.days_done) == (0, 0, 0)


def test_a_right_answer_under_a_wrong_type_is_taken(
    ask: Any, server: Any, reply: Any, atom: Any
) -> None:
    server.replies(reply(body=atom(TODAY, 2), headers={"Content-Type": "text/html"}))
    assert only(ask("arxiv", since=TODAY)).state == "complete"


@pytest.mark.usefixtures("good")
def test_a_network_that_wants_a_login_is_not_held_against_the_host(
    ask: Any, server: Any, reply: Any
) -> None:
    answer = server.answer
    server.replies(reply(body=CAPTIVE))
    assert only(ask("arxiv")).not_before == ""
    server.answer = answer
    assert only(ask("arxiv")).state == "complete"


def test_totals_that_promise_too_much_leave_the_day_open_but_keep_the_papers(
    ask: Any, server: Any, reply: Any, atom: Any, home: Path
) -> None:
    def answer(request: Any) -> Any:
        wrong = request.day == TODAY
        first = int(request.day[-2:]) * 10
        return reply(body=atom(request.day, 3, first=first, total=900 if wrong else 3))

    server.answer = answer
    report = only(ask("arxiv"))
    assert (report.state, report.days_done, report.new_works) == ("late", 1, 6)
    assert report.why == "promised 900 papers, gave 3, at 2025-09-02"
    assert report.requests == 4
    remembered = json.loads((home / "fetch" / "source-arxiv.json").read_text())
    assert list(remembered["done"]) == [YESTERDAY]
    assert remembered["failures"] == {TODAY: 1}


def test_a_server_that_sends_one_page_again_and_again_is_noticed(
    ask: Any, server: Any, reply: Any, atom: Any
) -> None:
    server.replies(reply(body=atom(TODAY, 200, total=900)))
    report = only(ask("arxiv", since=TODAY))
    assert (report.state, report.requests, report.new_works) == ("late", 4, 200)
    assert report.why == "sent the same papers again instead of the next ones, at 2025-09-02"


def test_a_refused_question_is_not_repeated(
    ask: Any, server: Any, reply: Any, atom: Any, home: Path, store: Store
) -> None:
    error = (
        "<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title>"
        "<summary>no such category</summary></entry>"
    )
    server.replies(reply(body=atom(TODAY, 0, total=1, extra=error), status=400))
    report = only(ask("arxiv"))
    assert (report.requests, report.new_works) == (1, 0)
    assert report.why == "refused the question (no such category)"
    assert store.counts().rejects == 0


@pytest.mark.usefixtures("good")
def test_one_source_in_trouble_does_not_hold_up_the_other(
    ask: Any, server: Any, store: Store
) -> None:
    urls = {"huggingface": "http://127.0.0.1:1/", "arxiv": server.url}
    report = ask(base_urls=urls)
    daily, arxiv = report.sources
    assert (daily.state, arxiv.state) == ("late", "complete")
    assert daily.why.startswith("can't be reached")
    assert isinstance(report.failure(), PartialResult)
    assert store.counts().works == 4

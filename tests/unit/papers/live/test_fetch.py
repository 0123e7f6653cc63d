"""Fetching into a store from a server that answers well, late, wrongly, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import PartialResult, SourceError, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.papers.live import FetchReport, Limits, SourceReport, fetch, source_status
from broadsheet.papers.store import Store

TODAY, YESTERDAY = "2025-09-02", "2025-09-01"
LIMITS = Limits(answer_s=5, read_s=5, connect_s=2, patience_s=30)
CAPTIVE = b"<!DOCTYPE html><html><body>Please log in to HotelNet</body></html>"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, create=True) as opened:
        yield opened


@pytest.fixture
def ask(store: Store, home: Path, server: Any, clock: Any) -> Callable[..., FetchReport]:
    def run(*names: str, since: str = YESTERDAY, **more: Any) -> FetchReport:
        urls = {"arxiv": server.url + "/arxiv", "huggingface": server.url + "/hf"}
        settings = {"limits": LIMITS, "clock": clock, "sleep": clock.sleep, "base_urls": urls}
        settings |= {"jitter": lambda: 1.0}
        return fetch(store, home, names, since=since, **(settings | more))

    return run


def only(report: FetchReport) -> SourceReport:
    (source,) = report.sources
    return source


@pytest.fixture
def good(server: Any, reply: Any, atom: Any, daily: Any) -> None:
    """Two papers of each day from each source; the arXiv day has its own papers."""

    def answer(request: Any) -> Any:
        if request.path.endswith("/hf"):
            return reply(body=daily(request.query["date"], 2, first=day_number(request) * 10))
        first = day_number(request) * 10
        return reply(body=atom(day_of(request), 2, first=first, total=2))

    server.answer = answer


def day_of(request: Any) -> str:
    if "date" in request.query:
        return str(request.query["date"])
    compact = request.query["search_query"].split("[")[1][:8]
    return f"{compact[:4]}-{compact[4:6]}-{compact[6:8]}"


def day_number(request: Any) -> int:
    return int(day_of(request)[-2:])


@pytest.mark.usefixtures("good")
def test_both_sources_fill_the_store(ask: Any, store: Store, server: Any, clock: Any) -> None:
    report = ask()
    assert report.complete
    assert report.failure() is None
    assert report.new_works == 8
    daily, arxiv = report.sources
    assert (daily.days_due, daily.days_done, daily.requests, daily.new) == (2, 2, 2, 4)
    assert (arxiv.days_done, arxiv.records, arxiv.rejects) == (2, 4, 0)
    assert [day_of(request) for request in server.requests] == [TODAY, YESTERDAY] * 2
    work = store.find("2509.00020")
    assert (work.title, work.dates["submitted_v1"][:10]) == ("Paper number 20", TODAY)
    assert store.find("2508.00010").listed == (YESTERDAY,)
    assert store.counts().rejects == 0
    # One host serves both here: three seconds apart, and nobody sleeps after the last.
    assert sum(clock.slept) == pytest.approx(5, abs=0.1)


@pytest.mark.usefixtures("good")
def test_asking_again_at_once_asks_nobody_and_later_only_what_may_change(
    ask: Any, server: Any, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    ask()
    asked = len(server.requests)
    report = ask()
    assert report.complete
    assert len(server.requests) == asked
    monkeypatch.setenv("BROADSHEET_NOW", f"{TODAY}T12:00:00+00:00")
    again = ask()
    assert len(server.requests) == asked + 4
    assert (again.new_works, store.counts().works) == (0, 8)
    monkeypatch.setenv("BROADSHEET_NOW", "2025-10-01T12:00:00+00:00")
    server.requests.clear()
    ask("arxiv")
    ask("arxiv")
    monkeypatch.setenv("BROADSHEET_NOW", "2025-10-01T14:00:00+00:00")
    server.requests.clear()
    ask("arxiv")
    assert min(map(day_of, server.requests)) == "2025-09-24"


@pytest.mark.usefixtures("good")
def test_without_a_first_day_it_goes_back_as_far_as_lists_change(ask: Any, server: Any) -> None:
    ask("arxiv", since="")
    assert [day_of(request) for request in server.requests][-1] == "2025-08-26"
    assert len(server.requests) == 8


def test_pages_are_followed_and_repeated_papers_counted_once(
    ask: Any, server: Any, reply: Any, atom: Any, store: Store
) -> None:
    def answer(request: Any) -> Any:
        first = int(request.query["start"])
        return reply(body=atom(TODAY, min(200, 450 - first), first=first, total=450))

    server.answer = answer
    report = only(ask("arxiv", since=TODAY))
    assert (report.requests, report.new_works, report.state) == (3, 450, "complete")
    assert store.counts().works == 450


def test_a_long_throttle_closes_the_source_until_its_time(
    ask: Any, server: Any, reply: Any, clock: Any, home: Path
) -> None:
    server.replies(reply(status=429, body=b"Rate exceeded.", headers={"Retry-After": "600"}))
    report = ask("arxiv")
    assert only(report).state == "late"
    assert only(report).why == "asks us to slow down (429), at 2025-09-02"
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
def test_a_short_throttle_is_waited_out(ask: Any, server: Any, reply: Any, clock: Any) -> None:
    answer = server.answer
    server.answer = lambda request: (
        reply(status=503, headers={"Retry-After": "7"})
        if len(server.requests) == 1
        else answer(request)
    )
    report = only(ask("arxiv"))
    assert (report.state, report.requests, report.new_works) == ("complete", 3, 4)
    assert clock.slept[0] == pytest.approx(7, abs=0.1)


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
        wrong = day_of(request) == TODAY
        first = day_number(request) * 10
        return reply(body=atom(day_of(request), 3, first=first, total=900 if wrong else 3))

    server.answer = answer
    report = only(ask("arxiv"))
    assert (report.state, report.days_done, report.new_works) == ("late", 1, 6)
    assert report.why == "promised 900 papers, gave 3, at 2025-09-02"
    assert report.requests == 4
    remembered = json.loads((home / "fetch" / "source-arxiv.json").read_text())
    assert list(remembered["done"]) == [YESTERDAY]
    assert remembered["failures"] == {TODAY: 1}


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
    assert report.why == "refused the question (no such category), at 2025-09-02"
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


def test_the_budget_bounds_the_call(store: Store, home: Path, server: Any, reply: Any) -> None:
    server.replies(reply(body=b"[]", stall_s=60))
    begun = time.monotonic()
    urls = {"arxiv": server.url, "huggingface": server.url}
    report = fetch(store, home, budget_s=0.6, base_urls=urls)
    assert time.monotonic() - begun < 3
    assert [source.state for source in report.sources] == ["late", "late"]
    assert all(source.not_before == "" for source in report.sources)


def test_a_budget_is_spent_on_the_newest_days_and_the_next_call_goes_on(
    ask: Any, good: None, server: Any, clock: Any
) -> None:
    first = only(ask("huggingface", since="2025-08-20", budget_s=5))
    assert (first.state, first.days_due) == ("late", 14)
    assert first.days_done == 6
    assert first.why == "stopped when its time was over, at 2025-08-27"
    clock.now += 10
    server.requests.clear()
    second = only(ask("huggingface", since="2025-08-20", budget_s=5))
    assert second.days_due == 8
    assert max(day_of(request) for request in server.requests) == "2025-08-27"


@pytest.mark.usefixtures("good")
def test_two_fetches_of_one_source_do_not_meet(ask: Any, home: Path, server: Any) -> None:
    with exclusive(home / "fetch" / "source-arxiv.lock", "test"):
        report = ask("arxiv")
    assert only(report).state == "skipped"
    assert "another process" in only(report).why
    assert server.requests == []


@pytest.mark.usefixtures("good")
def test_a_library_being_written_is_waited_for_then_left_for_later(
    ask: Any, home: Path, store: Store, clock: Any
) -> None:
    with exclusive(home / "write.lock", "test"):
        report = only(ask("arxiv"))
    assert report.state == "late"
    assert "another process is writing" in report.why
    assert 9 < sum(clock.slept) < 11
    assert store.counts().works == 0
    assert only(ask("arxiv")).state == "complete"


@pytest.mark.usefixtures("good")
def test_other_categories_are_another_question(ask: Any, home: Path, server: Any) -> None:
    ask("arxiv")
    (home / "settings.json").write_text('{"arxiv_categories": ["hep-th"]}')
    server.requests.clear()
    ask("arxiv")
    assert "(cat:hep-th) AND" in server.requests[0].query["search_query"]
    (home / "settings.json").write_text("{")
    report = only(ask("arxiv"))
    assert report.state == "skipped"
    assert "settings" in report.why


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("nobody",), {}),
        ((), {"since": "yesterday"}),
        ((), {"since": "2025-09-03"}),
        ((), {"base_urls": {"arxiv": "file:///etc/passwd"}}),
        ((), {"base_urls": {"arxiv": "http://"}}),
    ],
)
def test_mistakes_of_the_caller_are_named(ask: Any, names: Any, more: Any) -> None:
    with pytest.raises(UsageError):
        ask(*names, **more)


def test_votes_that_moved_are_kept_as_a_new_record(
    ask: Any, server: Any, reply: Any, daily: Any, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    server.replies(reply(body=daily(TODAY, 1, upvotes=3)))
    ask("huggingface", since=TODAY)
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-03T08:00:00+00:00")
    server.replies(reply(body=b"[]"), reply(body=daily(TODAY, 1, upvotes=8)))
    ask("huggingface", since=TODAY)
    (work,) = store.works_between(TODAY, TODAY)
    assert {(s.day, s.value) for s in work.signals if s.name == "upvotes"} == {
        ("2025-09-02", 3),
        ("2025-09-03", 8),
    }


@pytest.mark.usefixtures("good")
def test_the_status_page_knows_what_happened(
    ask: Any, home: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily, arxiv = source_status(home, clock=clock)
    assert (daily.last_try, daily.last_good, daily.late, daily.days_behind) == ("", "", False, 0)
    assert (arxiv.pace, daily.pace) == ("one request every 3 s", "one request every 1 s")
    ask("arxiv")
    arxiv = source_status(home, clock=clock)[1]
    assert (arxiv.newest_day, arxiv.days_behind, arxiv.days_kept) == (TODAY, 0, 2)
    assert (arxiv.late, arxiv.why, arxiv.last_good[:10]) == (False, "", TODAY)
    monkeypatch.setenv("BROADSHEET_NOW", "2025-09-05T08:00:00+00:00")
    arxiv = source_status(home, clock=clock)[1]
    assert (arxiv.late, arxiv.days_behind) == (True, 3)
    assert arxiv.why == "no complete fetch since 2025-09-02T08:00"

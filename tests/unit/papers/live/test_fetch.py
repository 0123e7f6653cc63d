"""Fetching into a store: what is asked, in which order, and what is remembered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import UsageError
from broadsheet.core.paths import exclusive
from broadsheet.papers.live import FetchReport, SourceReport, fetch, source_status
from broadsheet.papers.store import Store

TODAY, YESTERDAY = "2025-09-02", "2025-09-01"


def only(report: FetchReport) -> SourceReport:
    (source,) = report.sources
    return source


@pytest.mark.usefixtures("good")
def test_both_sources_fill_the_store(ask: Any, store: Store, server: Any, clock: Any) -> None:
    report = ask()
    assert report.complete
    assert report.failure() is None
    assert report.new_works == 8
    daily, arxiv = report.sources
    assert (daily.days_due, daily.days_done, daily.requests, daily.new) == (2, 2, 2, 4)
    assert (arxiv.days_done, arxiv.records, arxiv.rejects) == (2, 4, 0)
    assert [request.day for request in server.requests] == [TODAY, YESTERDAY] * 2
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
    ask("arxiv", since="2025-09-20")
    monkeypatch.setenv("BROADSHEET_NOW", "2025-10-01T14:00:00+00:00")
    server.requests.clear()
    ask("arxiv", since="2025-09-20")
    assert min(request.day for request in server.requests) == "2025-09-24"


@pytest.mark.usefixtures("good")
def test_without_a_first_day_it_goes_back_as_far_as_lists_change(ask: Any, server: Any) -> None:
    ask("arxiv", since="")
    assert [request.day for request in server.requests][-1] == "2025-08-26"
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
    assert first.days_done == 5
    assert first.why == "stopped when its time was over"
    clock.now += 10
    server.requests.clear()
    second = only(ask("huggingface", since="2025-08-20", budget_s=5))
    assert second.days_due == 9
    assert max(request.day for request in server.requests) == "2025-08-28"


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

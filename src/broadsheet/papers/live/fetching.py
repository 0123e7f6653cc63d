"""`fetch`: ask every due day of every source, keep what comes, stop when told to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx

from broadsheet.core import clock as core_clock
from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Progress, Silent
from broadsheet.papers.live import state as memory
from broadsheet.papers.live.catalogue import LIVE_SOURCES
from broadsheet.papers.live.client import Answer, Limits, get
from broadsheet.papers.live.gate import JITTER, Gate, host_of
from broadsheet.papers.live.keeping import keep
from broadsheet.papers.live.report import FetchReport, SourceReport
from broadsheet.papers.live.source import Ask, LiveSource, Page
from broadsheet.papers.live.trouble import Kind, Trouble
from broadsheet.papers.store import Store

_ATTEMPTS = 3
_MAX_DOUBTFUL_DAYS = 3
#: With less time left than this, nobody is asked.
_LEAST_S = 0.25
_STORE_PATIENCE_S = 10.0
_PAUSING = (Kind.THROTTLED, Kind.FAILING)


def fetch(
    store: Store,
    home: Path,
    names: Sequence[str] = (),
    *,
    since: str = "",
    budget_s: float | None = None,
    progress: Progress | None = None,
    base_urls: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = JITTER,
) -> FetchReport:
    """Fetch new papers from live sources into the store.

    A source that fails does not raise: its report says why. What was good is kept, a day counts
    as done only when all of its list was kept, and the next call goes on with the others.

    Args:
        home: The library's folder; pace, closures and done days are kept in `home/fetch`.
        names: Names of sources; all of them when empty.
        since: First day to fetch (ISO 8601); "" goes back as far as lists still change.
        budget_s: Seconds for the whole call, shared fairly between the sources; None: no bound.
        base_urls: Other addresses by source name.
        limits: Bounds of one exchange.
        clock: Unix time, for pace and budget.
        sleep: Waits.
        jitter: A number in [0, 1), new at each call.

    Raises:
        UsageError: No such source, `since` is not a day up to today, or an address is not http(s).
    """
    chosen = _chosen(names)
    first_day = _first_day(since)
    addresses = {source.name: _address(source, base_urls or {}) for source in chosen}
    end = math.inf if budget_s is None else clock() + budget_s
    reports = []
    for index, source in enumerate(chosen):
        now = clock()
        visit = _Visit(
            store=store,
            home=home,
            source=source,
            url=addresses[source.name],
            limits=limits or Limits(),
            end=now + (end - now) / (len(chosen) - index),
            clock=clock,
            sleep=sleep,
            jitter=jitter,
        )
        reports.append(visit.run(first_day, progress or Silent()))
    return FetchReport(sources=tuple(reports))


@dataclass(slots=True, kw_only=True)
class _Visit:
    """One source, asked for its due days."""

    store: Store
    home: Path
    source: LiveSource
    url: str
    limits: Limits
    end: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    jitter: Callable[[], float]

    def run(self, since: date | None, progress: Progress) -> SourceReport:
        report = SourceReport(name=self.source.name, label=self.source.label)
        try:
            lock = self.home / "fetch" / f"source-{self.source.name}.lock"
            with exclusive(lock, f"fetching from {self.source.label}"):
                self._visit(report, since, progress)
        except SourceError as error:
            report.state, report.why = "skipped", error.what
        return report

    def _visit(self, report: SourceReport, since: date | None, progress: Progress) -> None:
        state = memory.load(self.home, self.source.name)
        gate = self._gate()
        report.last_good = state.last_good
        try:
            question = self.source.question(self.home)
        except BadInput as error:
            report.state, report.why = "skipped", str(error)
            return
        if question != state.question:
            state.done, state.failures, state.question = {}, {}, question
        if until := gate.closed_until():
            report.state = "skipped"
            report.why = f"{gate.state().why}; not before {_iso(until)}"
            report.not_before = _iso(until)
            return
        days = memory.days_due(
            state,
            since=since or _usual_start(state, self.source.settle_days),
            now=core_clock.now(),
            settle_days=self.source.settle_days,
        )
        report.days_due = len(days)
        state.last_try = core_clock.timestamp()
        state.host = host_of(self.url)
        advance = progress.start(self.source.label, len(days), "days")
        self._days(days, gate, state, report, advance)
        state.why = report.why
        if report.state == "complete" and days:
            state.last_good = report.last_good = core_clock.timestamp()
        if until := gate.closed_until():
            report.not_before = _iso(until)
        memory.save(self.home, self.source.name, state)

    def _days(
        self,
        days: list[str],
        gate: Gate,
        state: memory.SourceState,
        report: SourceReport,
        advance: Callable[[int], None],
    ) -> None:
        doubtful = 0
        for day in days:
            try:
                self._day(day, state.question, gate, report)
            except Trouble as trouble:
                report.state = "late"
                report.why = trouble.why
                if trouble.kind in (Kind.FAILING, Kind.DOUBTFUL):
                    report.why += f", at {day}"
                    state.failures[day] = state.failures.get(day, 0) + 1
                doubtful += trouble.kind is Kind.DOUBTFUL
                if trouble.kind is not Kind.DOUBTFUL or doubtful == _MAX_DOUBTFUL_DAYS:
                    return
            else:
                state.done[day] = core_clock.timestamp()
                state.failures.pop(day, None)
                report.days_done += 1
                memory.save(self.home, self.source.name, state)
            advance(1)

    def _day(self, day: str, question: str, gate: Gate, report: SourceReport) -> None:
        """Ask for all pages of a day."""
        seen: set[str] = set()
        asks = [self.source.first(day, question)]
        while asks:
            ask = asks.pop()
            page, following = self._page(ask, seen, gate, report)
            seen.update(page.keys)
            asks.extend(reversed(following))

    def _page(
        self, ask: Ask, seen: set[str], gate: Gate, report: SourceReport
    ) -> tuple[Page, list[Ask]]:
        """Ask for one page until it is whole and believable, or patience ends.

        Raises:
            Trouble: It is neither after the last attempt.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                page = self._ask(ask, gate, report)
                fresh = len(set(page.keys) - seen)
                return page, self.source.more(ask, page, fresh)
            except Trouble as trouble:
                if trouble.kind not in (*_PAUSING, Kind.DOUBTFUL) or attempt == _ATTEMPTS:
                    raise
                if trouble.kind in _PAUSING:
                    self._wait_until_open(gate, trouble)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, ask: Ask, gate: Gate, report: SourceReport) -> Page:
        gate.pass_through(self.end - _LEAST_S)
        try:
            answer = self._get(ask, report)
            page = self.source.read(answer, ask)
            if page.keys or page.cut:
                self._keep(answer, ask, page, report)
            if page.cut:
                raise Trouble(answer.cut_kind, page.cut)
            if page.doubt:
                raise Trouble(Kind.DOUBTFUL, page.doubt)
        except Trouble as trouble:
            if trouble.kind in _PAUSING:
                gate.close(trouble.why, after_s=trouble.after_s)
            raise
        except SourceError as error:
            raise Trouble(Kind.OURS, error.what) from None
        gate.open()
        return page

    def _keep(self, answer: Answer, ask: Ask, page: Page, report: SourceReport) -> None:
        kept = keep(
            self.store,
            self.source.reads,
            answer.body,
            origin=f"{self.url}?{httpx.QueryParams(dict(ask.params))}",
            day=ask.day,
            whole=not page.cut,
            patience_s=min(_STORE_PATIENCE_S, self.end - self.clock()),
            sleep=self.sleep,
        )
        report.records += kept.records
        report.new += kept.new
        report.new_works += kept.new_works
        report.changed_works += kept.changed_works
        report.rejects += kept.rejects

    def _get(self, ask: Ask, report: SourceReport) -> Answer:
        now = self.clock()
        left = max(self.end - now, 0.05)
        report.requests += 1
        return get(
            self.url,
            ask.params,
            limits=self.limits,
            now=now,
            limit_s=min(self.limits.answer_s, left),
            limit_kind=Kind.OURS if left < self.limits.answer_s else Kind.FAILING,
        )

    def _wait_until_open(self, gate: Gate, trouble: Trouble) -> None:
        """Sleep until the gate opens when that is soon enough, else give up."""
        until = gate.closed_until()
        wait_s = until - self.clock()
        if wait_s > self.limits.patience_s or until > self.end:
            raise trouble
        if wait_s > 0:
            self.sleep(wait_s + 0.01)

    def _gate(self) -> Gate:
        return Gate(
            self.home / "fetch",
            host_of(self.url),
            every_s=self.source.every_s,
            clock=self.clock,
            sleep=self.sleep,
            jitter=self.jitter,
        )


def _chosen(names: Sequence[str]) -> tuple[LiveSource, ...]:
    known = {source.name: source for source in LIVE_SOURCES}
    for name in names:
        if name not in known:
            raise UsageError(
                "no such live source", received=name, hint="one of " + ", ".join(known)
            )
    return tuple(known[name] for name in dict.fromkeys(names)) or LIVE_SOURCES


def _first_day(since: str) -> date | None:
    if not since:
        return None
    try:
        day = date.fromisoformat(since)
    except ValueError:
        raise UsageError("--since is not a day", received=since, hint="2025-09-02") from None
    if day > core_clock.today():
        raise UsageError("--since lies in the future", received=since, hint="a day up to today")
    return day


def _usual_start(state: memory.SourceState, settle_days: int) -> date:
    """Go back from the last complete fetch, or from today, as far as lists still change."""
    last = state.last_good[:10] or core_clock.today().isoformat()
    start = min(date.fromisoformat(last), core_clock.today())
    return start - timedelta(days=settle_days)


def _address(source: LiveSource, base_urls: Mapping[str, str]) -> str:
    address = base_urls.get(source.name, source.address)
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise UsageError("a source's address must begin with http:// or https://", received=address)
    return address


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")

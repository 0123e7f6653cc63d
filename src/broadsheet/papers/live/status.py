"""The state of live sources, for the sources page and `broadsheet sources`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broadsheet.core.clock import now
from broadsheet.papers.live import state as memory
from broadsheet.papers.live.catalogue import LIVE_SOURCES
from broadsheet.papers.live.gate import Gate, host_of
from broadsheet.papers.live.source import LiveSource

#: A source without a complete fetch for this long is late.
LATE_AFTER = timedelta(hours=36)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One live source as it stands. Times are ISO 8601, "" when there is none.

    Args:
        pace: "one request every 3 s".
        last_try: When it was last asked.
        last_good: When it last gave all it was asked for.
        late: True when the last try was not complete or the last complete one is old.
        why: Why it is late, as a sentence; "" when it is not.
        not_before: Until when it is left alone.
        newest_day: The newest day whose list was kept.
        days_behind: Days between `newest_day` and today; 0 when nothing was ever kept.
        days_kept: Number of days whose lists were kept.
    """

    name: str
    label: str
    address: str
    pace: str
    last_try: str
    last_good: str
    late: bool
    why: str
    not_before: str
    newest_day: str
    days_behind: int
    days_kept: int


def source_status(home: Path, *, clock: Callable[[], float] = time.time) -> list[SourceStatus]:
    """Return the state of every live source, in the order they are asked. Asks nobody."""
    return [_status(home, source, clock) for source in LIVE_SOURCES]


def _status(home: Path, source: LiveSource, clock: Callable[[], float]) -> SourceStatus:
    state = memory.load(home, source.name)
    moment = now()
    host = state.host or host_of(source.address)
    closed = Gate(home / "fetch", host, every_s=source.every_s, clock=clock).closed_until()
    newest = max(state.done, default="")
    why = state.why
    if not why and state.last_try and _older(state.last_good, moment):
        why = f"no complete fetch since {state.last_good[:16]}"
    return SourceStatus(
        name=source.name,
        label=source.label,
        address=source.address,
        pace=f"one request every {source.every_s:g} s",
        last_try=state.last_try,
        last_good=state.last_good,
        late=bool(why),
        why=why,
        not_before=datetime.fromtimestamp(closed, UTC).isoformat(timespec="seconds")
        if closed
        else "",
        newest_day=newest,
        days_behind=(moment.date() - datetime.fromisoformat(newest).date()).days if newest else 0,
        days_kept=len(state.done),
    )


def _older(text: str, moment: datetime) -> bool:
    try:
        return moment - datetime.fromisoformat(text) > LATE_AFTER
    except (ValueError, TypeError):
        return True

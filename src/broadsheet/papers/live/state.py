"""What we remember of each live source, one small file each: which days are done, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from broadsheet.core.paths import write_atomically

#: A day asked less than this long ago is not asked again.
FRESH = timedelta(minutes=30)
_STUBBORN = 2


@dataclass(slots=True, kw_only=True)
class SourceState:
    """Memory of one source.

    Args:
        question: What `done` is an answer to; another question starts from nothing.
        host: Whose gate it passes.
        last_try: When it was last asked (ISO 8601).
        last_good: When it last gave all it was asked for.
        why: Why the last try was not complete, "" when it was.
        done: Day to the time at which all of its list was kept.
        failures: Day to the number of tries that did not get all of its list.
    """

    question: str = ""
    host: str = ""
    last_try: str = ""
    last_good: str = ""
    why: str = ""
    done: dict[str, str] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def path_of(home: Path, name: str) -> Path:
    """Return the file that remembers the source `name`."""
    return home / "fetch" / f"source-{name}.json"


def load(home: Path, name: str) -> SourceState:
    """Read the memory of a source; a missing or damaged file is a source never asked."""
    try:
        data = json.loads(path_of(home, name).read_bytes())
        if data["last_good"]:
            datetime.fromisoformat(data["last_good"])
        return SourceState(
            **{key: str(data[key]) for key in ("question", "host", "last_try", "last_good", "why")},
            done={_day(day): str(at) for day, at in _items(data["done"])},
            failures={_day(day): int(str(n)) for day, n in _items(data["failures"])},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return SourceState()


def save(home: Path, name: str, state: SourceState) -> None:
    """Write the memory of a source."""
    path = path_of(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(state), sort_keys=True).encode())


def days_due(state: SourceState, *, since: date, now: datetime, settle_days: int) -> list[str]:
    """Return the days to ask for: newest first, those that keep failing at the end.

    A day is left out when its list was kept after it had settled, or within the last half hour.
    """
    due: list[tuple[bool, str]] = []
    day = now.date()
    while day >= since:
        text = day.isoformat()
        kept = _moment(state.done.get(text, ""), now)
        settled = kept is not None and kept.date() > day + timedelta(days=settle_days)
        if kept is None or not (settled or now - kept < FRESH):
            due.append((state.failures.get(text, 0) >= _STUBBORN, text))
        day -= timedelta(days=1)
    return [text for _, text in sorted(due, key=lambda item: item[0])]


def _items(value: object) -> list[tuple[str, object]]:
    if not isinstance(value, Mapping):
        raise ValueError("not an object")
    return list(value.items())


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo and moment <= now else None

"""Shapes of the JSON twins, where they are more than what the library answers."""

from __future__ import annotations

from dataclasses import dataclass

from broadsheet.papers.model import Work
from broadsheet.papers.results import CalendarDay, Edition, EditionEntry, Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPage:
    """An edition with its works in the order printed, and what arrived after it."""

    edition: Edition
    published: bool
    works: tuple[Work, ...]
    late: tuple[Work, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedPage:
    """Ranked papers of some days, with their works in the same order."""

    title: str
    first: str
    last: str
    formula: str
    total: int
    entries: tuple[EditionEntry, ...]
    works: tuple[Work, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPage:
    """All works of a day, unranked."""

    day: str
    works: tuple[Work, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCalendar:
    """The days of a month."""

    month: str
    days: tuple[CalendarDay, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSummary:
    """A stored source record, as text."""

    sequence: int
    source: str
    key: str
    sha256: str
    origin: str
    ingested_at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedPage:
    """Works with a similar text."""

    work: Work
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A word of the corpus and how many papers hold it."""

    word: str
    papers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, as JSON."""

    status: int
    error: str
    received: str
    hint: str

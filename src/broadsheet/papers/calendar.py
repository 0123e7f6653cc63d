"""Announcement days: weekends skipped, holidays named, and why a day has no papers.

arXiv announces papers in one batch on each working day, so age in hours means nothing here. The
time axis of this project counts *announcement days*: weekdays on which at least one paper is
known. A weekday without papers is a holiday, whatever its reason; a paper that carries a weekend
date counts with the next announcement day.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Protocol

from broadsheet.core import clock
from broadsheet.core.errors import UsageError
from broadsheet.papers.results import CalendarDay

#: Holidays of fixed date on which arXiv usually announces nothing. Recalled, not read from arXiv:
#: a name from this table only explains an empty day, it never hides a day that has papers.
_FIXED_HOLIDAYS = {
    (1, 1): "New Year's Day",
    (6, 19): "Juneteenth",
    (7, 4): "Independence Day",
    (12, 24): "Christmas Eve",
    (12, 25): "Christmas Day",
    (12, 26): "the day after Christmas",
    (12, 31): "New Year's Eve",
}
#: Holidays of moving date: month, weekday (0 is Monday), which one of the month (-1 is the last).
_MOVING_HOLIDAYS = (
    (1, 0, 3, "Martin Luther King Jr. Day"),
    (5, 0, -1, "Memorial Day"),
    (9, 0, 1, "Labor Day"),
    (11, 3, 4, "Thanksgiving"),
)


class DaysAndEditions(Protocol):
    """The part of the store that the calendar reads."""

    def days(self) -> Sequence[tuple[str, int]]:
        """Return each day that has papers with their number, oldest first."""
        ...

    def edition_days(self) -> Sequence[tuple[str, int, str]]:
        """Return day, printing and hash of each published edition."""
        ...


def parse_day(text: str) -> date:
    """Read a day.

    Raises:
        UsageError: It is not a day of the calendar written as YYYY-MM-DD.

    Example:
        >>> parse_day("2025-09-02").isoweekday()
        2
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise UsageError("not a day", received=text, hint="a day such as 2025-09-02")
    return day


def month_range(month: str) -> tuple[date, date]:
    """Return the first and the last day of a month.

    Raises:
        UsageError: It is not written as YYYY-MM.

    Example:
        >>> [str(day) for day in month_range("2025-02")]
        ['2025-02-01', '2025-02-28']
    """
    if not re.fullmatch(r"\d{4}-\d{2}", month, re.ASCII):
        raise UsageError("not a month", received=month, hint="a month such as 2025-09")
    try:
        first = date.fromisoformat(f"{month}-01")
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    except ValueError:
        raise UsageError("not a month", received=month, hint="a month such as 2025-09") from None
    return first, following - timedelta(days=1)


def week_range(week: str) -> tuple[date, date]:
    """Return Monday and Sunday of an ISO week.

    Raises:
        UsageError: It is not written as YYYY-Www, or the year has no such week.

    Example:
        >>> [str(day) for day in week_range("2025-W36")]
        ['2025-09-01', '2025-09-07']
    """
    match = re.fullmatch(r"(\d{4})-W(\d{2})", week, re.ASCII)
    try:
        if match is None:
            raise ValueError(week)
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
        return monday, monday + timedelta(days=6)
    except (ValueError, OverflowError):
        raise UsageError("not a week", received=week, hint="a week such as 2025-W36") from None


def is_weekend(day: str) -> bool:
    """Tell whether an ISO day is a Saturday or a Sunday."""
    return date.fromisoformat(day).weekday() >= 5


def holiday(day: str) -> str:
    """Return the name of the holiday on an ISO day, or "" (recalled table, approximate).

    Example:
        >>> holiday("2025-09-01"), holiday("2024-11-28"), holiday("2025-09-02")
        ('Labor Day', 'Thanksgiving', '')
    """
    moment = date.fromisoformat(day)
    fixed = _FIXED_HOLIDAYS.get((moment.month, moment.day))
    if fixed:
        return fixed
    for month, weekday, nth, name in _MOVING_HOLIDAYS:
        if (moment.month, moment.weekday()) != (month, weekday):
            continue
        is_last = (moment + timedelta(days=7)).month != month
        if is_last if nth < 0 else (moment.day - 1) // 7 + 1 == nth:
            return name
    return ""


class Axis:
    """Announcement days up to a day, and how many of them lie between two days.

    Args:
        days: ISO days that have papers, in any order; those after `until` are ignored.
        until: The day that is "now"; it is on the axis even when it is a weekend or has no papers.

    Example:
        >>> axis = Axis(["2025-08-28", "2025-08-29", "2025-08-30", "2025-09-02"], "2025-09-02")
        >>> axis.age("2025-08-29"), axis.age("2025-08-30"), axis.last(2)
        (1, 0, ['2025-08-29', '2025-09-02'])
    """

    def __init__(self, days: Iterable[str], until: str) -> None:
        self.until = until
        known = {day for day in days if day <= until and not is_weekend(day)}
        self._days = sorted(known | {until})

    def age(self, day: str) -> int:
        """Return how many announcement days ago `day` was; 0 for `until` and anything later."""
        return max(0, len(self._days) - 1 - bisect_left(self._days, day))

    def last(self, count: int) -> list[str]:
        """Return the last `count` announcement days, `until` included, oldest first."""
        return self._days[-count:] if count > 0 else []


def month_days(store: DaysAndEditions, month: str) -> list[CalendarDay]:
    """Return every day of a month with its papers, whether it is published, and why it is empty.

    Raises:
        UsageError: `month` is not written as YYYY-MM.
    """
    first, last = month_range(month)
    return days_between(store, first, last)


def days_between(store: DaysAndEditions, first: date, last: date) -> list[CalendarDay]:
    """Return the days from `first` to `last`, both included, as `month_days` does."""
    papers = dict(store.days())
    published = {day for day, _, _ in store.edition_days()}
    known = sorted(papers)
    days = []
    for offset in range((last - first).days + 1):
        day = (first + timedelta(days=offset)).isoformat()
        count = papers.get(day, 0)
        days.append(
            CalendarDay(
                day=day,
                papers=count,
                published=day in published,
                reason="" if count else why_empty(day, known),
            )
        )
    return days


def why_empty(day: str, known: Sequence[str]) -> str:
    """Say why `day` has no papers, given the sorted days that do have some."""
    if day > clock.today().isoformat():
        return "in the future"
    if is_weekend(day):
        return "weekend: nothing is announced"
    name = holiday(day)
    if name:
        return f"holiday: {name} (recalled)"
    if not known:
        return "the library is empty"
    if day < known[0]:
        return f"before the first paper we know ({known[0]})"
    if day > known[-1]:
        return f"no source read for this day; the last day we know is {known[-1]}"
    return "no paper of this day in any source read so far"


def neighbours(day: str, known: Sequence[str]) -> tuple[str, str]:
    """Return the nearest days before and after `day` that have papers ("" where there is none).

    Example:
        >>> neighbours("2025-09-02", ["2025-08-29", "2025-09-02"])
        ('2025-08-29', '')
    """
    before = bisect_left(known, day) - 1
    after = bisect_right(known, day)
    return (known[before] if before >= 0 else "", known[after] if after < len(known) else "")


def weeks_around(monday: date) -> tuple[str, str]:
    """Return the names of the weeks before and after the one that begins on `monday`."""
    return _week_name(_moved(monday, -7)), _week_name(_moved(monday, 7))


def months_around(first: date) -> tuple[str, str]:
    """Return the names of the months before and after the one that begins on `first`."""
    before, after = _moved(first, -1), _moved(first, 31)
    return (before.isoformat()[:7] if before else "", after.isoformat()[:7] if after else "")


def _week_name(day: date | None) -> str:
    if day is None:
        return ""
    year, number, _ = day.isocalendar()
    return f"{year:04d}-W{number:02d}"


def _moved(day: date, days: int) -> date | None:
    """Return the day so many days later, or None beyond the ends of the calendar."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return None

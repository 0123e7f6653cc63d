"""The year that a saved page leaves out, found by a stated rule.

A page says "Sep 2" and no year. The rules, first that applies:

1. The reader gave a day (`--date`): it holds.
2. The page states the year. (A weekday on the page narrows the years that the rules below try.)
3. The file was saved (or is piped in) within three days after that day of a year: that year.
4. A daily page lists new papers, so its day is the first one after the newest thing that its text
   names: an arXiv id, or a model whose month of release is known (`RELEASES`).
5. The last such day that is not after the file was saved.

No rule answers with a day in the future, and each says in words what it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from broadsheet.core import clock
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.values import month_of

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}"
_DAY_LINE = re.compile(
    rf"(?:(?P<weekday>{_WEEKDAY}),?\s+)?"
    rf"(?:(?P<month>{_MONTH})\s+(?P<day>\d{{1,2}})|(?P<day2>\d{{1,2}})\s+(?P<month2>{_MONTH}))"
    r"(?:(?:st|nd|rd|th)?,?\s+(?P<year>(?:19|20)\d\d))?",
    re.IGNORECASE | re.ASCII,
)
_ISO_LINE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ARXIV_ID = re.compile(r"(?<![\d.])(\d\d)(0[1-9]|1[0-2])\.\d{4,5}(?!\d)", re.ASCII)
_FRESH = timedelta(days=3)

#: Month in which the world first heard of a model: lower bounds for a page that names it.
RELEASES = {
    "BERT": "2018-10",
    "XLNet": "2019-06",
    "GPT-3": "2020-05",
    "ChatGPT": "2022-11",
    "GPT-4": "2023-03",
    "Llama 2": "2023-07",
    "Llama 3": "2024-04",
    "GPT-4o": "2024-05",
    "Qwen2.5": "2024-09",
    "DeepSeek-V3": "2024-12",
    "DeepSeek-R1": "2025-01",
    "Gemini 2.5": "2025-03",
    "GPT-Image-1": "2025-04",
    "Qwen3": "2025-04",
    "Seedance 1.0": "2025-06",
    "GPT-5": "2025-08",
}
_RELEASE = re.compile(
    r"(?<![\w.-])(?:" + "|".join(re.escape(name) for name in RELEASES) + r")(?![\w]|\.\d)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedDay:
    """A day as a page prints it; `year` is 0 and `weekday` -1 where it doesn't say."""

    text: str
    month: int
    day: int
    year: int = 0
    weekday: int = -1

    def days(self, first: int, last: int) -> Iterator[date]:
        """Yield the days it may mean, from year `first` to `last`, oldest first."""
        for year in range(first, last + 1):
            try:
                candidate = date(year, self.month, self.day)
            except ValueError:
                continue
            if self.weekday in (-1, candidate.weekday()):
                yield candidate


def read_day(text: str) -> PrintedDay | None:
    """Read a block that is nothing but a date; None when it is something else.

    Example:
        >>> read_day("Sep 2"), read_day("September results")
        (PrintedDay(text='Sep 2', month=9, day=2, year=0, weekday=-1), None)
    """
    text = text.strip()
    if len(text) > 40:
        return None
    iso = _ISO_LINE.fullmatch(text)
    match = _DAY_LINE.fullmatch(text)
    if iso:
        printed = PrintedDay(text=text, year=int(iso[1]), month=int(iso[2]), day=int(iso[3]))
    elif match:
        weekday = (match["weekday"] or "")[:3].lower()
        printed = PrintedDay(
            text=text,
            month=month_of(match["month"] or match["month2"]),
            day=int(match["day"] or match["day2"]),
            year=int(match["year"] or 0),
            weekday=_WEEKDAYS.index(weekday) if weekday else -1,
        )
    else:
        return None
    return printed if any(printed.days(printed.year or 2000, printed.year or 2030)) else None


def newest_named(text: str) -> tuple[str, str]:
    """Return the newest month that `text` gives evidence of, and the words that do ("" for none).

    Example:
        >>> newest_named("as in 2401.00001; raw frames for GPT-Image-1")
        ('2025-04', 'GPT-Image-1')
    """
    found = [(f"20{match[1]}-{match[2]}", match[0]) for match in _ARXIV_ID.finditer(text)]
    found += [(RELEASES[match[0]], match[0]) for match in _RELEASE.finditer(text)]
    this_month = clock.today().isoformat()[:7]
    return max((item for item in found if item[0] <= this_month), default=("", ""))


def resolve(printed: PrintedDay | None, text: str, origin: Origin) -> tuple[str, str]:
    """Return the ISO day of a page, and a sentence that says what was inferred ("" for nothing).

    The day is "" when the page has no date and the reader gave none.
    """
    if origin.date:
        if printed and origin.date[5:] != f"{printed.month:02d}-{printed.day:02d}":
            return origin.date, f"The page says {printed.text}; the day {origin.date} was given."
        return origin.date, ""
    if printed is None:
        return "", "The page has no date; give one with --date."
    if printed.year:
        return date(printed.year, printed.month, printed.day).isoformat(), ""
    day, reason = _infer(printed, text, origin)
    if not day:
        return "", f"The page says {printed.text} without a year; give the day with --date."
    return day, (
        f"The page says {printed.text} without a year; {day} was inferred: {reason}. "
        "Correct it with --date."
    )


def _infer(printed: PrintedDay, text: str, origin: Origin) -> tuple[str, str]:
    today = clock.today()
    saved = min(date.fromisoformat(origin.modified), today) if origin.modified else today
    seen = "the file was saved" if origin.modified else "it was read"
    past = [day for day in printed.days(1995, today.year) if day <= today]
    for day in past:
        if timedelta() <= saved - day <= _FRESH:
            return day.isoformat(), f"{seen} on {saved.isoformat()}"
    month, words = newest_named(text)
    for day in past:
        if month and day.isoformat()[:7] >= month:
            return day.isoformat(), f"the first such day since {words} ({month}), which it names"
    before = [day for day in past if day <= saved]
    if not before:
        return "", ""
    return before[-1].isoformat(), f"the last such day before {seen}, on {saved.isoformat()}"

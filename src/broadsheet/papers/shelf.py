"""The papers around a day, read once and kept while neighbouring days are built."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from broadsheet.papers.calendar import Axis
from broadsheet.papers.model import Work
from broadsheet.papers.trending.topics import Terms, terms_of

#: Days whose papers are kept; a ranking looks at 31 announcement days and the weekends between.
_DAYS_KEPT = 64


@dataclass(slots=True)
class _Day:
    works: list[Work]
    terms: dict[str, Terms] = field(default_factory=dict)


class Shelf:
    """Papers by day, with the terms of each computed once.

    Args:
        days: Every day that has papers, with their number, oldest first.
        load: Returns the works between two days, both included.
    """

    def __init__(
        self,
        days: Sequence[tuple[str, int]],
        load: Callable[[str, str], Iterable[Work]],
        *,
        days_kept: int = _DAYS_KEPT,
    ) -> None:
        self.days = [day for day, _ in days]
        self._load = load
        self._kept: OrderedDict[str, _Day] = OrderedDict()
        self._days_kept = days_kept

    @classmethod
    def frozen(cls, works: Iterable[Work]) -> Shelf:
        """Return a shelf of exactly these works; those without a full date are left out."""
        by_day: dict[str, list[Work]] = {}
        for work in works:
            if work.day:
                by_day.setdefault(work.day, []).append(work)

        def load(first: str, last: str) -> list[Work]:
            return [work for day in by_day if first <= day <= last for work in by_day[day]]

        return cls([(day, len(by_day[day])) for day in sorted(by_day)], load)

    def works_of(self, day: str) -> list[Work]:
        """Return the works of one day, by id."""
        return self.works_between(day, day)

    def works_between(self, first: str, last: str) -> list[Work]:
        """Return the works between two days, both included, by day and id."""
        wanted = self.days[bisect_left(self.days, first) : bisect_right(self.days, last)]
        missing = [day for day in wanted if day not in self._kept]
        if missing:
            self._fetch(missing)
        works = [work for day in wanted for work in self._kept[day].works]
        for day in wanted:
            self._kept.move_to_end(day)
        while len(self._kept) > max(self._days_kept, len(wanted)):
            self._kept.popitem(last=False)
        return works

    def window(self, day: str, announcement_days: int) -> list[Work]:
        """Return the works of the last announcement days up to `day`, which counts as one."""
        known = self.days[: bisect_right(self.days, day)]
        recent = Axis(known[-3 * announcement_days :], day).last(announcement_days)
        return self.works_between(recent[0], day)

    def terms(self, work: Work) -> Terms:
        """Return the terms of a work, computed once while its day is kept."""
        kept = self._kept.get(work.day)
        if kept is None:
            return terms_of(work)
        found = kept.terms.get(work.id)
        if found is None:
            found = kept.terms[work.id] = terms_of(work)
        return found

    def _fetch(self, missing: Sequence[str]) -> None:
        loaded: dict[str, list[Work]] = {day: [] for day in missing}
        for work in self._load(missing[0], missing[-1]):
            if work.day in loaded:
                loaded[work.day].append(work)
        for day, works in loaded.items():
            self._kept[day] = _Day(sorted(works, key=lambda work: work.id))

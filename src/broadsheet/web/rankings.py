"""What takes long to compute and changes only with the store: kept by the site, warmed at start."""

from __future__ import annotations

import logging

from broadsheet.core import clock
from broadsheet.core.errors import BroadsheetError
from broadsheet.papers import editions
from broadsheet.papers.editions import Period
from broadsheet.papers.results import Edition, EditionEntry
from broadsheet.web.site import Site

_log = logging.getLogger(__name__)

#: Announcement days that /trending looks back by default.
WINDOW_DAYS = 7


def days(site: Site) -> list[tuple[str, int]]:
    """Return each day that has papers, with their number, oldest first."""
    return site.remember("days", site.library.store.days)


def latest_day(site: Site) -> str:
    """Return the latest day with papers that is not in the future, else today."""
    today = clock.today().isoformat()
    return next((day for day, _ in reversed(days(site)) if day <= today), today)


def edition(site: Site, day: str, printing: int | None = None) -> Edition:
    """Return the edition of a day, as `Library.edition` does."""
    return site.remember(
        ("edition", day, printing), lambda: site.library.edition(day, printing=printing)
    )


def week(site: Site, name: str) -> Period:
    """Return a week, as `editions.week` does."""
    return site.remember(("week", name), lambda: editions.week(site.library.store, name))


def month(site: Site, name: str) -> Period:
    """Return a month, as `editions.month` does."""
    return site.remember(("month", name), lambda: editions.month(site.library.store, name))


def trending(
    site: Site, until: str, window: int, rank: str = editions.FORMULA, category: str = ""
) -> list[EditionEntry]:
    """Return what rises, as `Library.trending` does."""
    return site.remember(
        ("trending", until, window, rank, category.casefold()),
        lambda: site.library.trending(until=until, window=window, rank=rank, category=category),
    )


def warm(site: Site) -> None:
    """Open the indexes and compute what the first reader will ask for."""
    try:
        day = latest_day(site)
        edition(site, day)
        site.library.search("paper", limit=1)
        trending(site, day, WINDOW_DAYS)
    except BroadsheetError as error:
        _log.info("not warmed up: %s", error)

"""Editions: dated, immutable, numbered front pages that can be rebuilt byte for byte.

An edition is a pure function of the records up to its `as_of`: no clock, no encoder and no network
enter it. Once published it never changes. Records that arrive later for its day can be printed as
a late edition: the next printing of the same day. The serial number counts the days that have
papers, from the first one known up to the day, as of `as_of`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from broadsheet.core import clock
from broadsheet.core.errors import BadInput, NotFound, SourceError, UsageError
from broadsheet.core.progress import Progress, Silent
from broadsheet.papers import calendar as days_of
from broadsheet.papers import trending as ranking
from broadsheet.papers.model import canonical_json
from broadsheet.papers.results import CalendarDay, Edition, EditionEntry, ScorePart
from broadsheet.papers.sections import arrange
from broadsheet.papers.shelf import Shelf
from broadsheet.papers.store import Store

#: The formula that editions are ranked by.
FORMULA = "trend-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether an edition can be rebuilt: the hash it was published with, and the rebuilt one."""

    day: str
    printing: int
    published: str
    rebuilt: str

    @property
    def matches(self) -> bool:
        """Tell whether both are the same."""
        return self.published == self.rebuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A week or a month, put together from the editions of its days.

    Args:
        name: "2025-W36" or "2025-09".
        first: Its first day.
        last: Its last day.
        days: Every day of it.
        entries: The papers of all its editions by score; `section` is the day of the edition.
        undated: Ids of papers known to belong to the month, but not to which day.
        earlier: The period before, in the same form.
        later: The period after.
    """

    name: str
    first: str
    last: str
    days: tuple[CalendarDay, ...]
    entries: tuple[EditionEntry, ...]
    undated: tuple[str, ...] = ()
    earlier: str = ""
    later: str = ""


def edition(store: Store, day: str, printing: int | None = None) -> Edition:
    """Return the published edition of a day, or what it would be if it were published now.

    Args:
        store: The store.
        day: ISO day.
        printing: A certain printing; by default the latest.

    Raises:
        NotFound: No paper belongs to that day, or it has no such printing.
        UsageError: `day` is not a day.
    """
    days_of.parse_day(day)
    document = store.get_edition(day, printing)
    if document is not None:
        return from_document(document)
    if printing is not None:
        raise NotFound(
            f"the edition of {day} has no printing {printing}", hint="leave the printing out"
        )
    return compose(Shelf(store.days(), store.works_between), day, as_of=store.last_sequence())


def compose(shelf: Shelf, day: str, *, as_of: int, printing: int = 1) -> Edition:
    """Compute an edition from the papers on a shelf.

    Raises:
        NotFound: No paper belongs to that day.
    """
    works = shelf.works_of(day)
    if not works:
        why = days_of.why_empty(day, shelf.days)
        raise NotFound(f"no paper belongs to {day} ({why})", hint=f"the calendar of {day[:7]}")
    surroundings = shelf.window(day, ranking.WINDOW_DAYS)
    ranked = ranking.rank(works, surroundings, day, FORMULA, terms=shelf.terms)
    entries = arrange(ranked, {work.id: work for work in works}, surroundings, shelf.terms)
    draft = Edition(
        day=day,
        printing=printing,
        number=sum(known <= day for known in shelf.days),
        formula=FORMULA,
        as_of=as_of,
        entries=entries,
        sha256="",
    )
    return replace(draft, sha256=hashlib.sha256(to_document(draft)).hexdigest())


def to_document(edition: Edition) -> bytes:
    """Return the canonical JSON of an edition: all its fields but the hash, which is of this."""
    data = asdict(edition)
    del data["sha256"]
    return canonical_json(data)


def from_document(document: bytes) -> Edition:
    """Restore an edition from its canonical JSON.

    Raises:
        BadInput: It is not the document of an edition.
    """
    try:
        data: dict[str, Any] = json.loads(document)
        data["entries"] = tuple(
            EditionEntry(**{**item, "terms": tuple(ScorePart(**part) for part in item["terms"])})
            for item in data["entries"]
        )
        return Edition(**data, sha256=hashlib.sha256(document).hexdigest())
    except (ValueError, TypeError, KeyError):
        raise BadInput("not the document of an edition", received=document[:80]) from None


def publish(store: Store, day: str, *, late: bool = False) -> Edition:
    """Publish the edition of a day; from then on it does not change.

    Args:
        store: The store.
        day: ISO day, not in the future.
        late: Print another edition of a day that is already published, with what came in since.

    Raises:
        NotFound: No paper belongs to that day.
        UsageError: The day is in the future; or it is published and `late` is false; or nothing
            has changed since the last printing.
        SourceError: Records kept arriving while the edition was built.
    """
    days_of.parse_day(day)
    if day > clock.today().isoformat():
        raise UsageError("an edition is published on its day or later", received=day)
    before = store.get_edition(day)
    if before is None:
        return _print(store, day, 1)
    last = from_document(before)
    if not late:
        raise UsageError(
            f"the edition of {day} is already published (printing {last.printing})",
            hint="--late prints a late edition, if papers or counts came in since",
        )
    return _print(store, day, last.printing + 1, last.entries)


def _print(
    store: Store, day: str, printing: int, last: Sequence[EditionEntry] | None = None
) -> Edition:
    """Compose from one state of the store, and store the result."""
    for _ in range(5):
        as_of = store.last_sequence()
        shelf = Shelf(store.days(), store.works_between)
        result = compose(shelf, day, as_of=as_of, printing=printing)
        if store.last_sequence() == as_of:
            break
    else:
        raise SourceError("records keep arriving, so no edition can be closed", received=day)
    if last is not None and result.entries == tuple(last):
        raise UsageError(f"nothing has changed since printing {printing - 1}", received=day)
    store.put_edition(day, printing, to_document(result), result.sha256)
    return result


def publish_all(
    store: Store, until: str = "", progress: Progress | None = None
) -> list[tuple[str, str]]:
    """Publish every day with papers up to `until` (today by default) that is not published yet.

    It can be interrupted and called again: each edition is kept as soon as it is built.

    Returns:
        Day and hash of each edition published now.

    Raises:
        UsageError: `until` is not a day.
    """
    today = clock.today().isoformat()
    until = min(days_of.parse_day(until).isoformat(), today) if until else today
    published = {day for day, _, _ in store.edition_days()}
    missing = [day for day, _ in store.days() if day <= until and day not in published]
    advance = (progress or Silent()).start("publishing", len(missing), "editions")
    done = []
    as_of, shelf = -1, Shelf([], store.works_between)
    for day in missing:
        if store.last_sequence() != as_of:
            as_of, shelf = store.last_sequence(), Shelf(store.days(), store.works_between)
        result = compose(shelf, day, as_of=as_of)
        if store.last_sequence() == as_of:
            store.put_edition(day, 1, to_document(result), result.sha256)
        else:
            result = _print(store, day, 1)
        done.append((day, result.sha256))
        advance(1)
    return done


def verify(store: Store, day: str, printing: int | None = None) -> Verification:
    """Rebuild a published edition from the records it could see, and compare the bytes.

    Raises:
        NotFound: The day is not published, or has no such printing.
        UsageError: `day` is not a day.
    """
    days_of.parse_day(day)
    found = [item for item in store.edition_days() if item[0] == day]
    chosen = [item for item in found if printing in (None, item[1])]
    if not chosen:
        raise NotFound("no such edition is published", received=day, hint="publish it first")
    return next(_verified(store, chosen[-1:]))


def verify_all(store: Store, progress: Progress | None = None) -> Iterator[Verification]:
    """Verify every published edition; those with the same `as_of` share one look at the records."""
    published = store.edition_days()
    advance = (progress or Silent()).start("verifying", len(published), "editions")
    for result in _verified(store, published):
        advance(1)
        yield result


def _verified(store: Store, published: Iterable[tuple[str, int, str]]) -> Iterator[Verification]:
    as_of, shelf = -1, Shelf.frozen([])
    for day, printing, sha256 in published:
        document = store.get_edition(day, printing)
        if document is None or hashlib.sha256(document).hexdigest() != sha256:
            yield Verification(
                day=day, printing=printing, published=sha256, rebuilt="the document is damaged"
            )
            continue
        stored = from_document(document)
        if stored.as_of != as_of:
            as_of, shelf = stored.as_of, Shelf.frozen(store.works_as_of(stored.as_of))
        try:
            rebuilt = compose(shelf, day, as_of=as_of, printing=printing).sha256
        except NotFound:
            rebuilt = "the papers of this day are gone"
        yield Verification(day=day, printing=printing, published=sha256, rebuilt=rebuilt)


def calendar(store: Store, month: str) -> list[CalendarDay]:
    """Return every day of a month ("2025-09") with its state.

    Raises:
        UsageError: `month` is not a month.
    """
    return days_of.month_days(store, month)


def week(store: Store, name: str) -> Period:
    """Return an ISO week ("2025-W36") put together from its editions.

    Raises:
        UsageError: `name` is not a week.
    """
    first, last = days_of.week_range(name)
    days, entries = _assemble(store, first.isoformat(), last.isoformat())
    earlier, later = days_of.weeks_around(first)
    return Period(
        name=name,
        first=first.isoformat(),
        last=last.isoformat(),
        days=days,
        entries=entries,
        earlier=earlier,
        later=later,
    )


def month(store: Store, name: str) -> Period:
    """Return a month ("2025-09") put together from its editions, with its undated papers.

    Raises:
        UsageError: `name` is not a month.
    """
    first, last = days_of.month_range(name)
    days, entries = _assemble(store, first.isoformat(), last.isoformat())
    undated = tuple(work.id for work in store.works_in_month(name) if not work.day)
    earlier, later = days_of.months_around(first)
    return Period(
        name=name,
        first=first.isoformat(),
        last=last.isoformat(),
        days=days,
        entries=entries,
        undated=undated,
        earlier=earlier,
        later=later,
    )


def _assemble(
    store: Store, first: str, last: str
) -> tuple[tuple[CalendarDay, ...], tuple[EditionEntry, ...]]:
    """Return the days of a period, and the papers of its editions by their score."""
    days = days_of.days_between(store, days_of.parse_day(first), days_of.parse_day(last))
    shelf = Shelf(store.days(), store.works_between)
    as_of = store.last_sequence()
    entries = []
    for day in days:
        if not day.papers and not day.published:
            continue
        document = store.get_edition(day.day)
        printed = from_document(document) if document else compose(shelf, day.day, as_of=as_of)
        entries += [replace(entry, section=day.day) for entry in printed.entries]
    entries.sort(key=lambda entry: (-entry.score, entry.section, entry.work_id))
    ranked = tuple(replace(entry, rank=place) for place, entry in enumerate(entries, start=1))
    return tuple(days), ranked


def trending(
    store: Store,
    until: str,
    window: int = 7,
    rank: str = FORMULA,
    category: str = "",
) -> list[EditionEntry]:
    """Rank the papers of the `window` announcement days that end with `until`.

    Args:
        store: The store.
        until: ISO day; the last day with papers up to it is the last of the window.
        window: Announcement days, 1 to 366.
        rank: Id of a ranking formula.
        category: Keep only papers of this category or archive ("cs.CL", "cs"), any case. Scores
            are those of the whole list.

    Raises:
        UsageError: `until` is not a day, `window` out of range, or no such formula.
    """
    days_of.parse_day(until)
    if not 1 <= window <= 366:
        raise UsageError("the window is 1 to 366 announcement days", received=window)
    ranking.formula_named(rank)
    shelf = Shelf(store.days(), store.works_between, days_kept=3 * max(window, 21))
    last = next((day for day in reversed(shelf.days) if day <= until), "")
    if not last:
        return []
    papers = shelf.window(last, window)
    surroundings = shelf.window(last, max(window, ranking.WINDOW_DAYS))
    ranked = ranking.rank(papers, surroundings, last, rank, terms=shelf.terms)
    if not category:
        return ranked
    wanted = category.casefold()
    inside = {
        work.id
        for work in papers
        if any(wanted in (item, item.partition(".")[0]) for item in _folded(work.categories))
    }
    kept = [entry for entry in ranked if entry.work_id in inside]
    return [replace(entry, rank=place) for place, entry in enumerate(kept, start=1)]


def _folded(categories: Iterable[str]) -> list[str]:
    return [category.casefold() for category in categories]

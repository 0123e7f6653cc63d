"""`today`, `day`, `week`, `month`, `trending`, `calendar` and `build`: dated front pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import Home, Json, Limit, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, note
from broadsheet.cli.rows import ENTRY_COLUMNS, SHOWN_OF_ENTRY, entry_row
from broadsheet.core.errors import BadInput, NotFound, UsageError

if TYPE_CHECKING:
    from broadsheet.papers.editions import Period, Verification
    from broadsheet.papers.library import Library
    from broadsheet.papers.results import Edition, EditionEntry

app = verbs()

Explain = Annotated[bool, typer.Option("--explain", help="Show each term of each score.")]


@app.command(epilog=examples("broadsheet today", "broadsheet today --explain --json"))
def today(*, explain: Explain = False, home: Home, as_json: Json = False) -> None:
    """Show today's edition, or the latest one and says so."""
    with open_library(home) as library:
        latest = _latest_day(library)
        edition = library.edition(latest)
    from broadsheet.core import clock

    if latest != clock.today().isoformat():
        note(f"No edition today; the latest one is of {latest}.")
    _emit_edition(edition, explain=explain, as_json=as_json)


@app.command(
    epilog=examples(
        "broadsheet day 2025-09-02",
        "broadsheet day 2025-09-02 --printing 1 --explain",
        "broadsheet day 2025-09-02 --json",
    )
)
def day(
    date: Annotated[str, typer.Argument(metavar="DAY", help="For example 2025-09-02.")],
    *,
    printing: Annotated[
        int | None, typer.Option("--printing", min=1, help="A certain printing.")
    ] = None,
    explain: Explain = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show the edition of a day."""
    with open_library(home) as library:
        edition = library.edition(date, printing=printing)
    _emit_edition(edition, explain=explain, as_json=as_json)


@app.command(epilog=examples("broadsheet week 2025-W36", "broadsheet week 2025-W36 --limit 10"))
def week(
    name: Annotated[str, typer.Argument(metavar="WEEK", help="For example 2025-W36.")],
    *,
    limit: Limit = 100,
    explain: Explain = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show the best papers of a week, put together from its editions."""
    from broadsheet.papers import editions

    with open_library(home) as library:
        period = editions.week(library.store, name)
    _emit_period(period, limit, explain=explain, as_json=as_json)


@app.command(epilog=examples("broadsheet month 2025-09", "broadsheet month 2025-09 --json"))
def month(
    name: Annotated[str, typer.Argument(metavar="MONTH", help="For example 2025-09.")],
    *,
    limit: Limit = 100,
    explain: Explain = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show the best papers of a month, put together from its editions."""
    from broadsheet.papers import editions

    with open_library(home) as library:
        period = editions.month(library.store, name)
    _emit_period(period, limit, explain=explain, as_json=as_json)


@app.command(
    epilog=examples(
        "broadsheet trending",
        "broadsheet trending --window 21 --cat cs.CL --explain",
        "broadsheet trending --rank hn --until 2025-09-02 --json",
    )
)
def trending(
    *,
    window: Annotated[int, typer.Option("--window", min=1, max=366, help="Announcement days.")] = 7,
    rank: Annotated[
        str, typer.Option("--rank", help="trend-v1, hn, reddit, lobsters or votes.")
    ] = "trend-v1",
    category: Annotated[
        str, typer.Option("--cat", metavar="CATEGORY", help="Only this one: cs.CL, or cs.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="Last day; today by default.")
    ] = "",
    limit: Limit = 30,
    explain: Explain = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Rank the papers of the last days by a published formula."""
    from broadsheet.core import clock

    with open_library(home) as library:
        entries = library.trending(
            until=until or clock.today().isoformat(), window=window, rank=rank, category=category
        )[:limit]
    emit(entries, _entry_table(entries, explain=explain), as_json=as_json)
    if not entries:
        note("Nothing found.")
        raise typer.Exit(1)


@app.command(epilog=examples("broadsheet calendar", "broadsheet calendar 2025-09 --json"))
def calendar(
    name: Annotated[
        str, typer.Argument(metavar="[MONTH]", help="For example 2025-09; the latest by default.")
    ] = "",
    *,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show which days have papers, and why others have none."""
    with open_library(home) as library:
        days = library.calendar(name or _latest_day(library)[:7])
    columns = ("day", "papers", "published", "reason")
    rows = [[getattr(item, column) for column in columns] for item in days]
    emit(days, Table(columns, rows), as_json=as_json)


@app.command(
    epilog=examples(
        "broadsheet build",
        "broadsheet build 2025-09-02",
        "broadsheet build 2025-09-02 --late",
        "broadsheet build --verify",
    )
)
def build(
    date: Annotated[
        str, typer.Argument(metavar="[DAY]", help="One day; all that are missing by default.")
    ] = "",
    *,
    late: Annotated[
        bool, typer.Option("--late", help="Print the day once more with what came in since.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Rebuild what is published and compare the bytes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published.")
    ] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Publish the edition of a day, or all that are missing.

    A published edition never changes; papers that arrive later make a late edition.
    """
    from broadsheet.core.progress import show_progress
    from broadsheet.papers import editions

    if late and not date:
        raise UsageError("--late needs a day", hint="broadsheet build 2025-09-02 --late")
    with open_library(home) as library, show_progress() as progress:
        if verify:
            store = library.store
            found = [editions.verify(store, date)] if date else editions.verify_all(store, progress)
            _emit_verified(list(found), as_json=as_json)
            return
        if dry_run:
            days = [date] if date else _unpublished(library)
            done = [(item, library.edition(item).sha256) for item in days]
        elif date:
            done = [(date, editions.publish(library.store, date, late=late).sha256)]
        else:
            done = editions.publish_all(library.store, progress=progress)
    data = [{"day": item, "sha256": sha256, "published": not dry_run} for item, sha256 in done]
    emit(data, Table(("day", "sha256"), done), as_json=as_json)
    if not done:
        note("Nothing to publish: every day with papers has its edition.")


def _latest_day(library: Library) -> str:
    """Return the last day with papers that is not in the future."""
    from broadsheet.core import clock

    now = clock.today().isoformat()
    known = [day for day, _ in library.store.days() if day <= now]
    if not known:
        raise NotFound("there is no paper with a day yet", hint="broadsheet ingest FILE")
    return known[-1]


def _unpublished(library: Library) -> list[str]:
    published = {day for day, _, _ in library.store.edition_days()}
    latest = _latest_day(library)
    return [day for day, _ in library.store.days() if day not in published and day <= latest]


def _emit_edition(edition: Edition, *, explain: bool, as_json: bool) -> None:
    emit(edition, _entry_table(edition.entries, explain=explain), as_json=as_json)
    late = f", printing {edition.printing}" if edition.printing > 1 else ""
    note(
        f"{edition.day}, No. {edition.number}{late}: {len(edition.entries)} papers, ranked by "
        f"{edition.formula}. End of edition."
    )


def _emit_period(period: Period, limit: int, *, explain: bool, as_json: bool) -> None:
    emit(period, _entry_table(period.entries[:limit], explain=explain), as_json=as_json)
    days = sum(bool(item.papers) for item in period.days)
    undated = f", {len(period.undated):,} more without a day" if period.undated else ""
    plural = "s" * (days != 1)
    note(f"{period.name}: {len(period.entries):,} papers on {days} day{plural}{undated}.")
    if not period.entries and not period.undated:
        raise typer.Exit(1)


def _entry_table(entries: Sequence[EditionEntry], *, explain: bool) -> Table:
    shown = (*SHOWN_OF_ENTRY, "score", "why") if explain else SHOWN_OF_ENTRY
    return Table(ENTRY_COLUMNS, [entry_row(entry) for entry in entries], shown)


def _emit_verified(found: Sequence[Verification], *, as_json: bool) -> None:
    columns = ("day", "printing", "matches", "published", "rebuilt")
    rows = [[getattr(item, name) for name in columns] for item in found]
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    emit(data, Table(columns, rows, columns[:3]), as_json=as_json)
    wrong = [item.day for item in found if not item.matches]
    if wrong:
        raise BadInput(
            f"{len(wrong)} of {len(found)} editions can't be rebuilt as they were published",
            received=", ".join(wrong),
            hint="broadsheet restore, from a backup",
        )
    plural = "s" * (len(found) != 1)
    note(f"{len(found):,} edition{plural} rebuilt, equal to what was published.")

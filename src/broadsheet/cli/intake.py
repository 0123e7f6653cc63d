"""`ingest`, `fetch`, `sources` and `rejects`: how papers come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import Home, Json, Limit, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, note
from broadsheet.core.errors import BadInput, PartialResult

if TYPE_CHECKING:
    from broadsheet.papers.ingest import IngestReport
    from broadsheet.papers.live import FetchReport
    from broadsheet.papers.model import Reject

app = verbs()
sources = typer.Typer(help="List what can be read and how the live sources are doing.")
app.add_typer(sources, name="sources")

_INPUT_COLUMNS = (
    "origin",
    "source",
    "records",
    "new",
    "known",
    "works",
    "joined",
    "merged",
    "changed",
    "rejected",
)
_FETCH_COLUMNS = (
    "name",
    "state",
    "days_due",
    "days_done",
    "requests",
    "records",
    "new",
    "new_works",
    "changed_works",
    "rejects",
    "last_good",
    "not_before",
    "why",
)
_STATUS_COLUMNS = (
    "name",
    "state",
    "newest_day",
    "days_behind",
    "days_kept",
    "last_try",
    "last_good",
    "not_before",
    "pace",
    "address",
    "why",
)


@app.command(
    epilog=examples(
        "broadsheet ingest 2025-09-02.txt",
        "broadsheet ingest papers/ anthology.xml.gz",
        "broadsheet ingest page.txt --date 2025-09-02 --dry-run",
        "broadsheet ingest - --source bibtex < library.bib",
    )
)
def ingest(
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files, folders, or - for stdin.")
    ],
    *,
    source: Annotated[
        str, typer.Option("--source", help="Name of the format (see: sources list).")
    ] = "auto",
    date: Annotated[
        str, typer.Option("--date", metavar="DAY", help="The day, where the input has none.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read all, keep nothing.")] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Read files, folders or standard input into the library.

    The format is detected. .gz, .zst and .zip are unpacked. What can't be read is
    listed with its place and the rest is kept; reading the same again changes nothing.
    """
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.ingest import ingest as read_in
    from broadsheet.papers.sources.opening import existing_paths

    existing_paths(inputs)
    with open_library(home, create=True) as library, show_progress() as progress:
        report = read_in(
            library.store, inputs, source=source, date=date, dry_run=dry_run, progress=progress
        )
        if not dry_run:
            library.refresh(progress)
    lines = [asdict(item) for item in report.inputs]
    rows = [[line[name] for name in _INPUT_COLUMNS] for line in lines]
    emit(report, Table(_INPUT_COLUMNS, rows), as_json=as_json)
    total = report.total
    if len(lines) > 1:
        note(f"{total.records:,} records in all: {total.new:,} new, {total.works:,} new papers.")
    _end_ingest(report)


@app.command(
    epilog=examples(
        "broadsheet fetch",
        "broadsheet fetch arxiv --since 2025-09-01",
        "broadsheet fetch --seconds 60 --json",
    )
)
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Sources; all by default.")
    ] = None,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="DAY", help="First day to ask for.")
    ] = "",
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="Stop after this time.")
    ] = None,
    home: Home,
    as_json: Json = False,
) -> None:
    """Fetch new papers from live sources, politely.

    Each source is asked at its own pace and left alone when it is in trouble. An
    interrupted or throttled fetch goes on where it stopped when run again.
    """
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.live import fetch as ask

    with open_library(home, create=True) as library, show_progress() as progress:
        report = ask(
            library.store, home, names or (), since=since, budget_s=seconds, progress=progress
        )
        library.refresh(progress)
    rows = [[getattr(item, name) for name in _FETCH_COLUMNS] for item in report.sources]
    shown = ("name", "state", "days_done", "records", "new_works", "rejects", "why")
    emit(report, Table(_FETCH_COLUMNS, rows, shown), as_json=as_json)
    _end_fetch(report)


@sources.command(
    name="list", epilog=examples("broadsheet sources list", "broadsheet sources list --json")
)
def list_sources(*, home: Home, as_json: Json = False) -> None:
    """List the formats that `ingest` reads and the sources that `fetch` asks."""
    from broadsheet.papers.live import LIVE_SOURCES
    from broadsheet.papers.sources import SOURCES

    rows = [[item.name, "ingest", item.description] for item in SOURCES]
    rows += [[item.name, "fetch", f"{item.label}, {item.address}"] for item in LIVE_SOURCES]
    columns = ("name", "verb", "description")
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    emit(data, Table(columns, rows), as_json=as_json)


@sources.command(epilog=examples("broadsheet sources status", "broadsheet sources status --json"))
def status(*, home: Home, as_json: Json = False) -> None:
    """Show when each live source was last asked, and how far behind it is."""
    from broadsheet.papers.live import source_status

    items = source_status(home)
    rows = []
    for item in items:
        state = "late" if item.late else "good" if item.last_good else "never asked"
        rows.append([state if name == "state" else getattr(item, name) for name in _STATUS_COLUMNS])
    shown = ("name", "state", "newest_day", "days_behind", "last_good", "not_before", "why")
    emit(items, Table(_STATUS_COLUMNS, rows, shown), as_json=as_json)


@app.command(epilog=examples("broadsheet rejects", "broadsheet rejects --limit 1000 --json"))
def rejects(*, limit: Limit = 100, home: Home, as_json: Json = False) -> None:
    """List input that could not be read, with its place, the latest first."""
    with open_library(home) as library:
        found = library.store.rejects(limit)
    emit(found, _reject_table(found), as_json=as_json)
    if not found:
        note("Nothing was rejected.")
        raise typer.Exit(1)


def _reject_table(found: Sequence[Reject]) -> Table:
    columns = ("origin", "unit", "offset", "reason", "excerpt")
    rows = [[getattr(item, name) for name in columns] for item in found]
    return Table(columns, rows, columns[:4])


def _end_ingest(report: IngestReport) -> None:
    """End with the exit code that fits when something was rejected, naming the first.

    Raises:
        PartialResult: Some input was rejected, the rest was good.
        BadInput: Nothing could be read.
    """
    total = report.total
    if not total.rejected:
        return
    first = report.rejects[0]
    received = f"{first.origin}, {first.unit} {first.offset:,}: {first.reason}"
    hint = "" if report.dry_run else "broadsheet rejects"
    good = total.new + total.known
    if not good:
        raise BadInput("nothing could be read", received=received, hint=hint)
    pieces = f"{total.rejected:,} piece{'s' * (total.rejected != 1)}"
    kept = "" if report.dry_run else "; the rest is kept"
    raise PartialResult(f"{pieces} of input could not be read{kept}", received=received, hint=hint)


def _end_fetch(report: FetchReport) -> None:
    failure = report.failure()
    if failure is not None:
        raise failure

"""`export` and `import`: a whole library as one stream."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, open_library, verbs
from broadsheet.cli.output import emit_fields, note
from broadsheet.core.errors import BadInput, NotFound, PartialResult, UsageError

if TYPE_CHECKING:
    from broadsheet.papers.exchange import ExchangeReport
    from broadsheet.papers.library import Library

app = verbs()


class Form(StrEnum):
    """What an export is written as."""

    RECORDS = "records"
    BIBTEX = "bib"
    RIS = "ris"
    CSL = "csl.json"
    MARKDOWN = "md"


@app.command(
    epilog=examples(
        "broadsheet export papers.jsonl.zst",
        "broadsheet export --format bib > papers.bib",
        "broadsheet export - | gzip > papers.jsonl.gz",
    )
)
def export(
    target: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Where to; standard output by default.")
    ] = "-",
    *,
    form: Annotated[
        Form, typer.Option("--format", help="Verbatim records (to import again), or citations.")
    ] = Form.RECORDS,
    home: Home,
    as_json: Json = False,
) -> None:
    """Write all papers as JSON lines or citations.

    The records form holds what every source said, byte for byte, and all editions:
    `import` makes the same library of it. A name in .gz or .zst is compressed.
    """
    if as_json and target == "-":
        raise UsageError("--json needs a file to export to", hint="broadsheet export FILE --json")
    with open_library(home) as library:
        if form is Form.RECORDS:
            _export_records(library, target, as_json=as_json)
        else:
            _export_citations(library, target, form, as_json=as_json)


@app.command(
    name="import",
    epilog=examples(
        "broadsheet import papers.jsonl.zst",
        "broadsheet import papers.jsonl.gz --home ./copy --json",
    ),
)
def import_library(
    source: Annotated[str, typer.Argument(metavar="FILE", help="What export wrote, or -.")],
    *,
    home: Home,
    as_json: Json = False,
) -> None:
    """Read an export of Broadsheet back in."""
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.exchange import import_

    with open_library(home, create=True) as library, show_progress() as progress:
        report = import_(library.store, source, progress=progress)
        library.refresh(progress)
    fields = {"records": report.records, "new": report.new, "known": report.known}
    fields |= {"works": report.works, "editions": report.editions}
    fields |= {"rejected": len(report.rejects)}
    emit_fields(report.to_json() if as_json else fields, as_json=as_json)
    for sentence in report.notes:
        note(sentence)
    _end_import(report)


def _export_records(library: Library, target: str, *, as_json: bool) -> None:
    from broadsheet.core.progress import show_progress
    from broadsheet.papers import exchange

    if target == "-":
        exchange.export(library.store, sys.stdout.buffer)
        return
    with show_progress() as progress:
        report = exchange.export(library.store, Path(target), progress=progress)
    data = {"file": target, "records": report.records, "editions": report.editions}
    emit_fields(data, as_json=as_json)


def _export_citations(library: Library, target: str, form: Form, *, as_json: bool) -> None:
    from broadsheet.core.paths import write_atomically
    from broadsheet.papers.citation import CITATION_FORMATS

    states = library.store.work_states()
    works = library.works(work_id for _, work_id, _, merged_into in states if merged_into is None)
    if not works:
        raise NotFound("there is no paper to export", received=library.home)
    text = CITATION_FORMATS[form.value].write(works)
    if target == "-":
        sys.stdout.write(text)
        return
    write_atomically(Path(target), text.encode())
    emit_fields({"file": target, "works": len(works)}, as_json=as_json)


def _end_import(report: ExchangeReport) -> None:
    """End with the exit code that fits.

    Raises:
        PartialResult: Some lines could not be used.
        BadInput: None could.
    """
    if not report.rejects:
        return
    first = report.rejects[0]
    received = f"{first.origin}, {first.unit} {first.offset}: {first.reason}"
    if report.records:
        what = f"{len(report.rejects):,} lines could not be used; the rest is kept"
        raise PartialResult(what, received=received)
    raise BadInput("nothing could be imported", received=received)

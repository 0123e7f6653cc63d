"""`show`, `open`, `cite` and `versions`: one paper."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, emit_fields, emit_text, note
from broadsheet.core.errors import NotFound

if TYPE_CHECKING:
    from broadsheet.papers.diff import Segment
    from broadsheet.papers.model import Work
    from broadsheet.papers.store import StoredRecord

app = verbs()

Reference = Annotated[
    str, typer.Argument(metavar="ID", help="Any id, address or exact title of a paper.")
]


class Style(StrEnum):
    """How a citation is written."""

    BIBTEX = "bib"
    RIS = "ris"
    CSL = "csl.json"
    MARKDOWN = "md"


@app.command(
    epilog=examples(
        "broadsheet show 2401.00001",
        "broadsheet show https://arxiv.org/abs/2401.00001 --json",
        "broadsheet show 2401.00001 --records",
    )
)
def show(
    reference: Reference,
    *,
    records: Annotated[
        bool, typer.Option("--records", help="List what each source said, instead.")
    ] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show one paper with all that is known about it."""
    with open_library(home) as library:
        work = library.find(reference)
        if records:
            _show_records(library.store.records(work.id), as_json=as_json)
            return
    emit_fields(work.to_json() if as_json else _fields(work), as_json=as_json)


@app.command(
    name="open",
    epilog=examples("broadsheet open 2401.00001", "broadsheet open 2401.00001 --print"),
)
def open_paper(
    reference: Reference,
    *,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the address and open nothing.")
    ] = False,
    home: Home,
) -> None:
    """Open a paper's own page in the browser: arXiv, ACL Anthology or the publisher."""
    with open_library(home) as library:
        address = _address(library.find(reference))
    typer.echo(address)
    if only_print:
        return
    import webbrowser

    if not webbrowser.open(address):
        note("No browser can be started here: open the address yourself.")


@app.command(
    epilog=examples(
        "broadsheet cite 2401.00001",
        "broadsheet cite 2401.00001 2022.acl-long.1 --format ris > papers.ris",
    )
)
def cite(
    references: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids, addresses or exact titles.")
    ],
    *,
    style: Annotated[Style, typer.Option("--format", help="How to write it.")] = Style.BIBTEX,
    home: Home,
    as_json: Json = False,
) -> None:
    """Print citations of papers."""
    from broadsheet.papers.citation import CITATION_FORMATS

    with open_library(home) as library:
        works = [library.find(reference) for reference in references]
    text = CITATION_FORMATS[style.value].write(works)
    emit_text(text, {"format": style.value, "text": text}, as_json=as_json)


@app.command(
    epilog=examples("broadsheet versions 2401.00001", "broadsheet versions 2401.00001 --json")
)
def versions(reference: Reference, *, home: Home, as_json: Json = False) -> None:
    """Show what changed between versions, word by word.

    Removed words stand in [-brackets-], added ones in {+braces+}.
    """
    from broadsheet.papers.diff import version_changes

    with open_library(home) as library:
        work = library.find(reference)
    changes = {change.number: change for change in version_changes(work)}
    rows = []
    for version in work.versions:
        change = changes.get(version.number)
        title = _marked(change.title) if change else ""
        abstract = _marked(change.abstract) if change else ""
        rows.append([version.number, version.date, version.size, title, abstract])
    data = {"versions": work.versions, "changes": list(changes.values())}
    emit(data, Table(("version", "date", "size", "title", "abstract"), rows), as_json=as_json)
    if not rows:
        note("No source has said anything about versions of this paper.")
        raise typer.Exit(1)


def _marked(segments: Sequence[Segment]) -> str:
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks[segment.op].format(segment.text) for segment in segments)


def _show_records(records: Sequence[StoredRecord], *, as_json: bool) -> None:
    columns = ("sequence", "source", "key", "origin", "offset", "ingested_at", "sha256", "raw")
    rows = [
        [
            item.sequence,
            item.source,
            item.key,
            item.origin,
            item.offset,
            item.ingested_at,
            item.sha256.hex(),
            item.raw.decode("utf-8", "replace"),
        ]
        for item in records
    ]
    data = [
        {**dict(zip(columns, row, strict=True)), "context": dict(item.context)}
        for row, item in zip(rows, records, strict=True)
    ]
    emit(data, Table(columns, rows, columns[1:6]), as_json=as_json)


def _address(work: Work) -> str:
    for name in ("abs", "html", "pdf", "project"):
        if work.links.get(name):
            return work.links[name]
    if "arxiv" in work.ids:
        return f"https://arxiv.org/abs/{work.ids['arxiv']}"
    if "doi" in work.ids:
        return f"https://doi.org/{work.ids['doi']}"
    if "acl" in work.ids:
        return f"https://aclanthology.org/{work.ids['acl']}"
    raise NotFound("this paper has no address", received=work.title_text or work.id)


def _fields(work: Work) -> dict[str, object]:
    return {
        "id": work.id,
        "title": work.title_text or work.title,
        "authors": [author.full for author in work.authors],
        "date": work.date,
        "flags": sorted(work.flags),
        "venue": work.venue,
        "categories": list(work.categories),
        "abstract": work.abstract_text or work.abstract,
        **{f"id.{scheme}": value for scheme, value in work.ids.items()},
        **{f"link.{name}": value for name, value in work.links.items()},
        **{f"date.{name}": value for name, value in work.dates.items()},
        "version": work.version or "",
        "keywords": list(work.keywords),
        "license": work.license,
        "comments": work.comments,
        "journal_ref": work.journal_ref,
        "organization": work.organization,
        "listed": list(work.listed),
        "signals": [f"{item.day} {item.source} {item.name} {item.value}" for item in work.signals],
        "notes": list(work.notes),
        "aliases": list(work.aliases),
    }

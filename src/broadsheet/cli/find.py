"""`search` and `related`: ranked lists of papers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from broadsheet.cli.options import Home, Json, Limit, examples, open_library, verbs
from broadsheet.cli.output import emit, note
from broadsheet.cli.rows import hit_table

app = verbs()


class Mode(StrEnum):
    """How to search."""

    HYBRID = "hybrid"
    WORDS = "words"
    DENSE = "dense"


class Sort(StrEnum):
    """What comes first."""

    BEST = "best"
    NEW = "new"


@app.command(
    epilog=examples(
        "broadsheet search late interaction retrieval",
        "broadsheet search '\"mixture of experts\" -vision author:shazeer year:2020..'",
        "broadsheet search 'cat:cs.CL has:code' --sort new --limit 5 --json",
        "broadsheet search 'sim:2401.00001' --mode dense --explain",
    )
)
def search(
    query: Annotated[list[str], typer.Argument(help="Words and filters; see the guide.")],
    *,
    mode: Annotated[Mode, typer.Option("--mode", help="How to search.")] = Mode.HYBRID,
    sort: Annotated[Sort, typer.Option("--sort", help="What comes first.")] = Sort.BEST,
    limit: Limit = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Skip this many.")] = 0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each part of each score.")
    ] = False,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Read the best hits again with a slower model.")
    ] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Search papers by words, meaning and filters.

    Filters: "a phrase", -not, author:, cat:, venue:, year: and date: (ranges with ..),
    has:code, sim:ID. Put -- before a query that begins with a minus.
    """
    with open_library(home) as library:
        page = library.search(
            " ".join(query),
            mode=mode.value,
            sort=sort.value,
            limit=limit,
            offset=offset,
            explain=explain,
            rerank=rerank,
        )
    for sentence in (*page.notes, *page.how):
        note(sentence)
    emit(page, hit_table(page.hits, explain=explain), as_json=as_json)
    _tell_size(len(page.hits), page.total, offset)


@app.command(
    epilog=examples(
        "broadsheet related 2401.00001", "broadsheet related goraye7deoyn --limit 5 --json"
    )
)
def related(
    reference: Annotated[
        str, typer.Argument(metavar="ID", help="Any id, address or exact title of a paper.")
    ],
    *,
    limit: Limit = 10,
    home: Home,
    as_json: Json = False,
) -> None:
    """List papers with a similar text."""
    with open_library(home) as library:
        hits = library.related(library.find(reference).id, limit=limit)
    emit(hits, hit_table(hits), as_json=as_json)
    _end_empty(hits)


def _tell_size(shown: int, total: int, offset: int) -> None:
    if not total:
        note("Nothing found.")
        raise typer.Exit(1)
    if offset + shown < total:
        note(f"{offset + 1} to {offset + shown} of {total:,} papers; more with --offset.")


def _end_empty(found: Sequence[object]) -> None:
    if not found:
        note("Nothing found.")
        raise typer.Exit(1)

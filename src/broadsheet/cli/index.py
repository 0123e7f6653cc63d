"""`index build`, `status` and `verify`: the derived parts, which can be rebuilt at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, note
from broadsheet.core.errors import BadInput

if TYPE_CHECKING:
    from broadsheet.cli.indexes import IndexState

app = verbs()
index = typer.Typer(help="Build and inspect the search indexes.")
app.add_typer(index, name="index")


@index.command(
    epilog=examples(
        "broadsheet index build",
        "broadsheet index build --anew",
        "broadsheet index build --dims 128",
    )
)
def build(
    *,
    anew: Annotated[
        bool, typer.Option("--anew", help="Delete words and filters first, keep vectors.")
    ] = False,
    dims: Annotated[
        int | None,
        typer.Option(
            "--dims", help="From now on, keep so many numbers of a vector: 256, 128, 64; 0: all."
        ),
    ] = None,
    home: Home,
    as_json: Json = False,
) -> None:
    """Bring words, filters and the quick vectors up to date with the papers."""
    from broadsheet.cli.indexes import delete_indexes, index_states
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.embedding import convert, follow_all
    from broadsheet.runtime import models

    with open_library(home) as library, show_progress() as progress:
        if anew:
            delete_indexes(home)
        if dims is not None:
            models.keep_dims(home, dims)
        library.refresh(progress)
        for encoder in convert(library.store, home, progress=progress):
            note(f"These vectors must be made anew: broadsheet model embed {encoder}")
        follow_all(home, progress=progress)
        states = index_states(home, library.store)
    _emit_states(states, as_json=as_json)


@index.command(epilog=examples("broadsheet index status", "broadsheet index status --json"))
def status(*, home: Home, as_json: Json = False) -> None:
    """Show how many papers each index holds, and how far behind it is."""
    from broadsheet.cli.indexes import index_states

    with open_library(home) as library:
        states = index_states(home, library.store)
    _emit_states(states, as_json=as_json)


@index.command(epilog=examples("broadsheet index verify", "broadsheet index verify --json"))
def verify(*, home: Home, as_json: Json = False) -> None:
    """Read every file of the filters and vectors and compare lengths and checksums.

    Damage is named and exits with code 4; all indexes can be rebuilt from the papers.
    """
    from broadsheet.cli.indexes import verify_indexes

    with open_library(home):
        checked = verify_indexes(home)
    columns = ("index", "state", "megabytes")
    rows = [[item.name, item.state, item.megabytes] for item in checked]
    emit(
        [dict(zip(columns, row, strict=True)) for row in rows],
        Table(columns, rows),
        as_json=as_json,
    )
    if any(item.state.startswith("broken") for item in checked):
        raise typer.Exit(BadInput.exit_code)


def _emit_states(states: list[IndexState], *, as_json: bool) -> None:
    columns = ("index", "state", "papers", "behind", "megabytes")
    rows = [[item.name, item.state, item.papers, item.behind, item.megabytes] for item in states]
    emit(
        [dict(zip(columns, row, strict=True)) for row in rows],
        Table(columns, rows),
        as_json=as_json,
    )

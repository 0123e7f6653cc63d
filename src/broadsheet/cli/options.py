"""Options that many verbs share, and opening the library they work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.core.paths import default_home

if TYPE_CHECKING:
    from broadsheet.papers.library import Library


def _choose_home(context: typer.Context, value: Path | None) -> Path:
    given_before_verb: Path | None = context.find_root().obj
    return (value or given_before_verb or default_home()).expanduser()


Home = Annotated[
    Path,
    typer.Option(
        "--home",
        callback=_choose_home,
        default_factory=lambda: None,
        show_default=False,
        metavar="FOLDER",
        help="Folder that holds all state (else BROADSHEET_HOME, else ~/.broadsheet).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON with a schema version.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")]


def examples(*lines: str) -> str:
    r"""Return an epilog that shows example command lines unwrapped.

    Example:
        >>> examples("broadsheet today")
        '\x08\nExamples:\n  broadsheet today'
    """
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def verbs() -> typer.Typer:
    """Return an empty group of verbs in the house style: plain help, no completion options."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def open_library(home: Path, *, create: bool = False) -> Library:
    """Open the library in `home`."""
    from broadsheet.papers.library import Library

    return Library(home, create=create)

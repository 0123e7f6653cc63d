"""`init`, `version`, `backup`, `restore`, `migrate` and `doctor`: the folder that holds all."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, emit_fields, note

app = verbs()


@app.command(epilog=examples("broadsheet version", "broadsheet version --json"))
def version(*, home: Home, as_json: Json = False) -> None:
    """Print the version, of Broadsheet and of what it runs on."""
    import sqlite3

    from broadsheet import __version__

    data = {
        "broadsheet": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(terse=True),
    }
    emit_fields(data, as_json=as_json)


@app.command(epilog=examples("broadsheet init", "broadsheet init --home ./papers"))
def init(*, home: Home, as_json: Json = False) -> None:
    """Create an empty library (an existing one is left as it is)."""
    from broadsheet.papers.store import STORE_FILE

    existed = (home / STORE_FILE).exists()
    with open_library(home, create=True) as library:
        counts = library.store.counts()
    emit_fields({"home": str(home), "created": not existed, "works": counts.works}, as_json=as_json)
    if not counts.works:
        note("Next: broadsheet ingest FILE, or broadsheet fetch")


@app.command(epilog=examples("broadsheet backup ~/broadsheet-2025-09-02"))
def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    *,
    home: Home,
    as_json: Json = False,
) -> None:
    """Write a copy of the whole library into a new folder, with hashes.

    Indexes, vectors and models are left out: they are rebuilt or installed again.
    """
    from broadsheet.papers.backup import backup as write_backup

    manifest = write_backup(home, target)
    emit_fields({"backup": str(target), **asdict(manifest)}, as_json=as_json)


@app.command(
    epilog=examples(
        "broadsheet restore ~/broadsheet-2025-09-02 --verify",
        "broadsheet restore ~/broadsheet-2025-09-02 --home ./restored",
        "broadsheet restore ~/broadsheet-2025-09-02 --replace",
    )
)
def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What backup wrote.")],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check the backup; change nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the library that is there.")
    ] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Restore a library from a backup, after checking every hash."""
    from broadsheet.core.progress import show_progress
    from broadsheet.papers import backup as backups

    if verify:
        manifest = backups.verify(source)
    else:
        manifest = backups.restore(source, home, replace=replace)
        with open_library(home) as library, show_progress() as progress:
            library.refresh(progress)
    data = {"backup": str(source), **({} if verify else {"home": str(home)}), **asdict(manifest)}
    emit_fields(data, as_json=as_json)
    note("The backup is whole." if verify else "The library is restored.")


@app.command(epilog=examples("broadsheet migrate", "broadsheet migrate --home ./papers --json"))
def migrate(*, home: Home, as_json: Json = False) -> None:
    """Bring the store of an older version up to date.

    The stored records are read again with the parsers of this version, and the indexes
    are brought up to date. Make a backup first.
    """
    from broadsheet.core.paths import exclusive
    from broadsheet.core.progress import show_progress

    before = _store_version(home)
    with open_library(home) as library, show_progress() as progress:
        with exclusive(home / "write.lock", "migrate"):
            changed = library.store.reread()
        library.refresh(progress)
    data = {"from": before, "to": _store_version(home), "changed_works": changed}
    emit_fields(data, as_json=as_json)


@app.command(epilog=examples("broadsheet doctor", "broadsheet doctor --port 9000 --json"))
def doctor(
    *,
    port: Annotated[int, typer.Option("--port", help="The port to try.")] = 8000,
    home: Home,
    as_json: Json = False,
) -> None:
    """Check that everything works, one line each."""
    from broadsheet.cli.checks import run_checks

    checks = run_checks(home, port=port)
    columns = ("check", "state", "detail", "hint")
    rows = [[item.name, item.state, item.detail, item.hint] for item in checks]
    emit(
        [dict(zip(columns, row, strict=True)) for row in rows],
        Table(columns, rows),
        as_json=as_json,
    )
    if any(item.state == "bad" for item in checks):
        raise typer.Exit(4)


def _store_version(home: Path) -> int:
    import sqlite3
    from contextlib import closing

    from broadsheet.papers.store import STORE_FILE

    path = home / STORE_FILE
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number

"""All verbs by name, and the group that imports a verb's module only when it is used."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from broadsheet.core.errors import UsageError

PROGRAM = "broadsheet"

#: Heading -> verb -> (module in broadsheet.cli, one line of help).
VERBS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "demo": ("demo", "Load a sample and read it in the browser."),
        "init": ("home", "Create an empty library."),
        "serve": ("serve", "Serve the pages on this machine."),
        "doctor": ("home", "Check that everything works, one line each."),
        "version": ("home", "Print the version."),
    },
    "Bring papers in": {
        "ingest": ("intake", "Read files, folders or standard input into the library."),
        "fetch": ("intake", "Fetch new papers from live sources, politely."),
        "sources": ("intake", "List what can be read and how the live sources are doing."),
        "rejects": ("intake", "List input that could not be read, with its place."),
    },
    "Read": {
        "today": ("edition", "Show today's edition, or the latest one."),
        "day": ("edition", "Show the edition of a day."),
        "week": ("edition", "Show the best papers of a week."),
        "month": ("edition", "Show the best papers of a month."),
        "trending": ("edition", "Rank the papers of the last days."),
        "calendar": ("edition", "Show which days have papers, and why others have none."),
        "build": ("edition", "Publish the edition of a day."),
    },
    "Find": {
        "search": ("find", "Search papers."),
        "related": ("find", "List papers with a similar text."),
        "show": ("paper", "Show one paper."),
        "open": ("paper", "Open a paper's own page in the browser."),
        "cite": ("paper", "Print citations of papers."),
        "versions": ("paper", "Show what changed between versions."),
    },
    "Search engines": {
        "model": ("model", "List, install, choose and run text encoders."),
        "index": ("index", "Build and inspect the search indexes."),
    },
    "Train and measure": {
        "systems": ("systems", "List, run and report papers as trained and measured systems."),
        "leaderboard": ("leaderboard", "Hand in search runs and compare them."),
        "probe-heads": ("probe", "See whether a language model copies from its text."),
    },
    "Keep": {
        "backup": ("home", "Write a copy of the whole library into a new folder."),
        "restore": ("home", "Restore a library from a backup."),
        "export": ("exchange", "Write all papers as JSON lines or citations."),
        "import": ("exchange", "Read an export of Broadsheet back in."),
        "migrate": ("home", "Bring the store of an older version up to date."),
    },
}


class Verbs(TyperGroup):
    """The root group: knows every verb's name, loads a verb when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all verbs in the order of the help page."""
        return [verb for verbs in VERBS.values() for verb in verbs]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of a verb and return its command, or None."""
        for verbs in VERBS.values():
            if cmd_name in verbs:
                module = importlib.import_module(f"broadsheet.cli.{verbs[cmd_name][0]}")
                return typer.main.get_group(module.app).get_command(ctx, cmd_name)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb, or say which one may have been meant."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], names, n=3)
            hint = " or ".join(f"{PROGRAM} {name}" for name in close) or f"{PROGRAM} --help"
            raise UsageError("there is no such verb", received=args[0], hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs by heading, without importing their modules."""
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                formatter.write_dl([(verb, text) for verb, (_, text) in verbs.items()])


def root_command() -> Any:
    """Return the root command, ready to run."""
    app = typer.Typer(
        name=PROGRAM,
        cls=Verbs,
        rich_markup_mode=None,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=(
            "State lives in one folder: --home, or BROADSHEET_HOME, or ~/.broadsheet. "
            "Output is columns in a terminal, tab-separated when piped, JSON with --json. "
            "Exit codes: 0 done, 1 nothing found, 2 usage, 3 source or network, 4 bad input, "
            "5 partly done."
        ),
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        from broadsheet import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder that holds all state.", metavar="FOLDER")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Daily Papers you can run: real papers in, a dated edition out, searched and read."""
    context.obj = home
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())

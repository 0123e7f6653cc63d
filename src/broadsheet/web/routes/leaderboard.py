"""The encoders side by side, and the search runs that were handed in."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core.errors import NotFound
from broadsheet.papers.leaderboard import standings
from broadsheet.papers.leaderboard.standings import RunBoard
from broadsheet.papers.library import Library
from broadsheet.web.drawing.dots import DotRow, draw_dots
from broadsheet.web.drawing.figures import DrawnFigure, draw_figure
from broadsheet.web.drawing.points import draw_scatter
from broadsheet.web.leaderboard import (
    COMMAND,
    Leaderboard,
    ordered,
    orders,
    read_leaderboard,
    trade_offs,
)
from broadsheet.web.pages import DATA_TWINS, Answer, page

router = APIRouter()

_NDCG = "nDCG@10 x 100"


@page(router, "/leaderboard", twins=DATA_TWINS, shape=Leaderboard)
def leaderboard(request: Request, library: Library, by: str = "mean", runs: str = "mean") -> Answer:
    """Encoders by tasks, and search runs by tasks, with significance groups and costs."""
    runboard = standings.read_board(library.home)
    values: dict[str, object] = {
        "nav": "systems",
        "board": None,
        "command": COMMAND,
        "by": by,
        "runboard": runboard,
        "runs": standings.ordered(runboard, runs),
        "runs_by": runs,
        "best": best_of_tasks(runboard),
        "dots": _dots(runboard),
    }
    try:
        board = replace(read_leaderboard(), runs=runboard)
    except NotFound:
        return Answer(
            template="leaderboard.html",
            title="Leaderboard",
            data=Leaderboard(tasks=(), encoders=(), runs=runboard),
            values=values,
        )
    return Answer(
        template="leaderboard.html",
        title="Leaderboard",
        data=board,
        values={
            **values,
            "board": board,
            "command": board.command,
            "encoders": ordered(board, by),
            "orders": orders(board),
            "figures": _figures(board),
        },
    )


def best_of_tasks(board: RunBoard) -> dict[str, float]:
    """Return the best score of each task."""
    return {
        task.name: max(row.scores[task.name].value for row in board.rows if task.name in row.scores)
        for task in board.tasks
    }


def _dots(board: RunBoard) -> DrawnFigure | None:
    if not board.rows:
        return None
    rows = [
        DotRow(
            name=row.name,
            values={task: (one.value, *one.interval) for task, one in sorted(row.scores.items())},
        )
        for row in board.rows
    ]
    title = "Search runs by task"
    return DrawnFigure(
        title=title,
        drawing=draw_dots(title, _NDCG, rows),
        columns=("Run", "Task", _NDCG),
        rows=tuple(
            (row.name, task, f"{one[0]:.1f}") for row in rows for task, one in row.values.items()
        ),
    )


def _figures(board: Leaderboard) -> list[DrawnFigure]:
    figures = []
    for figure, best in trade_offs(board):
        drawn = draw_figure(figure)
        figures.append(
            DrawnFigure(
                title=figure.title,
                drawing=draw_scatter(figure, best),
                columns=drawn.columns,
                rows=drawn.rows,
            )
        )
    return figures

"""The encoders side by side: quality, significance groups, and what each costs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core.errors import NotFound
from broadsheet.papers.library import Library
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


@page(router, "/leaderboard", twins=DATA_TWINS, shape=Leaderboard)
def leaderboard(request: Request, library: Library, by: str = "mean") -> Answer:
    """Encoders by tasks, with significance groups and costs."""
    values: dict[str, object] = {"nav": "systems", "board": None, "command": COMMAND}
    try:
        board = read_leaderboard()
    except NotFound:
        return Answer(
            template="leaderboard.html",
            title="Leaderboard",
            data=Leaderboard(tasks=(), encoders=()),
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
            "by": by,
            "orders": orders(board),
            "figures": _figures(board),
        },
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

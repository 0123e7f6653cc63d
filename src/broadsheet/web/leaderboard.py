"""The encoders side by side, read from the benchmark's report results/bench/encoders.json.

The search runs beside them come from `papers.leaderboard`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.report import Figure, results_folder
from broadsheet.papers.leaderboard.standings import RunBoard

#: What makes the report.
COMMAND = "python benchmarks/encoders.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A test that encoders are compared on."""

    name: str
    metric: str = ""
    items: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """What an encoder reached on a task.

    Args:
        value: The score.
        interval: Ends of its confidence interval.
        group: Letters; encoders that share one on a task can't be told apart there.
    """

    value: float
    interval: tuple[float, float] | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedEncoder:
    """An encoder, at one of its sizes.

    Args:
        bytes: Of one stored vector.
        cpu_ms: CPU milliseconds for an abstract.
        cpu_ms_range: Least and most of the repeats.
        use: What the application uses it for, "" for nothing.
    """

    name: str
    licence: str
    bytes: int
    cpu_ms: float
    scores: dict[str, TaskScore]
    dims: int = 0
    cpu_ms_range: tuple[float, ...] = ()
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Encoders by tasks, and search runs by tasks."""

    tasks: tuple[Task, ...]
    encoders: tuple[RatedEncoder, ...]
    groups: str = ""
    command: str = ""
    means: dict[str, float] = field(default_factory=dict)
    runs: RunBoard = field(default_factory=RunBoard)

    def best(self, task: str) -> float:
        """Return the best score on a task."""
        return max(item.scores[task].value for item in self.encoders if task in item.scores)


def read_leaderboard() -> Leaderboard:
    """Read the report.

    Raises:
        NotFound: The benchmark was never run.
        BadInput: The file is not what the benchmark writes.
    """
    path = results_folder() / "bench" / "encoders.json"
    try:
        return _leaderboard(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFound("the encoders were not compared yet", hint=COMMAND) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the leaderboard can't be read ({type(error).__name__}: {error})", received=path
        ) from None


def _leaderboard(document: dict[str, Any]) -> Leaderboard:
    results = document["results"]
    tasks = tuple(Task(**task) for task in results["tasks"])
    encoders = tuple(_encoder(item) for item in results["encoders"])
    return Leaderboard(
        tasks=tasks,
        encoders=encoders,
        groups=results.get("groups", ""),
        command=document.get("command", COMMAND),
        means={
            item.name: statistics.fmean(item.scores[task.name].value for task in tasks)
            for item in encoders
            if all(task.name in item.scores for task in tasks)
        },
    )


def _encoder(item: dict[str, Any]) -> RatedEncoder:
    scores = {
        task: TaskScore(
            value=float(score["value"]),
            interval=(score["interval"][0], score["interval"][1]) if "interval" in score else None,
            group=score.get("group", ""),
        )
        for task, score in item["scores"].items()
    }
    spread = tuple(item.get("cpu_ms_range", ()))
    return RatedEncoder(**{**item, "scores": scores, "cpu_ms_range": spread})


def orders(board: Leaderboard) -> tuple[str, ...]:
    """Return what the table can be ordered by."""
    return ("mean", *(task.name for task in board.tasks), "cpu", "bytes", "name")


def ordered(board: Leaderboard, by: str) -> list[RatedEncoder]:
    """Return the encoders in an order: best scores first, least costs first.

    Raises:
        UsageError: There is no such order.
    """
    if by not in orders(board):
        raise UsageError("no such order", received=by, hint="one of " + ", ".join(orders(board)))
    if by == "name":
        return sorted(board.encoders, key=lambda item: item.name)
    if by in ("cpu", "bytes"):
        costs = {"cpu": lambda item: item.cpu_ms, "bytes": lambda item: item.bytes}
        return sorted(board.encoders, key=lambda item: (costs[by](item), item.name))

    def score(item: RatedEncoder) -> float:
        known = board.means.get(item.name) if by == "mean" else None
        if by in item.scores:
            known = item.scores[by].value
        return float("inf") if known is None else -known

    return sorted(board.encoders, key=lambda item: (score(item), item.name))


def front(points: Iterable[tuple[str, float, float]]) -> list[str]:
    """Return the names that nothing beats: no other costs at most as much and is better.

    Args:
        points: Name, cost, score.

    Example:
        >>> front([("a", 1.0, 5.0), ("b", 2.0, 4.0), ("c", 3.0, 6.0)])
        ['a', 'c']
    """
    kept: list[str] = []
    best = float("-inf")
    for name, _, score in sorted(points, key=lambda point: (point[1], -point[2])):
        if score > best:
            kept.append(name)
            best = score
    return kept


def trade_offs(board: Leaderboard) -> list[tuple[Figure, Sequence[str]]]:
    """Return the mean score against each cost, with the names on the front."""
    found: list[tuple[Figure, Sequence[str]]] = []
    for title, x, costs in (
        (
            "Quality against time",
            "CPU time per abstract, ms",
            {item.name: item.cpu_ms for item in board.encoders},
        ),
        (
            "Quality against size",
            "stored vector, bytes",
            {item.name: float(item.bytes) for item in board.encoders},
        ),
    ):
        points = [(name, costs[name], mean) for name, mean in board.means.items()]
        figure = Figure(
            title=title,
            kind="scatter",
            x=x,
            y=f"mean of {len(board.tasks)} tasks, x100",
            series={name: ((cost, mean),) for name, cost, mean in points},
        )
        found.append((figure, front(points)))
    return found

"""The table of runs: score and interval per task, letters of what can't be told apart, the mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import Resampled, resample
from broadsheet.metrics.groups import bootstrap_groups
from broadsheet.metrics.resampling import mean_of
from broadsheet.papers.leaderboard.references import References, read_references, references_path
from broadsheet.papers.leaderboard.submissions import FOLDER, Submission, submissions

_DRAWS = 4000
_LEVEL = 0.95
_SEEDS = SeedTree(20261123).child("leaderboard")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStanding:
    """What a row reached on a task.

    Args:
        value: nDCG@10 x 100.
        interval: Its 95 % interval over the queries.
        letters: Rows that share a letter can't be told apart on this task.
        tied_with_best: Whether it shares one with the best.
    """

    value: float
    interval: tuple[float, float]
    letters: str
    tied_with_best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A row of the table.

    Args:
        name: Of the run, or of the reference row.
        reference: Whether it came with the release.
        seeds: Runs behind it.
        submitted: When it was handed in, "" for reference rows.
        scores: By task.
        mean: Over all tasks, None when one is missing.
    """

    name: str
    reference: bool
    seeds: int
    submitted: str
    scores: Mapping[str, TaskStanding]
    mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaskFacts:
    """A task of the table: its name and how many queries count."""

    name: str
    queries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBoard:
    """Search runs by tasks, best mean first; rows without a mean after them, by name."""

    tasks: tuple[RunTaskFacts, ...] = ()
    rows: tuple[RunRow, ...] = ()
    command: str = ""


def read_board(home: Path) -> RunBoard:
    """Return the table of what was handed in and of the reference rows.

    Raises:
        BadInput: A file is damaged.
    """
    paths = [*sorted((home / FOLDER).glob("*/*.json")), references_path()]
    facts = [(str(path), path.stat()) for path in paths if path.is_file()]
    return _board(home, tuple((name, fact.st_mtime_ns, fact.st_size) for name, fact in facts))


@lru_cache(maxsize=4)
def _board(home: Path, stamps: tuple[tuple[str, int, int], ...]) -> RunBoard:
    """Return the table, computed again only when one of its files has changed."""
    return make_board(submissions(home), read_references())


def make_board(handed_in: Sequence[Submission], references: References) -> RunBoard:
    """Return the table.

    A submission whose number of queries is not that of the reference rows was scored with other
    judgements; the letters of that task are then given among the submissions alone.

    Args:
        handed_in: Scored runs.
        references: Rows of the release.
    """
    scores: dict[str, dict[str, tuple[float, ...]]] = {}
    for row in references.rows:
        for task, values in row.ndcg.items():
            scores.setdefault(task, {})[row.name] = values
    for one in handed_in:
        known = scores.setdefault(one.task, {})
        if any(len(values) != len(one.ndcg) for values in known.values()):
            known = scores[one.task] = {
                name: values for name, values in known.items() if len(values) == len(one.ndcg)
            }
        known[one.name] = one.ndcg
    standings = {task: rank_task(task, found) for task, found in sorted(scores.items())}
    seeds = {row.name: row.seeds for row in references.rows}
    submitted = {one.name: one.submitted for one in handed_in}
    rows = [
        _row(name, standings, seeds.get(name, 1), submitted.get(name, ""), name in seeds)
        for name in sorted({name for found in scores.values() for name in found})
    ]
    rows.sort(key=lambda row: (math.inf if row.mean is None else -row.mean, row.name))
    facts = [
        RunTaskFacts(name=task, queries=len(next(iter(found.values()))))
        for task, found in sorted(scores.items())
    ]
    return RunBoard(tasks=tuple(facts), rows=tuple(rows), command=references.command)


def rank_task(task: str, found: Mapping[str, Sequence[float]]) -> dict[str, TaskStanding]:
    """Return where each row stands on a task, from its nDCG@10 of each query.

    Letters come from a bootstrap over queries of all paired differences, Holm-adjusted.

    Args:
        task: Names the resamples.
        found: From 0 to 1 by row; all of one length.

    Example:
        >>> good, poor = [0.9, 0.8, 1.0, 0.7] * 8, [0.1, 0.2, 0.0, 0.3] * 8
        >>> {name: s.letters for name, s in rank_task("t", {"good": good, "poor": poor}).items()}
        {'good': 'a', 'poor': 'b'}
    """
    pairs = len(found) * (len(found) - 1) // 2
    draws = max(_DRAWS, math.ceil(2 * pairs / (1 - _LEVEL)) + 1)
    items = [{"score": 100.0 * np.asarray(values, np.float64)} for values in found.values()]
    rng = _SEEDS.child(task).numpy()
    every = resample(items, mean_of("score"), rng=rng, draws=draws)
    entries = {
        name: Resampled(every.observed[row : row + 1], every.draws[row : row + 1], every.n)
        for row, name in enumerate(found)
    }
    standings = {}
    for one in bootstrap_groups(entries, seeds=_SEEDS.child("pairs", task), level=_LEVEL):
        interval = entries[one.name].interval(_SEEDS.child(one.name).numpy(), level=_LEVEL)
        standings[one.name] = TaskStanding(
            value=one.value,
            interval=(interval.low, interval.high),
            letters=one.letters,
            tied_with_best=one.tied_with_best,
        )
    return standings


def orders(board: RunBoard) -> tuple[str, ...]:
    """Return what the table can be ordered by."""
    return ("mean", *(task.name for task in board.tasks), "name")


def ordered(board: RunBoard, by: str) -> list[RunRow]:
    """Return the rows in an order: best scores first.

    Raises:
        UsageError: There is no such order.
    """
    if by not in orders(board):
        raise UsageError("no such order", received=by, hint="one of " + ", ".join(orders(board)))
    if by == "name":
        return sorted(board.rows, key=lambda row: row.name.casefold())
    if by == "mean":
        return list(board.rows)

    def score(row: RunRow) -> float:
        return -row.scores[by].value if by in row.scores else math.inf

    return sorted(board.rows, key=lambda row: (score(row), row.name))


def _row(
    name: str,
    standings: Mapping[str, Mapping[str, TaskStanding]],
    seeds: int,
    submitted: str,
    reference: bool,
) -> RunRow:
    scores = {task: found[name] for task, found in standings.items() if name in found}
    whole = len(scores) == len(standings)
    return RunRow(
        name=name,
        reference=reference,
        seeds=seeds,
        submitted=submitted,
        scores=scores,
        mean=statistics.fmean(one.value for one in scores.values()) if whole else None,
    )

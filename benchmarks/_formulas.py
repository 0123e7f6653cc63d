"""The vote formulas against each other on SIMULATED arrivals, and how trend-v1 was set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np

from _arrivals import FOLLOWED_DAYS, Paper, simulate
from _rank_scores import measure, table
from broadsheet.papers import trending
from broadsheet.papers.model import Work
from broadsheet.papers.trending import signals
from broadsheet.papers.trending.signals import Velocity
from broadsheet.papers.trending.topics import Terms, terms_of

#: Formula to seeds to days to measures.
Lists = dict[str, list[list[dict[str, float]]]]
ALL = tuple(formula.id for formula in trending.FORMULAS)
PILOT_SEEDS = (100, 101, 102, 103, 104)


def score_formulas(
    seeds: Sequence[int], burst_effect: float, names: Sequence[str] = ALL, days: int = 70
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Compare formulas on SIMULATED votes: within a day's list, and within a week's."""
    lists: dict[str, Lists] = {task: {name: [] for name in names} for task in TASKS}
    for seed in seeds:
        by_day = simulate(seed, days, burst_effect=burst_effect)
        terms = _Terms()
        for groups in lists.values():
            for name in names:
                groups[name].append([])
        for day in list(by_day)[31 : days - 3]:
            for window in (1, 7):
                _score_day(by_day, day, window, lists, terms)
    return {
        task: table(groups, "votes" if "votes" in names else names[0])
        for task, groups in lists.items()
    }


class _Terms(dict[str, Terms]):
    """Terms of simulated papers by id: their texts never change."""

    def __call__(self, work: Work) -> Terms:
        if work.id not in self:
            self[work.id] = terms_of(work)
        return self[work.id]


def _score_day(
    by_day: dict[str, list[Paper]], day: str, window: int, lists: dict[str, Lists], terms: _Terms
) -> None:
    """Rank one list by every formula, and measure it for every task that has this window."""
    known = [other for other in by_day if other <= day]
    around = [paper.work(paper.day) for other in known[-31:] for paper in by_day[other]]
    listed = [paper for other in known[-window:] for paper in by_day[other]]
    works = [paper.work(day) for paper in listed]
    truths = {
        task: np.array([truth_of(paper, day) for paper in listed])
        for task, (length, truth_of) in TASKS.items()
        if length == window
    }
    for name in next(iter(lists.values())):
        scores = {e.work_id: e.score for e in trending.rank(works, around, day, name, terms=terms)}
        values = np.array([scores[paper.name] for paper in listed])
        for task, truth in truths.items():
            lists[task][name][-1].append(measure(values, truth, truth - truth.min()))


def _votes_on_day_14(paper: Paper, day: str) -> float:
    return float(np.log1p(paper.votes[-1]))


def _quality(paper: Paper, day: str) -> float:
    return paper.quality


def _votes_to_come(paper: Paper, day: str) -> float:
    age = int((np.datetime64(day) - np.datetime64(paper.day)).astype(int))
    later = min(age + 3, FOLLOWED_DAYS - 1)
    return float(np.log1p(paper.votes[later] - paper.votes[min(age, FOLLOWED_DAYS - 1)]))


#: What is to be foretold, from lists of how many days.
TASKS: dict[str, tuple[int, Callable[[Paper, str], float]]] = {
    "day_list_24h_snapshot_against_log_votes_on_day_14": (1, _votes_on_day_14),
    "day_list_24h_snapshot_against_latent_quality": (1, _quality),
    "week_list_against_log_votes_of_the_next_3_days": (7, _votes_to_come),
}


def _shrunk_by_votes(velocities: Sequence[Velocity]) -> list[float]:
    """Shrink as the design first said: n is the number of votes."""
    mean = sum(item.speed for item in velocities) / len(velocities)
    return [(item.count * item.speed + 3 * mean) / (item.count + 3) for item in velocities]


def settings_on_pilot_seeds() -> dict[str, dict[str, float]]:
    """Show trend-v1 as it is and with one setting changed: mean rank correlation per task."""
    weights = trending.FORMULAS[0].weights
    variants: dict[str, list[object]] = {
        "as_published": [],
        "half_life_2": [patch.object(signals, "HALF_LIFE", 2.0)],
        "half_life_4": [patch.object(signals, "HALF_LIFE", 4.0)],
        "own_category_from_5_papers": [patch.object(signals, "SMALLEST_CATEGORY", 5)],
        "shrunk_by_votes": [patch.object(signals, "_shrunk", _shrunk_by_votes)],
        "not_shrunk": [patch.object(signals, "SHRINKAGE", 0)],
        "stars_0.25": [patch.dict(weights, {"upvotes": 0.6, "comments": 0.15, "stars": 0.25})],
        "topic_0.25": [patch.dict(weights, {"topic": 0.25})],
        "topic_0": [patch.dict(weights, {"topic": 0.0})],
    }
    result = {}
    for name, changes in variants.items():
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(change)  # type: ignore[arg-type]
            scored = score_formulas(PILOT_SEEDS, 0.0, ("trend-v1",))
        result[name] = {task: rows["trend-v1"]["spearman"]["mean"] for task, rows in scored.items()}
    return result

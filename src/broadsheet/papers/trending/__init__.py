"""Trending without a crowd: `trend-v1`, and four named alternatives.

`trend-v1` ranks the papers of a list at the end of a day:

    score   = 0.75 pct(upvotes) + 0.20 pct(comments) + 0.05 pct(stars) + 0.10 burst
    pct(s)  = percentile of v'(s) among the papers of the same primary category that have a count
              of s; ties share the middle, (below + equal / 2) / all; a category of fewer than 20
              such papers is compared with the whole list; no count, no term
    v'      = (n v + 3 m) / (n + 3)      n snapshots of s; m the mean of v over the same papers
    v       = sum_i rise_i 2^(-age_i)    over the snapshots; age in announcement days; the
              first snapshot of upvotes and comments is a rise from 0, that of stars only a base
    burst   = z / 3, held within [-1, 1]
    z       = (o - e) / sqrt(max(e, 1/4))
    o       = papers of the last 3 announcement days (the day's own included, the paper itself not)
              among the 60 papers nearest to it, ties included, of the last 31 announcement days
    e       = (b + 1/2) R / (B + 1)      b of the 60 in the 28 days before those 3, out of all B
              papers of these 28 days; R all other papers of the last 3

Nearness is the cosine of tf-idf vectors of title (twice) and abstract, made in
`broadsheet.papers.trending.topics`. With fewer than 5 of the 28 days known there is no burst. A
snapshot later than the day is not looked at. Velocities are rounded to 6 decimals before they are
compared, terms and scores to 4. Ties go by work id. The same works and the same day give the same
bytes on every machine.

**Departures** from the design, decided on the pilot seeds of `benchmarks/trending.py` (SIMULATED
votes; rank correlation with what comes later, `pilot_settings` in results/bench/trending.json):

- n counts snapshots, not votes. With votes, a paper that has none gets the mean of its category and
  stands above one with a single vote: .70 fell to .48 in a day's list.
- The half-life is one announcement day, not two: in a week's list .61 instead of .56.
- Categories are compared within themselves from 20 counted papers on; from 5 on, .70 fell to .65.
- The weight of the topic is small, because on real feeds of 2025 a burst does not foretell votes at
  all (rank correlation -.02, interval -.05 to .02). It breaks ties, tells the reader what comes up,
  and decides alone where no votes are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from broadsheet.papers.calendar import Axis
from broadsheet.papers.model import Work
from broadsheet.papers.results import EditionEntry, ScorePart
from broadsheet.papers.trending.bursts import Burst, measure_bursts
from broadsheet.papers.trending.formulas import (
    BASE_DAYS,
    DECIMALS,
    FORMULAS,
    RECENT_DAYS,
    Formula,
    formula_named,
)
from broadsheet.papers.trending.signals import Standing, count_of, standings, velocity
from broadsheet.papers.trending.topics import Terms, terms_of

__all__ = [
    "BASE_DAYS",
    "FORMULAS",
    "RECENT_DAYS",
    "WINDOW_DAYS",
    "Formula",
    "formula_named",
    "rank",
]

#: Announcement days, the day itself included, that a ranking looks at.
WINDOW_DAYS = RECENT_DAYS + BASE_DAYS

_SECONDS_A_DAY = 86_400


def rank(
    papers: Sequence[Work],
    surroundings: Sequence[Work],
    day: str,
    formula: str = "trend-v1",
    *,
    terms: Callable[[Work], Terms] = terms_of,
) -> list[EditionEntry]:
    """Rank papers as of the end of `day`, best first, each with the terms of its score.

    Args:
        papers: The papers to rank.
        surroundings: All papers of the last `WINDOW_DAYS` announcement days up to `day`.
        day: ISO day; signals and papers of later days are not looked at.
        formula: Id of a formula of `FORMULAS`.
        terms: Gives the terms of a work; pass a cached one when ranking many days.

    Raises:
        UsageError: No formula has that id.
    """
    chosen = formula_named(formula)
    axis = Axis((work.day for work in surroundings if work.day), day)
    if chosen.id == "trend-v1":
        around = [work for work in surroundings if work.day <= day]
        scored = _trend(chosen, papers, measure_bursts(papers, around, axis, terms), axis)
    else:
        scored = [(_ADAPTED[chosen.id](work, axis)) for work in papers]
    totals = [round(sum(part.value for part in parts), DECIMALS) for parts in scored]
    order = sorted(range(len(papers)), key=lambda index: (-totals[index], papers[index].id))
    return [
        EditionEntry(
            work_id=papers[index].id,
            title=papers[index].title,
            rank=place,
            score=totals[index],
            terms=scored[index],
        )
        for place, index in enumerate(order, start=1)
    ]


def _part(name: str, value: float, detail: str) -> ScorePart:
    return ScorePart(name=name, value=round(value, DECIMALS) + 0.0, detail=detail)


def _trend(
    formula: Formula, papers: Sequence[Work], topics: Sequence[Burst], axis: Axis
) -> list[tuple[ScorePart, ...]]:
    parts: list[list[ScorePart]] = [[] for _ in papers]
    for name in ("upvotes", "comments", "stars"):
        speeds = [velocity(work, name, axis) for work in papers]
        for own, standing in zip(parts, standings(papers, speeds), strict=True):
            if standing is not None:
                value = formula.weights[name] * standing.percentile
                own.append(_part(name, value, _describe(name, standing)))
    for own, topic in zip(parts, topics, strict=True):
        value = formula.weights["topic"] * topic.value
        own.append(_part("topic", value, _describe_topic(topic, votes=bool(own))))
    return [tuple(own) for own in parts]


def _describe(name: str, standing: Standing) -> str:
    own = standing.velocity
    growth = "today" if own.today == own.count else f"(+{own.today} today)"
    pool = f" in {standing.pool}" if standing.pool else ""
    percent = min(99, int(100 * standing.percentile))
    return f"{name} {own.count} {growth}, p{percent} of {standing.of} papers{pool}"


def _describe_topic(topic: Burst, *, votes: bool) -> str:
    if topic.z is None:
        alone = "" if votes else "; no votes known either, so the order is that of the ids"
        return f"topic: no burst, {_days(topic.base_days)} known before these{alone}"
    alone = "" if votes else "; no votes known, so the topic alone decides"
    words = f": {', '.join(topic.words)}" if topic.words else ""
    papers = "paper" if topic.observed == 1 else "papers"
    return (
        f"topic: {topic.observed} similar {papers} in {_days(RECENT_DAYS)} against "
        f"{topic.expected:.1f} expected (z {topic.z:+.1f}){words}{alone}"
    )


def _days(count: int) -> str:
    return f"{count} announcement day{'' if count == 1 else 's'}"


def _age_text(age: int) -> str:
    return "of the day" if age == 0 else f"{_days(age)} old"


def _hn(work: Work, axis: Axis) -> tuple[ScorePart, ...]:
    upvotes, age = max(count_of(work, "upvotes", axis.until), 0), axis.age(work.day)
    value = upvotes**0.8 / (24 * age + 2) ** 1.8
    return (_part("hn", value, f"upvotes {upvotes}, {_age_text(age)}"),)


def _reddit(work: Work, axis: Axis) -> tuple[ScorePart, ...]:
    upvotes, age = count_of(work, "upvotes", axis.until), axis.age(work.day)
    return (
        _part("votes", math.log10(max(upvotes, 1)), f"log10 of {upvotes} upvotes"),
        _part("age", -_SECONDS_A_DAY * age / 45_000, _age_text(age)),
    )


def _lobsters(work: Work, axis: Axis) -> tuple[ScorePart, ...]:
    upvotes, comments = (count_of(work, name, axis.until) for name in ("upvotes", "comments"))
    points = upvotes + 1 + min(comments, upvotes)
    detail = f"log10 of {upvotes} upvotes + {points - upvotes - 1} comments + 1"
    return (
        _part("votes", math.log10(max(points, 1)), detail),
        _part("age", -_SECONDS_A_DAY * axis.age(work.day) / 79_200, _age_text(axis.age(work.day))),
    )


def _votes(work: Work, axis: Axis) -> tuple[ScorePart, ...]:
    upvotes = count_of(work, "upvotes", axis.until)
    return (_part("votes", float(upvotes), f"upvotes {upvotes}"),)


_ADAPTED: dict[str, Callable[[Work, Axis], tuple[ScorePart, ...]]] = {
    "hn": _hn,
    "reddit": _reddit,
    "lobsters": _lobsters,
    "votes": _votes,
}

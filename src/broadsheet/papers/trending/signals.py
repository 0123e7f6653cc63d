"""Counts that sources reported on days, turned into velocities and percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broadsheet.papers.calendar import Axis
from broadsheet.papers.model import Work
from broadsheet.papers.trending.formulas import (
    HALF_LIFE,
    SHRINKAGE,
    SMALLEST_CATEGORY,
)

#: Signals whose first snapshot is no rise: a repository may be older than its paper.
_STARTS_AT_ITS_BASE = frozenset({"stars"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """How fast a count rises.

    Args:
        count: The count at the last snapshot.
        today: How much of it came on the day itself.
        snapshots: How many days were observed.
        speed: Rises, each halved for every announcement day that passed since.
    """

    count: int
    today: int
    snapshots: int
    speed: float


def snapshots(work: Work, name: str, until: str) -> list[tuple[str, int]]:
    """Return the days up to `until` on which a count was reported, with the highest report."""
    by_day: dict[str, int] = {}
    for signal in work.signals:
        if signal.name == name and signal.day <= until:
            by_day[signal.day] = max(by_day.get(signal.day, signal.value), signal.value)
    return sorted(by_day.items())


def count_of(work: Work, name: str, until: str) -> int:
    """Return the last count reported up to `until`; 0 when there is none."""
    observed = snapshots(work, name, until)
    return observed[-1][1] if observed else 0


def velocity(work: Work, name: str, axis: Axis) -> Velocity | None:
    """Return the velocity of a count at the end of `axis`, or None when it can't be known."""
    observed = snapshots(work, name, axis.until)
    if not observed or (name in _STARTS_AT_ITS_BASE and len(observed) < 2):
        return None
    last = observed[0][1] if name in _STARTS_AT_ITS_BASE else 0
    speed, today = 0.0, 0
    for day, value in observed:
        age = axis.age(day)
        speed += (value - last) * 2.0 ** (-age / HALF_LIFE)
        today += value - last if age == 0 else 0
        last = value
    return Velocity(count=last, today=today, snapshots=len(observed), speed=round(speed, 6))


def category_of(work: Work) -> str:
    """Return the category a work is compared within; "" when it has none."""
    return work.primary_category or (work.categories[0] if work.categories else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a paper's velocity stands: `percentile` (0 to 1) among `of` papers of `pool`."""

    velocity: Velocity
    percentile: float
    of: int
    pool: str


def standings(
    works: Sequence[Work], velocities: Sequence[Velocity | None]
) -> list[Standing | None]:
    """Shrink velocities to the mean of their category and rank them within it.

    Categories with fewer than 20 counted papers are compared with the whole list.
    """
    everyone = [index for index, item in enumerate(velocities) if item is not None]
    pools: dict[str, list[int]] = {}
    for index in everyone:
        pools.setdefault(category_of(works[index]), []).append(index)
    result: list[Standing | None] = [None] * len(works)
    for name, members in pools.items():
        small = len(members) < SMALLEST_CATEGORY
        peers = everyone if small else members
        shrunk = _shrunk([item for index in peers if (item := velocities[index]) is not None])
        by_paper = dict(zip(peers, shrunk, strict=True))
        for index in members:
            own = velocities[index]
            if own is None:
                continue
            result[index] = Standing(
                velocity=own,
                percentile=_percentile(by_paper[index], shrunk),
                of=len(peers),
                pool="" if small else name,
            )
    return result


def _shrunk(velocities: Sequence[Velocity]) -> list[float]:
    mean = sum(item.speed for item in velocities) / len(velocities)
    return [
        round((item.snapshots * item.speed + SHRINKAGE * mean) / (item.snapshots + SHRINKAGE), 6)
        for item in velocities
    ]


def _percentile(value: float, values: Sequence[float]) -> float:
    below = sum(item < value for item in values)
    equal = sum(item == value for item in values)
    return (below + equal / 2) / len(values)

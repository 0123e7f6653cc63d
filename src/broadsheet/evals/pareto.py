"""Pareto fronts: which of many settings are worth having, and which one fits a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadsheet.core.errors import BadInput, NotFound


@dataclass(frozen=True, slots=True)
class Point:
    """A setting with what it costs and what it is worth.

    Args:
        name: Such as "layer 3, 64 numbers".
        costs: By name, less is better: {"ms": 1.2, "bytes": 64}.
        quality: More is better.

    Example:
        >>> a, b = Point("a", {"ms": 1.0}, 60.0), Point("b", {"ms": 2.0}, 59.0)
        >>> a.dominates(b), b.dominates(a)
        (True, False)
    """

    name: str
    costs: Mapping[str, float]
    quality: float

    def dominates(self, other: Point) -> bool:
        """Tell whether this point is nowhere worse and somewhere better."""
        pairs = [(cost, other.costs[name]) for name, cost in self.costs.items()]
        pairs.append((-self.quality, -other.quality))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points that no other dominates, by rising quality; equals all stay.

    Raises:
        BadInput: The points don't name the same costs, or a number is not finite.
    """
    _check(points)
    kept = [point for point in points if not any(other.dominates(point) for other in points)]
    return tuple(sorted(kept, key=lambda point: (point.quality, point.name)))


def choose(points: Sequence[Point], budget: Mapping[str, float]) -> Point:
    """Return the best point within the budget; of equally good ones the cheapest.

    Args:
        points: Settings.
        budget: The most that each named cost may be; costs that are not named are free.

    Raises:
        NotFound: None fits; the message names the nearest one.
        BadInput: The budget names a cost that the points don't have.
    """
    _check(points)
    unknown = set(budget) - (set(points[0].costs) if points else set())
    if unknown:
        raise BadInput("no such cost", received=", ".join(sorted(unknown)))
    fitting = [
        point for point in points if all(point.costs[name] <= most for name, most in budget.items())
    ]
    if not fitting:
        nearest = min(points, key=lambda point: _overspend(point, budget))
        raise NotFound("nothing fits this budget", received=dict(budget), hint=f"{nearest.name}")
    return min(fitting, key=lambda point: (-point.quality, sorted(point.costs.items())))


def _overspend(point: Point, budget: Mapping[str, float]) -> float:
    return max(point.costs[name] / most if most > 0 else math.inf for name, most in budget.items())


def _check(points: Sequence[Point]) -> None:
    names = {tuple(sorted(point.costs)) for point in points}
    if len(names) > 1:
        raise BadInput("points must name the same costs", received=names)
    for point in points:
        if not all(map(math.isfinite, (point.quality, *point.costs.values()))):
            raise BadInput("a point's numbers must be finite", received=point.name)

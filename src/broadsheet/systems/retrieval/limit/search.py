"""The arm of free vectors: critical n for each d, and what geometry says of the vectors it left.

Legend: N documents, D width, K relevant documents of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.retrieval.limit.curve import Attempts, Critical, critical_n
from broadsheet.systems.retrieval.limit.rank import check_construction
from broadsheet.systems.retrieval.limit.recipe import CurveSettings
from broadsheet.systems.retrieval.limit.worlds import SubsetWorld

#: Documents for which the construction with 2k numbers is checked.
CONSTRUCTED = (32, 100, 316, 1000)


@dataclass(slots=True)
class CurveData:
    """What the searches of one seed found, by d."""

    found: dict[int, Critical] = field(default_factory=dict)


def search_curve(
    data: CurveData, settings: CurveSettings, seeds: SeedTree, workspace: Workspace
) -> None:
    """Find the critical n of every d; each search begins where that of the d before it ended."""
    attempts = Attempts(workspace.run / "metrics.jsonl")
    advance = workspace.progress.start("critical n", len(settings.dims), "sizes")
    k = settings.per_query
    for place, d in enumerate(settings.dims):
        # Two searches done, the next border is guessed on the line through theirs.
        known = [data.found[one].largest for one in settings.dims[max(0, place - 2) : place]]
        guess = 2 * known[-1] - known[0] if len(known) == 2 else k + 1
        start = max(k + 1, guess)

        def solve(n: int, d: int = d) -> bool:
            return attempts.run(n, d, k, settings.optimisation, seeds).solved

        sweep = settings.optimisation.sweep
        data.found[d] = critical_n(solve, start=start, least=k + 1, sweep=sweep)
        advance(1)


def measure_curve(data: CurveData, settings: CurveSettings) -> list[Observation]:
    """Return critical n by d, and how the construction with 2k numbers does."""
    found = []
    for d in settings.dims:
        critical = data.found[d]
        for metric, value in (
            ("critical n", critical.largest),
            ("unbroken n", critical.unbroken),
        ):
            found.append(_number(f"d = {d}", metric, "documents", value))
    return found + measure_construction(settings)


def measure_construction(settings: CurveSettings) -> list[Observation]:
    """Return how many sets 2k numbers rank exactly, in double and in single precision."""
    k = settings.per_query
    found = []
    for n in CONSTRUCTED:
        members = sample_sets(n, k, settings.sets)
        double = check_construction(n, k, members)
        single = check_construction(n, k, members, np.float32)
        name = f"construction, d = {2 * k}, n = {n:,}"
        found += [
            _number(name, "exact sets, float64", "x100", 100 * double.exact),
            _number(name, "exact sets, float32", "x100", 100 * single.exact),
            _number(name, "smallest margin", "cosine", double.margin),
        ]
    return found


def sample_sets(n: int, k: int, count: int) -> Sequence[Sequence[int]]:
    """Return sets that are hard for the construction, neighbours among them, and others."""
    world = SubsetWorld.some_subsets(n, k, min(count, n), SeedTree(20261123).child("sets", n))
    apart = [[(start + 2 * i) % n for i in range(k)] for start in range(0, n, max(1, n // 8))]
    return [*world.members_MK.tolist(), *apart]


def _number(dataset: str, metric: str, unit: str, value: float) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit=unit, value=float(value), n=1)

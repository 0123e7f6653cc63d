"""What a search costs and which way it goes, from measured quantities only."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Ways of a search, by their number in the native code.
PATHS = ("ids", "clusters", "scan", "graph")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a search was carried out.

    Attributes:
        path: "ids" (every allowed row), "clusters" (nearest clusters until few can be missing),
            "scan" (the clusters path, all of them), or "graph".
        matches: Rows allowed.
        rows: Rows there are.
        density: Share of rows allowed in the nearest clusters visited, 0 if none was.
        predicted_us: Cost that was expected, in microseconds.
        spent_us: Cost by the cost model of what was done.
        clusters: Clusters visited.
        codes: 1-bit codes read.
        reranked: Rows scored in 8 bits.
        exact: Rows scored in full.

    Example:
        >>> Plan(path="ids", matches=7, rows=100, exact=7, predicted_us=9).explain()
        'ids: 7 of 100 rows allowed (7.00 %); 0 rows scored in 8 bits, 7 exactly; 9 us expected'
    """

    path: str
    matches: int
    rows: int
    density: float = 0.0
    predicted_us: float = 0.0
    spent_us: float = 0.0
    clusters: int = 0
    codes: int = 0
    reranked: int = 0
    exact: int = 0

    def explain(self) -> str:
        """Return one readable line."""
        share = 100 * self.matches / max(self.rows, 1)
        text = f"{self.path}: {self.matches:,} of {self.rows:,} rows allowed ({share:.2f} %); "
        if self.clusters:
            text += f"{self.clusters:,} clusters visited ({100 * self.density:.1f} % allowed in "
            text += f"the nearest), {self.codes:,} codes read, "
        text += f"{self.reranked:,} rows scored in 8 bits, {self.exact:,} exactly; "
        return (
            text
            + f"{self.predicted_us:.0f} us expected"
            + (f", {self.spent_us:.0f} us by what was done" if self.spent_us else "")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """When a search by clusters may end: shares of the stop rule's own estimate of what is missing.

    Attributes:
        results: Numbers of results that they were fitted for, rising.
        few: A share for each, where few of the rows near the query are allowed.
        some: Likewise where some are (`walking.BORDERS`).
        many: Likewise where many are.

    Example:
        >>> Stops(few=(0.5, 0.5), some=(1.0, 1.0), many=(4.0, 2.0)).at(10, recall=0.95)
        (0.025, 0.05, 0.2)
    """

    results: tuple[int, ...] = (10, 100)
    few: tuple[float, ...] = (0.7, 0.7)
    some: tuple[float, ...] = (0.7, 0.7)
    many: tuple[float, ...] = (0.7, 0.7)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Stops:
        """Return the stops that a segment's facts hold."""
        return cls(**{name: tuple(numbers) for name, numbers in facts.items()})

    def at(self, k: int, recall: float) -> tuple[float, float, float]:
        """Return the shares of k that may be expected missing; -1 (never stop) for recall 1."""
        if recall >= 1:
            return -1.0, -1.0, -1.0
        ks, at = [math.log(count) for count in self.results], math.log(max(k, 1))
        few, some, many = (
            round((1 - recall) * _between(ks, factors, at), 9)
            for factors in (self.few, self.some, self.many)
        )
        return few, some, many


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Cost model of a segment on the machine that built it, in microseconds.

    The two paths are timed on held-out rows: scoring every allowed row costs `ids_base + ids_row`
    times their number, and the clusters path what `table` says, which is interpolated between
    numbers of results and densities (all on logarithmic scales).

    Attributes:
        ids_base: Any search by ids.
        ids_row: Each row of it.
        results: Numbers of results of the rows of `table`, rising.
        densities: Shares of rows allowed of its columns, falling from 1.
        table: Cost of the clusters path.
        clusters_base: Any search by clusters.
        visit: Each cluster visited.
        code: Each 1-bit code read.
        eight: Each row scored in 8 bits.
        exact: Each row scored in full.
        graph: Cost of the graph path, like `table`, over the first densities only; empty without
            a graph.
        ef: Allowed rows kept on a walk, by number of results.

    Example:
        >>> model = Costs(table=((50.0, 100.0),), results=(10,), densities=(1.0, 0.01))
        >>> round(model.of_clusters(10, 0.1))
        71
    """

    ids_base: float = 8.0
    ids_row: float = 0.06
    results: tuple[int, ...] = (10, 100)
    densities: tuple[float, ...] = (1.0,)
    table: tuple[tuple[float, ...], ...] = ((80.0,), (160.0,))
    clusters_base: float = 20.0
    visit: float = 0.2
    code: float = 0.003
    eight: float = 0.05
    exact: float = 0.15
    graph: tuple[tuple[float, ...], ...] = ()
    ef: tuple[int, ...] = ()

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Costs:
        """Return the model that a segment's facts hold."""
        known = dict(facts)
        for name in ("results", "densities", "ef"):
            known[name] = tuple(known.get(name, ()))
        for name in ("table", "graph"):
            known[name] = tuple(tuple(row) for row in known.get(name, ()))
        return cls(**known)

    def of_ids(self, matches: int) -> float:
        """Return the expected cost of scoring every allowed row."""
        return self.ids_base + self.ids_row * matches

    def of_clusters(self, k: int, density: float) -> float:
        """Return the expected cost of the clusters path; beyond the table as at its border."""
        return self._of(self.table, k, density)

    def of_graph(self, k: int, density: float) -> float:
        """Return the expected cost of the graph path; infinite without one."""
        return self._of(self.graph, k, density) if self.graph else math.inf

    def ef_of(self, k: int) -> int:
        """Return how many allowed rows a walk for k results keeps; 0 where it can't be told."""
        if not self.ef or k > self.results[-1]:
            return 0
        ks = [math.log(count) for count in self.results]
        return max(k, round(_between(ks, self.ef, math.log(k))))

    def graph_from(self, k: int, rows: int) -> int:
        """Return from how many matches walking the graph is the cheapest way; beyond all: never."""
        least = rows + 1
        for density in self.densities[: len(self.graph[0]) if self.graph else 0]:
            if self.of_graph(k, density) >= self.of_clusters(k, density):
                break
            least = math.ceil(density * rows)
        return least

    def _of(self, table: Sequence[Sequence[float]], k: int, density: float) -> float:
        x = [-math.log(share) for share in self.densities[: len(table[0])]]
        at = -math.log(max(density, 1e-9))
        by_k = [_between(x, [math.log(cost) for cost in row], at) for row in table]
        ks = [math.log(count) for count in self.results]
        return math.exp(_between(ks, by_k, math.log(max(k, 1))))

    def ids_limit(self, k: int, rows: int) -> int:
        """Return up to how many matches scoring them all is the cheaper way."""
        limit = 64
        while limit < rows and self.of_ids(limit) <= self.of_clusters(k, limit / rows):
            limit = limit * 9 // 8
        return min(limit, rows)


def _between(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """Interpolate linearly over rising x; constant outside."""
    right = bisect.bisect_left(x, at)
    if right == 0 or right == len(x):
        return y[min(right, len(x) - 1)]
    part = (at - x[right - 1]) / (x[right] - x[right - 1])
    return y[right - 1] + part * (y[right] - y[right - 1])

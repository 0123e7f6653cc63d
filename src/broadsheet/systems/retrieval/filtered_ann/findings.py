"""From runs to the report: five claims, a table of speeds, and curves.

Legend: S seeds, N questions of a cell, B budgets, K resamples, M methods, C cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from broadsheet.core.card import find_card
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import Interval, Resampled, plain_numbers
from broadsheet.metrics.resampling import resample_counts
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.retrieval.filtered_ann.speeds import speed_at
from broadsheet.systems.retrieval.filtered_ann.trends import page_p, slope

Floats = npt.NDArray[np.float64]

SLUG = "filtered_ann"
OURS, EXACT, IN_FILTER = "planner (ours)", "pre-filter exact", "in-filter HNSW"
RANGES = ("segment-tree graph", "SeRF")
_DRAWS = 4000
#: Largest logarithm of a ratio that is shown.
_WIDEST = 50.0
_ALIKE = "x100"


class Table:
    """The runs of a preset, in the order of the seeds.

    Args:
        preset: What was run.
        runs: All of it.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        order = preset.seeds.index
        self.recipes = {recipe.arm: recipe for recipe in preset.arms}
        self._runs = {
            arm: sorted((run for run in runs if run.arm == arm), key=lambda run: order(run.seed))
            for arm in self.recipes
        }
        self.target = self.recipes["methods"].target
        first = self._runs["methods"][0].observations
        self.cells = tuple(dict.fromkeys(one.dataset for one in first if one.unit == "per s"))
        self.methods = tuple(dict.fromkeys(one.metric for one in first if one.unit == "per s"))
        self._asked = {(one.dataset, one.metric) for one in first if one.unit == "per s"}
        counts = resample_counts(first_n(first), _DRAWS, _rng("questions"))
        drawn_NK = np.concatenate(list(counts), axis=1)
        self.weights_NK = np.concatenate([np.ones((len(drawn_NK), 1)), drawn_NK], axis=1)
        self.weights_NK /= len(drawn_NK)
        self._speeds: dict[tuple[str, str], Floats] = {}

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._runs[arm]]

    def values(self, arm: str, dataset: str, metric: str) -> list[float]:
        """Return one number per seed."""
        return [one.value for one in self.observed(arm, dataset, metric)]

    def names(self, arm: str) -> list[tuple[str, str, str]]:
        """Return data set, metric and unit of everything that an arm observed."""
        return [(o.dataset, o.metric, o.unit) for o in self._runs[arm][0].observations]

    def able(self, cell: str) -> list[str]:
        """Return the methods that answer a cell."""
        return [method for method in self.methods if (cell, method) in self._asked]

    def speeds(self, cell: str, method: str) -> Floats:
        """Return queries a second at the target; column 0 as observed, then the resamples.

        Shape:
            [S, 1 + K]; 0 where the target is not reached.
        """
        key = (cell, method)
        if key not in self._speeds:
            rows = []
            for one in self.observed("methods", cell, method):
                seconds_BK = sweep(one, "seconds") @ self.weights_NK
                recall_BK = sweep(one, "recall") @ self.weights_NK
                rows.append(speed_at(self.target, seconds_BK, recall_BK))
            self._speeds[key] = np.stack(rows)
        return self._speeds[key]

    def fastest_anyhow(self, cell: str, method: str) -> Floats:
        """Return the same, with the speed at the largest budget where the target is not reached."""
        speeds = self.speeds(cell, method).copy()
        for row, one in zip(speeds, self.observed("methods", cell, method), strict=True):
            row[row == 0] = 1.0 / (sweep(one, "seconds")[-1] @ self.weights_NK)[row == 0]
        return speeds

    def resampled(self, values: Floats) -> Resampled:
        """Return an effect [S, 1 + K] as observed value and draws."""
        return Resampled(values[:, 0], values[:, 1:], len(self.weights_NK))


def first_n(observations: Sequence[Observation]) -> int:
    """Return how many questions a cell has."""
    return next(one.n for one in observations if one.unit == "per s")


def sweep(one: Observation, part: str) -> Floats:
    """Return an observation's rows by budget, [B, N]."""
    names = sorted(
        (name for name in one.items if name.startswith(f"{part} ")),
        key=lambda name: int(name.split()[-1]),
    )
    return np.stack([np.asarray(one.items[name], np.float64) for name in names])


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Table(preset, runs)
    effects, reasons = _effects(table)
    claims = find_card(SLUG).claims
    smoke = table.recipes["methods"].rows < 10_000
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=effects[claim.id],
            reason="smoke: far too small to say anything" if smoke else reasons[claim.id],
        )
        for claim in claims
    ]
    return Report(
        slug=SLUG,
        preset="smoke" if smoke else "laptop",
        seeds=preset.seeds,
        pilot_seed=preset.pilot_seed,
        claims=judge_claims(findings),
        measurements=_measurements(table),
        cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        figures=_figures(table),
    )


def _rng(name: str) -> np.random.Generator:
    return SeedTree(20261123).child("report", name).numpy()


def _effects(table: Table) -> tuple[Mapping[str, Interval], Mapping[str, str]]:
    classical = [method for method in table.methods if method != OURS]
    winners_SK, winner_words = _winners(table, classical)
    planner_SK, worst_cell = _planner(table, classical)
    range_SK, range_words = _ranges(table)
    collapse, collapse_words = _collapse(table)
    growth, growth_words = _growth(table)
    effects = {
        "no_single_winner": table.resampled(winners_SK).interval(_rng("winners")),
        "in_filter_collapses": collapse,
        "ranges_by_structure": _ratio(table, range_SK, "ranges"),
        "label_graphs_grow": growth,
        "planner_everywhere": _ratio(table, planner_SK, "planner"),
    }
    reasons = {
        "no_single_winner": winner_words,
        "in_filter_collapses": collapse_words,
        "ranges_by_structure": range_words,
        "label_graphs_grow": growth_words,
        "planner_everywhere": worst_cell,
    }
    return effects, reasons


def _ratio(table: Table, ratios_SK: Floats, name: str) -> Interval:
    """Return the geometric mean of ratios over seeds: the interval is made of their logarithms."""
    logs = table.resampled(np.log(np.maximum(ratios_SK, 1e-9))).interval(_rng(name))
    # Two seeds far apart make draws beyond any number; a ratio of e^50 says as much.
    draws = np.exp(np.clip(logs.draws, -_WIDEST, _WIDEST))
    return Interval(float(np.exp(logs.observed)), draws, logs.level, logs.test)


def _winners(table: Table, classical: Sequence[str]) -> tuple[Floats, str]:
    """Count the distinct classical methods that are fastest in some cell."""
    chosen = []
    for cell in table.cells:
        able = [method for method in classical if method in table.able(cell)]
        speeds_MSK = np.stack([table.speeds(cell, method) for method in able])
        places = np.array([classical.index(method) for method in able])
        chosen.append(places[speeds_MSK.argmax(axis=0)])
    chosen_CSK = np.stack(chosen)
    won_MSK = np.stack([(chosen_CSK == m).any(axis=0) for m in range(len(classical))])
    words = "; ".join(
        f"{cell} {classical[int(np.bincount(chosen_CSK[c, :, 0]).argmax())]}"
        for c, cell in enumerate(table.cells)
    )
    return won_MSK.sum(axis=0).astype(np.float64), f"Fastest in most seeds: {words}."


def _planner(table: Table, classical: Sequence[str]) -> tuple[Floats, str]:
    """Return ours over the best classical method in the cell where that is least."""
    ratios = []
    for cell in table.cells:
        able = [method for method in classical if method in table.able(cell)]
        best_SK = np.stack([table.speeds(cell, method) for method in able]).max(axis=0)
        ratios.append(table.speeds(cell, OURS) / np.maximum(best_SK, 1e-9))
    ratios_CSK = np.stack(ratios)
    means = ratios_CSK[:, :, 0].mean(axis=1)
    below = [f"{cell} {mean:.2f}" for cell, mean in zip(table.cells, means, strict=True)]
    middle = float(np.exp(np.log(np.maximum(means, 1e-9)).mean()))
    words = f"Ratio by cell: {', '.join(below)}; geometric mean {middle:.2f}."
    words += (
        " It loses where few rows match: both score every match then, and what a call costs"
        " besides decides (some microseconds more than a compiled loop takes for 20 rows)."
    )
    return ratios_CSK.min(axis=0), words


def _ranges(table: Table) -> tuple[Floats, str]:
    """Return the best range structure over in-filter HNSW, geometric mean over ranges."""
    cells = [cell for cell in table.cells if cell.startswith("R ")]
    logs, missed = [], 0
    for cell in cells:
        known = [method for method in RANGES if method in table.able(cell)]
        ours_SK = np.stack([table.speeds(cell, method) for method in known]).max(axis=0)
        generic_SK = table.fastest_anyhow(cell, IN_FILTER)
        missed += int((table.speeds(cell, IN_FILTER)[:, 0] == 0).sum())
        logs.append(np.log(np.maximum(ours_SK, 1e-9) / generic_SK))
    others = [cell for cell in table.cells if cell.startswith("EM")]
    refused = all(method not in table.able(cell) for cell in others for method in RANGES)
    asked = len(cells) * len(logs[0])
    words = (
        f"In-filter HNSW misses the recall in {missed} of {asked} "
        "range cells and seeds; its speed at the largest budget counts there. "
        f"Equality and membership are {'refused' if refused else 'answered too'}."
    )
    return np.exp(np.mean(logs, axis=0)), words


def _collapse(table: Table) -> tuple[Interval, str]:
    """Return in-filter recall at the smallest budget in ranges of .1 %, and Page's trend."""
    cells = [cell for cell in table.cells if cell.startswith("R ")]
    recalls_SC = np.array(
        [
            [one.items["smallest budget"].mean() for one in table.observed("methods", cell, name)]
            for cell in cells
            for name in [f"recall of {IN_FILTER}"]
        ]
    ).T
    rare = next(cell for cell in cells if cell == "R 0.1%")
    observed = table.observed("methods", rare, f"recall of {IN_FILTER}")
    draws_SK = np.stack([one.items["smallest budget"] @ table.weights_NK for one in observed])
    interval = table.resampled(draws_SK).interval(_rng("collapse"))
    falls = ", ".join(
        f"{cell} {mean:.2f}" for cell, mean in zip(cells, recalls_SC.mean(axis=0), strict=True)
    )
    words = f"At its smallest beam: {falls}; Page's trend test p {page_p(-recalls_SC):.2g}."
    return interval, words


def _growth(table: Table) -> tuple[Interval, str]:
    """Return the smaller exponent of build time in rows and in dimensions, label graphs' mean."""
    recipe = table.recipes["builds"]
    smallest, own = min(recipe.sizes), recipe.dim
    by_rows = [(rows, own) for rows in sorted(recipe.sizes)]
    by_dim = [(smallest, dim) for dim in sorted({*recipe.dims, own})]
    found = {}
    for name, shapes, axis in (("rows", by_rows, 0), ("dimensions", by_dim, 1)):
        sizes = np.array([shape[axis] for shape in shapes], np.float64)
        slopes = []
        for method in recipe.methods:
            seconds = [
                table.values("builds", f"build of {rows} x {dim}", method) for rows, dim in shapes
            ]
            slopes.append([slope(sizes, np.array(row)) for row in np.array(seconds).T])
        found[name] = np.array(slopes)
    words = "; ".join(
        f"{method}: rows^{found['rows'][m].mean():.2f}, dim^{found['dimensions'][m].mean():.2f}"
        for m, method in enumerate(recipe.methods)
    )
    least_S = np.minimum(found["rows"].mean(axis=0), found["dimensions"].mean(axis=0))
    return plain_numbers(list(least_S), draws=_DRAWS).interval(_rng("growth")), words + "."


def _measurements(table: Table) -> tuple[Measurement, ...]:
    """Return builds, sizes, densities, and per method the cells it reaches and its mean speed."""
    found = []
    for arm in table.recipes:
        for dataset, metric, unit in table.names(arm):
            if unit not in ("per s", _ALIKE):
                found.append(_measured(arm, dataset, metric, unit, table))
    for method in table.methods:
        able = [cell for cell in table.cells if method in table.able(cell)]
        speeds_CS = np.stack([table.speeds(cell, method)[:, 0] for cell in able])
        held_S = (speeds_CS > 0).sum(axis=0)
        n = len(able)
        found.append(_summed(f"cells held of {n}", method, "cells", held_S.astype(np.float64), n))
        logs = np.where(speeds_CS > 0, np.log(np.maximum(speeds_CS, 1e-9)), 0.0).sum(axis=0)
        means_S = np.where(held_S > 0, np.exp(logs / np.maximum(held_S, 1)), 0.0)
        found.append(_summed("cells it holds, geometric mean", method, "per s", means_S, n))
    return tuple(found)


def _measured(arm: str, dataset: str, metric: str, unit: str, table: Table) -> Measurement:
    values = tuple(_short(value) for value in table.values(arm, dataset, metric))
    n = table.observed(arm, dataset, metric)[0].n
    return Measurement(arm=arm, dataset=dataset, metric=metric, unit=unit, values=values, n=n)


def _summed(dataset: str, metric: str, unit: str, values: Floats, n: int) -> Measurement:
    short = tuple(_short(value) for value in values)
    return Measurement(arm="methods", dataset=dataset, metric=metric, unit=unit, values=short, n=n)


def _figures(table: Table) -> tuple[Figure, ...]:
    speeds = {
        method: tuple(
            (cell, _short(float(table.speeds(cell, method)[:, 0].mean())))
            for cell in table.cells
            if method in table.able(cell)
        )
        for method in table.methods
    }
    return (
        Figure(
            title=f"Queries a second at recall {table.target:g}; 0 where it is not reached",
            kind="heat",
            x="filter and share",
            y="method",
            series=speeds,
        ),
        Figure(
            title="Recall at the largest budget",
            kind="heat",
            x="filter and share",
            y="method",
            series={
                method: tuple(
                    (cell, _short(np.mean(table.values("methods", cell, f"recall of {method}"))))
                    for cell in table.cells
                    if method in table.able(cell)
                )
                for method in table.methods
            },
        ),
    )


def _short(value: float | np.floating) -> float:
    return float(f"{float(value):.4g}")

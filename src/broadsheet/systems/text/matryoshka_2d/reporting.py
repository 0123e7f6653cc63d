"""From runs to verdicts and figures.

Legend: S seeds, n layers, d numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broadsheet.core.card import read_card
from broadsheet.core.errors import NotFound
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import (
    Interval,
    Resampled,
    averaged,
    combined,
    difference,
    plain_numbers,
    resample,
)
from broadsheet.metrics.resampling import mean_of, spearman_of
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.text.matryoshka_2d.grid import (
    Cell,
    Setting,
    choose,
    make_grid,
    pareto_front,
)
from broadsheet.systems.text.matryoshka_2d.reasons import REASONS
from broadsheet.systems.text.matryoshka_2d.recipe import FRESH_SEEDS, Recipe

SLUG = "matryoshka_2d"
DRAWS = 10_000
#: What a backbone's claims are measured by: its metric and data sets.
QUALITY = {"minilm": ("spearman", ("stsb", "sick")), "debian": ("ndcg10", ("debian",))}
#: Budgets of the application's modes, as shares of the full encoder's time and in bytes.
MODES = {"fast": (0.40, 256.0), "balanced": (0.70, 512.0), "best": (1.01, float("inf"))}


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a claim compares.

    Args:
        first: Objective of the arm that is claimed to be better.
        second: The other one.
        layers: Layers of the cell; 0 means all.
        short: Whether the vectors are cut.
    """

    first: str
    second: str
    layers: int = 0
    short: bool = False


#: The second half of a claim's id; the first is the backbone.
CONTRASTS = {
    "n2-base": Contrast("2dmse", "base", layers=2),
    "n2-mse": Contrast("2dmse", "mse", layers=2),
    "n3-base": Contrast("2dmse", "base", layers=3),
    "price": Contrast("2dmse", "base"),
    "d32-2dmse": Contrast("2dmse", "base", short=True),
    "d32-mse": Contrast("mse", "base", short=True),
    "dedicated": Contrast("dedicated-2", "2dmse", layers=2),
}


class Results:
    """All observations of a preset, by arm and seed.

    Args:
        preset: What was run.
        runs: Its runs.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.recipes: dict[str, Recipe] = {recipe.arm: recipe for recipe in preset.arms}
        self.backbones = tuple(dict.fromkeys(recipe.backbone for recipe in preset.arms))
        place = {seed: number for number, seed in enumerate(preset.seeds)}
        self._runs: dict[str, list[Run]] = {
            arm: sorted((r for r in runs if r.arm == arm), key=lambda r: place[r.seed])
            for arm in self.recipes
        }
        self._drawn: dict[str, dict[tuple[str, str], Resampled]] = {}

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._runs[arm]]

    def names(self, arm: str) -> list[tuple[str, str]]:
        """Return data sets and metrics of an arm."""
        return [(one.dataset, one.metric) for one in self._runs[arm][0].observations]

    def mean(self, arm: str, dataset: str, metric: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean([one.value for one in self.observed(arm, dataset, metric)]))

    def setting(self, backbone: str, layers: int = 0, *, short: bool = False) -> Setting:
        """Return a cell of a backbone; 0 layers mean all."""
        base = self.recipes[f"{backbone}-base"]
        return Setting(layers or base.layers, base.short if short else base.dims[0])

    def quality(self, arm: str, setting: Setting) -> float:
        """Return the mean quality of a cell, over seeds and data sets."""
        metric, datasets = QUALITY[arm.partition("-")[0]]
        return float(np.mean([self.mean(arm, d, f"{metric}@{setting}") for d in datasets]))

    def resampled(self, arm: str, setting: Setting) -> Resampled:
        """Return quality on resamples of the items: the same ones for every arm and cell."""
        metric, datasets = QUALITY[arm.partition("-")[0]]
        return averaged([self._drawn_from(d)[arm, f"{metric}@{setting}"] for d in datasets])

    def _drawn_from(self, dataset: str) -> dict[tuple[str, str], Resampled]:
        """Resample all cells of a data set that claims need, in one go: gold is ranked once."""
        if dataset not in self._drawn:
            backbone = next(b for b, (_, names) in QUALITY.items() if dataset in names)
            metric = QUALITY[backbone][0]
            cells = sorted(
                {
                    (f"{backbone}-{name}", f"{metric}@{setting}")
                    for one in CONTRASTS.values()
                    for setting in [self.setting(backbone, one.layers, short=one.short)]
                    for name in (one.first, one.second)
                }
            )
            runs = [o.items for arm, name in cells for o in self.observed(arm, dataset, name)]
            statistic = spearman_of("prediction", "gold")
            found = resample(
                runs,
                statistic if metric == "spearman" else mean_of("score"),
                rng=SeedTree(0).child(SLUG, "items", dataset).numpy(),
                draws=DRAWS,
            )
            seeds = len(runs) // len(cells)
            parts = [slice(n * seeds, (n + 1) * seeds) for n in range(len(cells))]
            self._drawn[dataset] = {
                cell: Resampled(found.observed[part], found.draws[part], found.n)
                for cell, part in zip(cells, parts, strict=True)
            }
        return self._drawn[dataset]


def make_report(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims of the card and collect the numbers and figures worth showing."""
    results = Results(preset, runs)
    card = read_card(Path(__file__).with_name("card.toml"))
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=effect(results, claim.id),
            # Written for the published runs, not for the smoke ones.
            reason=REASONS.get(claim.id, "") if preset.seeds == FRESH_SEEDS else "",
        )
        for claim in card.claims
    ]
    return Report(
        slug=SLUG,
        preset="",
        seeds=preset.seeds,
        pilot_seed=preset.pilot_seed,
        claims=judge_claims(findings),
        measurements=tuple(measurements(results)),
        cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        figures=tuple(figures(results)),
        notes=tuple(modes(results)),
    )


def effect(results: Results, claim: str) -> Interval:
    """Return what was found of a claim, with its interval over seeds and test items."""
    backbone, _, kind = claim.partition("-")
    rng = SeedTree(0).child(SLUG, "seeds", claim).numpy()
    if kind == "time":
        timed = results.observed(f"{backbone}-2dmse", "time", "cpu-ratio@2")
        return plain_numbers([one.value for one in timed], draws=DRAWS).interval(rng)
    contrast = CONTRASTS[kind]
    setting = results.setting(backbone, contrast.layers, short=contrast.short)
    first, second = (
        results.resampled(f"{backbone}-{name}", setting)
        for name in (contrast.first, contrast.second)
    )
    interval = combined(difference, first, second).interval(rng)
    # Correlations are from -1 to 1, points from 0 to 100; gains are points already.
    return interval.scaled(100.0) if QUALITY[backbone][0] == "spearman" else interval


def measurements(results: Results) -> Iterable[Measurement]:
    """Yield the cells that claims and readers ask for; the figures hold the other cells."""
    for arm, recipe in results.recipes.items():
        wanted = _wanted(results, recipe)
        for dataset, metric in results.names(arm):
            if (dataset, metric) not in wanted:
                continue
            observed = results.observed(arm, dataset, metric)
            yield Measurement(
                arm=arm,
                dataset=dataset,
                metric=metric,
                unit=observed[0].unit,
                values=tuple(round(one.value, 3) for one in observed),
                n=observed[0].n,
            )


def _wanted(results: Results, recipe: Recipe) -> set[tuple[str, str]]:
    metric, datasets = QUALITY[recipe.backbone]
    full, short = recipe.dims[0], recipe.short
    depths = {recipe.layers, *(n for n in (2, 3) if n < recipe.layers)}
    cells = {f"{n}x{full}" for n in depths} | {f"{n}x{short}" for n in (2, recipe.layers)}
    names = {(dataset, f"{metric}@{cell}") for dataset in datasets for cell in cells}
    names |= {("time", name) for name in ("cpu-ratio@2", "cpu-ms@2", f"cpu-ms@{recipe.layers}")}
    if recipe.objective in ("base", "2dmse", "ese"):
        names |= {("sick", f"effective-rank@{n}") for n in (2, recipe.layers)}
        names |= {(dataset, f"spearman@{recipe.layers}x{full}") for dataset in ("stsb", "sick")}
    names |= {pair for pair in results.names(recipe.arm) if pair[1].startswith("funnel")}
    return names


def figures(results: Results) -> Iterable[Figure]:
    """Yield, for each backbone: quality by layer, the grid of 2DMSE, and its Pareto front."""
    for backbone in results.backbones:
        metric, datasets = QUALITY[backbone]
        what = f"{metric} x100, {' and '.join(datasets)}"
        arms = [arm for arm, recipe in results.recipes.items() if recipe.backbone == backbone]
        yield Figure(
            title=f"{backbone}: quality after each layer, full size",
            kind="line",
            x="layers",
            y=what,
            series={arm.partition("-")[2]: tuple(_by_layer(results, arm)) for arm in arms},
        )
        cells = grid_of(results, f"{backbone}-2dmse")
        yield Figure(
            title=f"{backbone}: 2DMSE, quality of every depth and size",
            kind="heat",
            x="numbers",
            y="layers",
            series={
                str(n): tuple(
                    (str(cell.setting.dims), round(cell.quality, 2))
                    for cell in cells
                    if cell.setting.layers == n
                )
                for n in sorted({cell.setting.layers for cell in cells})
            },
        )
        yield Figure(
            title=f"{backbone}: 2DMSE, settings that no other beats in quality, time and bytes",
            kind="scatter",
            x="CPU ms per sentence",
            y=what,
            series=_front_by_size(cells),
        )


def grid_of(results: Results, arm: str) -> tuple[Cell, ...]:
    """Return the mean grid of an arm; times are those of the timed arm of its backbone."""
    recipe = results.recipes[arm]
    settings = [Setting(n, d) for n in range(1, recipe.layers + 1) for d in recipe.dims]
    timed = f"{recipe.backbone}-2dmse"
    return make_grid(
        {setting: results.quality(arm, setting) for setting in settings},
        {n: results.mean(timed, "time", f"cpu-ms@{n}") for n in range(1, recipe.layers + 1)},
    )


def modes(results: Results) -> Iterable[str]:
    """Yield what `choose` picks for the application's modes, in words."""
    for backbone in results.backbones:
        cells = grid_of(results, f"{backbone}-2dmse")
        slowest = max(cell.ms for cell in cells)
        picked = []
        for name, (share, limit) in MODES.items():
            try:
                cell = choose(cells, share * slowest, limit)
            except NotFound:
                picked.append(f"{name} none")
                continue
            picked.append(f"{name} {cell.setting} ({cell.quality:.1f} points, {cell.bytes} bytes)")
        yield f"{backbone}: modes on 2DMSE's grid (layers x numbers): {', '.join(picked)}."


def _by_layer(results: Results, arm: str) -> Iterable[tuple[float, float]]:
    recipe = results.recipes[arm]
    for n in range(1, recipe.layers + 1):
        yield float(n), round(results.quality(arm, Setting(n, recipe.dims[0])), 2)


def _front_by_size(cells: Sequence[Cell]) -> Mapping[str, tuple[tuple[float, float], ...]]:
    front = pareto_front(cells)
    key: Callable[[Cell], float] = lambda cell: cell.ms  # noqa: E731 - a sort key
    return {
        f"{size} bytes": tuple(
            (round(cell.ms, 3), round(cell.quality, 2))
            for cell in sorted(front, key=key)
            if cell.bytes == size
        )
        for size in sorted({cell.bytes for cell in front})
    }

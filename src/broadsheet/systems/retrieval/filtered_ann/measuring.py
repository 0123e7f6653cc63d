"""Build every method, ask it every question at every budget, and time both by CPU seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.systems.contract import Observation
from broadsheet.systems.retrieval.filtered_ann.data import CellQuestions, FilteredWorld
from broadsheet.systems.retrieval.filtered_ann.interface import Mask, Method
from broadsheet.systems.retrieval.filtered_ann.methods import all_methods
from broadsheet.systems.retrieval.filtered_ann.model import Centres
from broadsheet.systems.retrieval.filtered_ann.ours import PlannerIndex
from broadsheet.systems.retrieval.filtered_ann.recipe import Recipe
from broadsheet.systems.retrieval.filtered_ann.speeds import speed_at

Floats = npt.NDArray[np.float64]

#: A larger budget is not tried once this is reached, or once a query takes so long.
_PERFECT, _SLOW_S = 0.999, 0.01


def chosen_methods(names: Sequence[str], seeds: SeedTree) -> list[Method]:
    """Return the methods of these names, fresh; all of them, ours included, for no name.

    Raises:
        UsageError: There is no such method.
    """
    everything: list[Method] = [*all_methods(seeds), PlannerIndex(seeds.child("ours"))]
    known = {method.name: method for method in everything}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError("no such method", received=unknown[0], hint=", ".join(known))
    return [known[name] for name in names] if names else everything


def measure_methods(
    world: FilteredWorld, centres: Centres, recipe: Recipe, progress: Progress
) -> list[Observation]:
    """Observe build time, size, recall and speed of every method, and local density per cell."""
    methods = chosen_methods(recipe.methods, world.seeds.child("methods"))
    observed: list[Observation] = []
    advance = progress.start("building", len(methods), "methods")
    for method in methods:
        seconds = _fit(method, world)
        observed.append(_plain("build", method.name, "s", seconds))
        observed.append(
            _plain("bytes per row", method.name, "B", method.bytes_used() / len(world.vectors))
        )
        advance(1)
    advance = progress.start("asking", len(world.cells), "cells")
    for cell in world.cells:
        observed += _ask_cell(methods, world, cell, recipe)
        observed.append(_density(world, centres, cell, recipe))
        advance(1)
    return observed


def measure_builds(recipe: Recipe, seeds: SeedTree, progress: Progress) -> list[Observation]:
    """Observe the build time of label graphs over sizes, and over dims at the smallest size."""
    smallest, own = min(recipe.sizes), recipe.dim
    shapes = [(rows, own) for rows in recipe.sizes]
    shapes += [(smallest, dim) for dim in recipe.dims if dim != own]
    advance = progress.start("building", len(shapes) * len(recipe.methods), "graphs")
    observed = []
    for rows, dim in shapes:
        papers = PaperWorld(PaperSpec(dim=dim), seeds).papers(rows)
        world = FilteredWorld(papers.vectors, papers.attributes, papers.vectors[:0], (), seeds)
        for method in chosen_methods(recipe.methods, seeds.child("methods")):
            seconds = _fit(method, world)
            observed.append(_plain(f"build of {rows} x {dim}", method.name, "s", seconds))
            advance(1)
    return observed


def warm_up(names: Sequence[str], seeds: SeedTree) -> None:
    """Build the methods over a few rows, so that compiling is in nobody's time."""
    papers = PaperWorld(
        PaperSpec(dim=16, fields=2, categories=4, topics=8), seeds.child("warm")
    ).papers(300)
    world = FilteredWorld(papers.vectors, papers.attributes, papers.vectors[:0], (), seeds)
    for method in chosen_methods(names, seeds):
        _fit(method, world)


def _fit(method: Method, world: FilteredWorld) -> float:
    begun = time.process_time()
    method.fit(world.vectors, world.attributes)
    return time.process_time() - begun


def _ask_cell(
    methods: Sequence[Method], world: FilteredWorld, cell: CellQuestions, recipe: Recipe
) -> Iterator[Observation]:
    able = [m for m in methods if all(m.supports(one.predicate) for one in cell.questions)]
    shape = (max((len(m.budgets) for m in able), default=0), len(cell.questions))
    seconds = {m.name: np.zeros(shape) for m in able}
    recalls = {m.name: np.zeros(shape) for m in able}
    draw = world.seeds.child("order", cell.name).numpy()
    done: set[str] = set()
    for effort in range(shape[0]):
        asked = [m for m in able if effort < len(m.budgets) and m.name not in done]
        for place in range(shape[1]):
            mask = cell.mask(place)
            for index in draw.permutation(len(asked)):
                method = asked[index]
                spent, recall = _ask(
                    method, world, cell, place, method.budgets[effort], mask, recipe.k
                )
                seconds[method.name][effort, place] = spent
                recalls[method.name][effort, place] = recall
        for method in able:
            _settle(method.name, effort, method in asked, seconds, recalls, done)
    for method in able:
        yield from _observe(method.name, cell, seconds[method.name], recalls[method.name], recipe)


def _settle(
    name: str,
    effort: int,
    asked: bool,
    seconds: dict[str, Floats],
    recalls: dict[str, Floats],
    done: set[str],
) -> None:
    """Repeat the last row where nothing was asked, and see whether more effort is of use."""
    if not asked:
        seconds[name][effort] = seconds[name][effort - 1]
        recalls[name][effort] = recalls[name][effort - 1]
        return
    if recalls[name][effort].mean() >= _PERFECT or seconds[name][effort].mean() > _SLOW_S:
        done.add(name)


def _ask(
    method: Method,
    world: FilteredWorld,
    cell: CellQuestions,
    place: int,
    budget: int,
    mask: Mask,
    k: int,
) -> tuple[float, float]:
    """Return the CPU seconds and recall of one answer.

    Raises:
        BadInput: The answer breaks the interface: a row twice, too many, or one not allowed.
    """
    question = cell.questions[place]
    query = world.queries[question.query]
    prepare = getattr(method, "prepare", None)
    if prepare is not None:
        prepare(mask)
    begun = time.thread_time()
    found = method.search(query, question.predicate, k, budget, mask)
    spent = time.thread_time() - begun
    if len(found) > k or len(np.unique(found)) < len(found) or not mask[found].all():
        raise BadInput(f"{method.name} gave rows that it must not give", received=found[:10])
    return spent, cell.truths[place].recall(found, k)


def _observe(
    name: str, cell: CellQuestions, seconds_BN: Floats, recalls_BN: Floats, recipe: Recipe
) -> Iterator[Observation]:
    ones = np.ones((seconds_BN.shape[1], 1)) / seconds_BN.shape[1]
    speed = speed_at(recipe.target, seconds_BN @ ones, recalls_BN @ ones)[0]
    n = seconds_BN.shape[1]
    yield Observation(
        dataset=cell.name,
        metric=name,
        unit="per s",
        value=float(speed),
        n=n,
        items={
            **{f"seconds {b}": row for b, row in enumerate(seconds_BN)},
            **{f"recall {b}": row for b, row in enumerate(recalls_BN)},
        },
    )
    yield Observation(
        dataset=cell.name,
        metric=f"recall of {name}",
        unit="x100",
        value=100 * float(recalls_BN.mean(axis=1).max()),
        n=n,
        items={"smallest budget": recalls_BN[0]},
    )


def _density(
    world: FilteredWorld, centres: Centres, cell: CellQuestions, recipe: Recipe
) -> Observation:
    """Return the share of matches near the query over their share among all rows."""
    rows = centres.nearest(torch.from_numpy(np.array(world.vectors)), 1)[:, 0].numpy()
    queries = np.stack([world.queries[one.query] for one in cell.questions])
    near = centres.nearest(torch.from_numpy(queries), recipe.near).numpy()
    sizes = np.bincount(rows, minlength=recipe.clusters)
    ratios = []
    for place, truth in enumerate(cell.truths):
        matches = np.bincount(rows[cell.mask(place)], minlength=recipe.clusters)
        local = matches[near[place]].sum() / max(sizes[near[place]].sum(), 1)
        ratios.append(local / max(truth.matches / len(rows), 1e-12))
    return Observation(
        dataset=cell.name,
        metric="local density over share",
        unit="ratio",
        value=float(np.mean(ratios)),
        n=len(ratios),
        items={"ratio": np.array(ratios)},
    )


def _plain(dataset: str, metric: str, unit: str, value: float) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit=unit, value=float(value), n=1)

"""Presets: which methods are compared, on how many papers, with which questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from broadsheet.systems.contract import Preset

Role = Literal["methods", "builds"]

#: Filters of the laptop matrix: four kinds over shares, a combined one and two that point away.
LAPTOP_CELLS = (
    "EM 50%", "EM 10%", "EM 1%", "EM 0.1%",
    "R 50%", "R 10%", "R 1%", "R 0.1%", "R 0.01%",
    "EMIS 10%", "EMIS 1%", "EMIS 0.1%",
    "AND 1%", "NEG 10%",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one arm.

    Args:
        arm: Name in the report.
        role: "methods" answers questions with every method; "builds" only builds label graphs.
        source: "papers" makes a world; any other name is a folder of the inputs in the form of
            arxiv-for-fanns (`readers`).
        rows: Rows to search.
        dim: Length of a vector.
        questions: Questions per cell.
        cells: Names of cells; see `cells.CELLS`.
        methods: Names of methods; none stands for all, ours included.
        k: Neighbours wanted.
        target: Recall at which speeds are compared.
        clusters: Centres of the density measure.
        near: Clusters near a query that count as local.
        steps: Optimiser steps of the centres.
        batch: Rows per step.
        learning_rate: Of the centres.
        sizes: Rows of the builds.
        dims: Lengths of the builds, at the smallest size.
    """

    arm: str
    role: Role = "methods"
    source: str = "papers"
    rows: int = 20_000
    dim: int = 384
    questions: int = 100
    cells: tuple[str, ...] = LAPTOP_CELLS
    methods: tuple[str, ...] = ()
    k: int = 10
    target: float = 0.95
    clusters: int = 512
    near: int = 8
    steps: int = 60
    batch: int = 2048
    learning_rate: float = 0.02
    sizes: tuple[int, ...] = ()
    dims: tuple[int, ...] = ()


def presets() -> dict[str, Preset]:
    """Return smoke, laptop and paper."""
    return {"smoke": _smoke(), "laptop": _laptop(), "paper": _paper()}


_BUILDS = ("FilteredVamana", "StitchedVamana", "UNG")


def _laptop() -> Preset:
    methods = Recipe(arm="methods")
    builds = Recipe(
        arm="builds",
        role="builds",
        methods=_BUILDS,
        steps=0,
        sizes=(2500, 5000, 10_000),
        dims=(96, 384, 1024),
    )
    return Preset(arms=(methods, builds), seeds=(1, 2, 3, 4, 5), pilot_seed=0)


def _smoke() -> Preset:
    methods = Recipe(
        arm="methods",
        rows=1500,
        dim=32,
        questions=12,
        cells=("EM 50%", "R 10%", "R 1%", "R 0.1%", "EMIS 10%"),
        methods=(
            "pre-filter exact", "in-filter HNSW", "IVF + selector", "segment-tree graph",
            "planner (ours)",
        ),
        clusters=16,
        near=2,
        steps=4,
        batch=64,
    )  # fmt: skip
    builds = replace(
        methods,
        arm="builds",
        role="builds",
        methods=("FilteredVamana",),
        steps=0,
        sizes=(300, 600),
        dims=(16, 32),
    )
    return Preset(arms=(methods, builds), seeds=(1, 2))


def _paper() -> Preset:
    large = Recipe(
        arm="methods",
        source="arxiv-for-fanns-large",
        rows=2_735_264,
        dim=4096,
        questions=10_000,
        cells=("EM", "R", "EMIS"),
        clusters=3800,
        steps=2000,
        batch=8192,
    )
    return Preset(
        arms=(large, replace(large, arm="methods_100", k=100)),
        seeds=(1,),
        needs="the data set arxiv-for-fanns-large (45 GB) and 256 GB of memory",
    )

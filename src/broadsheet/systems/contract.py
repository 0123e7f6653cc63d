"""What every system's experiment.py offers: seven functions, checked by tests over all systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from broadsheet.core.progress import Progress, Silent
from broadsheet.core.report import Report
from broadsheet.core.seeds import SeedTree

if TYPE_CHECKING:
    import numpy as np
    import torch


class Recipe(Protocol):
    """All settings of one arm: a frozen dataclass (slots, kw_only) whose name is `arm`."""

    @property
    def arm(self) -> str:
        """The arm's name in the report, unique within a preset."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One size of an experiment.

    Args:
        arms: Recipes that are compared.
        seeds: Seeds of the reported runs.
        pilot_seed: The seed that settings were chosen on; never among `seeds`.
        launch: How to start it when it needs several devices, such as "torchrun:8".
        needs: What it needs beyond this machine ("one GPU of 24 GB; NLI triplets"); "" for none.
    """

    arms: tuple[Any, ...]
    seeds: tuple[int, ...]
    pilot_seed: int = 0
    launch: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where a run reads and writes.

    Args:
        run: Folder of this arm and seed: checkpoint, metrics.jsonl, observations.
        shared: Folder shared by all arms and seeds of a system, for caches that are keyed by the
            hash of what they were made from.
        inputs: Local folder of data sets, or None to fetch them.
        progress: Where long work is shown.
    """

    run: Path
    shared: Path
    inputs: Path | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One number of one run, and what is needed to resample it.

    Args:
        dataset: Name of the test set.
        metric: Name of the metric, such as "spearman".
        unit: Unit of `value`, such as "x100" or "ms"; what comes from a clock has a unit of
            `TIMINGS`, so that nobody expects it twice.
        value: The number.
        n: Items behind it.
        items: Arrays of length n (scores per query; predictions and gold), for the bootstrap.
    """

    dataset: str
    metric: str
    unit: str
    value: float
    n: int
    items: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All observations of one arm with one seed."""

    arm: str
    seed: int
    observations: tuple[Observation, ...]

    def get(self, dataset: str, metric: str) -> Observation:
        """Return one observation; KeyError when the run has none of that name."""
        for observation in self.observations:
            if (observation.dataset, observation.metric) == (dataset, metric):
                return observation
        raise KeyError(f"{self.arm}: {metric} on {dataset}")


#: Units of numbers that come from a clock.
TIMINGS = ("s", "ms", "us", "per s", "ratio of times")


def is_timing(observation: Observation) -> bool:
    """Tell whether a number comes from a clock: it may differ when the run is repeated.

    Example:
        >>> is_timing(Observation(dataset="x", metric="encode", unit="ms", value=2.0, n=1))
        True
    """
    return observation.unit in TIMINGS


class State(Protocol):
    """What `build` returns and `fit` changes in place."""

    @property
    def module(self) -> torch.nn.Module:
        """Everything trainable, so that it can be saved, loaded and counted."""
        ...


class System(Protocol):
    """The module `experiment` of a system's folder.

    Two more functions may be there. `paper_parameters() -> int` returns the parameters that the
    paper states for an arm of its preset. `export(state, folder)` writes a trained state as an
    encoder of the application (`runtime.artefact`), or raises `BadInput` when that would not answer
    as the model does; the state then has `encode(texts)`, which returns the model's own unit rows.

    `presets` must not import torch at call time beyond the module's own imports; `build` is also
    called under `torch.device("meta")` for the preset "paper".
    """

    def presets(self) -> Mapping[str, Preset]:
        """Return the presets: smoke, laptop and paper, and gpu where there is one."""
        ...

    def build(self, recipe: Any, seeds: SeedTree) -> Any:
        """Return an untrained state."""
        ...

    def data(self, recipe: Any, seeds: SeedTree, workspace: Workspace) -> Any:
        """Read or make what `fit` and `evaluate` need."""
        ...

    def fit(
        self, state: Any, data: Any, recipe: Any, seeds: SeedTree, workspace: Workspace
    ) -> None:
        """Train in place; goes on from the checkpoint in `workspace.run` if there is one."""
        ...

    def evaluate(
        self, state: Any, data: Any, recipe: Any, workspace: Workspace
    ) -> Sequence[Observation]:
        """Measure the trained state."""
        ...

    def report(self, preset: Preset, runs: Sequence[Run]) -> Report:
        """Turn all runs into claims with verdicts, measurements and figures.

        The name of the preset, cost and provenance are filled in by the runner.
        """
        ...

    def steps(self, recipe: Any) -> int:
        """Return how many optimiser steps `fit` takes, for the dry run."""
        ...

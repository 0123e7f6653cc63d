"""A system of three lines, for what the engine does around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from broadsheet.core.card import Card
from broadsheet.core.report import ClaimResult, Cost, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.systems import matrix, reporting, worker
from broadsheet.systems.contract import Observation, Preset, Run, Workspace

CARD = Card.model_validate(
    {
        "slug": "toy",
        "wing": "text",
        "title": "Toy",
        "authors": ["us"],
        "year": 2026,
        "summary": "Adds numbers.",
        "claims": [{"id": "more", "text": "More.", "metric": "m", "expected": ">= 0"}],
        "data": [{"name": "made", "licence": "ours", "use": "test"}],
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One arm."""

    arm: str
    batch_size: int = 4
    max_tokens: int = 8
    steps: int = 3


@dataclass
class Toy:
    """The module's functions, with places to go wrong."""

    fails_in: str = ""
    reads: tuple[str, ...] = ()
    fitted: list[tuple[str, int]] = field(default_factory=list)
    pilot_seed: int = 0

    def presets(self) -> Mapping[str, Preset]:
        arms = (Recipe(arm="a"), Recipe(arm="b", steps=0))
        return {"smoke": Preset(arms=arms, seeds=(1, 2), pilot_seed=self.pilot_seed)}

    def build(self, recipe: Recipe, seeds: SeedTree) -> Any:
        if self.fails_in == "build":
            raise ValueError("no such shape")
        return SimpleNamespace(module=torch.nn.Linear(5, 2))

    def data(self, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Any:
        for name in self.reads:
            assert workspace.inputs is not None
            (workspace.inputs / name).read_text()
        return None

    def fit(
        self, state: Any, data: Any, recipe: Recipe, seeds: SeedTree, workspace: Workspace
    ) -> None:
        self.fitted.append((recipe.arm, seeds.root))
        if self.fails_in == "fit":
            raise KeyboardInterrupt

    def evaluate(
        self, state: Any, data: Any, recipe: Recipe, workspace: Workspace
    ) -> Sequence[Observation]:
        hits = np.arange(3.0)
        value = float("nan") if self.fails_in == "evaluate" else 1.0
        return [
            Observation(dataset="d", metric="m", unit="", value=value, n=3, items={"hit": hits})
        ]

    def report(self, preset: Preset, runs: Sequence[Run]) -> Report:
        arms = [recipe.arm for recipe in preset.arms]
        values = {arm: [r.get("d", "m").value for r in runs if r.arm == arm] for arm in arms}
        return Report(
            slug="toy",
            preset="smoke",
            seeds=preset.seeds,
            pilot_seed=preset.pilot_seed,
            claims=(
                ClaimResult(
                    id="more",
                    expected=">= 0",
                    observed=0.0,
                    interval=(0.0, 0.0),
                    level=0.95,
                    p=None,
                    test="none",
                    correction="none",
                    verdict="held",
                ),
            ),
            measurements=tuple(
                Measurement(
                    arm=arm, dataset="d", metric="m", unit="", values=tuple(values[arm]), n=3
                )
                for arm in arms
            ),
            cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        )

    def steps(self, recipe: Recipe) -> int:
        return recipe.steps


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy, found under the slug "toy"."""
    system = Toy()
    for module in (matrix, reporting, worker):
        monkeypatch.setattr(module, "load_system", lambda slug: system)
    monkeypatch.setattr(reporting, "find_card", lambda slug: CARD)
    return system


@pytest.fixture
def jobs(toy: Toy, tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """Make the toy's jobs: jobs(inputs=...)."""
    from broadsheet.systems.jobs import make_jobs

    def make(inputs: Path | None = None) -> tuple[Any, ...]:
        preset = toy.presets()["smoke"]
        return make_jobs(
            "toy", "smoke", preset.arms, preset.seeds, runs=tmp_path / "runs", inputs=inputs
        )

    return make

"""Every system in the tree, and its smoke runs: done once, used by many tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.card import Card, all_cards
from broadsheet.core.recipe import override
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Preset, System, Workspace
from broadsheet.systems.jobs import Job, make_jobs
from broadsheet.systems.registry import load_system
from broadsheet.systems.worker import execute

CARDS = {card.slug: card for card in all_cards()}


@dataclass
class Subject:
    """A system under test.

    Args:
        card: Its card.
        system: Its experiment.
        runs: Folder of its smoke runs.
    """

    card: Card
    system: System
    runs: Path

    @property
    def preset(self) -> Preset:
        return self.system.presets()["smoke"]

    @property
    def jobs(self) -> tuple[Job, ...]:
        arms, seeds = self.preset.arms, self.preset.seeds
        return make_jobs(self.card.slug, "smoke", arms, seeds, runs=self.runs)

    def finish(self) -> None:
        """Do all smoke runs that are not done yet."""
        for job in self.jobs:
            execute(job)

    def trained_arm(self) -> Any:
        """The arm with the fewest steps among those that are trained."""
        trained = [recipe for recipe in self.preset.arms if self.system.steps(recipe)]
        return min(trained, key=self.system.steps)

    def fitted(self, recipe: Any, seed: int, folder: Path) -> tuple[Any, Any, Workspace]:
        """Build, read and fit in a folder of its own; return state, data and workspace."""
        seeds = SeedTree(seed)
        workspace = Workspace(run=folder / "run", shared=folder / "shared")
        for one in (workspace.run, workspace.shared):
            one.mkdir(parents=True, exist_ok=True)
        state = self.system.build(recipe, seeds)
        data = self.system.data(recipe, seeds, workspace)
        self.system.fit(state, data, recipe, seeds, workspace)
        return state, data, workspace


@pytest.fixture(scope="session", params=sorted(CARDS))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """One system, loaded."""
    slug = request.param
    return Subject(CARDS[slug], load_system(slug), tmp_path_factory.mktemp(slug))


@pytest.fixture
def subject(loaded: Subject) -> Subject:
    """One system with its smoke runs done (under the fixtures that block the network)."""
    loaded.finish()
    return loaded


@pytest.fixture
def changed() -> Any:
    """How settings are changed on a command line."""
    return override

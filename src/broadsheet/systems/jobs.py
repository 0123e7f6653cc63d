"""One run to do: an arm with a seed, and the folder where everything about it lies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import write_atomically
from broadsheet.core.recipe import as_json, recipe_hash
from broadsheet.systems.contract import System
from broadsheet.systems.registry import choose_arms, choose_preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One arm with one seed, in words that any process can read.

    Args:
        slug: The system.
        preset: Name of the preset.
        arm: Name of the arm in it.
        seed: Root seed of the run.
        runs: Folder of all runs.
        config: Hash of the recipe.
        changes: What `--set` changed, as pairs of name and text.
        inputs: Local folder of data sets; "" to fetch them.

    Example:
        >>> job = Job(slug="s", preset="smoke", arm="a", seed=3, runs="runs", config="0a1b")
        >>> job.folder.as_posix()
        'runs/s/0a1b/3'
        >>> Job.from_json(job.to_json()) == job
        True
    """

    slug: str
    preset: str
    arm: str
    seed: int
    runs: str
    config: str
    changes: tuple[tuple[str, str], ...] = ()
    inputs: str = ""

    @property
    def name(self) -> str:
        """Name of the run in messages."""
        return f"{self.arm}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Folder of this run: runs/<slug>/<config-hash>/<seed>."""
        return Path(self.runs) / self.slug / self.config / str(self.seed)

    @property
    def shared(self) -> Path:
        """Folder of caches that all runs of the system share."""
        return Path(self.runs) / self.slug / "shared"

    def recipe(self, system: System) -> Any:
        """Return the recipe that this job runs."""
        preset = choose_preset(system, self.preset)
        return choose_arms(preset, [self.arm], dict(self.changes))[0]

    def to_json(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        data["changes"] = tuple((name, value) for name, value in data["changes"])
        return cls(**data)


def make_jobs(
    slug: str,
    preset: str,
    recipes: Iterable[Any],
    seeds: Sequence[int],
    *,
    runs: Path,
    changes: Mapping[str, str] | None = None,
    inputs: Path | None = None,
) -> tuple[Job, ...]:
    """Return all jobs of a matrix, seed by seed, so that an early stop leaves whole seeds."""
    blank = Job(
        slug=slug,
        preset=preset,
        arm="",
        seed=0,
        runs=str(runs.absolute()),
        config="",
        changes=tuple((changes or {}).items()),
        inputs=str(inputs.absolute()) if inputs else "",
    )
    arms = [(recipe.arm, recipe_hash(recipe)) for recipe in recipes]
    return tuple(
        replace(blank, arm=arm, config=config, seed=seed) for seed in seeds for arm, config in arms
    )


def write_recipe(job: Job, recipe: Any) -> None:
    """Write recipe.json, for people and for a check that the folder belongs to this recipe."""
    data = {"slug": job.slug, "seed": job.seed, "hash": job.config, "recipe": as_json(recipe)}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    write_atomically(job.folder / "recipe.json", text.encode())


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Raises:
        BadInput: It is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"the run folder is damaged ({type(error).__name__})",
            received=path,
            hint="delete the folder of this run and run it again",
        ) from None

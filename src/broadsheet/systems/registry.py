"""Find systems by slug, and pick the recipes and seeds of a run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from broadsheet.core.card import find_card
from broadsheet.core.errors import UsageError
from broadsheet.core.optional import require
from broadsheet.core.recipe import override
from broadsheet.systems.contract import Preset, System


def load_system(slug: str) -> System:
    """Import the experiment of a system.

    Raises:
        NotFound: No system has this slug.
        UsageError: torch is not installed.
    """
    card = find_card(slug)
    require("torch", extra="train", why="running a system")
    module = importlib.import_module(experiment_module(card.wing, slug))
    return cast(System, module)


def experiment_module(wing: str, slug: str) -> str:
    """Return the name of the module that runs a system.

    Example:
        >>> experiment_module("text", "matryoshka_2d")
        'broadsheet.systems.text.matryoshka_2d.experiment'
    """
    return f"broadsheet.systems.{wing}.{slug}.experiment"


def choose_preset(system: System, name: str) -> Preset:
    """Return one preset of a system.

    Raises:
        UsageError: The system has none of that name.
    """
    presets = system.presets()
    if name not in presets:
        raise UsageError("no such preset", received=name, hint="one of " + ", ".join(presets))
    return presets[name]


def choose_arms(
    preset: Preset, names: Sequence[str] = (), changes: Mapping[str, str] | None = None
) -> tuple[Any, ...]:
    """Return the recipes of the named arms (of all when none is named), with changed settings.

    Raises:
        UsageError: No such arm or setting, or a value that does not fit.
    """
    known = {recipe.arm: recipe for recipe in preset.arms}
    for name in names:
        if name not in known:
            raise UsageError("no such arm", received=name, hint="one of " + ", ".join(known))
    if "arm" in (changes or {}):
        raise UsageError(
            "the name of an arm can't be set", received=(changes or {})["arm"], hint="--arms NAME"
        )
    chosen = [recipe for name, recipe in known.items() if not names or name in names]
    return tuple(override(recipe, changes or {}) for recipe in chosen)


def choose_seeds(
    preset: Preset, count: int | None = None, *, pilot: bool = False
) -> tuple[int, ...]:
    """Return the first `count` seeds of a preset, all when None, or only its pilot seed.

    Raises:
        UsageError: The preset has fewer seeds.
    """
    if pilot:
        return (preset.pilot_seed,)
    if count is None:
        return preset.seeds
    if not 1 <= count <= len(preset.seeds):
        raise UsageError(
            "the preset has not that many seeds",
            received=count,
            hint=f"--seeds 1 to {len(preset.seeds)}",
        )
    return preset.seeds[:count]

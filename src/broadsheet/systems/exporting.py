"""From a finished run to an artefact of the application, through the gates."""

from __future__ import annotations

from pathlib import Path

import torch

from broadsheet.core.errors import NotFound, UsageError
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.runtime.artefact import Artefact
from broadsheet.systems.contract import Workspace
from broadsheet.systems.jobs import make_jobs
from broadsheet.systems.observed import is_finished
from broadsheet.systems.registry import choose_arms, choose_preset, load_system


def export_run(
    slug: str,
    preset_name: str,
    arm: str,
    *,
    seed: int | None,
    runs: Path,
    inputs: Path | None,
    folder: Path,
    progress: Progress,
) -> Artefact:
    """Write the artefact of one arm and seed.

    Args:
        slug: The system.
        preset_name: Its preset.
        arm: Which arm.
        seed: Which seed; None takes the preset's first.
        runs: Folder of all runs.
        inputs: Data sets, where the system reads them to set itself up.
        folder: Where to; must be empty or missing.
        progress: Where long work is shown.

    Raises:
        UsageError: The system exports nothing, or no such arm.
        NotFound: That run is not finished.
        BadInput: The artefact would not answer as the trained model does.
    """
    system = load_system(slug)
    export = getattr(system, "export", None)
    if export is None:
        raise UsageError("this system exports nothing to the application", received=slug)
    preset = choose_preset(system, preset_name)
    [recipe] = choose_arms(preset, (arm,))
    chosen = preset.seeds[0] if seed is None else seed
    [job] = make_jobs(slug, preset_name, [recipe], [chosen], runs=runs, inputs=inputs)
    if not is_finished(job.folder):
        raise NotFound(
            "that run is not finished",
            received=f"{arm}, seed {chosen}",
            hint=f"broadsheet systems run {slug} --preset {preset_name} --arms {arm}",
        )
    torch.set_num_threads(1)
    seeds = SeedTree(chosen)
    workspace = Workspace(run=job.folder, shared=job.shared, inputs=inputs, progress=progress)
    state = system.build(recipe, seeds)
    data = system.data(recipe, seeds, workspace)
    system.fit(state, data, recipe, seeds, workspace)  # finished: it only loads the weights
    artefact: Artefact = export(state, folder)
    return artefact

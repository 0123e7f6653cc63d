"""Do one run: build, read the data, fit, evaluate, write what was observed and what it took.

The runner calls `execute` in a process of its own; `python -m broadsheet.systems.worker JOB` is
what torchrun starts in each of its processes.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from broadsheet.core.paths import default_cache, exclusive, write_atomically
from broadsheet.core.progress import Progress, Silent, show_progress
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, System, Workspace
from broadsheet.systems.environment import describe_environment
from broadsheet.systems.inputs import hash_files, note_files
from broadsheet.systems.jobs import Job, read_json, write_recipe
from broadsheet.systems.observed import is_finished, write_observations
from broadsheet.systems.pieces import Piece, open_piece
from broadsheet.systems.registry import load_system

DATA = "data.json"


def execute(job: Job, progress: Progress | None = None) -> None:
    """Do a job; goes on where an earlier piece of it stopped, returns at once when it is finished.

    One thread by default, so that the same seed gives the same bits on every machine of a kind;
    OMP_NUM_THREADS asks for more. In several processes (torchrun, Ray) all build, fit and read
    data; the first evaluates and writes.

    Raises:
        SourceError: Another process is doing this job.
    """
    if is_finished(job.folder):
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    job.shared.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    rank = int(os.environ.get("RANK", "0"))
    with _only_one(job, rank):
        system = load_system(job.slug)
        environment = describe_environment() | _device()
        if rank == 0:
            _write(job.folder / "environment.json", environment)
        with open_piece(job.folder, rank=rank, environment=environment) as piece:
            observations = _work(job, system, piece, progress or Silent())
            if rank == 0:
                write_observations(job.folder, observations)


def _work(job: Job, system: System, piece: Piece, progress: Progress) -> tuple[Observation, ...]:
    recipe = job.recipe(system)
    write_recipe(job, recipe)
    inputs = Path(job.inputs) if job.inputs else None
    seeds = SeedTree(job.seed)
    workspace = Workspace(run=job.folder, shared=job.shared, inputs=inputs, progress=progress)
    watched = [folder for folder in (inputs, default_cache()) if folder]
    with note_files(watched) as files:
        state = system.build(recipe, seeds)
        piece.parameters = sum(p.numel() for p in state.module.parameters())
        data = system.data(recipe, seeds, workspace)
        system.fit(state, data, recipe, seeds, workspace)
        first = int(os.environ.get("RANK", "0")) == 0
        observed = tuple(system.evaluate(state, data, recipe, workspace)) if first else ()
    if first:
        found = [hash_files(folder, files) for folder in watched]
        _note_data(job, {name: digest for part in found for name, digest in part.items()})
    if torch.cuda.is_available():
        piece.device_memory_mb = torch.cuda.max_memory_allocated() / 1e6
    return observed


def _note_data(job: Job, files: dict[str, str]) -> None:
    """Add the files of this piece to those of earlier pieces."""
    if not files:
        return
    path = job.folder / DATA
    known = read_json(path) if path.is_file() else {}
    _write(path, {**known, **files})


def _write(path: Path, values: dict[str, str]) -> None:
    text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())


def _only_one(job: Job, rank: int) -> AbstractContextManager[None]:
    if rank:
        return nullcontext()
    return exclusive(job.folder / "lock", f"the run {job.name}")


def _device() -> dict[str, str]:
    if not torch.cuda.is_available():
        return {"device": "cpu"}
    return {"device": torch.cuda.get_device_name(), "devices": str(torch.cuda.device_count())}


def main(arguments: list[str]) -> int:
    """Do the job that is written in the file named on the command line."""
    job = Job.from_json(Path(arguments[0]).read_text(encoding="utf-8"))
    if int(os.environ.get("RANK", "0")):
        execute(job)
    else:
        with show_progress() as progress:
            execute(job, progress)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""From run folders to a published report: complete, from one data, with cost and provenance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from broadsheet.core.card import Card, find_card
from broadsheet.core.clock import timestamp
from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.report import Report, results_folder
from broadsheet.systems.contract import Preset, Run
from broadsheet.systems.environment import source_tree
from broadsheet.systems.inputs import combined_hash
from broadsheet.systems.jobs import Job, make_jobs, read_json
from broadsheet.systems.observed import is_finished, read_observations
from broadsheet.systems.pieces import cost_of, read_pieces, sum_costs
from broadsheet.systems.registry import choose_arms, choose_preset, load_system


def make_report(slug: str, preset_name: str, *, runs: Path, partial: bool = False) -> Report:
    """Return the report of a preset from its runs; nothing is computed but statistics.

    Args:
        slug: The system.
        preset_name: Its preset; the recipes are those of the code, without changed settings.
        runs: Folder of all runs.
        partial: Use only the seeds for which every arm is finished, and say so in a note.

    Raises:
        UsageError: The pilot seed is among the seeds, or no such preset.
        NotFound: Runs are missing; the message says which.
        BadInput: Runs read different data, or the system's report does not fit its card.
    """
    system = load_system(slug)
    preset = choose_preset(system, preset_name)
    if preset.pilot_seed in preset.seeds:
        raise UsageError(
            "the pilot seed is among the seeds of the report: settings were chosen on it",
            received=preset.pilot_seed,
            hint="other seeds in the preset",
        )
    jobs = make_jobs(slug, preset_name, choose_arms(preset), preset.seeds, runs=runs)
    missing = [job for job in jobs if not is_finished(job.folder)]
    notes: tuple[str, ...] = ()
    if missing:
        preset, jobs, notes = _complete_seeds(preset, jobs, missing, partial=partial)
    data = _one_data(jobs)
    report = replace(system.report(preset, [_run(job) for job in jobs]), preset=preset_name)
    check_report(report, find_card(slug), preset_name, preset)
    return replace(
        report,
        cost=sum_costs([cost_of(job.folder) for job in jobs]),
        provenance={**report.provenance, **_provenance(jobs, data)},
        notes=(*report.notes, *notes),
    )


def default_results() -> Path:
    """Return where reports are written: the source tree's results, else ./results."""
    return results_folder() if source_tree() else Path("results")


def check_report(report: Report, card: Card, preset_name: str, preset: Preset) -> None:
    """Refuse a report that its card or its preset contradicts.

    Raises:
        BadInput: The message says what does not fit.
    """
    if (report.slug, report.preset) != (card.slug, preset_name):
        raise BadInput("the report is of another run", received=f"{report.slug} {report.preset}")
    if (report.seeds, report.pilot_seed) != (preset.seeds, preset.pilot_seed):
        raise BadInput("the report names other seeds than its preset", received=report.seeds)
    expected = {claim.id: claim.expected for claim in card.claims}
    judged = [claim.id for claim in report.claims]
    for name in expected:
        if judged.count(name) != 1:
            raise BadInput(f"a claim has {judged.count(name)} verdicts", received=name)
    for claim in report.claims:
        if claim.id not in expected:
            raise BadInput("a verdict on a claim that is not on the card", received=claim.id)
        if claim.expected != expected[claim.id]:
            raise BadInput(
                f"the claim {claim.id} was judged by another margin than the card's",
                received=f"{claim.expected!r}, on the card {expected[claim.id]!r}",
            )
        _finite(claim.id, (claim.observed, *claim.interval))
    for one in report.measurements:
        _finite(f"{one.arm}: {one.metric} on {one.dataset}", one.values)
        if len(one.values) != len(preset.seeds):
            raise BadInput(
                f"{one.arm}: {one.metric} on {one.dataset} has {len(one.values)} values",
                received=f"{len(preset.seeds)} seeds",
            )


def _finite(name: str, values: Iterable[float]) -> None:
    for value in values:
        if not math.isfinite(value):
            raise BadInput("the report has no finite number", received=f"{name}: {value}")


def _complete_seeds(
    preset: Preset, jobs: Sequence[Job], missing: Sequence[Job], *, partial: bool
) -> tuple[Preset, tuple[Job, ...], tuple[str, ...]]:
    lacking = {job.seed for job in missing}
    seeds = tuple(seed for seed in preset.seeds if seed not in lacking)
    first = jobs[0]
    if not partial or not seeds:
        names = "; ".join(job.name for job in missing[:6])
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        hint = f"broadsheet systems run {first.slug} --preset {first.preset}"
        if seeds:
            hint += f", or --partial for the {len(seeds)} seeds that are complete"
        raise NotFound(
            f"{len(missing)} of {len(jobs)} runs are missing", received=names + more, hint=hint
        )
    note = f"Partial: {len(seeds)} of {len(preset.seeds)} seeds are complete and reported."
    kept = tuple(job for job in jobs if job.seed in seeds)
    return replace(preset, seeds=seeds), kept, (note,)


def _run(job: Job) -> Run:
    return Run(arm=job.arm, seed=job.seed, observations=read_observations(job.folder))


def _one_data(jobs: Sequence[Job]) -> dict[str, str]:
    """Return the data files of all runs; no two runs may have read different contents of one."""
    known: dict[str, str] = {}
    for job in jobs:
        path = job.folder / "data.json"
        for name, digest in (read_json(path) if path.is_file() else {}).items():
            if known.setdefault(name, digest) != digest:
                raise BadInput(
                    "runs read different data",
                    received=f"{name} of {job.name}",
                    hint=f"delete {job.folder} and run it again",
                )
    return known


def _provenance(jobs: Sequence[Job], data: dict[str, str]) -> dict[str, str]:
    pieces = [piece for job in jobs for piece in read_pieces(job.folder)]
    environments = [piece["environment"] for piece in pieces]
    on_device = max(piece["peak_device_memory_mb"] for piece in pieces)
    configs = {job.arm: job.config for job in jobs}
    longest = max(cost_of(job.folder).wall_s for job in jobs)
    names = sorted({name for one in environments for name in one})
    versions = [name.removeprefix("version ") for name in names if name.startswith("version ")]
    return {
        "git": _all("code", environments),
        "config": " ".join(f"{arm}={config}" for arm, config in configs.items()),
        "data": f"{combined_hash(data)} ({len(data)} files)" if data else "made in code",
        "versions": ", ".join(f"{one} {_all(f'version {one}', environments)}" for one in versions),
        "python": _all("python", environments),
        "machine": _all("machine", environments),
        "device": _all("device", environments),
        "device memory": f"{on_device:.0f} MB" if on_device else "",
        "threads": _all("threads", environments),
        "runs": str(len(jobs)),
        "longest run": f"{longest:.0f} s",
        "reported": timestamp(),
    }


def _all(name: str, environments: Sequence[dict[str, Any]]) -> str:
    """Return the value of a name, or all values where pieces differ."""
    values = sorted({str(one[name]) for one in environments if one.get(name)})
    return " | ".join(values)

"""The orders of the command line: run a preset's arms and seeds, or say what that would take."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broadsheet.core.errors import BadInput, PartialResult, UsageError
from broadsheet.core.progress import Progress
from broadsheet.core.recipe import recipe_hash
from broadsheet.core.report import Cost
from broadsheet.systems.contract import Preset, System
from broadsheet.systems.jobs import Job, make_jobs
from broadsheet.systems.launching import Launch, check_launch, parse_launch
from broadsheet.systems.pieces import cost_of
from broadsheet.systems.registry import choose_arms, choose_preset, choose_seeds, load_system
from broadsheet.systems.runner import Outcome, first_error, run_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run.

    Args:
        slug: The system.
        preset: Name of its preset.
        arms: Names of arms; none for all.
        changes: Settings to change in every arm, as typed.
        seeds: How many of the preset's seeds; None for all.
        pilot: Run the pilot seed instead, which no report uses.
        parallel: Runs at the same time.
        launch: "torchrun:N" or "ray:N" for each run; "" for one process.
        runs: Folder of all runs.
        inputs: Folder of data sets; None takes BROADSHEET_DATA, if set.
    """

    slug: str
    preset: str
    arms: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    seeds: int | None = None
    pilot: bool = False
    parallel: int = 1
    launch: str = ""
    runs: Path = Path("runs")
    inputs: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run in the answer: its name, how it ended and what it took, all pieces together."""

    arm: str
    seed: int
    state: str
    cost: Cost
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What an order would take.

    Args:
        plans: One plan per arm (`broadsheet.systems.planning.Plan`).
        seeds: How many seeds each arm would run with.
        needs: What the preset needs beyond this machine.
        launch: The command line that starts it.
        underneath: What that starts for each run on several devices; "" on one.
    """

    plans: tuple[Any, ...]
    seeds: int
    needs: str
    launch: str
    underneath: str


def run(order: Order, progress: Progress, tell: Callable[[str], None]) -> list[RunLine]:
    """Run what is not finished of an order and return one line per run.

    Raises:
        PartialResult: Some runs failed; the others are finished and kept.
        BroadsheetError: All runs failed; the error of the first.
        UsageError: The order can't be understood.
    """
    system, preset = _open(order)
    launch = _launch(order, preset)
    if launch:
        check_launch(launch)
    jobs = _jobs(order, preset)
    weights = {recipe.arm: system.steps(recipe) for recipe in _arms(order, preset)}
    outcome = run_jobs(
        jobs,
        weights=weights,
        progress=progress,
        parallel=order.parallel,
        launch=launch,
        tell=tell,
    )
    lines = [_line(job, outcome) for job in jobs]
    if outcome.failed:
        _complain(outcome, len(jobs))
    return lines


def dry_run(order: Order) -> DryRun:
    """Return what an order would take; nothing is trained or written.

    Raises:
        UsageError: The order can't be understood.
    """
    from broadsheet.systems.planning import plan_arm

    system, preset = _open(order)
    launch = _launch(order, preset)
    words = [f"broadsheet systems run {order.slug} --preset {order.preset}"]
    if order.arms:
        words.append(f"--arms {','.join(order.arms)}")
    words += [f"--set {change}" for change in order.changes]
    if launch:
        words.append(f"--launch {launch.way}:{launch.processes}")
    return DryRun(
        plans=tuple(plan_arm(system, recipe) for recipe in _arms(order, preset)),
        seeds=len(choose_seeds(preset, order.seeds, pilot=order.pilot)),
        needs=preset.needs,
        launch=" ".join(words),
        underneath=launch.line("JOB") if launch else "",
    )


def parse_changes(changes: tuple[str, ...]) -> dict[str, str]:
    """Read `name=value` words.

    Raises:
        UsageError: A word has no "=", or a name comes twice.

    Example:
        >>> parse_changes(("train.steps=20", "dims=8,16"))
        {'train.steps': '20', 'dims': '8,16'}
    """
    found: dict[str, str] = {}
    for word in changes:
        name, equals, value = word.partition("=")
        if not equals or not name or name in found:
            raise UsageError(
                "a setting is changed once, by name=value",
                received=word,
                hint="--set train.steps=200",
            )
        found[name] = value
    return found


def _open(order: Order) -> tuple[System, Preset]:
    system = load_system(order.slug)
    return system, choose_preset(system, order.preset)


def _arms(order: Order, preset: Preset) -> tuple[Any, ...]:
    return choose_arms(preset, order.arms, parse_changes(order.changes))


def _launch(order: Order, preset: Preset) -> Launch | None:
    launch = parse_launch(order.launch or preset.launch)
    if launch and order.parallel > 1:
        raise UsageError(
            "runs on several devices go one after the other",
            received=f"--jobs {order.parallel}",
            hint="--jobs 1",
        )
    return launch


def _jobs(order: Order, preset: Preset) -> tuple[Job, ...]:
    given = order.inputs or (
        Path(os.environ["BROADSHEET_DATA"]) if os.environ.get("BROADSHEET_DATA") else None
    )
    if given is not None and not given.is_dir():
        raise BadInput("no such folder of data sets", received=given, hint="--data FOLDER")
    recipes = _arms(order, preset)
    hashes = [recipe_hash(recipe) for recipe in recipes]
    if len(set(hashes)) < len(hashes):
        raise BadInput("two arms have the same recipe", received=order.slug)
    return make_jobs(
        order.slug,
        order.preset,
        recipes,
        choose_seeds(preset, order.seeds, pilot=order.pilot),
        runs=order.runs,
        changes=parse_changes(order.changes),
        inputs=given,
    )


def _line(job: Job, outcome: Outcome) -> RunLine:
    failed = any(one.job == job for one in outcome.failed)
    state = "failed" if failed else "known" if job in outcome.already else "finished"
    return RunLine(
        arm=job.arm, seed=job.seed, state=state, cost=cost_of(job.folder), folder=str(job.folder)
    )


def _complain(outcome: Outcome, total: int) -> None:
    if not outcome.finished and not outcome.already:
        raise first_error(outcome.failed[0])
    raise PartialResult(
        f"{len(outcome.failed)} of {total} runs failed; the others are finished and kept",
        received="; ".join(one.job.name for one in outcome.failed),
        hint=f"read {outcome.failed[0].job.folder / 'failure.txt'}, then the same command again",
    )

"""Run a matrix of arms and seeds: each run in a process of its own, resumable, failures kept apart.

A process per run makes its memory and CPU time its own, leaves no state behind for the next run,
and lets one run die without the others. The processes are forked from a server that has imported
the system once.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from broadsheet.core import errors
from broadsheet.core.card import find_card
from broadsheet.core.progress import Advance, Progress
from broadsheet.systems.jobs import Job
from broadsheet.systems.launching import Launch, launch_job
from broadsheet.systems.observed import is_finished
from broadsheet.systems.registry import experiment_module

_PATIENCE_S = 60.0
_TICK_S = 10.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that failed: which, and what it said.

    Args:
        job: The run.
        kind: Name of the exception.
        message: Its one line.
    """

    job: Job
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a matrix ended.

    Args:
        finished: Runs that came to their end now.
        already: Runs that had come to their end before.
        failed: Runs that failed; their folders keep what they had.
    """

    finished: tuple[Job, ...]
    already: tuple[Job, ...]
    failed: tuple[Failed, ...]


def run_jobs(
    jobs: Sequence[Job],
    *,
    weights: dict[str, int],
    progress: Progress,
    parallel: int = 1,
    launch: Launch | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Outcome:
    """Do all jobs that are not finished yet.

    Args:
        jobs: What to do, in this order.
        weights: Optimiser steps by arm, for the time left.
        progress: Shows one task, the whole matrix, in steps.
        parallel: Runs at the same time.
        launch: How to start each run on several devices; None for one process.
        tell: Takes a sentence when a run ends.

    Raises:
        KeyboardInterrupt: Ctrl-C, or a polite request to end; everything done is kept.
    """
    already = tuple(job for job in jobs if is_finished(job.folder))
    todo = [job for job in jobs if job not in already]
    if not todo:
        return Outcome(finished=(), already=already, failed=())
    matrix = _Matrix(todo, weights, progress, launch, tell)
    with _polite_end():
        try:
            matrix.run(parallel)
        except KeyboardInterrupt:
            matrix.interrupt()
            done = len(already) + len(matrix.finished)
            tell(f"{done} of {len(jobs)} runs are finished; the others go on from where they were.")
            raise
    return Outcome(finished=tuple(matrix.finished), already=already, failed=tuple(matrix.failed))


def first_error(failed: Failed) -> errors.BroadsheetError:
    """Return the failure of a run as an error of our tree, with its exit code."""
    kind = getattr(errors, failed.kind, errors.SourceError)
    place = failed.job.folder / "failure.txt"
    error: errors.BroadsheetError = kind(
        f"the run {failed.job.name} failed", received=failed.message, hint=f"see {place}"
    )
    return error


@dataclass
class _Active:
    job: Job
    process: ForkServerProcess
    pipe: Connection
    weight: int
    advanced: int = 0
    answer: tuple[str, ...] | None = None


class _Matrix:
    """The runs that wait, run and have ended."""

    def __init__(
        self,
        todo: Sequence[Job],
        weights: dict[str, int],
        progress: Progress,
        launch: Launch | None,
        tell: Callable[[str], None],
    ) -> None:
        self._waiting = list(todo)
        self._weights = {arm: max(steps, 1) for arm, steps in weights.items()}
        self._launch = launch
        self._tell = tell
        self._active: list[_Active] = []
        self.finished: list[Job] = []
        self.failed: list[Failed] = []
        total = sum(self._weights[job.arm] for job in todo)
        first = todo[0]
        label = f"{first.slug} {first.preset}, {len(todo)} runs"
        self._advance: Advance = progress.start(label, total, "steps")
        self._context = _server(first.slug)

    def run(self, parallel: int) -> None:
        while self._waiting or self._active:
            while self._waiting and len(self._active) < parallel:
                self._start(self._waiting.pop(0))
            ready = wait([one.pipe for one in self._active], timeout=_TICK_S)
            if not ready and self._waiting:
                self._advance(0)
            for one in [one for one in self._active if one.pipe in ready]:
                self._hear(one)

    def interrupt(self) -> None:
        """End the running processes, each after it has saved its checkpoint."""
        for one in self._active:
            one.process.terminate()
        try:
            for one in self._active:
                one.process.join(_PATIENCE_S)
        finally:
            for one in self._active:
                if one.process.is_alive():
                    one.process.kill()

    def _start(self, job: Job) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        arguments = (job, self._launch, theirs)
        process = self._context.Process(target=_child, args=arguments, name=job.name, daemon=False)
        process.start()
        theirs.close()
        self._active.append(_Active(job, process, ours, self._weights[job.arm]))

    def _hear(self, one: _Active) -> None:
        try:
            message: tuple[Any, ...] = one.pipe.recv()
        except EOFError:
            self._end(one)
            return
        if message[0] == "steps":
            amount = min(int(message[1]), one.weight - one.advanced)
            one.advanced += amount
            self._advance(amount)
        else:
            one.answer = message

    def _end(self, one: _Active) -> None:
        one.process.join()
        one.pipe.close()
        self._active.remove(one)
        answer = one.answer or ("SourceError", _death(one.process.exitcode))
        if answer == ("done",):
            self.finished.append(one.job)
            self._tell(f"{one.job.name}: finished")
        else:
            self.failed.append(Failed(one.job, answer[0], answer[1]))
            self._tell(f"{one.job.name}: failed: {answer[1]}")
        if one.weight > one.advanced:
            self._advance(one.weight - one.advanced)


def _server(slug: str) -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    card = find_card(slug)
    experiment = experiment_module(card.wing, slug)
    # Every optimiser of torch imports the last one, for more than a second in each run.
    context.set_forkserver_preload(["broadsheet.systems.worker", experiment, "torch._dynamo"])
    return context


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the process was ended by {signal.Signals(-code).name}"
    return f"the process ended without an answer (exit code {code})"


@contextmanager
def _polite_end() -> Iterator[None]:
    """Treat a request to end (SIGTERM) like Ctrl-C, where signals can be handled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _child(job: Job, launch: Launch | None, pipe: Connection) -> None:
    """Do one job in this process and tell how it ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_once)
    failure = job.folder / "failure.txt"
    try:
        if launch is None:
            from broadsheet.systems.worker import execute

            execute(job, _Reporting(pipe))
        else:
            launch_job(job, launch)
        failure.unlink(missing_ok=True)
        _send(pipe, ("done",))
    except KeyboardInterrupt:
        pass
    except BaseException as error:  # whatever it is, the other runs go on
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(traceback.format_exc(), encoding="utf-8")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        known = isinstance(error, errors.BroadsheetError)
        _send(pipe, (type(error).__name__, str(error) if known else text))
    finally:
        pipe.close()


def _stop_once(number: int, frame: object) -> None:
    """Interrupt the work once; a second signal must not disturb the saving."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda again, place: None)
    raise KeyboardInterrupt


def _send(pipe: Connection, message: tuple[Any, ...]) -> None:
    """Send to the parent; one that is gone is an interruption."""
    try:
        pipe.send(message)
    except OSError:
        raise KeyboardInterrupt from None


class _Reporting:
    """Progress of a child: the steps of its training go to the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        """Begin a task; only optimiser steps count for the matrix."""
        if unit != "steps":
            return lambda amount: None
        return lambda amount: _send(self._pipe, ("steps", amount))

"""Join a Ray cluster, or start one on this machine, and run many jobs on it."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from broadsheet.core.errors import BroadsheetError, PartialResult, SourceError
from broadsheet.core.optional import require

_Result = TypeVar("_Result")

#: Attempts of a job whose worker is lost, beyond the first.
RETRIES = 3
#: Attempts to start a cluster here: Ray gives up after 30 s, too early on a very busy machine.
START_TRIES = 3
#: Bytes of Ray's object store on a cluster of our own: jobs hand over folders, not rows.
STORE_BYTES = 200 << 20
_QUIET = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def import_ray() -> Any:
    """Return the module ray.

    Raises:
        UsageError: It is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    return require("ray", extra="scale", why="an index on many machines")


@contextmanager
def connected(address: str = "", *, cpus: int = 0) -> Iterator[Any]:
    """Yield ray, connected to a cluster.

    A cluster that this process has joined already is used as it is. One that is started here, on
    this machine alone, ends with the block.

    Args:
        address: Of a running cluster, e.g. "auto" or "ray://head:10001"; "" starts one here.
        cpus: Cores of a cluster started here; 0 for all.

    Raises:
        SourceError: The cluster can't be reached or started.
        UsageError: Ray is not installed.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    with warnings.catch_warnings():
        # Lance warns of every fork; Ray's are followed by exec.
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        _join(ray, address, cpus)
    try:
        yield ray
    finally:
        ray.shutdown()


def _join(ray: Any, address: str, cpus: int) -> None:
    settings: dict[str, Any] = (
        {"address": address}
        if address
        else {
            "num_cpus": cpus or None,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "log_to_driver": False,
        }
    )
    others = _children()
    for left in reversed(range(1 if address else START_TRIES)):
        try:
            ray.init(logging_level="ERROR", **settings)
            return
        except Exception as error:  # Ray raises plain ones, for instance when it starts too slowly
            ray.shutdown()
            # What has been started already is not known to a Ray that has not started.
            for process in _children() - others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if not left:
                raise SourceError(
                    "no such Ray cluster" if address else "Ray did not start",
                    received=address or error,
                    hint="a machine that is less busy, or the address of a running cluster",
                ) from error


def _children() -> set[int]:
    """Return the processes that this one has started; none where the system does not tell."""
    try:
        threads = list(Path("/proc/self/task").glob("*/children"))
        return {int(process) for one in threads for process in one.read_text().split()}
    except OSError:
        return set()


def run_all(
    ray: Any,
    function: Callable[..., _Result],
    jobs: Sequence[tuple[str, tuple[Any, ...]]],
    *,
    workers: int = 0,
    done: Callable[[_Result], None],
) -> None:
    """Run a function on many arguments, one core each; a job whose worker is lost runs again.

    Args:
        ray: As `connected` yields it.
        function: Must do no harm when it runs twice.
        jobs: The name of each job and its arguments.
        workers: Jobs at the same time; 0 for as many as the cluster has cores.
        done: Called here with each result, in the order in which jobs end.

    Raises:
        PartialResult: The workers of a job were lost again and again.
        BroadsheetError: What a job raised.
    """
    task = ray.remote(function)
    limit = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = list(reversed(jobs))
    running: dict[Any, str] = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                name, arguments = waiting.pop()
                named = task.options(name=name, num_cpus=1, max_retries=RETRIES)
                running[named.remote(*arguments)] = name
            ready, _ = ray.wait(list(running), num_returns=1)
            for reference in ready:
                done(_result(ray, reference, running.pop(reference)))
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _result(ray: Any, reference: Any, name: str) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise what_it_raised(error, name) from error
    except ray.exceptions.RayError as error:
        raise PartialResult(
            f"the workers of a job were lost {RETRIES + 1} times ({type(error).__name__})",
            received=name,
            hint="run the same again: what is finished is kept",
        ) from error


def what_it_raised(error: Any, name: str) -> BroadsheetError:
    """Return what a remote function raised as one of our errors."""
    cause = error.cause
    if isinstance(cause, BroadsheetError):
        return cause
    return PartialResult(f"{name} ended badly ({type(cause).__name__})", received=cause)

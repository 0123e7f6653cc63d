"""Start one run on several devices: through torchrun, or through Ray."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal, cast

from broadsheet.core.errors import SourceError, UsageError
from broadsheet.core.optional import require
from broadsheet.core.paths import write_atomically
from broadsheet.systems.jobs import Job

_FORM = re.compile(r"(torchrun|ray):([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Launch:
    """How a run is started on several devices.

    Args:
        way: "torchrun" (one machine) or "ray" (the machines of a Ray cluster).
        processes: How many processes train together.

    Example:
        >>> parse_launch("torchrun:8")
        Launch(way='torchrun', processes=8)
    """

    way: Literal["torchrun", "ray"]
    processes: int

    def line(self, job: str) -> str:
        """Return the command or call that starts the job written in a file."""
        if self.way == "torchrun":
            return " ".join(["torchrun", *_torchrun(self.processes), job])
        return f"ray.train.torch.TorchTrainer(num_workers={self.processes}) on {job}"


def parse_launch(text: str) -> Launch | None:
    """Read `torchrun:N` or `ray:N`; "" is None: this process alone.

    Raises:
        UsageError: It is neither.
    """
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(
            "no such way to launch", received=text, hint="--launch torchrun:8 or --launch ray:4"
        )
    return Launch(cast(Literal["torchrun", "ray"], found[1]), int(found[2]))


def check_launch(launch: Launch) -> None:
    """Refuse a way that is not installed, before anything is begun.

    Raises:
        UsageError: torch or Ray is missing; the message names the extra.
    """
    require("torch", extra="train", why="training")
    if launch.way == "ray":
        require("ray", extra="scale", why="--launch ray")


def launch_job(job: Job, launch: Launch) -> None:
    """Do a job in several processes and wait for its end.

    Raises:
        SourceError: A process failed; what it said is on standard error.
        UsageError: Ray is not installed.
    """
    if launch.way == "ray":
        _through_ray(job, launch.processes)
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    path = job.folder / "job.json"
    write_atomically(path, job.to_json().encode())
    command = [sys.executable, "-m", "torch.distributed.run", *_torchrun(launch.processes)]
    with subprocess.Popen([*command, str(path)]) as process:  # noqa: S603 - our own module
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if code:
        raise SourceError("torchrun ended badly", received=f"{job.name}: exit code {code}")


def _torchrun(processes: int) -> list[str]:
    return ["--standalone", f"--nproc-per-node={processes}", "-m", "broadsheet.systems.worker"]


def _through_ray(job: Job, processes: int) -> None:
    require("ray", extra="scale", why="--launch ray")
    torch_train = require("ray.train.torch", extra="scale", why="--launch ray")
    train = require("ray.train", extra="scale", why="--launch ray")
    torch = require("torch", extra="train", why="training")
    scaling = train.ScalingConfig(num_workers=processes, use_gpu=torch.cuda.is_available())
    trainer = torch_train.TorchTrainer(
        _ray_worker,
        train_loop_config={"job": job.to_json()},
        scaling_config=scaling,
        run_config=train.RunConfig(storage_path=str(job.folder / "ray")),
    )
    try:
        trainer.fit()
    except Exception as error:
        raise SourceError(
            f"Ray's trainer ended badly ({type(error).__name__})", received=f"{job.name}: {error}"
        ) from error


def _ray_worker(config: dict[str, str]) -> None:
    """Run in each of Ray's workers, which has joined the process group already."""
    from broadsheet.systems.worker import execute

    execute(Job.from_json(config["job"]))

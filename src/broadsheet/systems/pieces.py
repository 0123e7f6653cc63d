"""What a run took: one file per piece (from a start to an end or interruption), summed up later.

A piece is written every few seconds while it lasts, so that even the cost of a killed piece is
known up to its last seconds. Work that was lost and done again is counted twice: it was done twice.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broadsheet.core.clock import timestamp
from broadsheet.core.paths import write_atomically
from broadsheet.core.report import Cost
from broadsheet.systems.jobs import read_json

FOLDER = "pieces"
_KIB_PER_MB = 1000 * 1000 / 1024


@dataclass
class Piece:
    """The running account of one process.

    Args:
        path: Where it is kept.
        parameters: Parameters of the module, once it is built.
        environment: Versions and machine.
        device_memory_mb: Peak memory of an accelerator.
    """

    path: Path
    parameters: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    device_memory_mb: float = 0.0
    ended: str = "killed"

    def __post_init__(self) -> None:
        self._began = timestamp()
        self._wall = time.monotonic()
        self._cpu = _cpu_seconds()

    def write(self) -> None:
        """Write the state of this moment."""
        data = {
            "began": self._began,
            "ended": self.ended,
            "wall_s": round(time.monotonic() - self._wall, 3),
            "cpu_s": round(_cpu_seconds() - self._cpu, 3),
            "peak_memory_mb": round(_peak_memory_mb(), 1),
            "peak_device_memory_mb": round(self.device_memory_mb, 1),
            "parameters": self.parameters,
            "environment": dict(self.environment),
        }
        write_atomically(self.path, (json.dumps(data, indent=1) + "\n").encode())


@contextmanager
def open_piece(
    folder: Path, *, rank: int = 0, environment: Mapping[str, str], every_s: float = 5.0
) -> Iterator[Piece]:
    """Keep the account of a piece of the run in `folder` while the block runs."""
    pieces = folder / FOLDER
    pieces.mkdir(parents=True, exist_ok=True)
    number = len({path.stem.split("-")[0] for path in pieces.glob(f"*-{rank}.json")})
    piece = Piece(pieces / f"{number:04d}-{rank}.json", environment=environment)
    piece.write()
    over = threading.Event()

    def beat() -> None:
        parent = multiprocessing.parent_process()
        while not over.wait(every_s):
            piece.write()
            if parent is not None and not parent.is_alive():
                os.kill(os.getpid(), signal.SIGINT)
                return

    heart = threading.Thread(target=beat, name="piece", daemon=True)
    heart.start()
    try:
        yield piece
        piece.ended = "finished"
    except KeyboardInterrupt:
        piece.ended = "interrupted"
        raise
    except BaseException:
        piece.ended = "failed"
        raise
    finally:
        over.set()
        heart.join()
        piece.write()


def read_pieces(folder: Path) -> list[dict[str, Any]]:
    """Read the pieces of one run, in the order they were begun."""
    return [read_json(path) for path in sorted((folder / FOLDER).glob("*.json"))]


def cost_of(folder: Path) -> Cost:
    """Return what one run took, all its pieces and processes together.

    Wall time counts the longest process of a piece; CPU time and memory add up over the processes.
    """
    by_piece: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / FOLDER).glob("*.json")):
        by_piece.setdefault(path.stem.split("-")[0], []).append(read_json(path))
    groups = by_piece.values()
    return Cost(
        wall_s=round(sum(max(one["wall_s"] for one in group) for group in groups), 3),
        cpu_s=round(sum(one["cpu_s"] for group in groups for one in group), 3),
        peak_memory_mb=max(
            (sum(one["peak_memory_mb"] for one in group) for group in groups), default=0.0
        ),
        parameters=max((one["parameters"] for group in groups for one in group), default=0),
    )


def sum_costs(costs: list[Cost]) -> Cost:
    """Return the cost of several runs: times add up, the largest memory and model count.

    Example:
        >>> one = Cost(wall_s=2, cpu_s=1, peak_memory_mb=300, parameters=10)
        >>> sum_costs([one, one]).wall_s, sum_costs([one, one]).parameters
        (4, 10)
    """
    return Cost(
        wall_s=round(sum(cost.wall_s for cost in costs), 3),
        cpu_s=round(sum(cost.cpu_s for cost in costs), 3),
        peak_memory_mb=max((cost.peak_memory_mb for cost in costs), default=0.0),
        parameters=max((cost.parameters for cost in costs), default=0),
    )


def _cpu_seconds() -> float:
    ours = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / _KIB_PER_MB

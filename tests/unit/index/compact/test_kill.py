"""Killed at any moment, an index holds exactly what was committed, and the next process goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from broadsheet.index.compact.reference import dots
from broadsheet.index.compact.store import CompactIndex

sys.path.insert(0, str(Path(__file__).parent))
from updating import DIM, OPERATIONS, state_after

#: Processes killed; the moments are drawn anew each run.
KILLS = 5
SOURCES = Path(__file__).parents[4] / "src"


def killed_once(folder: Path, chance: random.Random) -> int:
    """Let a process update the index, kill it, return the last operation it said was committed."""
    program = Path(__file__).with_name("updating.py")
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(program), str(folder)],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.4)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().split("\n")
    return max((int(line) for line in said[:-1]), default=0)


def check(folder: Path, said: int) -> int:
    """Compare the index with a dictionary; return how many operations it has seen."""
    index = CompactIndex(folder, DIM)
    index.verify()
    seen = int(index.mark or 0)
    assert said <= seen
    held = state_after(seen)
    assert index.numbers().tolist() == sorted(held)
    query = np.random.default_rng(seen).standard_normal(DIM).astype(np.float32)
    numbers = np.array(sorted(held), dtype=np.int64)
    if len(numbers):
        scores = dots(np.stack([held[number] for number in numbers.tolist()]), query)
        best = np.lexsort((numbers, -scores))[:20]
        expected = list(zip(numbers[best].tolist(), scores[best].tolist(), strict=True))
        assert index.search(query, 20, numbers).hits == expected
    return seen


def drill(folder: Path, kills: int, chance: random.Random) -> None:
    """Kill updates of one index again and again; a finished index is begun anew."""
    for number in range(kills):
        below = folder / str(number // 8)
        said = killed_once(below, chance)
        before = check(below, said) if (below / "meta.json").exists() else 0
        assert before <= OPERATIONS


def test_nothing_committed_is_lost(tmp_path: Path) -> None:
    drill(tmp_path, KILLS, random.Random())

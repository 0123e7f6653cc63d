"""A process that updates an index, to be killed: python updating.py FOLDER

Every operation is a function of its number alone, and the index remembers the number of the last
one that was committed, so the process goes on where an earlier one was killed. Merges come in
between. Each committed operation is printed.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.index.compact import merging
from broadsheet.index.compact.store import CompactIndex

DIM = 16
OPERATIONS = 60
HIGHEST = 400


def operation(
    place: int,
) -> tuple[list[int], npt.NDArray[np.float32], list[int]]:
    """Return what operation `place` adds and removes."""
    chance = random.Random(place)
    added = chance.sample(range(HIGHEST), chance.randint(0, 60))
    removed = chance.sample(range(HIGHEST), chance.randint(0, 20))
    rows = np.random.default_rng(place).standard_normal((len(added), DIM))
    return added, rows.astype(np.float32), removed


def state_after(operations: int) -> dict[int, npt.NDArray[np.float32]]:
    """Return what is held after so many operations."""
    held: dict[int, npt.NDArray[np.float32]] = {}
    for place in range(operations):
        added, rows, removed = operation(place)
        for number in removed:
            held.pop(number, None)
        held |= dict(zip(added, rows, strict=True))
    return held


def say(what: object) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    """Go on from the last committed operation."""
    merging.RECENT, merging.FEWEST = 100, 20
    merging.MAPPED_FROM = 0  # merges go through a file, which a kill may leave behind
    index = CompactIndex(folder, DIM)
    say("ready")
    for place in range(int(index.mark or 0), OPERATIONS):
        added, rows, removed = operation(place)
        index.add(added, rows, removed=removed, mark=str(place + 1))
        say(place + 1)
        if place % 7 == 6:
            index.compact()
        else:
            index.tidy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

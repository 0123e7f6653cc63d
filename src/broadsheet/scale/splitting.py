"""Which shard a row belongs to: by an integer attribute such as the day, or by its neighbourhood.

By time, a query over a range of days asks few shards. By cluster, the rows of a shard are near one
another, so that most shards hold nothing near a query and stop early. Either way shards get about
equally many rows, because the largest one decides when a build ends and how long a query takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.clusters import cluster_rows
from broadsheet.scale.rows import MISSING, Numbers, Rows, Vectors

Shards = npt.NDArray[np.int32]

#: Rows that cells are learnt from, at least, and per shard.
SAMPLE, SAMPLE_PER_SHARD = 16_384, 1_024
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class ByTime:
    """Ask for shards of consecutive values of an integer attribute.

    Args:
        name: The attribute, e.g. "day".
        shards: How many; fewer come out when there are fewer distinct values.

    Example:
        >>> ByTime("day", 4).shards
        4
    """

    name: str
    shards: int


@dataclass(frozen=True, slots=True)
class ByCluster:
    """Ask for shards of neighbouring vectors.

    Args:
        shards: How many.

    Example:
        >>> ByCluster(4).shards
        4
    """

    shards: int


@dataclass(frozen=True, slots=True)
class TimeCuts:
    """Shards of consecutive values; rows without a value go to the first.

    Args:
        name: The attribute.
        cuts: The smallest value of each shard but the first, ascending.

    Example:
        >>> cuts = cut_by_time("day", np.array([5, 1, 5, 9]), 2)
        >>> cuts.cuts, cuts.shards
        ((5,), 2)
    """

    name: str
    cuts: tuple[int, ...]

    @property
    def shards(self) -> int:
        """Return how many shards there are."""
        return len(self.cuts) + 1

    def assign(self, rows: Rows) -> Shards:
        """Return the shard of each row.

        Shape:
            [n].

        Raises:
            BadInput: The rows do not have the attribute.
        """
        values = rows.attributes.numbers.get(self.name)
        if values is None:
            raise BadInput("rows without the attribute that splits them", received=self.name)
        # A missing value is the smallest integer of all, so it falls before the first cut.
        cuts = np.array(self.cuts, dtype=np.int64)
        return np.searchsorted(cuts, values, side="right").astype(np.int32)


@dataclass(frozen=True, slots=True)
class Cells:
    """Shards of neighbouring cells; a row belongs to the cell with the nearest centre.

    Args:
        centres: float32 [cells, dim].
        groups: int32 [cells], the shard of each cell.

    Example:
        >>> cells = Cells(np.eye(2, dtype=np.float32), np.array([1, 0], dtype=np.int32))
        >>> rows = Rows(numbers=np.array([4]), vectors=np.array([[0.9, 0.1]], dtype=np.float32))
        >>> cells.assign(rows).tolist(), cells.shards
        ([1], 2)
    """

    centres: Vectors
    groups: Shards

    @property
    def shards(self) -> int:
        """Return how many shards there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 1

    def assign(self, rows: Rows) -> Shards:
        """Return the shard of each row.

        Shape:
            [n].
        """
        if not len(self.centres):
            return np.zeros(len(rows), dtype=np.int32)
        half = (0.5 * np.einsum("cd,cd->c", self.centres, self.centres)).astype(np.float32)
        shards = np.empty(len(rows), dtype=np.int32)
        for begin in range(0, len(rows), _CHUNK):
            scores = rows.vectors[begin : begin + _CHUNK] @ self.centres.T - half
            shards[begin : begin + _CHUNK] = self.groups[scores.argmax(axis=1)]
        return shards


Split = TimeCuts | Cells


def cut_by_time(name: str, values: Numbers, shards: int) -> TimeCuts:
    """Return cuts between distinct values that divide rows about evenly.

    Args:
        name: The attribute.
        values: Of every row, `MISSING` where there is none.
        shards: How many are wanted.
    """
    _check(shards)
    distinct, counts = np.unique(values, return_counts=True)
    before = np.concatenate(([0], np.cumsum(counts)))[:-1]
    # A cut at distinct[i] leaves before[i] rows on its left; the first value needs no cut.
    possible = np.flatnonzero((before > 0) & (distinct != MISSING))
    wanted = len(values) * np.arange(1, shards) / shards
    chosen = {
        int(distinct[possible[np.abs(before[possible] - aim).argmin()]])
        for aim in wanted
        if len(possible)
    }
    return TimeCuts(name, tuple(sorted(chosen)))


def sample_size(rows: int, shards: int) -> int:
    """Return how many rows cells are learnt from."""
    return min(rows, max(SAMPLE, SAMPLE_PER_SHARD * shards))


def learn_cells(sample: Vectors, shards: int, *, seeds: SeedTree, progress: Progress) -> Cells:
    """Return cells of a sample, grouped into shards of neighbours with about equal shares.

    Args:
        sample: float32 [m, dim], drawn at random from all rows.
        shards: How many; fewer come out of a sample with fewer cells.
        seeds: Randomness of the cells.
        progress: Shows the passes.
    """
    _check(shards)
    found = cluster_rows(sample, seeds=seeds, progress=progress)
    groups = np.zeros(len(found.centres), dtype=np.int32)
    sizes = np.diff(found.starts).astype(np.float64)
    _bisect(found.centres, sizes, np.arange(len(groups)), min(shards, len(groups)), 0, groups)
    return Cells(found.centres, groups)


def _bisect(
    centres: Vectors,
    sizes: npt.NDArray[np.float64],
    cells: npt.NDArray[np.int64],
    shards: int,
    first: int,
    groups: Shards,
) -> None:
    """Give the cells to shards `first` and on, by halving along their main direction."""
    if shards <= 1:
        groups[cells] = first
        return
    weights = sizes[cells] / sizes[cells].sum()
    spread = centres[cells] - weights @ centres[cells]
    _, _, directions = np.linalg.svd(spread * np.sqrt(weights)[:, None], full_matrices=False)
    order = cells[np.argsort(spread @ directions[0], kind="stable")]
    left = shards // 2
    reached = np.cumsum(sizes[order]) / sizes[order].sum()
    # Each side keeps a cell for every shard it will be cut into.
    cut = int(
        np.clip(np.abs(reached - left / shards).argmin() + 1, left, len(order) - shards + left)
    )
    _bisect(centres, sizes, order[:cut], left, first, groups)
    _bisect(centres, sizes, order[cut:], shards - left, first + left, groups)


def _check(shards: int) -> None:
    if shards < 1:
        raise BadInput("an index has a shard or more", received=shards)

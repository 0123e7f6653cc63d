"""What a build is about to do, and what it has done: the files that make it resumable.

```
plan.json            version of the lake, split, seed, fragments; written first
cells.bin            centres, when split by cluster
parts/00012.arrow    a fragment's rows by shard; scratch
shard-0003/          a finished shard
index.json           the finished index; written last
```
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput, BroadsheetError, NotFound
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact.files import StoredArray, read_sealed, write_sealed
from broadsheet.scale.shard import Manifest
from broadsheet.scale.splitting import ByCluster, ByTime, Cells, Split, TimeCuts
from broadsheet.scale.summaries import Summary

_CELLS = "cells.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. The same request goes on with what an interrupted build left.

    Args:
        uri: Of the lake.
        version: Of the lake.
        split: By time or by cluster, and into how many shards.
        seeds: Randomness of the split and of the segments.
        graph: Also build each segment's neighbour graph.

    Example:
        >>> one = Request(uri="x.lance", version=1, split=ByCluster(2), seeds=SeedTree(7))
        >>> one.as_facts()["split"]
        {'by': 'cluster', 'shards': 2}
    """

    uri: str
    version: int
    split: ByTime | ByCluster
    seeds: SeedTree
    graph: bool = False

    def as_facts(self) -> dict[str, Any]:
        """Return this as JSON values."""
        split: dict[str, Any] = {"by": "cluster", "shards": self.split.shards}
        if isinstance(self.split, ByTime):
            split = {"by": "time", "name": self.split.name, "shards": self.split.shards}
        return {
            "uri": self.uri,
            "version": self.version,
            "split": split,
            "seed": [self.seeds.root, *self.seeds.path],
            "graph": self.graph,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request and what was found out about the lake.

    Args:
        request: As `Request.as_facts` gave it.
        dim: Length of a vector.
        fragments: Id and number of rows of each fragment.
        split: Which row goes where.

    Example:
        >>> plan = Plan(request={}, dim=2, fragments=((0, 5),), split=TimeCuts("day", (3,)))
        >>> plan.rows, plan.names
        (5, ('shard-0000', 'shard-0001'))
    """

    request: Mapping[str, Any]
    dim: int
    fragments: tuple[tuple[int, int], ...]
    split: Split

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return sum(rows for _, rows in self.fragments)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the shards' folders."""
        return tuple(f"shard-{shard:04}" for shard in range(self.split.shards))

    @property
    def identity(self) -> str:
        """Return what tells this plan from others."""
        body = {"request": self.request, "fragments": self.fragments, "dim": self.dim}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def seeds(self) -> SeedTree:
        """Return the randomness asked for."""
        root, *path = self.request["seed"]
        return SeedTree(int(root), tuple(path))

    def write(self, folder: Path) -> None:
        """Write the plan into a folder."""
        split: dict[str, Any]
        if isinstance(self.split, TimeCuts):
            split = {"name": self.split.name, "cuts": self.split.cuts}
        else:
            centres = StoredArray.write(folder, _CELLS, self.split.centres)
            split = {"centres": centres.as_facts(), "groups": self.split.groups.tolist()}
        body = {
            "request": dict(self.request),
            "dim": self.dim,
            "fragments": [list(pair) for pair in self.fragments],
            "split": split,
        }
        write_sealed(folder / "plan.json", body)

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read the plan in a folder.

        Raises:
            BadInput: It is damaged.
            NotFound: There is none.
        """
        try:
            body = read_sealed(folder / "plan.json")
        except FileNotFoundError:
            raise NotFound("there is no plan of an index", received=folder.name) from None
        facts = body["split"]
        split: Split
        if "cuts" in facts:
            split = TimeCuts(str(facts["name"]), tuple(int(cut) for cut in facts["cuts"]))
        else:
            centres = StoredArray.of(facts["centres"]).open(folder)
            split = Cells(centres, np.array(facts["groups"], dtype=np.int32))
        return cls(
            request=body["request"],
            dim=int(body["dim"]),
            fragments=tuple((int(one), int(rows)) for one, rows in body["fragments"]),
            split=split,
        )

    def check(self, request: Request) -> None:
        """Refuse to go on with another request.

        Raises:
            BadInput: This plan is of another one.
        """
        asked = request.as_facts()
        other = [name for name, value in asked.items() if self.request.get(name) != value]
        if other:
            raise BadInput(
                "the folder holds the build of another index",
                received=", ".join(f"{name} {self.request.get(name)}" for name in other),
                hint="another folder, or the same lake version, split and seed as before",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A finished index: what a router needs to know before it opens a shard.

    Args:
        plan: Identity of the plan.
        dim: Length of a vector.
        shards: Summary of each shard, by the name of its folder.
        cost: CPU and wall seconds by stage, added over the jobs.
        bytes: Bytes on disk, and of these, without float32 rows.

    Example:
        >>> IndexFile(plan="a", dim=2, shards={}, cost={}, bytes={}).rows
        0
    """

    plan: str
    dim: int
    shards: Mapping[str, Summary]
    cost: Mapping[str, float]
    bytes: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Return how many documents there are."""
        return sum(one.rows for one in self.shards.values())

    def write(self, folder: Path) -> None:
        """Write the file into a folder."""
        body = {
            "plan": self.plan,
            "dim": self.dim,
            "shards": {name: one.as_facts() for name, one in self.shards.items()},
            "cost": dict(self.cost),
            "bytes": dict(self.bytes),
        }
        write_sealed(folder / "index.json", body)

    @classmethod
    def read(cls, folder: Path) -> IndexFile:
        """Read the index in a folder.

        Raises:
            BadInput: It is damaged.
            NotFound: There is none, or its build has not ended.
        """
        try:
            body = read_sealed(folder / "index.json")
        except FileNotFoundError:
            raise NotFound(
                "there is no finished index", received=folder.name, hint="run the build to its end"
            ) from None
        return cls(
            plan=str(body["plan"]),
            dim=int(body["dim"]),
            shards={name: Summary.from_facts(one) for name, one in body["shards"].items()},
            cost=body["cost"],
            bytes=body["bytes"],
        )


def missing_shards(folder: Path, plan: Plan) -> list[int]:
    """Return the shards that are not finished; a shard whose manifest is damaged is removed.

    Raises:
        BadInput: A shard of another index lies in the folder.
    """
    missing = []
    for shard, name in enumerate(plan.names):
        try:
            manifest = Manifest.read(folder / name)
        except BroadsheetError:
            shutil.rmtree(folder / name, ignore_errors=True)
            missing.append(shard)
            continue
        if manifest.plan != plan.identity:
            raise BadInput("a shard is of another index", received=name)
    return missing


def check_index(folder: Path) -> int:
    """Read every file of a finished index and compare its checksum; return how many bytes it has.

    Raises:
        BadInput: A file is damaged, or a shard is of another index.
        NotFound: There is no finished index, or a shard is missing.
    """
    index, total = IndexFile.read(folder), 0
    for name in index.shards:
        manifest = Manifest.read(folder / name)
        if manifest.plan != index.plan:
            raise BadInput("a shard is of another index", received=name)
        total += manifest.check(folder / name)
    return total

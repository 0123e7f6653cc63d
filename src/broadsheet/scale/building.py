"""Build the shards of an index in parallel: one job sorts a fragment by shard, one builds a shard.

Rows pass from the first kind of job to the second through files in the index's folder, which all
machines share. A job leaves a whole file or folder or nothing, so whatever is finished is kept
when workers, machines or the whole build are killed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput, NotFound, SourceError
from broadsheet.core.optional import require
from broadsheet.core.progress import Advance, Progress, Silent
from broadsheet.index.compact.files import read_sealed, write_sealed
from broadsheet.scale.cluster import connected, run_all
from broadsheet.scale.lake import Lake, from_batch
from broadsheet.scale.plans import IndexFile, Plan, Request, missing_shards
from broadsheet.scale.rows import Rows
from broadsheet.scale.shard import Manifest, write_shard
from broadsheet.scale.splitting import ByTime, Split, cut_by_time, learn_cells, sample_size

#: Rows that are sorted by shard at a time: 100 MB of vectors of 384 numbers.
BLOCK = 65_536


def build_index(
    folder: Path,
    request: Request,
    *,
    progress: Progress,
    address: str = "",
    workers: int = 0,
    options: Mapping[str, str] | None = None,
) -> IndexFile:
    """Build an index, or go on with one that was interrupted.

    Args:
        folder: Where it will lie; all machines of the cluster must see it under this path.
        request: What to build.
        progress: Shows rows sorted and rows built.
        address: Of a Ray cluster; "" starts one on this machine.
        workers: Jobs at the same time; 0 for as many as there are cores.
        options: Settings of the lake's object store. They are never written to a file.

    Raises:
        BadInput: The folder holds another index; the lake is empty, or has a number twice.
        NotFound: There is no such lake or attribute.
        PartialResult: Workers were lost again and again; what is finished is kept.
        UsageError: Ray or Lance is not installed.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plan = _planned(folder, request, options, progress)
    missing = missing_shards(folder, plan)
    if missing:
        with connected(address, cpus=workers) as ray:
            _sort(ray, folder, plan, options, progress, workers)
            _build(ray, folder, plan, missing, progress, workers)
    return _finished(folder, plan)


# -- planning ----------------------------------------------------------------------------------


def _planned(
    folder: Path, request: Request, options: Mapping[str, str] | None, progress: Progress
) -> Plan:
    try:
        plan = Plan.read(folder)
    except NotFound:
        plan = make_plan(request, options=options, progress=progress)
        plan.write(folder)
    plan.check(request)
    return plan


def make_plan(
    request: Request, *, options: Mapping[str, str] | None = None, progress: Progress
) -> Plan:
    """Look at the lake and decide which row goes where.

    Raises:
        BadInput: The lake is empty, or has a number twice.
        NotFound: There is no such lake or attribute.
    """
    lake = Lake(request.uri, request.version, options)
    numbers = np.sort(lake.column("number"))
    twice = np.flatnonzero(numbers[1:] == numbers[:-1])
    if not len(numbers) or len(twice):
        raise BadInput(
            "a document is in the lake twice" if len(numbers) else "the lake is empty",
            received=int(numbers[twice[0]]) if len(twice) else request.uri,
        )
    split: Split
    if isinstance(request.split, ByTime):
        name = request.split.name
        split = cut_by_time(name, lake.column(name), request.split.shards)
    else:
        seeds = request.seeds.child("split")
        size = sample_size(len(numbers), request.split.shards)
        places = seeds.child("sample").numpy().choice(len(numbers), size, replace=False)
        sample = lake.sample(np.sort(places))
        split = learn_cells(sample, request.split.shards, seeds=seeds, progress=progress)
    return Plan(
        request=request.as_facts(),
        dim=lake.dim,
        fragments=tuple(lake.fragments()),
        split=split,
    )


# -- first kind of job: sort a fragment by shard -----------------------------------------------


def _sort(
    ray: Any,
    folder: Path,
    plan: Plan,
    options: Mapping[str, str] | None,
    progress: Progress,
    workers: int,
) -> None:
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    advance = progress.start("sorting rows by shard", plan.rows, "rows")
    jobs = []
    for place, (_, rows) in enumerate(plan.fragments):
        if (parts / f"{place:05}.json").is_file():
            advance(rows)
        else:
            jobs.append((f"sort fragment {place}", (str(folder), place, dict(options or {}))))
    run_all(ray, sort_fragment, jobs, workers=workers, done=advance)


def sort_fragment(folder: str, place: int, options: Mapping[str, str]) -> int:
    """Write the rows of a fragment by shard into a part file; return how many there are.

    The part has, for each block of rows, one record batch for each shard.
    """
    begun = (time.process_time(), time.perf_counter())
    home = Path(folder)
    plan = Plan.read(home)
    arrow = require("pyarrow", extra="scale", why="building shards")
    ipc = require("pyarrow.ipc", extra="scale", why="building shards")
    lake = Lake(str(plan.request["uri"]), int(plan.request["version"]), options)
    part = home / "parts" / f"{place:05}.arrow"
    partial = part.with_suffix(f".{time.monotonic_ns()}.partial")
    count, writer = 0, None
    sink = partial.open("wb")
    try:
        for batch in lake.batches(plan.fragments[place][0], block=BLOCK):
            plain = [name for name in batch.schema.names if not name.startswith("terms_")]
            shards = plan.split.assign(from_batch(batch.select(plain)))
            ends = np.cumsum(np.bincount(shards, minlength=plan.split.shards)).tolist()
            ordered = batch.take(arrow.array(np.argsort(shards, kind="stable")))
            writer = writer or ipc.new_file(sink, batch.schema)
            for begin, end in zip([0, *ends], ends, strict=False):
                writer.write_batch(ordered.slice(begin, end - begin))
            count += batch.num_rows
        if writer is None or count != plan.fragments[place][1]:
            raise SourceError("a fragment has lost rows", received=f"{place}: {count}")
        writer.close()
        sink.flush()
        os.fsync(sink.fileno())
        partial.replace(part)
    finally:
        sink.close()
        partial.unlink(missing_ok=True)
    write_sealed(part.with_suffix(".json"), {"rows": count, **_cost(begun)})
    return count


# -- second kind of job: build a shard ---------------------------------------------------------


def _build(
    ray: Any, folder: Path, plan: Plan, missing: list[int], progress: Progress, workers: int
) -> None:
    advance: Advance = progress.start("building shards", plan.rows, "rows")
    for shard, name in enumerate(plan.names):
        if shard not in missing:
            advance(Manifest.read(folder / name).summary.rows)
    jobs = [(f"build {plan.names[shard]}", (str(folder), shard)) for shard in missing]
    run_all(ray, build_one, jobs, workers=workers, done=advance)


def build_one(folder: str, shard: int) -> int:
    """Build one shard from the parts; return how many rows it has."""
    begun = (time.process_time(), time.perf_counter())
    home = Path(folder)
    plan = Plan.read(home)
    manifest = write_shard(
        home / plan.names[shard],
        read_parts(home, plan, shard),  # no name for the rows here: they are let go when sorted
        plan=plan.identity,
        seeds=plan.seeds.child("shard", shard),
        graph=bool(plan.request["graph"]),
        progress=Silent(),
        begun=begun,
    )
    return manifest.summary.rows


def read_parts(folder: Path, plan: Plan, shard: int) -> Rows:
    """Return the rows of a shard from all parts."""
    arrow = require("pyarrow", extra="scale", why="building shards")
    ipc = require("pyarrow.ipc", extra="scale", why="building shards")
    batches = []
    for place in range(len(plan.fragments)):
        reader = ipc.open_file(arrow.memory_map(str(folder / "parts" / f"{place:05}.arrow")))
        every = range(shard, reader.num_record_batches, plan.split.shards)
        batches += [reader.get_batch(number) for number in every]
    whole = arrow.Table.from_batches(batches).combine_chunks().to_batches()
    return from_batch(whole[0] if whole else batches[0])


# -- the end -----------------------------------------------------------------------------------


def _finished(folder: Path, plan: Plan) -> IndexFile:
    """Write index.json when it is not there yet, and remove the scratch."""
    try:
        return IndexFile.read(folder)
    except NotFound:
        pass
    manifests = {name: Manifest.read(folder / name) for name in plan.names}
    rows = sum(one.summary.rows for one in manifests.values())
    if rows != plan.rows:
        raise SourceError("the shards have lost rows", received=f"{rows:,} of {plan.rows:,}")
    parts = [read_sealed(path) for path in sorted((folder / "parts").glob("*.json"))]
    cost = {f"sort_{name}": sum(one[name] for one in parts) for name in ("cpu_s", "wall_s")}
    for name in ("cpu_s", "wall_s"):
        cost[f"build_{name}"] = sum(one.cost[name] for one in manifests.values())
    sizes = {
        "disk": sum(one.bytes for one in manifests.values()),
        "without_rows": sum(one.resident_bytes for one in manifests.values()),
    }
    index = IndexFile(
        plan=plan.identity,
        dim=plan.dim,
        shards={name: one.summary for name, one in manifests.items()},
        cost={name: round(value, 3) for name, value in cost.items()},
        bytes=sizes,
    )
    index.write(folder)
    shutil.rmtree(folder / "parts", ignore_errors=True)
    return index


def _cost(begun: tuple[float, float]) -> dict[str, float]:
    return {
        "cpu_s": time.process_time() - begun[0],
        "wall_s": time.perf_counter() - begun[1],
    }

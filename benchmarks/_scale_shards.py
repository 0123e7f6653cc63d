"""Shards of generated papers, built and asked in this process: what Ray adds is not in here."""

from __future__ import annotations

import shutil
import statistics
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.papers import Papers
from broadsheet.index.compact.arithmetic import dots
from broadsheet.index.predicates import EVERYTHING, Between, Predicate
from broadsheet.scale.building import build_one, make_plan, sort_fragment
from broadsheet.scale.lake import Lake
from broadsheet.scale.merging import Hits, merged
from broadsheet.scale.plans import Request
from broadsheet.scale.rows import Rows
from broadsheet.scale.serving import Answer
from broadsheet.scale.shard import Manifest, Shard, write_shard
from broadsheet.scale.splitting import ByCluster, ByTime
from broadsheet.scale.summaries import Chance

TIME, SEED, K = "hour", 20261124, 10
QUERIES, BATCH, WARM = 200, 50, 10
SPLITS = (ByTime(TIME, 1), ByTime(TIME, 2), ByTime(TIME, 4), ByCluster(4))


@dataclass(frozen=True)
class Asked:
    """A predicate, how many papers satisfy it, and the true answers to all queries."""

    predicate: Predicate
    matches: int
    truth: list[list[int]]


@dataclass(frozen=True)
class World:
    """Papers in the index, queries that are not, and what is asked."""

    papers: Papers
    queries: np.ndarray
    asked: dict[str, Asked]


def recall_of(asked: Asked, answers: Sequence[Hits | Answer]) -> float:
    """Return the mean share of the true answers that was found."""
    shares = [
        len(set(true) & set(answer.numbers.tolist())) / len(true)
        for true, answer in zip(asked.truth, answers, strict=True)
    ]
    return round(float(np.mean(shares)), 4)


def questions_of(papers: Papers, queries: np.ndarray) -> dict[str, Asked]:
    """Return what is asked, with the truth by comparing everything."""
    hours = papers.attributes.numbers[TIME]
    low, high = np.quantile(hours, [0.75, 0.85]).astype(int).tolist()
    found = {}
    for name, predicate, held in (
        ("all", EVERYTHING, np.arange(len(hours))),
        (
            "a tenth of time",
            Between(TIME, low, high),
            np.flatnonzero((hours >= low) & (hours <= high)),
        ),
    ):
        rows, truth = papers.vectors[held], []
        for query in queries:
            scores = dots(rows, query)
            truth.append(held[np.lexsort((held, -scores))[:K]].tolist())
        found[name] = Asked(predicate, len(held), truth)
    return found


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return the median, the smallest and the largest."""
    middle = statistics.median(values)
    return {
        "median": round(middle, digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def blocks(papers: Papers) -> Iterator[Rows]:
    """Yield the papers in blocks, as a feed would bring them."""
    rows = len(papers.vectors)
    for begin in range(0, rows, 16_384):
        order = np.arange(begin, min(begin + 16_384, rows))
        yield Rows(
            numbers=order,
            vectors=papers.vectors[order],
            attributes=papers.attributes.take(order),
        )


def longest_lane(jobs: Sequence[float], workers: int) -> float:
    """Return the CPU seconds of the busiest worker when each takes the next job once it is free."""
    lanes = [0.0] * workers
    for seconds in jobs:
        lanes[lanes.index(min(lanes))] += seconds
    return max(lanes)


def by_size(folder: Path, papers: Papers, sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Build and ask single shards of several sizes, without Ray."""
    everything = Rows(
        numbers=np.arange(len(papers.vectors)),
        vectors=papers.vectors,
        attributes=papers.attributes,
    )
    queries = SeedTree(SEED).child("asked").numpy().permutation(len(papers.vectors))[:QUERIES]
    found: dict[str, Any] = {}
    for size in sizes:
        order = SeedTree(SEED).child("size").numpy().permutation(len(papers.vectors))[:size]
        costs, asked = [], []
        for _ in range(repeats):
            shutil.rmtree(folder, ignore_errors=True)
            manifest = write_shard(
                folder,
                everything.take(np.sort(order)),
                plan="",
                seeds=SeedTree(SEED),
                graph=False,
                progress=Silent(),
                begun=(time.process_time(), time.perf_counter()),
            )
            costs.append(manifest.cost["cpu_s"])
            shard = Shard(folder)
            shard.search(papers.vectors[0], K)
            begun = time.process_time()
            for place in queries:
                shard.search(papers.vectors[place], K)
            asked.append((time.process_time() - begun) / len(queries))
        shutil.rmtree(folder, ignore_errors=True)
        found[str(size)] = {
            "build_peak_bytes_per_vector": peak_of(folder, everything.take(np.sort(order))),
            "build_cpu_s_per_million": spread([1e6 * cost / size for cost in costs], 1),
            "search_cpu_us": spread([1e6 * one for one in asked], 1),
            "bytes_per_vector": round(manifest.bytes / size, 1),
            "bytes_per_vector_without_rows": round(manifest.resident_bytes / size, 1),
        }
        print("shard", size, found[str(size)])
    return found


def peak_of(folder: Path, rows: Rows) -> float:
    """Return the most memory that building a shard takes at a time, the rows given included."""
    tracemalloc.start()
    write_shard(
        folder,
        rows,
        plan="",
        seeds=SeedTree(SEED),
        graph=False,
        progress=Silent(),
        begun=(0.0, 0.0),
    )
    peak = tracemalloc.get_traced_memory()[1] + rows.vectors.nbytes
    tracemalloc.stop()
    return round(peak / len(rows), 1)


def without_ray(home: Path, lake: Lake, world: World, repeats: int) -> dict[str, Any]:
    """Measure shards, jobs and searches in this process: what Ray adds is not in these numbers."""
    rows = len(world.papers.vectors)
    sizes = by_size(home / "one", world.papers, [rows // 16, rows // 4, rows], repeats)
    here = {
        f"{split.shards} by {type(split).__name__[2:].lower()}": here_by_shards(
            home / "index", lake, world, split, repeats
        )
        for split in SPLITS
    }
    return {
        "measured: one shard by size": sizes,
        "measured: jobs and searches by number of shards": here,
    }


def here_by_shards(
    folder: Path, lake: Lake, world: World, split: ByTime | ByCluster, repeats: int
) -> dict[str, Any]:
    """Do all jobs of a build, then ask every shard that can match, all in this process."""
    found: list[dict[str, float]] = []
    request = Request(uri=lake.uri, version=lake.version, split=split, seeds=SeedTree(SEED))
    million = len(world.papers.vectors) / 1e6
    for _ in range(repeats):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "parts").mkdir(parents=True)
        plan = make_plan(request, progress=Silent())
        plan.write(folder)
        begun = time.process_time()
        for place in range(len(plan.fragments)):
            sort_fragment(str(folder), place, {})
        sorted_s = time.process_time() - begun
        for shard in range(plan.split.shards):
            build_one(str(folder), shard)
        jobs = [Manifest.read(folder / name).cost["cpu_s"] for name in plan.names]
        found.append(
            {
                "sort_cpu_s_per_million": sorted_s / million,
                "build_cpu_s_per_million": sum(jobs) / million,
                "largest_job_share": max(jobs) / sum(jobs),
                "speed-up that two free workers allow": sum(jobs) / longest_lane(jobs, 2),
            }
        )
    row: dict[str, Any] = {name: spread([one[name] for one in found], 2) for name in found[0]}
    shards = [Shard(folder / name) for name in plan.names]
    for name, asked in world.asked.items():
        row[name] = search_here(shards, world.queries, asked)
    print(split, row)
    return row


def search_here(shards: Sequence[Shard], queries: np.ndarray, asked: Asked) -> dict[str, Any]:
    """Return the CPU time of a query over all shards that can match, and the recall."""
    able = [
        one for one in shards if one.manifest.summary.chance(asked.predicate) is not Chance.NONE
    ]
    for shard in able:
        shard.search(queries[0], K, asked.predicate)
    begun = time.process_time()
    answers = [
        merged([shard.search(query, K, asked.predicate) for shard in able], K) for query in queries
    ]
    spent = time.process_time() - begun
    full = [
        merged([shard.search(query, K, asked.predicate, recall=1.0) for shard in able], K)
        for query in queries[:BATCH]
    ]
    return {
        "matches": asked.matches,
        "shards_asked": len(able),
        "cpu_us": round(spent / len(queries) * 1e6, 1),
        "recall": recall_of(asked, answers),
        "equal_at_full_recall": [one.numbers.tolist() for one in full] == asked.truth[:BATCH],
    }

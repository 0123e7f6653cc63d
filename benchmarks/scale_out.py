"""What an index of many shards costs to build, to hold and to ask, on a local Ray cluster.

    python benchmarks/scale_out.py [--rows 100000] [--repeats 3] [--folder FOLDER]
        [--without-ray | --only-ray]

Generated papers (384 numbers, attributes that follow the topics) go into a lake; indexes are built
from it with one worker and with two, taking turns; indexes of 1 to 4 shards are asked the same
questions. CPU time is taken from the processes that do the work: jobs report their own, shards and
the asking process are read from /proc. Wall times depend on what else the machine does, so the load
is kept beside each. docs/guide/scale.md says what follows from the numbers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import scale_page
from _report import write_report
from _scale_shards import (
    BATCH,
    QUERIES,
    SEED,
    SPLITS,
    TIME,
    WARM,
    Asked,
    K,
    World,
    blocks,
    longest_lane,
    questions_of,
    recall_of,
    spread,
    without_ray,
)
from broadsheet.core.progress import Lines, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.scale.building import build_index
from broadsheet.scale.cluster import connected
from broadsheet.scale.lake import Lake
from broadsheet.scale.plans import Plan, Request
from broadsheet.scale.serving import Question, Router
from broadsheet.scale.shard import Manifest
from broadsheet.scale.splitting import ByCluster, ByTime

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_of(process: int) -> float:
    """Return the CPU seconds of a process so far, all threads."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


def memory_of(process: int) -> int:
    """Return the bytes of memory that a process has to itself: resident, not of a file."""
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * PAGE


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# -- building ----------------------------------------------------------------------------------


def build(folder: Path, lake: Lake, split: ByTime | ByCluster, workers: int) -> dict[str, Any]:
    """Build an index anew; return what it cost."""
    shutil.rmtree(folder, ignore_errors=True)
    request = Request(uri=lake.uri, version=lake.version, split=split, seeds=SeedTree(SEED))
    load, wall, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
    index = build_index(folder, request, progress=Silent(), workers=workers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    jobs = [Manifest.read(folder / name).cost["cpu_s"] for name in index.shards]
    return {
        "wall_s": wall,
        "load": load,
        "driver_cpu_s": cpu,
        "jobs_cpu_s": index.cost["sort_cpu_s"] + index.cost["build_cpu_s"],
        "disk_bytes_per_vector": index.bytes["disk"] / index.rows,
        "memory_bytes_per_vector": index.bytes["without_rows"] / index.rows,
        "longest_lane_cpu_s": longest_lane(jobs, workers)
        + index.cost["sort_cpu_s"] / min(workers, len(Plan.read(folder).fragments)),
    }


def speed_up(folder: Path, lake: Lake, repeats: int) -> dict[str, Any]:
    """Build with one worker and with two, taking turns."""
    build(folder, lake, ByTime(TIME, 8), 2)  # Ray's workers start once
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for turn in range(repeats):
        for workers in (1, 2) if turn % 2 else (2, 1):
            found[workers].append(build(folder, lake, ByTime(TIME, 8), workers))
            print("build", workers, found[workers][-1])
    pairs = list(zip(found[1], found[2], strict=True))
    cpu = [
        (one["driver_cpu_s"] + one["longest_lane_cpu_s"])
        / (two["driver_cpu_s"] + two["longest_lane_cpu_s"])
        for one, two in pairs
    ]
    return {
        "shards": 8,
        **{
            f"{workers} workers": {name: spread([one[name] for one in runs]) for name in runs[0]}
            for workers, runs in found.items()
        },
        "speed-up, wall": spread([one["wall_s"] / two["wall_s"] for one, two in pairs], 2),
        "speed-up, CPU of the busiest worker": spread(cpu, 2),
        "jobs' CPU, 2 workers over 1": spread(
            [two["jobs_cpu_s"] / one["jobs_cpu_s"] for one, two in pairs], 2
        ),
    }


# -- asking ------------------------------------------------------------------------------------


def ask(router: Router, queries: np.ndarray, asked: Asked) -> dict[str, Any]:
    """Ask all queries one by one, then in batches; return costs per query and recall."""
    questions = [Question(query, K, asked.predicate) for query in queries]
    processes = list(router.processes().values())
    row: dict[str, Any] = {"matches": asked.matches}
    for way, size in (("one", 1), ("batch", BATCH)):
        router.search_many(questions[:WARM])
        before = sum(map(cpu_of, processes)), router.shard_cpu_s, time.process_time()
        wall, answers = time.perf_counter(), []
        for begin in range(0, len(questions), size):
            answers += router.search_many(questions[begin : begin + size])
        wall = time.perf_counter() - wall
        cpu = sum(map(cpu_of, processes)) - before[0]
        row[way] = {
            "search_cpu_us": (router.shard_cpu_s - before[1]) / len(questions) * 1e6,
            "shards_cpu_us": cpu / len(questions) * 1e6,
            "router_cpu_us": (time.process_time() - before[2]) / len(questions) * 1e6,
            "wall_us": wall / len(questions) * 1e6,
        }
    row["recall"] = recall_of(asked, answers)
    row["shards_asked"] = float(np.mean([len(answer.asked) for answer in answers]))
    full = router.search_many(questions[:BATCH], recall=1.0)
    row["equal_at_full_recall"] = [one.numbers.tolist() for one in full] == asked.truth[:BATCH]
    return row


def by_shards(ray: Any, folder: Path, lake: Lake, world: World, repeats: int) -> dict[str, Any]:
    """Ask indexes of 1 to 4 shards, split both ways."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        name = f"{split.shards} by {type(split).__name__[2:].lower()}"
        build(folder, lake, split, 2)
        with Router(ray, folder, timeout_s=120) as router:
            memory = [memory_of(one) for one in router.processes().values()]
            rows: dict[str, Any] = {"process_mb_each": round(statistics.mean(memory) / 1e6)}
            for about, asked in world.asked.items():
                runs = [ask(router, world.queries, asked) for _ in range(repeats)]
                same = ("matches", "recall", "shards_asked", "equal_at_full_recall")
                rows[about] = {key: runs[0][key] for key in same}
                for way in ("one", "batch"):
                    rows[about][way] = {
                        cost: spread([run[way][cost] for run in runs], 0) for cost in runs[0][way]
                    }
        found[name] = rows
        print(name, rows)
    return found


def after_a_kill(ray: Any, folder: Path, queries: np.ndarray, repeats: int) -> dict[str, Any]:
    """Kill a shard's process and ask at once: seconds to the answer, which must be the same."""
    seconds, equal = [], True
    with Router(ray, folder, timeout_s=120) as router:
        for turn in range(repeats):
            before = router.search(queries[turn], K, recall=1.0)
            os.kill(router.processes()["shard-0001"], signal.SIGKILL)
            begun = time.perf_counter()
            after = router.search(queries[turn], K, recall=1.0)
            seconds.append(time.perf_counter() - begun)
            equal &= np.array_equal(before.numbers, after.numbers) and after.restarts > 0
    return {"wall_s": spread(seconds, 1), "kills": repeats, "answers equal": equal}


# -- the report --------------------------------------------------------------------------------


def with_ray(ray: Any, folder: Path, lake: Lake, world: World, repeats: int) -> dict[str, Any]:
    """Measure builds, questions and a death on the cluster."""
    return {
        "measured: build": speed_up(folder, lake, repeats),
        "measured: asking": by_shards(ray, folder, lake, world, repeats),
        "measured: a shard killed": after_a_kill(ray, folder, world.queries, repeats),
    }


def main() -> None:
    """Measure; write results/bench/scale_out_shards.json and scale_out.json, and the page."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--folder", type=Path)
    part = options.add_mutually_exclusive_group()
    part.add_argument("--without-ray", action="store_true")
    part.add_argument("--only-ray", action="store_true")
    chosen = options.parse_args()
    home = Path(tempfile.mkdtemp(dir=chosen.folder))
    made = PaperWorld(PaperSpec(), SeedTree(SEED))
    papers = made.papers(chosen.rows, progress=Lines(sys.stderr))
    queries = made.papers(QUERIES, part="queries").vectors
    world = World(papers, queries, questions_of(papers, queries))
    begun = time.process_time()
    lake = Lake.create(str(home / "papers.lance"), blocks(papers), rows_per_file=chosen.rows // 8)
    facts = {
        "rows": chosen.rows,
        "dim": papers.vectors.shape[1],
        "lake": {
            "bytes_per_vector": round(size_of(home / "papers.lance") / chosen.rows, 1),
            "write_cpu_s_per_million": round(1e6 * (time.process_time() - begun) / chosen.rows, 1),
        },
    }
    said = f"median, smallest and largest of {chosen.repeats} repeats; {QUERIES} queries each"
    try:
        if not chosen.only_ray:
            results = without_ray(home, lake, world, chosen.repeats)
            write_report("scale_out_shards", facts | results, spread=said)
        if not chosen.without_ray:
            with connected(cpus=2) as ray:
                results = with_ray(ray, home / "index", lake, world, chosen.repeats)
            write_report("scale_out", facts | results, spread=said)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    scale_page.write()


if __name__ == "__main__":
    main()

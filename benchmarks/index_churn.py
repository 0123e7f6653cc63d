"""What updates cost the compact index, and what they do to its recall; opening a million vectors.

    python benchmarks/index_churn.py [--rows 30000] [--worlds 5] [--million]

Churn: an index of generated papers (`broadsheet.data.worlds`) is built, then half of its documents
are replaced: a quarter get another vector under their number, a quarter are deleted and as many new
ones added, in batches, with the upkeep that the application does. Its recall@10 is compared, query
by query, with that of an index built afresh of the same documents; exact search is the truth.
Arrivals: papers come to an index of 100,000 in small batches with the upkeep, and the cost of a
search is taken after each. `--million` also builds one of a million vectors, and opens and searches
it in new processes. All times are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _report import ROOT, write_report
from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.index.compact.segment import build_segment
from broadsheet.index.compact.store import CompactIndex

K = 10
QUERIES = 400
BATCH = 1000
Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

_OPEN = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from broadsheet.index.compact.store import CompactIndex
folder, dim = Path(sys.argv[1]), int(sys.argv[2])
query = np.ones(dim, dtype=np.float32) / dim**0.5
imported = time.process_time(), time.perf_counter()
def memory():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("RssAnon")))
resting = memory()
index = CompactIndex(folder, dim)
opened = time.process_time(), time.perf_counter()
index.search(query, 10)
first = time.process_time()
for _ in range(200):
    index.search(query, 10)
held = memory()
print(json.dumps({
    "open_cpu_s": opened[0] - imported[0], "open_wall_s": opened[1] - imported[1],
    "first_search_cpu_s": first - opened[0], "own_memory_mb": held / 1e3,
    "bytes a vector, own memory of an open index": 1024 * (held - resting) / len(index),
    "rows": len(index)}))
"""


def cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def filters(attributes: Attributes, draw: np.random.Generator) -> dict[str, list[Numbers]]:
    """Return, by name, one set of allowed documents for each query."""
    hour = attributes.numbers["hour"]
    ends = np.quantile(hour, (0.9, 0.99))
    subject = attributes.labels["subject"]
    common = [subject.values[code] for code in np.argsort(-subject.frequencies())[:20]]
    drawn = [subject.rows_with(common[place]) for place in draw.integers(0, 20, QUERIES)]
    return {
        "newest 10 %": [np.flatnonzero(hour >= ends[0])] * QUERIES,
        "newest 1 %": [np.flatnonzero(hour >= ends[1])] * QUERIES,
        "a frequent subject": drawn,
    }


def truth(vectors: Vectors, query: Vectors, allowed: Numbers | None) -> set[int]:
    rows = np.arange(len(vectors)) if allowed is None else allowed
    scores = (vectors if allowed is None else vectors[rows]) @ query
    return set(rows[np.argsort(-scores, kind="stable")[:K]].tolist())


def recalls(
    index: CompactIndex, names: Numbers, expected: list[set[int]], queries: Vectors, asked: Any
) -> Vectors:
    """Return the recall of each query; `names` are the numbers of the rows of the truth."""
    found = []
    for query, right, allowed in zip(queries, expected, asked, strict=True):
        within = None if allowed is None else names[allowed]
        hits = {number for number, _ in index.search(query, K, within).hits}
        wanted = set(names[list(right)].tolist())
        found.append(len(hits & wanted) / max(len(wanted), 1))
    return np.array(found, dtype=np.float32)


def churned(
    folder: Path, rows: int, world: PaperWorld, draw: np.random.Generator
) -> dict[str, Any]:
    """Build, replace a half, compare with a fresh index of the same documents."""
    before, after = world.papers(rows), world.papers(rows // 2, part="later")
    index = CompactIndex(folder / "churned", world.spec.dim)
    numbers = np.arange(rows)
    built = cpu_s(lambda: (index.add(numbers, before.vectors), index.compact()))
    half = draw.permutation(rows)[: rows // 2]
    again, gone = half[: rows // 4], half[rows // 4 :]
    fresh = np.concatenate((again, rows + np.arange(len(gone))))
    update = upkeep = 0.0
    segments = []
    for begin in range(0, len(half), BATCH):
        piece = slice(begin, begin + BATCH)
        removed = gone[begin // 2 : (begin + BATCH) // 2]
        update += cpu_s(
            lambda: index.add(fresh[piece], after.vectors[piece], removed=removed)  # noqa: B023
        )
        upkeep += cpu_s(index.tidy)
        segments.append(len(index.snapshot.tiers))
    index.delete(gone)
    kept = np.setdiff1d(numbers, half)
    names = np.concatenate((kept, fresh))
    vectors = np.concatenate((before.vectors[kept], after.vectors[: len(fresh)]))
    if not np.array_equal(index.numbers(), np.sort(names)):
        raise AssertionError("the index does not hold what it was given")
    other = CompactIndex(folder / "fresh", world.spec.dim)
    order = np.argsort(names)
    other.add(names[order], vectors[order])
    rebuilt = cpu_s(other.compact)
    compared = compare(index, other, names, vectors, world, draw, before.attributes, kept)
    return {
        "built_cpu_s": round(built, 2),
        "updates_cpu_s": round(update, 2),
        "upkeep_cpu_s": round(upkeep, 2),
        "fresh_build_cpu_s": round(rebuilt, 2),
        "rows_updated": len(half),
        "segments, most": max(segments),
        "segments, last": segments[-1],
        "recall": compared,
    }


def compare(
    index: CompactIndex,
    other: CompactIndex,
    names: Numbers,
    vectors: Vectors,
    world: PaperWorld,
    draw: np.random.Generator,
    attributes: Attributes,
    kept: Numbers,
) -> dict[str, Any]:
    """Return recall@10 of both indexes and the difference, by filter and after compaction."""
    queries = world.papers(QUERIES, part="queries").vectors
    asked: dict[str, Sequence[Numbers | None]] = {"none": [None] * QUERIES}
    for name, sets in filters(attributes.take(kept), draw).items():
        asked[name] = sets
    table: dict[str, Any] = {}
    first: dict[str, tuple[Vectors, list[set[int]], float]] = {}
    for name, sets in asked.items():
        expected = [truth(vectors, q, s) for q, s in zip(queries, sets, strict=True)]
        spent = cpu_s(lambda: recalls(index, names, expected, queries, sets))  # noqa: B023
        first[name] = recalls(index, names, expected, queries, sets), expected, spent
    index.compact()
    for name, (churned_recall, expected, spent) in first.items():
        fresh = recalls(other, names, expected, queries, asked[name])
        merged = recalls(index, names, expected, queries, asked[name])
        quick = cpu_s(lambda: recalls(other, names, expected, queries, asked[name]))  # noqa: B023
        table[name] = {
            "churned": round(float(churned_recall.mean()), 4),
            "fresh": round(float(fresh.mean()), 4),
            "compacted": round(float(merged.mean()), 4),
            "churned - fresh": round(float((churned_recall - fresh).mean()), 4),
            "search_cpu_ms, churned": round(spent / QUERIES * 1e3, 3),
            "search_cpu_ms, fresh": round(quick / QUERIES * 1e3, 3),
        }
    return table


def arrivals(folder: Path, world: PaperWorld) -> dict[str, Any]:
    """Return what a search costs while a tenth is added to 100,000 papers, 250 at a time."""
    rows, batch = 100_000, 250
    before, later = world.papers(rows), world.papers(rows // 10, part="later")
    queries = world.papers(100, part="queries").vectors
    index = CompactIndex(folder / "arrivals", world.spec.dim)
    index.add(np.arange(rows), before.vectors)
    index.compact()

    def ask() -> float:
        for query in queries[:20]:
            index.search(query, K)
        spent = cpu_s(lambda: [index.search(query, K) for query in queries])
        return 1e6 * spent / len(queries)

    compacted = statistics.median(ask() for _ in range(5))
    upkeep, costs, segments = 0.0, [], []
    for begin in range(0, rows // 10, batch):
        piece = later.vectors[begin : begin + batch]
        index.add(rows + begin + np.arange(batch), piece)
        upkeep += cpu_s(index.tidy)
        costs.append(ask())
        segments.append(len(index.snapshot.tiers))
    return {
        "rows": rows,
        "added": rows // 10,
        "search_cpu_us, compacted": round(compacted, 1),
        "search_cpu_us, while papers come": {
            "mean": round(statistics.mean(costs), 1),
            "highest": round(max(costs), 1),
        },
        "times the compacted index": {
            "mean": round(statistics.mean(costs) / compacted, 2),
            "highest": round(max(costs) / compacted, 2),
        },
        "upkeep_cpu_us a row": round(1e6 * upkeep / (rows // 10), 1),
        "segments, most": max(segments),
    }


def rates(folder: Path, vectors: Vectors) -> dict[str, Any]:
    """Return documents per CPU second for adding and deleting in batches of several sizes."""
    table: dict[str, Any] = {}
    for size, rounds in ((1, 300), (64, 60), (1000, 20)):
        index = CompactIndex(folder / f"rates{size}", vectors.shape[1])
        index.add(np.arange(len(vectors)), vectors)
        index.compact()
        adds, deletes = [], []
        for place in range(rounds):
            numbers = 10**6 + place * size + np.arange(size)
            rows = vectors[(place * size + np.arange(size)) % len(vectors)]
            spent = cpu_s(lambda: index.add(numbers, rows))  # noqa: B023
            adds.append(size / (spent + cpu_s(index.tidy)))
        for place in range(rounds):
            numbers = place * size + np.arange(size)
            deletes.append(size / cpu_s(lambda: index.delete(numbers)))  # noqa: B023
        table[f"batches of {size}"] = {
            "added_per_cpu_s": spread(adds, size * rounds),
            "deleted_per_cpu_s": spread(deletes, size * rounds),
        }
    return table


def spread(each: Sequence[float], total: int) -> dict[str, float]:
    """Return the rate over all batches and the quartiles over batches."""
    low, middle, high = statistics.quantiles(each, n=4)
    whole = total / sum(total / len(each) / rate for rate in each)
    return {"all": round(whole), "median": round(middle), "low": round(low), "high": round(high)}


def million(folder: Path, repeat: int) -> dict[str, Any]:
    """Build an index of a million vectors; open it in new processes."""
    rows = 1_000_000
    vectors = PaperWorld(PaperSpec(), SeedTree(99)).papers(rows).vectors
    index = CompactIndex(folder / "million", vectors.shape[1])
    for begin in range(0, rows, 50_000):
        piece = slice(begin, begin + 50_000)
        index.add(np.arange(rows)[piece], vectors[piece])
    built = cpu_s(index.compact)
    size = sum(p.stat().st_size for p in (folder / "million").rglob("*") if p.is_file())
    floats = vectors.nbytes
    index.add([5, rows], vectors[:2], removed=[7])
    verified = cpu_s(index.verify)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", _OPEN, str(folder / "million"), str(vectors.shape[1])]
    runs = [
        json.loads(
            subprocess.run(
                command, env=environment, capture_output=True, check=True, text=True
            ).stdout
        )
        for _ in range(repeat)
    ]
    return {
        "rows": rows,
        "build_cpu_s": round(built, 1),
        "verify_cpu_s": round(verified, 2),
        "bytes a vector, without float32": round((size - floats) / rows, 1),
        **{
            key: {
                "median": round(statistics.median(run[key] for run in runs), 4),
                "highest": round(max(run[key] for run in runs), 4),
            }
            for key in runs[0]
            if key != "rows"
        },
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=30_000)
    options.add_argument("--worlds", type=int, default=5)
    options.add_argument("--million", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BROADSHEET_CACHE")) as root:
        results = churn(Path(root), chosen.rows, chosen.worlds)
        opening = "not asked for"
        if chosen.million:
            results["a million vectors"] = million(Path(root), 7)
            opening = "7 new processes, median and highest; one build"
    print(json.dumps(results, indent=1))
    write_report(
        "index_churn",
        results,
        spread=f"churn: {chosen.worlds} generated worlds, each with {QUERIES} queries; rates:"
        f" quartiles over batches; arrivals: one world, 40 batches; opening: {opening}",
    )


def churn(root: Path, rows: int, worlds: int) -> dict[str, Any]:
    """Measure all but the million."""
    results: dict[str, Any] = {"rows": rows, "dim": PaperSpec().dim, "queries": QUERIES}
    each = []
    for seed in range(1, worlds + 1):
        world = PaperWorld(PaperSpec(), SeedTree(seed))
        draw = SeedTree(seed).child("churn").numpy()
        each.append(churned(root / str(seed), rows, world, draw))
        print(seed, each[-1], flush=True)
    results["churn, one entry a world"] = each
    first = PaperWorld(PaperSpec(), SeedTree(1)).papers(20_000).vectors
    results["rates at 20,000 vectors"] = rates(root, first)
    alone = cpu_s(lambda: build_segment(first, seeds=SeedTree(1), graph=False, progress=Silent()))
    results["build of 20,000 rows alone, cpu_s"] = round(alone, 2)
    results["papers that come to an index of 100,000"] = arrivals(
        root, PaperWorld(PaperSpec(), SeedTree(1))
    )
    return results


if __name__ == "__main__":
    main()

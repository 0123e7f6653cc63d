"""Time and memory from files to a searchable library, and what became of every record.

python benchmarks/ingest.py [--data DIR] [--repeat 3] [--model DIR]

Each repeat is a process of its own with a new home: it takes in the daily feeds of 2024 and 2025
and the ACL Anthology of 2016 to 2022, refreshes the indexes (words, filters and, with --model, the
static vectors), then takes in the same files again. The seed page has a home of its own. Records
are counted independently of our readers: one per line of the unpacked files.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from _report import DATA, ROOT, write_report

FEEDS = ("hf-daily-papers/daily-2024.jsonl.zst", "hf-daily-papers/daily-2025.jsonl.zst")
PAPERS = ("acl-anthology/acl-2016-2019.jsonl.zst", "acl-anthology/acl-2020-2022.jsonl.zst")
SEED = "seed-page/page.txt"


def count_lines(path: Path) -> int:
    """Count the lines of a zstd file without our readers."""
    with path.open("rb") as handle:
        stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(handle))
        return sum(1 for line in stream if line.strip())


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Run something; return what it returned, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return result, spent


def worker(home: Path, inputs: list[str]) -> dict[str, Any]:
    """Measure one home from nothing, in this process."""
    from broadsheet.papers.ingest import IngestReport, ingest
    from broadsheet.papers.library import Library
    from broadsheet.papers.store import canonical_state

    with Library(home, create=True) as library:
        store = library.store
        report, first = timed(lambda: ingest(store, inputs))
        _, indexing = timed(lambda: library.refresh())
        state, revision = canonical_state(store), store.revision

        def repeat() -> IngestReport:
            repeated = ingest(store, inputs)
            library.refresh()
            return repeated

        again, second = timed(repeat)
        counts = store.counts()
        return {
            "parse_and_store": first,
            "indexing": indexing,
            "again": second,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "inputs": [item["records"] for item in report.to_json()["inputs"]],
            "total": report.to_json()["total"],
            "again_new": again.total.new,
            "unchanged": (canonical_state(store), store.revision) == (state, revision),
            "works": counts.works,
            "records": counts.records,
            "rejects": counts.rejects,
            "vectors": model_of(home),
            "store_mb": (home / "broadsheet.sqlite").stat().st_size / 1e6,
            "home_mb": sum(p.stat().st_size for p in home.rglob("*") if p.is_file()) / 1e6,
        }


def model_of(home: Path) -> str:
    """Return the name of the static model in a home, or ""."""
    from broadsheet.runtime import models

    return models.quick(home)


def run(folder: Path, inputs: list[Path], model: Path | None) -> dict[str, Any]:
    """Measure one repeat in a new process with a new home."""
    home = Path(tempfile.mkdtemp(dir=folder))
    if model is not None:
        shutil.copytree(model, home / "models" / model.name)
    command = [sys.executable, __file__, "--worker", str(home), *map(str, inputs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    shutil.rmtree(home)
    result: dict[str, Any] = json.loads(done.stdout)
    print(json.dumps({key: result[key] for key in ("parse_and_store", "indexing", "again")}))
    return result


def spread(runs: list[dict[str, Any]], stage: str, name: str) -> dict[str, float]:
    """Return median, least and most of one number over the repeats."""
    values = [item[stage][name] for item in runs]
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


def summarise(
    runs: list[dict[str, Any]], seed: dict[str, Any], expected: list[int]
) -> dict[str, Any]:
    """Put the repeats together."""
    last = runs[-1]
    stages = ("parse_and_store", "indexing", "again")
    for item in runs:
        item["all"] = {
            name: item["parse_and_store"][name] + item["indexing"][name]
            for name in ("wall_s", "cpu_s")
        }
    return {
        "listings": sum(expected[: len(FEEDS)]),
        "acl_papers": sum(expected[len(FEEDS) :]),
        "works": last["works"],
        "joined_to_a_work": last["total"]["joined"],
        "works_merged": last["total"]["merged"],
        "rejects": last["rejects"],
        "lost": sum(expected) - last["records"] - last["rejects"],
        "stages": {
            stage: {name: spread(runs, stage, name) for name in ("wall_s", "cpu_s")}
            for stage in (*stages, "all")
        },
        "static_vectors": last["vectors"] or None,
        "peak_mb_max": round(max(item["peak_mb"] for item in runs), 1),
        "again_new_records": last["again_new"],
        "again_changed_nothing": all(item["unchanged"] for item in runs),
        "store_mb": round(last["store_mb"], 1),
        "home_mb": round(last["home_mb"], 1),
        "seed_page": {"works": seed["works"], "rejects": seed["rejects"]},
    }


def main() -> None:
    """Read the command line, measure, write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--model", type=Path, help="folder of an installed static model")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(worker(Path(options.worker[0]), options.worker[1:])))
        return
    inputs = [options.data / name for name in (*FEEDS, *PAPERS)]
    expected = [count_lines(path) for path in inputs]
    with tempfile.TemporaryDirectory(prefix="ingest-") as name:
        runs = [run(Path(name), inputs, options.model) for _ in range(options.repeat)]
        seed = run(Path(name), [options.data / SEED], None)
    results = summarise(runs, seed, expected)
    print(json.dumps(results, indent=1))
    repeats = f"{options.repeat} repeats in processes of their own: median, min, max"
    write_report("ingest", results, spread=repeats)


if __name__ == "__main__":
    main()

"""What building costs: CPU seconds and resident bytes, each engine in a fresh process.

python benchmarks/_filtered_build.py ENGINE VECTORS.npy      (one line of JSON)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("nothing", "ours", "ours without graph", "hnsw", "ivf")


def build_costs(path: Path) -> dict[str, Any]:
    """Build each engine over the vectors of a file, one process after the other."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        command = [sys.executable, __file__, kind, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[kind] = json.loads(done.stdout.splitlines()[-1])
        print(f"{kind}: {found[kind]}", file=sys.stderr, flush=True)
    rows = max(1, len(np.load(path, mmap_mode="r")))
    hnsw = found["hnsw"]["build_cpu_s"]
    for kind in KINDS[1:]:
        found[kind]["build_over_hnsw"] = round(found[kind]["build_cpu_s"] / hnsw, 3)
        found[kind]["bytes_per_vector"] = round(found[kind]["resident_bytes"] / rows, 1)
    return found


def anonymous_bytes() -> int:
    """Return the resident memory that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    return 0


def build(kind: str, vectors: np.ndarray[Any, Any]) -> dict[str, float]:
    """Build one engine and tell its CPU seconds and what stays in memory.

    For ours that is every array but the float32 rows, which are mapped from disk; for faiss it is
    the growth of the process.
    """
    from _filtered_arms import build_faiss
    from broadsheet.core.progress import Silent
    from broadsheet.core.seeds import SeedTree
    from broadsheet.index.compact import Segment, build_segment

    before = anonymous_bytes()
    begun = time.process_time()
    if kind == "nothing":
        index: Any = None
    elif kind.startswith("ours"):
        built = build_segment(
            vectors, seeds=SeedTree(1), graph=kind == "ours", progress=Silent(), threads=1
        )
        spent = time.process_time() - begun
        Segment(built.arrays, built.facts)
        kept = sum(array.nbytes for name, array in built.arrays.items() if name != "rows")
        return {"build_cpu_s": round(spent, 2), "resident_bytes": float(kept)}
    else:
        index = build_faiss(kind, vectors)
    spent = time.process_time() - begun
    grown = anonymous_bytes() - before
    del index
    return {"build_cpu_s": round(spent, 2), "resident_bytes": float(grown)}


if __name__ == "__main__":
    print(json.dumps(build(sys.argv[1], np.load(sys.argv[2], mmap_mode="r"))))

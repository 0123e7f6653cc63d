"""Kernels of the compact index, C against numba: nanoseconds a row, and what starting each costs.

Three kernels over random rows of 384 numbers: full scores, 8-bit scores, 1-bit estimates with a
threshold; at five densities of allowed rows. Each is timed in one thread, by CPU time. The other
half is what a command pays that searches once: the import and the first call.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np

import _one_thread  # noqa: F401 - before numpy
from _index_kernels_numba import count_estimates, eight, exact
from _report import write_report
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import Bits, native
from broadsheet.index.compact.arithmetic import prepare
from broadsheet.index.compact.codes import to_eights
from broadsheet.index.compact.reference import View
from broadsheet.index.compact.rotation import draw_signs

DIM = 384
DENSITIES = (1.0, 0.5, 0.1, 0.01, 0.001)
START = """
import time
begun = time.process_time()
{code}
print(time.process_time() - begun)
"""
NATIVE = "from broadsheet.index.compact import native; native.instruction_set()"
NUMBA = "import numba"
COMPILED = """
import sys; sys.path.insert(0, "benchmarks")
import numpy as np
from _index_kernels_numba import count_estimates, eight, exact
rows, row = np.zeros((8, 384), np.float32), np.zeros(384, np.float32)
ids, out = np.zeros(1, np.int32), np.zeros(1, np.float32)
exact(rows, ids, row, out)
eight(np.zeros((8, 384), np.uint8), row, ids, np.zeros(384, np.int8), 0, np.float32(1), out)
count_estimates(np.zeros((1, 6, 8), np.uint64), np.zeros((6, 5), np.uint64), row[:8], row[:8],
                np.zeros(1, np.uint8), 8, 0, np.float32(1), np.float32(0))
"""


def arrays_of(count: int) -> dict[str, Any]:
    """Random rows and codes in the layout of a segment with one cluster."""
    generator = np.random.default_rng(7)
    rows = generator.standard_normal((count, DIM), dtype=np.float32) / np.float32(DIM**0.5)
    eights = to_eights(rows)
    one = np.ones(1, dtype=np.float32)
    return {
        "starts": np.array([0, count], dtype=np.int32),
        "centres": np.full((1, DIM), 128, dtype=np.uint8),
        "centre_scales": one,
        "centre_norms": one,
        "spreads": one,
        "sharpness": one,
        "signs": draw_signs(DIM, SeedTree(1)),
        "codes": generator.integers(2**64, size=(-(-count // 8), DIM // 64, 8), dtype=np.uint64),
        "offsets": np.zeros(count, dtype=np.float32),
        "factors": np.ones(count, dtype=np.float32),
        "rows8": eights.codes,
        "row_scales": eights.scales,
        "rows": rows,
        "tail": np.zeros(128, dtype=np.float32),
    }


def planes_of(whole: Any) -> Any:
    """Bit planes of a rounded query, by word."""
    bits = (whole.reshape(-1, 64)[:, None, :] >> np.arange(5)[None, :, None]) & 1
    return np.packbits(bits.astype(np.uint8), axis=2, bitorder="little").view("<u8")[:, :, 0].copy()


def timed(call: Callable[[], Any], items: int, repeats: int) -> dict[str, float]:
    """Median and quartiles of nanoseconds an item."""
    call()
    inner = max(1, int(2e5 / max(items, 1)))
    times = []
    for _ in range(repeats):
        begun = time.thread_time_ns()
        for _ in range(inner):
            call()
        times.append((time.thread_time_ns() - begun) / inner / items)
    low, middle, high = statistics.quantiles(times, n=4)
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


def arms_at(
    arrays: dict[str, Any], single: dict[str, native.Kernels], mask: Any
) -> dict[str, dict[str, Callable[[], Any]]]:
    """Every kernel's arms for one mask of allowed rows."""
    query = arrays["rows"][0]
    prepared = prepare(query, arrays["signs"])
    eight_query, planes = prepared.eight.astype(np.int8), planes_of(prepared.whole)
    ids, bits = np.flatnonzero(mask).astype(np.int32), Bits.from_mask(mask)
    out = np.zeros(len(ids), dtype=np.float32)
    bar = np.float32(float(prepared.whole_step) * float(np.sqrt((prepared.whole**2).sum()) * 3))
    of_eight = (arrays["rows8"], arrays["row_scales"], ids, eight_query)
    of_codes = (arrays["codes"], planes, arrays["offsets"], arrays["factors"])
    total = int(prepared.whole.sum())
    return {
        "full score": {
            "numba": lambda: exact(arrays["rows"], ids, query, out),
            "numpy": lambda: arrays["rows"][ids] @ query,
            **{f"C {name}": partial(one.exact, query, ids) for name, one in single.items()},
        },
        "8-bit score": {
            "numba": lambda: eight(*of_eight, prepared.shift, prepared.step, out),
            **{f"C {name}": partial(one.eight, query, ids) for name, one in single.items()},
        },
        "1-bit estimate": {
            "numba": lambda: count_estimates(
                *of_codes, bits.words.view(np.uint8), len(mask), total, prepared.whole_step, bar
            ),
            **{
                f"C {name}": partial(one.count_estimates, query, bits, float(bar))
                for name, one in single.items()
            },
        },
    }


def kernels(count: int, repeats: int) -> list[dict[str, Any]]:
    """Time every kernel at every density."""
    arrays = arrays_of(count)
    view = View(arrays=arrays, reach=0.0, row_step=0.0, row_norm=0.0)
    chosen = [name for name in native.supported() if name != "neon"]
    single = {name: native.Kernels(view, name) for name in chosen}
    generator = np.random.default_rng(3)
    report = []
    for density in DENSITIES:
        mask = generator.random(count) < density
        arms = arms_at(arrays, single, mask)
        check(arms["1-bit estimate"])
        for kernel, by_arm in arms.items():
            times = {arm: timed(call, int(mask.sum()), repeats) for arm, call in by_arm.items()}
            report.append({"kernel": kernel, "density": density, "ns_an_allowed_row": times})
            print(kernel, density, {arm: one["median"] for arm, one in times.items()}, flush=True)
    return report


def check(arms: dict[str, Callable[[], Any]]) -> None:
    """All arms must count the same rows."""
    counts = {arm: call() for arm, call in arms.items()}
    if len(set(counts.values())) != 1:
        raise SystemExit(f"the arms disagree: {counts}")


def bandwidth(repeats: int) -> dict[str, float]:
    """Sequential reading of 800 MB, one thread."""
    numbers = np.ones(200_000_000, dtype=np.float32)
    times = []
    for _ in range(repeats):
        begun = time.thread_time()
        numbers.sum()
        times.append(0.8 / (time.thread_time() - begun))
    low, middle, high = statistics.quantiles(times, n=4)
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


def start_cost(code: str, repeats: int, cache: str | None = None) -> dict[str, float]:
    """CPU seconds of a fresh interpreter's import and first calls."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache or ""}
    times = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", START.format(code=code)],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        times.append(float(done.stdout))
    return {
        "first": round(times[0], 3),
        "median_of_later": round(statistics.median(times[1:]), 3),
    }


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    if not native.supported():
        raise SystemExit("the native library is not here; run python hatch_build.py")
    with tempfile.TemporaryDirectory() as cache:
        results = {
            "rows": options.rows,
            "dim": DIM,
            "numba": numba.__version__,
            "read_gb_s": bandwidth(options.repeats),
            "start_cpu_s": {
                "numpy alone": start_cost("import numpy", 5),
                "our package with the C library": start_cost(NATIVE, 5),
                "numba import": start_cost(NUMBA, 5),
                "numba import and first calls, compiled code cached": start_cost(
                    COMPILED, 5, cache
                ),
            },
            "kernels": kernels(options.rows, options.repeats),
        }
    write_report(
        "index_kernels",
        results,
        spread=f"{options.repeats} repeats each by CPU time of one thread: median and quartiles",
    )


if __name__ == "__main__":
    main()

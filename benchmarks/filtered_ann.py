"""Filtered nearest-neighbour search: ours at one setting against libraries and databases.

Every arm answers the same questions, interleaved query by query, on one thread; the clock is CPU
time. Two tables: the predicate already evaluated, and evaluation inside the timing. Each cell is
kept as soon as it is done, and a restart goes on behind the last one.

    python benchmarks/filtered_ann.py --rows 200_000                (generated papers)
    python benchmarks/filtered_ann.py --rows 1_000_000 --without faiss-flat,hnswlib,usearch
    python benchmarks/filtered_ann.py --world abstracts             (real texts, BROADSHEET_DATA)
    python benchmarks/filtered_ann.py --quick                       (a look: 20,000 rows)
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# isort: off
import _one_thread  # noqa: F401 - before numpy
import numpy as np
# isort: on

from _filtered_arms import Arm, faiss_arms, numpy_arms, ours_arms
from _filtered_build import build_costs
from _filtered_evaluation import Evaluation
from _filtered_report import as_text, make_report
from _filtered_rivals import hnswlib_arms, lance_arms, usearch_arms, zvec_arms
from _filtered_run import Plan, read_lines, run_cells
from _filtered_worlds import World, made_world, real_world
from _report import ROOT, write_report
from broadsheet.core.errors import UsageError
from broadsheet.core.paths import default_cache
from broadsheet.core.progress import Progress, show_progress
from broadsheet.data.worlds.papers import PaperSpec
from broadsheet.systems.retrieval.filtered_ann.cells import CELLS, cell_named

ENGINES = (
    "ours", "numpy", "faiss-flat", "faiss-hnsw", "faiss-ivf", "hnswlib", "usearch",
    "lance-rq", "lance-hnsw", "zvec",
)  # fmt: skip
QUICK = ("ours", "numpy", "faiss-hnsw", "faiss-ivf")


def make_arms(
    names: tuple[str, ...],
    world: World,
    scratch: Path,
    chosen: argparse.Namespace,
    progress: Progress,
) -> list[Arm]:
    """Build every engine, each from the same mapped vectors."""
    vectors, attributes, single = world.vectors, world.attributes, world.single
    make: dict[str, Callable[[], list[Arm]]] = {
        "ours": lambda: ours_arms(vectors, progress, chosen.recall, not chosen.no_graph),
        "numpy": lambda: numpy_arms(np.ascontiguousarray(vectors)),
        "faiss-flat": lambda: faiss_arms("flat", vectors, world.path),
        "faiss-hnsw": lambda: faiss_arms("hnsw", vectors, world.path),
        "faiss-ivf": lambda: faiss_arms("ivf", vectors, world.path),
        "hnswlib": lambda: hnswlib_arms(vectors),
        "usearch": lambda: usearch_arms(vectors),
        "lance-rq": lambda: lance_arms("IVF_RQ", vectors, attributes, single, scratch / "rq"),
        "lance-hnsw": lambda: lance_arms(
            "IVF_HNSW_SQ", vectors, attributes, single, scratch / "hnsw"
        ),
        "zvec": lambda: zvec_arms(vectors, attributes, single, scratch / "zvec"),
    }
    arms: list[Arm] = []
    for name in names:
        begun = time.process_time()
        arms += make[name]()
        print(f"built {name}: {time.process_time() - begun:.1f} CPU s", file=sys.stderr, flush=True)
    return arms


def bandwidth_gb_s() -> float:
    """Return how fast one thread adds up 512 MB of float32, the best of five passes."""
    block = np.ones(128_000_000, np.float32)
    best = 0.0
    for _ in range(5):
        begun = time.thread_time()
        float(np.add.reduce(block))
        best = max(best, block.nbytes / (time.thread_time() - begun) / 1e9)
    return best


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", choices=("papers", "abstracts"), default="papers")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--seed", type=int, default=1, help="of the generated world")
    parser.add_argument("--power", type=float, default=PaperSpec().power, help="of the spectrum")
    parser.add_argument("--following", type=float, default=1.0, help="attributes follow topics")
    parser.add_argument("--name", default="", help="of the results file")
    parser.add_argument("--questions", type=int, default=500, help="per cell")
    parser.add_argument("--arm-seconds", type=float, default=3.0, help="per arm, cell and k")
    parser.add_argument("--k", default="10,100")
    parser.add_argument("--cells", default="", help="names with commas; all by default")
    parser.add_argument("--engines", default="", help=",".join(ENGINES))
    parser.add_argument("--without", default="", help="engines to leave out")
    parser.add_argument("--recall", type=float, default=0.95, help="our one setting")
    parser.add_argument("--no-graph", action="store_true")
    parser.add_argument("--build", action="store_true", help="measure builds in fresh processes")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, 60 questions, 4 engines")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs did")
    parser.add_argument("--no-report", action="store_true", help="print, write no results file")
    parser.add_argument("--cache", type=Path, default=default_cache() / "filtered_ann")
    return parser


def the_world(chosen: argparse.Namespace, progress: Progress) -> World:
    queries = 4 * chosen.questions
    if chosen.world == "abstracts":
        return real_world(2000, chosen.cache, progress)
    spec = PaperSpec(dim=chosen.dim, power=chosen.power, following=chosen.following)
    return made_world(chosen.rows, spec, chosen.seed, max(queries, 2000), chosen.cache, progress)


def chosen_engines(chosen: argparse.Namespace) -> tuple[str, ...]:
    names = tuple(filter(None, chosen.engines.split(","))) or (QUICK if chosen.quick else ENGINES)
    left_out = set(filter(None, chosen.without.split(",")))
    unknown = {*names, *left_out} - set(ENGINES)
    if unknown:
        raise UsageError("unknown engine", received=unknown, hint=", ".join(ENGINES))
    return tuple(name for name in names if name not in left_out)


def main() -> None:
    chosen = options().parse_args()
    if chosen.quick:
        chosen.rows, chosen.questions = min(chosen.rows, 20_000), 60
    engines = chosen_engines(chosen)
    cells = tuple(cell_named(name) for name in chosen.cells.split(",") if name) or CELLS
    plan = Plan(
        cells=cells,
        ks=tuple(int(k) for k in chosen.k.split(",")),
        questions=chosen.questions,
        arm_seconds=chosen.arm_seconds,
        seed=20261123,
    )
    with show_progress() as progress:
        world = the_world(chosen, progress)
        name = chosen.name or world.name
        setting = repr((world.about, engines, plan.questions, chosen.recall, chosen.no_graph))
        key = hashlib.sha256(setting.encode()).hexdigest()[:12]
        lines = chosen.cache / f"cells-{name}-{key}.jsonl"
        if chosen.fresh or chosen.quick:
            lines.unlink(missing_ok=True)
        done = read_lines(lines)
        if not plan.done_by(done):
            scratch = chosen.cache / f"scratch-{os.getpid()}"
            arms = make_arms(engines, world, scratch, chosen, progress)
            evaluation = Evaluation(world.attributes, arms)
            done = run_cells(world, arms, plan, lines, evaluation, progress)
            shutil.rmtree(scratch, ignore_errors=True)
        done = [line for line in done if line["cell"] in {cell.name for cell in cells}]
    report = make_report(done, bandwidth_gb_s(), world.vectors.shape[1])
    text = as_text(name, report, done)
    print(text)
    if chosen.no_report or chosen.quick:
        return
    results: dict[str, Any] = {"world": world.about, "engines": engines, "recall": chosen.recall}
    if chosen.build:
        results["build"] = build_costs(world.path)
    write_report(
        f"filtered_ann_{name}",
        {**results, **report},
        spread=f"95 % intervals by paired bootstrap over up to {plan.questions} questions a cell;"
        f" an arm stops after {plan.arm_seconds:g} CPU s, after 60 questions below recall .8, or"
        " after 15 where it is five times over its seconds",
    )
    (ROOT / "results" / "bench" / f"filtered_ann_{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write the reference rows of the leaderboard from finished runs: nDCG@10 of each query.

Run as `python -m broadsheet.systems.retrieval.brewing_beir.rows --data FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import NotFound
from broadsheet.core.paths import write_atomically
from broadsheet.core.report import results_folder
from broadsheet.systems.contract import Run
from broadsheet.systems.jobs import make_jobs
from broadsheet.systems.observed import is_finished, read_observations
from broadsheet.systems.retrieval.brewing_beir.data import read_test
from broadsheet.systems.retrieval.brewing_beir.findings import SLUG, Table
from broadsheet.systems.retrieval.brewing_beir.recipe import PUBLIC, presets

COMMAND = f"python -m broadsheet.systems.retrieval.{SLUG}.rows"
#: Where `papers.leaderboard.references` looks for it, below the folder of results.
FILE = "bench/search_rows.json"
#: Tasks of the leaderboard that have reference rows.
TASKS = ("cranfield", *PUBLIC)


def reference_rows(table: Table, queries: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the document that `papers.leaderboard.references` reads.

    Args:
        table: Finished runs.
        queries: Ids of the judged queries by task, in the order of the observations.
    """
    order = {task: np.argsort(np.array(list(ids))) for task, ids in queries.items()}
    rows = []
    for arm in table.arms:
        found = {
            task: np.round(table.per_query(arm, task)[order[task]], 3).tolist()
            for task in queries
            if task in table.sets(arm)
        }
        values = table.values(arm, next(iter(found)))
        rows.append({"name": arm, "seeds": len(set(values)), "ndcg": found})
    ids = {task: sorted(names) for task, names in queries.items()}
    return {"schema": 1, "command": COMMAND, "queries": ids, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write results/bench/search_rows.json from the seeds that every row has finished.

    Raises:
        NotFound: There is none.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("BROADSHEET_DATA"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args(arguments)
    preset = presets()["laptop"]
    jobs = make_jobs(SLUG, "laptop", preset.arms, preset.seeds, runs=options.runs)
    lacking = {job.seed for job in jobs if not is_finished(job.folder)}
    seeds = tuple(seed for seed in preset.seeds if seed not in lacking)
    if not seeds:
        hint = f"broadsheet systems run {SLUG} --preset laptop"
        raise NotFound("no seed has finished runs of every row", received=options.runs, hint=hint)
    runs = [
        Run(arm=job.arm, seed=job.seed, observations=read_observations(job.folder))
        for job in jobs
        if job.seed in seeds
    ]
    flat = preset.arms[0]
    queries = {
        task: tuple(read_test(task, flat, Path(options.data)).retrieval.qrels) for task in TASKS
    }
    text = json.dumps(
        reference_rows(Table(replace(preset, seeds=seeds), runs), queries), separators=(",", ":")
    )
    path = results_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (text.replace('{"name"', '\n{"name"') + "\n").encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How quickly search answers at 29 thousand papers.

Hybrid, words and dense search in one process (a warm server), by kind of query, and the CPU
seconds of one cold `broadsheet search` from the command line. Queries are cut from real titles and
none is asked twice, so no cache of query vectors helps.

    python benchmarks/search_speed.py --home HOME     (a home with papers, indexes and vectors)

`--random-vectors` replaces the active encoder's vectors by random ones, one for each paper, for
measuring time without hours of encoding (the report says so). Use a copy of a home for that.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _report import ROOT, write_report
from broadsheet.core.errors import NotFound
from broadsheet.core.paths import default_home
from broadsheet.index.vectors import HASH_BYTES
from broadsheet.papers import embedding
from broadsheet.papers.search import Searcher
from broadsheet.papers.store import Store
from broadsheet.runtime import models
from broadsheet.runtime.encoder import load_encoder

#: Kinds of query, made from the words of a title.
KINDS: dict[str, Callable[[list[str], random.Random], str]] = {
    "two words": lambda words, draw: " ".join(draw.sample(words, 2)),
    "five words": lambda words, draw: " ".join(draw.sample(words, 5)),
    "whole title": lambda words, draw: " ".join(words),
    "words and filters": lambda words, draw: f"{' '.join(draw.sample(words, 3))} year:2020..2023",
    "phrase and words": lambda words, draw: f'"{words[0]} {words[1]}" {words[3]}',
    "prefix": lambda words, draw: f"{words[0]} {words[2][:4]}*",
}
MODES = ("hybrid", "words", "dense")


def titles_of(store: Store) -> list[list[str]]:
    works = [change.work for change in store.changes(0, store.revision)]
    cut = [re.findall(r"[a-z]{4,}", work.title_text.lower()) for work in works if work]
    return [words for words in cut if len(set(words)) >= 5]


def fill_at_random(home: Path, store: Store) -> int:
    """Replace the active encoder's vectors by a random one for each paper; return how many."""
    encoder = load_encoder(models.model_folder(home, models.active(home)))
    shutil.rmtree(embedding.vectors_folder(home, encoder.id), ignore_errors=True)
    draw = np.random.default_rng(7)
    with embedding.open_vectors(home, encoder, writable=True) as vectors:
        changes = store.changes(0, store.revision)
        numbers = [change.number for change in changes if change.work]
        rows = draw.standard_normal((len(numbers), encoder.dim)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = [draw.bytes(HASH_BYTES) for _ in numbers]
        vectors.add(numbers, names, rows, seen=store.revision)
    return len(numbers)


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        f"p{share}_ms": round(ordered[int(share / 100 * (len(ordered) - 1))], 2)
        for share in (50, 95, 99)
    }


def in_process(searcher: Searcher, titles: list[list[str]], rounds: int) -> dict[str, Any]:
    """Ask each kind of query in each mode in turn, `rounds` times with fresh queries.

    Wall time suffers when the machine is shared; CPU time (all threads) less so.
    """
    draw = random.Random(5)
    wall: dict[tuple[str, str], list[float]] = {}
    cpu: dict[str, list[float]] = {mode: [] for mode in MODES}
    for mode in MODES:
        searcher.search("warm up", mode=mode)
    for _ in range(rounds):
        for kind, make in KINDS.items():
            for mode in MODES:
                query = make(list(dict.fromkeys(draw.choice(titles))), draw)
                begun, spent = time.perf_counter(), time.process_time()
                searcher.search(query, mode=mode)
                wall.setdefault((mode, kind), []).append((time.perf_counter() - begun) * 1e3)
                cpu[mode].append((time.process_time() - spent) * 1e3)
    table: dict[str, Any] = {}
    for mode in MODES:
        rows = {kind: wall[mode, kind] for kind in KINDS}
        table[mode] = {kind: percentiles(row) for kind, row in rows.items()}
        table[mode]["all"] = percentiles([one for row in rows.values() for one in row])
        table[mode]["all, CPU"] = percentiles(cpu[mode])
    return table


def cold_cpu_s(home: Path, query: str, mode: str) -> float:
    """Return user and system CPU seconds of one search in a new process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "broadsheet", "search", query, "--mode", mode]
    done = subprocess.run(
        [*command, "--home", str(home)], env=environment, capture_output=True, check=False
    )
    if done.returncode:
        raise NotFound("the search found nothing or failed", received=done.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def from_cold(home: Path, titles: list[list[str]], repeat: int) -> dict[str, Any]:
    draw = random.Random(6)
    table: dict[str, Any] = {}
    for mode in ("words", "hybrid"):
        queries = [" ".join(draw.choice(titles)[:3]) for _ in range(repeat)]
        seconds = sorted(cold_cpu_s(home, query, mode) for query in queries)
        table[mode] = {
            "cpu_s_median": round(statistics.median(seconds), 3),
            "cpu_s_lowest": round(seconds[0], 3),
            "cpu_s_highest": round(seconds[-1], 3),
        }
    return table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--home", type=Path, default=default_home())
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--repeat", type=int, default=7, help="cold starts of each mode")
    options.add_argument("--random-vectors", action="store_true")
    chosen = options.parse_args()
    with Store.open(chosen.home) as store:
        drawn = fill_at_random(chosen.home, store) if chosen.random_vectors else 0
        titles = titles_of(store)
        searcher = Searcher(chosen.home, store)
        results = {
            "papers": store.counts().works,
            "encoder": models.active(chosen.home),
            "papers with a random vector": drawn,
            "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
            "in process": in_process(searcher, titles, chosen.rounds),
        }
    results["cold command line"] = from_cold(chosen.home, titles, chosen.repeat)
    print(results)
    write_report(
        f"search_speed_{results['encoder'] or 'words'}",
        results,
        spread=f"percentiles over {chosen.rounds} fresh queries of each kind and mode, asked in"
        f" turn; cold starts: {chosen.repeat} of each mode, lowest and highest given",
    )


if __name__ == "__main__":
    main()

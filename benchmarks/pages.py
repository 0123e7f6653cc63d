"""Time to first byte and compressed size of every kind of page, over a large library.

    python benchmarks/pages.py --home HOME [--rounds 5]

A real server runs in a process of its own; one reader asks it over the loopback, one page after
the other, in random order. "first" is the first visit of each address in a fresh server, "again"
are the later ones. HOME is a library that is ready to read (ingested, indexed, published).
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from _report import ROOT, write_report
from broadsheet.core.card import all_cards
from broadsheet.papers.library import Library

#: Addresses of each kind.
SAMPLE = 24

QUERIES = (
    "late interaction retrieval",
    "topic segmentation",
    "mixture of experts",
    '"word sense disambiguation"',
    "neural machine translation low resource",
    "diffusion video generation",
    "sentence embeddings cat:cs.CL",
    "question answering year:2019..2021",
    "parsing venue:acl",
    "has:code benchmark",
    "summarization -news",
    "author:smith",
    "transform*",
    "language model",
    "reinforcement learning from human feedback",
    "speech",
)


def addresses(home: Path, chooser: random.Random) -> dict[str, list[str]]:
    """Return addresses by kind of page."""
    with Library(home) as library:
        days = [day for day, _ in library.store.days()]
        chosen = chooser.sample(days, min(SAMPLE, len(days)))
        papers = [work for day in chosen for work in library.store.works_between(day, day)[:1]]
        hits = library.search("language", mode="words", limit=SAMPLE).hits
        papers += [hit.work for hit in hits]
        names = [work.authors[0].full for work in papers if work.authors]
    months = sorted({day[:7] for day in days})
    pages = {
        "front page": ["/"],
        "edition": [f"/d/{day}" for day in chosen],
        "busiest edition": [f"/d/{busiest(home)}"],
        "week": [f"/w/{week_of(day)}" for day in chosen],
        "month": [f"/m/{month}" for month in chooser.sample(months, min(SAMPLE, len(months)))],
        "calendar": [f"/calendar/{month}" for month in months],
        "trending": [f"/trending?window={window}" for window in ("1d", "3d", "7d", "28d")],
        "new": [f"/new?day={day}" for day in chosen],
        "search": [str(httpx.URL("/search", params={"q": query})) for query in QUERIES],
        "search as JSON": [
            str(httpx.URL("/search.json", params={"q": query})) for query in QUERIES
        ],
        "author": [str(httpx.URL(f"/author/{name}")) for name in names[:SAMPLE]],
        "paper": [f"/p/{work.id}" for work in papers],
        "related": [f"/p/{work.id}/related" for work in papers[:SAMPLE]],
        "records": [f"/p/{work.id}/records" for work in papers[:SAMPLE]],
        "completion": [f"/complete?q={word}" for word in ("tr", "segm", "lang", "emb", "neur")],
        "counts": ["/stats"],
        "systems": ["/systems"],
        "system": [f"/systems/{card.slug}" for card in all_cards()],
        "leaderboard": ["/leaderboard"],
        "help": ["/help"],
    }
    return {kind: some for kind, some in pages.items() if some}


def busiest(home: Path) -> str:
    """Return the day with the most papers."""
    with Library(home) as library:
        return max(library.store.days(), key=lambda item: item[1])[0]


def week_of(day: str) -> str:
    """Return the ISO week of a day as it stands in addresses."""
    from datetime import date

    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02d}"


def cpu_ms(process: int) -> float:
    """Return the CPU time that a process has used, all threads together (Linux)."""
    used = 0
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        used += int(path.read_text().split()[0])
    return used / 1e6


def measure(client: httpx.Client, address: str) -> tuple[float, int]:
    """Return milliseconds to the first byte of the page, and bytes on the wire."""
    begun = time.perf_counter()
    with client.stream("GET", address) as answer:
        pieces = answer.iter_raw()
        head = next(pieces, b"")
        first_ms = (time.perf_counter() - begun) * 1e3
        size = len(head) + sum(map(len, pieces))
        if answer.status_code != 200:
            raise SystemExit(f"{address} answered {answer.status_code}")
    return first_ms, size


def run(
    client: httpx.Client,
    process: int,
    pages: dict[str, list[str]],
    rounds: int,
    chooser: random.Random,
) -> dict[str, Any]:
    """Visit every page in every round, in random order, and summarise by kind."""
    visits = [(kind, address) for kind, some in pages.items() for address in dict.fromkeys(some)]
    first: dict[str, list[float]] = {kind: [] for kind in pages}
    again: dict[str, list[float]] = {kind: [] for kind in pages}
    used: dict[str, list[float]] = {kind: [] for kind in pages}
    sizes: dict[str, list[int]] = {kind: [] for kind in pages}
    measure(client, "/about")
    for turn in range(rounds + 1):
        chooser.shuffle(visits)
        for kind, address in visits:
            before = cpu_ms(process)
            took_ms, size = measure(client, address)
            (again if turn else first)[kind].append(took_ms)
            sizes[kind].append(size)
            if turn:
                used[kind].append(cpu_ms(process) - before)
    return {
        kind: {
            "addresses": len(first[kind]),
            "first_p50_ms": round(statistics.median(first[kind]), 1),
            "first_p95_ms": round(percentile(first[kind], 0.95), 1),
            "again_p50_ms": round(statistics.median(again[kind]), 1),
            "again_p95_ms": round(percentile(again[kind], 0.95), 1),
            "again_cpu_p50_ms": round(statistics.median(used[kind]), 1),
            "again_cpu_p95_ms": round(percentile(used[kind], 0.95), 1),
            "compressed_median_kB": round(statistics.median(sizes[kind]) / 1e3, 1),
            "compressed_most_kB": round(max(sizes[kind]) / 1e3, 1),
        }
        for kind in pages
    }


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Run the benchmark and write results/bench/pages.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    chooser = random.Random(options.seed)
    pages = addresses(options.home, chooser)
    with Library(options.home) as library:
        counts = library.store.counts()
        editions = len(library.store.edition_days())
    command = [sys.executable, "-m", "broadsheet", "--home", str(options.home)]
    server = subprocess.Popen(
        [*command, "serve", "--port", "0", "--no-background"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http"))
        with httpx.Client(base_url=address, headers={"accept-encoding": "gzip"}) as client:
            results = run(client, server.pid, pages, options.rounds, chooser)
    finally:
        server.terminate()
        server.wait(20)
    worst = max(item["again_p95_ms"] for item in results.values())
    for kind, item in results.items():
        print(f"{kind:18} {item}")
    write_report(
        "pages",
        {
            "works": counts.works,
            "published_editions": editions,
            "worst_again_p95_ms": worst,
            "largest_compressed_kB": max(item["compressed_most_kB"] for item in results.values()),
            "pages": results,
        },
        spread=f"each address once (first) and {options.rounds} times more (again); p50 and p95",
    )


if __name__ == "__main__":
    main()

"""CPU seconds of the command line from a cold start: help, words search, hybrid search.

python benchmarks/cli_start.py [--home LABEL FOLDER] ... [--repeat 10]

Each measured run is a new process; CPU time is user + system of that process and its children.
A home without an encoder answers in words; one with an encoder is measured in both modes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import ROOT, write_report

QUERY = "contrastive learning of sentence embeddings"


def cpu_of(command: list[str], home: Path | None) -> tuple[float, float]:
    """Run a command and return its CPU seconds and wall seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    if home is not None:
        environment["BROADSHEET_HOME"] = str(home)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measure(arguments: list[str], home: Path | None, repeat: int) -> dict[str, Any]:
    """Run one command line `repeat` times after one unmeasured run."""
    command = [sys.executable, "-m", "broadsheet", *arguments]
    cpu_of(command, home)
    runs = [cpu_of(command, home) for _ in range(repeat)]
    cpu, wall = [run[0] for run in runs], [run[1] for run in runs]
    return {
        "command": " ".join(["broadsheet", *arguments]),
        "cpu_s_median": round(statistics.median(cpu), 4),
        "cpu_s_min": round(min(cpu), 4),
        "cpu_s_max": round(max(cpu), 4),
        "wall_s_median": round(statistics.median(wall), 4),
    }


def describe(arguments: list[str], home: Path) -> dict[str, Any]:
    """Say what the search in fact did, and on how many papers with which vectors."""
    page, indexes = (
        json.loads(
            subprocess.run(
                [sys.executable, "-m", "broadsheet", *verb, "--json", "--home", str(home)],
                check=True,
                capture_output=True,
            ).stdout
        )["data"]
        for verb in (arguments, ["index", "status"])
    )
    return {
        "mode_done": page["mode"],
        "notes": page["notes"],
        "papers": {item["index"]: item["papers"] for item in indexes},
    }


def sample_home(folder: Path) -> Path:
    """Load the bundled sample into a new home, without an encoder."""
    from broadsheet.papers.sample import sample_path

    home = folder / "home"
    command = [sys.executable, "-m", "broadsheet", "ingest", str(sample_path())]
    cpu_of(command, home)
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", action="append", nargs=2, default=[], metavar=("LABEL", "FOLDER"))
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()
    results: dict[str, Any] = {
        "goals_cpu_s": {"help": 0.25, "cold_search": 1.0},
        "help": measure(["--help"], None, options.repeat),
        "verb_help": measure(["search", "--help"], None, options.repeat),
    }
    with tempfile.TemporaryDirectory() as folder:
        homes = {"sample": sample_home(Path(folder))}
        homes |= {label: Path(home) for label, home in options.home}
        for label, home in homes.items():
            for mode in ("words", "hybrid"):
                arguments = ["search", QUERY, "--mode", mode]
                answer = measure(arguments, home, options.repeat)
                results[f"search_{mode}_{label}"] = answer | describe(arguments, home)
                print(label, mode, results[f"search_{mode}_{label}"])
    spread = f"{options.repeat} new processes each after one unmeasured; median, least and most"
    write_report("cli_start", results, spread=spread)


if __name__ == "__main__":
    main()

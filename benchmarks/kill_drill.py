"""Kill the building of a library at many moments, run it again, compare with an undisturbed one.

python benchmarks/kill_drill.py [--kills 200] [--papers 3000] [--parallel 2] [--model DIR]

One run ingests a made-up corpus (listings, proceedings and a bibliography that overlap), refreshes
the indexes and publishes every edition, in a process of its own with a frozen clock. `kill -9` ends
it at moments spread evenly over the run's CPU time (so that other load on the machine does not
shift them); the same command is then run to its end. What must be equal is `canonical_state`
(works, records, editions) and what searches find. This tests the death of a process, not the loss
of power.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from _report import ROOT, write_report

NOW = "2026-01-15T08:00:00+00:00"
FIRST_DAY = date(2025, 9, 1)
TOPICS = "retrieval video speech graph diffusion robot vision segment token reward cell climate"
TEXT = (
    "we study how models learn from few examples and measure what changes when data are scarce "
    "results hold across tasks languages sizes seeds but fail under noise so a simple baseline "
    "with careful tuning often matches larger systems at a fraction of the cost"
)
COMPARED = ("state", "found", "rejects")
QUERIES = ("retrieval", "video diffusion", "robot -reward", "year:2025 graph")


def make_corpus(folder: Path, papers: int, days: int) -> list[Path]:
    """Write three overlapping files in real shapes; the same arguments give the same bytes."""
    chance = random.Random(7)
    topics, words = TOPICS.split(), TEXT.split()
    listings: list[dict[str, Any]] = []
    proceedings: list[dict[str, Any]] = []
    entries: list[str] = []
    for number in range(papers):
        topic = chance.choice(topics)
        day = FIRST_DAY + timedelta(days=number * days // papers)
        title = f"On {topic} {chance.choice(words)} {chance.choice(words)}: study {number}"
        authors = [f"{chance.choice('ABC')}. {name}" for name in chance.sample(topics, 3)]
        abstract = " ".join(chance.choice([topic, *words]) for _ in range(150))
        key = f"{day:%y%m}.{number:05}"
        paper: dict[str, Any] = {"title": title, "authors": authors, "abstract": abstract}
        listing = {"day": day.isoformat(), "id": key, **paper, "upvotes": number % 40}
        listing["published"] = day.isoformat()
        listings.append(listing)
        if number % 9 == 0:
            later = (day + timedelta(days=1)).isoformat()
            listings.append(listing | {"day": later, "upvotes": number % 40 + 5})
        if number % 4 == 0:
            # Every second one differs in its title: only the bibliography shows they are one.
            paper["title"] = title if number % 8 else f"{title}, revisited"
            paper |= {"id": f"2025.acl-long.{number}", "year": 2025, "venue": ["acl"]}
            proceedings.append(paper | {"url": f"https://aclanthology.org/2025.acl-long.{number}"})
        if number % 16 == 0:
            entries.append(
                f"@inproceedings{{k{number}, title={{{title}}}, eprint={{{key}}},"
                f" archivePrefix={{arXiv}}, url={{https://aclanthology.org/2025.acl-long.{number}}},"
                f" year={{2025}}}}\n"
            )
    texts = {
        "daily.jsonl": "".join(json.dumps(item) + "\n" for item in listings),
        "acl.jsonl": "".join(json.dumps(item) + "\n" for item in proceedings),
        "refs.bib": "".join(entries),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def worker(home: Path, inputs: list[str]) -> None:
    """Do one run, telling each phase on standard output."""
    from broadsheet.papers.editions import publish_all
    from broadsheet.papers.ingest import ingest
    from broadsheet.papers.library import Library
    from broadsheet.papers.store import canonical_state

    def say(**facts: Any) -> None:
        print(json.dumps(facts), flush=True)

    say(phase="opening")
    with Library(home, create=True) as library:
        say(phase="ingest")
        report = ingest(library.store, inputs)
        say(phase="indexing")
        library.refresh()
        say(phase="editions")
        publish_all(library.store)
        say(phase="checking")
        found = []
        for query in QUERIES:
            page = library.search(query, mode="words", limit=50)
            found.append([page.total, sorted(hit.work.id for hit in page.hits)])
        counts = library.store.counts()
        say(
            phase="done",
            state=canonical_state(library.store),
            found=found,
            records=counts.records,
            works=counts.works,
            merged=counts.merged,
            joined=report.total.joined,
            rejects=counts.rejects,
            editions=len(library.store.edition_days()),
            cpu_s=time.process_time(),
        )


@dataclass(slots=True)
class Drill:
    """All that the trials share."""

    folder: Path
    inputs: list[Path]
    model: Path | None
    expected: dict[str, Any] = field(default_factory=dict)

    def run(self, home: Path, kill_at: float = 0.0) -> dict[str, Any]:
        """Run the worker, killed at `kill_at` CPU seconds; return the last thing it said."""
        command = [sys.executable, __file__, "--worker", str(home), *map(str, self.inputs)]
        environment = {**os.environ, "BROADSHEET_NOW": NOW, "PYTHONPATH": str(ROOT / "src")}
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while kill_at and process.poll() is None:
            if cpu_seconds(process.pid) >= kill_at:
                process.kill()
                break
            time.sleep(0.002)
        output, errors = process.communicate()
        if process.returncode not in (0, -9):
            return {"phase": "crashed", "error": errors[-2000:], "wall_s": 0.0, "cpu_s": 0.0}
        said = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
        last: dict[str, Any] = said[-1] if said else {"phase": "starting"}
        return {**last, "wall_s": time.perf_counter() - begun}

    def new_home(self) -> Path:
        """Make an empty home, with the model when there is one."""
        home = Path(tempfile.mkdtemp(dir=self.folder))
        if self.model is not None:
            shutil.copytree(self.model, home / "models" / self.model.name)
        return home

    def trial(self, moment: float) -> dict[str, Any]:
        """Kill a run at a moment (earlier when it ended before), run it again, and compare."""
        while True:
            home = self.new_home()
            last = self.run(home, moment)
            if last["phase"] != "done":
                break  # killed, or failed by itself
            shutil.rmtree(home)
            moment *= 0.9
        after = self.run(home)
        shutil.rmtree(home)
        differs = [name for name in COMPARED if after.get(name) != self.expected[name]]
        return {
            "moment_cpu_s": round(moment, 3),
            "phase": last["phase"],
            "rerun_s": round(after["wall_s"], 3),
            "equal": not differs and "crashed" not in (last["phase"], after["phase"]),
            "errors": [run["error"] for run in (last, after) if "error" in run],
            "differs": differs,
        }


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used so far (Linux), 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def moments(length: float, kills: int) -> Iterator[float]:
    """Yield moments spread evenly over a run."""
    for number in range(kills):
        yield length * (number + 0.5) / kills


def drill(options: argparse.Namespace) -> dict[str, Any]:
    """Do the whole drill and return its results."""
    with tempfile.TemporaryDirectory(prefix="kill-drill-") as name:
        folder = Path(name)
        inputs = make_corpus(folder, options.papers, options.days)
        shared = Drill(folder, inputs, options.model)
        with ThreadPoolExecutor(options.parallel) as pool:
            undisturbed = list(pool.map(lambda _: shared.run(shared.new_home()), range(2)))
            shared.expected = undisturbed[0]
            if "error" in shared.expected:
                raise SystemExit(f"the undisturbed run failed:\n{shared.expected['error']}")
            if any(run.get(n) != shared.expected[n] for run in undisturbed for n in COMPARED):
                raise SystemExit("undisturbed runs differ from each other")
            cpu = min(run["cpu_s"] for run in undisturbed)
            trials = []
            for result in pool.map(shared.trial, moments(cpu, options.kills)):
                trials.append(result)
                if not result["equal"] or len(trials) % 20 == 0:
                    print(f"{len(trials)} of {options.kills}: {result}", flush=True)
    walls = [run["wall_s"] for run in undisturbed]
    counts = ("state", "records", "works", "merged", "joined", "rejects", "editions")
    return {
        "what": "process death (kill -9), not power loss",
        "kills": len(trials),
        "equal": sum(trial["equal"] for trial in trials),
        "killed_during": dict(Counter(trial["phase"] for trial in trials)),
        "run_wall_s_median": round(statistics.median(walls), 2),
        "run_wall_s_range": [round(min(walls), 2), round(max(walls), 2)],
        "run_cpu_s": round(cpu, 2),
        "rerun_wall_s_median": round(statistics.median(trial["rerun_s"] for trial in trials), 2),
        "undisturbed": {name: shared.expected[name] for name in counts},
        "static_vectors": options.model.name if options.model else None,
        "parallel": options.parallel,
        "failures": [trial for trial in trials if not trial["equal"]],
    }


def main() -> None:
    """Read the command line, run the drill, write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--papers", type=int, default=3000)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--model", type=Path, help="folder of an installed static model")
    parser.add_argument("--no-report", action="store_true", help="only print (for tests)")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(Path(options.worker[0]), options.worker[1:])
        return
    results = drill(options)
    print(json.dumps(results, indent=1))
    if not options.no_report:
        write_report(
            "kill_drill", results, spread="kills spread evenly over one run; 2 undisturbed runs"
        )
    if results["equal"] != results["kills"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

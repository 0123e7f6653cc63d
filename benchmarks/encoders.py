"""Encoders side by side: quality on four tests, CPU for an abstract, bytes for a vector.

    python benchmarks/encoders.py --home HOME --model FOLDER --model FOLDER

HOME has the application's encoders installed; each FOLDER is an exported artefact, of which every
exit is measured. The tests are those of the system broadsheet_embed. Encoders are compared at
their whole length, and at prefixes of it, scaled to length 1 again. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from _report import DATA, write_report
from _texts import Vectors, centred, vectors
from broadsheet.core.paths import default_cache, default_home
from broadsheet.core.seeds import SeedTree
from broadsheet.data.papers import read_acl
from broadsheet.evals.retrieval import evaluate_retrieval
from broadsheet.evals.score import Encode, Score
from broadsheet.evals.sts import evaluate_sts
from broadsheet.export.transformer import Facts, export_encoder
from broadsheet.metrics.groups import bootstrap_groups
from broadsheet.metrics.significance import Resampled, mean_of, resample, spearman_of
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.runtime.artefact import read_artefact
from broadsheet.runtime.encoder import Encoder, load_encoder
from broadsheet.runtime.models import model_folder
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.broadsheet_embed.data import Tests, real_tests

#: Draws for letters over all pairs of encoders, and for the interval of a prefix.
DRAWS, DRAWS_OF_PREFIX = 10_000, 2_000
PREFIXES = (128, 64)
ABSTRACTS, REPEATS = 48, 5
INSTALLED = {"bge-small-en-v1.5": "best", "all-minilm-l6-v2": "fast", "wordllama-256": "static"}
START = "paraphrase-minilm-l3-v2"
TASKS = {
    "STS-B": ("spearman", "Spearman x 100"),
    "SICK": ("spearman", "Spearman x 100"),
    "Cranfield": ("ndcg@10", "nDCG@10 x 100"),
    "ACL": ("mrr@10", "MRR@10 x 100"),
}


@dataclass(frozen=True)
class Entry:
    """An encoder at one length, with the vectors of all test texts."""

    name: str
    licence: str
    cpu_ms: float
    spread_ms: tuple[float, float]
    rows: Vectors
    use: str = ""


def main() -> None:
    """Measure all encoders and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=default_home())
    parser.add_argument("--model", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    workspace = Workspace(run=Path(), shared=Path(), inputs=DATA)
    tests = real_tests(workspace)
    texts = tests.texts()
    papers = [paper.abstract for paper in read_acl(DATA / "acl-anthology") if paper.year == 2019]
    entries = []
    for name, licence, use, encoder in opened(arguments.home, arguments.model):
        print(name, flush=True)
        cpu, spread = timed(encoder, papers[:ABSTRACTS])
        rows = vectors(encoder, texts, "document")
        entry = Entry(name, licence, cpu, spread, rows, use)
        entries.append(entry)
        if name == "bge-small-en-v1.5":
            mean = vectors(encoder, papers[:500], "document").mean(axis=0)
            entries.append(
                replace(entry, name=f"{name}, mean removed", use="", rows=centred(rows, mean))
            )
    rated = rate(entries, tests, texts)
    write_report(
        "encoders",
        {
            "tasks": [
                {"name": name, "metric": unit, "items": count(tests, name)}
                for name, (_, unit) in TASKS.items()
            ],
            "groups": "Encoders that share a letter in a column do not differ (paired bootstrap, "
            f"{DRAWS:,} draws, Holm, 95 %); prefixes of vectors are not grouped.",
            "encoders": rated,
        },
        spread=f"CPU: median of {REPEATS} passes over {ABSTRACTS} abstracts, with lowest and "
        "highest; quality: paired bootstrap over items, 95 %",
    )


def opened(home: Path, folders: Sequence[Path]) -> list[tuple[str, str, str, Encoder]]:
    """Return name, licence, use and encoder of everything that is compared."""
    found: list[tuple[str, str, str, Encoder]] = []
    for name, use in INSTALLED.items():
        folder = model_folder(home, name)
        found.append((name, read_artefact(folder).licence, use, load_encoder(folder, threads=1)))
    for folder in [untouched_start(), *folders]:
        artefact = read_artefact(folder)
        layers = sorted({variant.layers for variant in artefact.variants}, reverse=True)
        for layer in layers:
            name = f"{artefact.id}, {layer} layers" if layer else artefact.id
            encoder = load_encoder(folder, threads=1, layers=layer)
            found.append((name, artefact.licence, "", encoder))
    return found


def untouched_start() -> Path:
    """Return the artefact of the weights that broadsheet-embed starts from, made when missing."""
    folder = default_cache() / "exports" / START
    if not folder.is_dir():
        encoder, tokenizer = load_backbone(START, default_cache() / "backbones")
        sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=256)
        facts = Facts(id=START, licence="Apache-2.0", base_model=START)
        export_encoder(sentence, folder, facts)
    return folder


def timed(encoder: Encoder, abstracts: Sequence[str]) -> tuple[float, tuple[float, float]]:
    """Return the CPU milliseconds of an abstract: median, and lowest and highest."""
    encoder.encode(abstracts[:8])
    runs = []
    for _ in range(REPEATS):
        begun = time.process_time()
        encoder.encode(abstracts)
        runs.append((time.process_time() - begun) / len(abstracts) * 1e3)
    return round(float(np.median(runs)), 2), (round(min(runs), 2), round(max(runs), 2))


def rate(entries: Sequence[Entry], tests: Tests, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return every entry at every length with its scores, intervals and letters."""
    whole = {entry.name: entry for entry in entries}
    letters: dict[str, dict[str, str]] = {}
    samples: dict[str, dict[str, Resampled]] = {}
    for task in TASKS:
        samples[task] = {
            name: resampled(task, score_of(task, entry.rows, tests, texts), DRAWS)
            for name, entry in whole.items()
        }
        standings = bootstrap_groups(samples[task], seeds=SeedTree(1).child(task))
        letters[task] = {standing.name: standing.letters for standing in standings}
    rated = []
    for entry in entries:
        size = entry.rows.shape[1]
        for dim in (size, *PREFIXES):
            scores = {}
            for task in TASKS:
                if dim == size:
                    sample, group = samples[task][entry.name], letters[task][entry.name]
                else:
                    cut = score_of(task, entry.rows[:, :dim], tests, texts)
                    sample, group = resampled(task, cut, DRAWS_OF_PREFIX), ""
                scores[task] = described(sample, group, task)
            name = entry.name if dim == size else f"{entry.name}, first {dim}"
            rated.append(
                {
                    "name": name,
                    "licence": entry.licence,
                    "dims": dim,
                    "bytes": 4 * dim,
                    "cpu_ms": entry.cpu_ms,
                    "cpu_ms_range": entry.spread_ms,
                    "use": entry.use if dim == size else "",
                    "scores": scores,
                }
            )
    return rated


def score_of(task: str, rows: Vectors, tests: Tests, texts: Sequence[str]) -> Score:
    """Return the score of known vectors on a task."""
    places = {text: place for place, text in enumerate(texts)}
    encode: Encode = lambda wanted: rows[[places[text] for text in wanted]]  # noqa: E731
    if task in tests.sts:
        found = evaluate_sts(encode, tests.sts[task], dataset=task)
    else:
        found = evaluate_retrieval(encode, tests.retrieval[task], dataset=task)
    return next(score for score in found if score.metric == TASKS[task][0])


def resampled(task: str, score: Score, draws: int) -> Resampled:
    """Resample the items of a task, the same for every encoder."""
    statistic = spearman_of("prediction", "gold") if task in ("STS-B", "SICK") else mean_of("score")
    rng = SeedTree(0).child(task).numpy()
    return resample([score.items], statistic, rng=rng, draws=draws).scaled(100.0)


def described(sample: Resampled, group: str, task: str) -> dict[str, Any]:
    """Return value, interval and letters."""
    interval = sample.interval(SeedTree(0).child("one", task).numpy())
    found: dict[str, Any] = {
        "value": round(interval.observed, 2),
        "interval": [round(interval.low, 2), round(interval.high, 2)],
    }
    return found | ({"group": group} if group else {})


def count(tests: Tests, task: str) -> int:
    """Return the items of a task."""
    return len(tests.sts[task]) if task in tests.sts else len(tests.retrieval[task].queries)


if __name__ == "__main__":
    main()

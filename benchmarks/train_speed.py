"""CPU cost of a training step: our loop against sentence-transformers' own trainer.

python benchmarks/train_speed.py [--cache FOLDER] [--batch 32] [--steps 6] [--repeats 5]

The same pretrained weights (all-MiniLM-L6-v2, fetched into --cache when missing), titles and
abstracts of the packaged sample, in-batch negatives, fused AdamW, linear schedule, clipping at 1,
batches in the same order, one thread. The trainers take turns. A step is timed from the end of one
to the end of the next, tokenising and padding included; the first steps of each training are left
out. Ours encodes in groups of like length (`train.by_length`); "ours_one_batch_a_column" shows
what the loop alone makes. Dropout is off, so that all must report the same loss: that is checked,
and shows that they did the same work.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback

from _report import write_report
from broadsheet.core.paths import default_home
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import mnr
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.papers.sample import sample_path
from broadsheet.train.bridge import from_sentence_transformers, to_sentence_transformers
from broadsheet.train.by_length import encode_by_length
from broadsheet.train.loop import TrainSettings, train

Columns = tuple[Tensor, Tensor]
Encode = Callable[[SentenceEncoder, list[str], list[str]], Columns]
RATE = 2e-5
LEFT_OUT = 2


@dataclass
class Clock:
    """Times at the end of each step."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def tick(self) -> None:
        """Note the time."""
        self.cpu.append(time.process_time())
        self.wall.append(time.perf_counter())

    def steps(self) -> tuple[list[float], list[float]]:
        """Return CPU and wall seconds of each step that counts."""
        cpu, wall = (
            [end - begin for begin, end in pairwise(times)][LEFT_OUT:]
            for times in (self.cpu, self.wall)
        )
        return cpu, wall


@dataclass(frozen=True)
class Task:
    """What both trainers are given."""

    sentence: SentenceEncoder
    titles: list[str]
    abstracts: list[str]
    batch: int
    steps: int

    def rows(self, step: int) -> slice:
        """Return which pairs are in a batch."""
        return slice(step * self.batch, (step + 1) * self.batch)


def make_task(options: argparse.Namespace) -> Task:
    encoder, tokenizer = load_backbone("all-minilm-l6-v2", options.cache)
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, options.max_tokens)
    lines = sample_path().read_text(encoding="utf-8").splitlines()
    papers = [paper for paper in map(json.loads, lines) if paper.get("abstract")]
    wanted = [papers[row % len(papers)] for row in range(options.batch * options.steps)]
    return Task(
        sentence=sentence,
        titles=[paper["title"] for paper in wanted],
        abstracts=[paper["abstract"] for paper in wanted],
        batch=options.batch,
        steps=options.steps,
    )


def without_dropout(module: torch.nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if hasattr(part, "attention_dropout"):
            part.attention_dropout = 0.0


def both_columns(sentence: SentenceEncoder, titles: list[str], texts: list[str]) -> Columns:
    """Encode both columns together, in groups of like length."""
    vectors = encode_by_length(sentence, [*titles, *texts])
    return vectors[: len(titles)], vectors[len(titles) :]


def one_by_one(sentence: SentenceEncoder, titles: list[str], texts: list[str]) -> Columns:
    """Encode each column as one padded batch, as sentence-transformers does."""
    return sentence(sentence.tokenise(titles)), sentence(sentence.tokenise(texts))


def run_ours(task: Task, clock: Clock, encode: Encode = both_columns) -> float:
    """Train a fresh copy with our loop; return the mean loss."""
    sentence = from_sentence_transformers(to_sentence_transformers(task.sentence))
    without_dropout(sentence)

    def loss_at(step: int) -> Tensor:
        clock.tick()
        rows = task.rows(step)
        return mnr(*encode(sentence, task.titles[rows], task.abstracts[rows]))

    settings = TrainSettings(
        steps=task.steps, learning_rate=RATE, weight_decay=0.0, warmup=0.0, log_every=task.steps
    )
    log = train(sentence, loss_at, settings, SeedTree(1))
    clock.tick()
    return log.column("loss")[0]


class Ticker(TrainerCallback):
    """Tells the clock when sentence-transformers' trainer begins and ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_train_begin(self, *args: Any, **named: Any) -> None:
        """Note the time."""
        self._clock.tick()

    def on_step_end(self, *args: Any, **named: Any) -> None:
        """Note the time."""
        self._clock.tick()


def in_order(dataset: Dataset, **named: Any) -> DefaultBatchSampler:
    """Return batches in the order of the rows: both trainers must see the same."""
    return DefaultBatchSampler(SequentialSampler(dataset), **named)


def run_theirs(task: Task, clock: Clock) -> float:
    """Train a fresh copy with sentence-transformers' trainer; return the mean loss."""
    model = to_sentence_transformers(task.sentence)
    without_dropout(model)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=task.batch,
            max_steps=task.steps,
            learning_rate=RATE,
            batch_sampler=in_order,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        pairs = Dataset.from_dict({"anchor": task.titles, "positive": task.abstracts})
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=pairs,
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[Ticker(clock)],
        )
        return float(trainer.train().training_loss)


RUNS = {
    "ours": run_ours,
    "ours_one_batch_a_column": partial(run_ours, encode=one_by_one),
    "sentence_transformers": run_theirs,
}


def profile(task: Task) -> dict[str, list[str]]:
    """Return where the time of each goes: the six functions with most time of their own."""
    found = {}
    for name, run in RUNS.items():
        profiler = cProfile.Profile()
        profiler.runcall(run, task, Clock())
        stats: Any = pstats.Stats(profiler)
        total = sum(own for _, _, own, _, _ in stats.stats.values())
        rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:6]
        found[name] = [
            f"{100 * facts[2] / total:.1f} % {function[2]}".replace("built-in method ", "")
            for function, facts in rows
        ]
    return found


def summary(values: list[float]) -> dict[str, float]:
    ordered = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in ordered.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_home() / "backbones")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = make_task(options)
    cpu: dict[str, list[float]] = {name: [] for name in RUNS}
    wall: dict[str, list[float]] = {name: [] for name in RUNS}
    losses: dict[str, float] = {}
    for repeat in range(options.repeats):
        for name in list(RUNS) if repeat % 2 else list(reversed(RUNS)):
            clock = Clock()
            losses[name] = RUNS[name](task, clock)
            cpu_s, wall_s = clock.steps()
            cpu[name].append(statistics.median(cpu_s))
            wall[name].append(statistics.median(wall_s))
            print(f"{name}: {cpu[name][-1]:.3f} CPU s a step, loss {losses[name]:.5f}", flush=True)
    gap = max(losses.values()) / min(losses.values()) - 1
    if gap > 1e-4:
        raise SystemExit(f"the two did different work: their losses differ by {gap:.1%}")
    ratios = {
        name: [t / o for o, t in zip(cpu[name], cpu["sentence_transformers"], strict=True)]
        for name in ("ours", "ours_one_batch_a_column")
    }
    results = {
        "batch_pairs": options.batch,
        "max_tokens": options.max_tokens,
        "goal_speed_ratio": 1.0,
        "speed_ratio_cpu": {name: summary(values) for name, values in ratios.items()},
        "cpu_s_per_step": {name: summary(values) for name, values in cpu.items()},
        "wall_s_per_step": {name: summary(values) for name, values in wall.items()},
        "mean_loss": {name: round(value, 6) for name, value in losses.items()},
        "own_time": profile(task),
    }
    spread = (
        f"{options.repeats} alternating trainings each; of each the median over"
        f" {options.steps - LEFT_OUT} steps; then median, least and most"
    )
    write_report("train_speed", results, spread=spread)
    print(json.dumps(results["speed_ratio_cpu"]))


if __name__ == "__main__":
    main()

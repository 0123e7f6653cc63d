"""Memory and time of one contrastive step, plain and with the gradient cache.

python benchmarks/gradient_cache.py [--batch 4096] [--chunk 32] [--tokens 32] [--plain 64,128]

Every measurement is a fresh process: an encoder of MiniLM-L6's size with random weights (22.7 M
parameters), in-batch negatives, forward and backward pass, AdamW. Peak memory is the highest
resident size of the process; "above model" is what one step added to interpreter, libraries and
weights. Plain steps are measured at batches that fit; their growth per pair is fitted by least
squares. The gradients of both ways are compared at the largest plain batch.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _report import write_report

VOCABULARY = 30_522
MB = 1e6


def resident() -> float:
    """Bytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * resource.getpagesize())


def peak() -> float:
    """Highest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def one_step(way: str, batch: int, chunk: int, tokens: int) -> dict[str, Any]:
    """Run in a fresh process: build the model, take one step, report."""
    import torch

    from broadsheet.core.seeds import SeedTree
    from broadsheet.losses.contrastive import info_nce
    from broadsheet.losses.gradcache import cached_backward
    from broadsheet.nn.poolings.mean import MeanPooling
    from broadsheet.nn.transformer import Transformer, TransformerShape

    torch.set_num_threads(1)
    seeds = SeedTree(7)
    shape = TransformerShape(
        VOCABULARY, width=384, depth=6, heads=12, hidden=1536, max_tokens=512, dropout=0.1
    )
    encoder = Transformer(shape, seeds.child("weights").torch())
    pooling = MeanPooling()
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=1e-5)
    for parameter in encoder.parameters():  # the optimiser's state belongs to the model's size
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()

    def encode(ids: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(ids)
        return pooling(encoder(ids, mask), mask)

    draw = seeds.child("texts").torch()
    sides = [torch.randint(VOCABULARY, (batch, tokens), generator=draw) for _ in "xy"]
    before, begun = resident(), time.process_time()
    optimiser.zero_grad()
    torch.manual_seed(3)  # of dropout, in this process only
    if way == "cached":
        loss = cached_backward(encode, [side.split(chunk) for side in sides], info_nce)
    else:
        # In the same chunks, so that dropout draws the same; all activations are kept.
        loss = info_nce(
            *(torch.cat([encode(part) for part in side.split(chunk)]) for side in sides)
        )
        loss.backward()
    gradient = encoder.layers[0].attention.query.weight.grad.flatten()[:64].tolist()
    optimiser.step()
    return {
        "loss": loss.item(),
        "gradient": gradient,
        "cpu_s": time.process_time() - begun,
        "peak_mb": peak() / MB,
        "above_model_mb": (peak() - before) / MB,
        "model_mb": before / MB,
    }


def in_fresh_process(way: str, batch: int, chunk: int, tokens: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", way, "--batch", str(batch)]
    command += ["--chunk", str(chunk), "--tokens", str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def repeat(measure: Callable[[], dict[str, Any]], times: int) -> dict[str, Any]:
    """The median of each number, with the lowest and highest peak."""
    runs = [measure() for _ in range(times)]
    peaks = [run["peak_mb"] for run in runs]
    middle = {
        key: round(statistics.median(run[key] for run in runs), 4 if key == "loss" else 1)
        for key in ("loss", "cpu_s", "peak_mb", "above_model_mb", "model_mb")
    }
    spread = {"runs": times, "peak_mb_lowest": min(peaks), "peak_mb_highest": max(peaks)}
    return middle | {key: round(value, 1) for key, value in spread.items()}


def largest_difference(batch: int, chunk: int, tokens: int) -> dict[str, float]:
    """Compare 64 gradients of the first layer, and the losses, of the two ways."""
    plain, cached = (in_fresh_process(way, batch, chunk, tokens) for way in ("plain", "cached"))
    gap = np.abs(np.subtract(plain["gradient"], cached["gradient"])).max()
    scale = np.abs(plain["gradient"]).max()
    return {
        "batch": batch,
        "largest_relative_gradient_difference": float(gap / scale),
        "loss_difference": abs(plain["loss"] - cached["loss"]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--chunk", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--plain", default="64,128", help="batches for the plain step")
    parser.add_argument("--runs", type=int, default=2, help="repetitions of the small steps")
    parser.add_argument("--step", choices=("plain", "cached"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(one_step(options.step, options.batch, options.chunk, options.tokens)))
        return

    def steps(way: str, batch: int, times: int) -> dict[str, Any]:
        row = repeat(lambda: in_fresh_process(way, batch, options.chunk, options.tokens), times)
        print(way, batch, row, flush=True)
        return {"way": way, "batch": batch, **row}

    plain_batches = [int(part) for part in options.plain.split(",")]
    rows = [
        steps(way, batch, options.runs) for batch in plain_batches for way in ("plain", "cached")
    ]
    rows.append(steps("cached", options.batch, 1))
    above = {row["batch"]: row["above_model_mb"] for row in rows if row["way"] == "plain"}
    slope, start = np.polyfit(list(above), list(above.values()), 1)
    results = {
        "pairs": options.batch,
        "texts_per_step": 2 * options.batch,
        "tokens_per_text": options.tokens,
        "chunk": options.chunk,
        "steps": rows,
        "exactness": largest_difference(plain_batches[-1], options.chunk, options.tokens),
        "plain_mb_per_pair": round(float(slope), 3),
        "plain_above_model_mb_extrapolated": round(float(start + slope * options.batch)),
    }
    spread = "small steps: median of the runs given, peak with lowest and highest; large step: once"
    write_report("gradient_cache", results, spread=spread)


if __name__ == "__main__":
    main()

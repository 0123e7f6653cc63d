"""What an early exit saves: one graph with an output for each exit, or one graph for each.

    python benchmarks/early_exits.py

An encoder in the shape of MiniLM-L6 with drawn weights, int8, one thread, 8 texts of 128 tokens.
"""

from __future__ import annotations

import time

import numpy as np
import onnxruntime
import torch

from _report import write_report
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.bert_names import bert_weights
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.runtime.bert_graph import BertShape, Weights, _Builder, build_bert

ROWS, TOKENS, REPEATS, EXITS = 8, 128, 7, (2, 4, 6)
SHAPE = BertShape(heads=12, pooling="mean")


class Joined(_Builder):
    """A builder whose graph has an output for every exit."""

    def joined(self) -> bytes:
        """Return the graph."""
        graph = self._graph
        hidden = self._embed(graph.input("input_ids", "int64", ["rows", "tokens"]))
        for layer in range(max(EXITS)):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, only_first=False)
            name = graph.node("ReduceMean", [hidden], [f"exit{layer + 1}"], axes=[1], keepdims=0)
            graph.output(name, "float32", ["rows", self._dim])
        return graph.to_bytes()


def main() -> None:
    """Measure the three ways and write the report."""
    sizes = TransformerShape(
        vocab=30_522, width=384, depth=6, heads=12, hidden=1_536, max_tokens=512
    )
    weights = bert_weights(Transformer(sizes, torch.Generator().manual_seed(1)))
    ids = SeedTree(1).numpy().integers(0, sizes.vocab, (ROWS, TOKENS))
    builder = Joined(weights, SHAPE, fused=True, padded=False)
    builder.share(None, ())
    joined = session(builder.joined())
    only = onnxruntime.RunOptions()
    only.only_execute_path_to_fetches = True
    results = {}
    for layers in EXITS:
        results[f"exit {layers}"] = {
            "one_graph_cpu_ms": cost(joined, f"exit{layers}", ids, None),
            "one_graph_path_to_fetches_cpu_ms": cost(joined, f"exit{layers}", ids, only),
            "own_graph_cpu_ms": cost(own(weights, layers), "vectors", ids, None),
        }
    write_report("early_exits", results, spread=f"median, lowest and highest of {REPEATS}")


def own(weights: Weights, layers: int) -> onnxruntime.InferenceSession:
    """Return a session of one exit's own graph."""
    return session(build_bert(weights, SHAPE, style="int8", layers=layers))


def session(graph: bytes) -> onnxruntime.InferenceSession:
    """Open a graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options)


def cost(
    opened: onnxruntime.InferenceSession,
    output: str,
    ids: np.ndarray,
    options: onnxruntime.RunOptions | None,
) -> list[float]:
    """Return CPU milliseconds of a batch: median, lowest, highest."""
    runs = []
    for _ in range(REPEATS + 1):
        begun = time.process_time()
        opened.run([output], {"input_ids": ids}, options)
        runs.append((time.process_time() - begun) * 1e3)
    kept = runs[1:]
    return [round(float(value), 1) for value in (np.median(kept), min(kept), max(kept))]


if __name__ == "__main__":
    main()

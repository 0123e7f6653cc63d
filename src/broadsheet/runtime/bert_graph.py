"""Builds the graph of a BERT encoder from its weights: fused and int8 for onnxruntime, or plain.

Why not the exported graph? Three measured facts decide the shape of the fused one:

- no padding mask: batches hold texts of one length, so attention takes onnxruntime's fused path
  without a mask (two thirds of the cost) and the mean over tokens is a plain mean;
- addition and layer normalisation stay two operators: the fused one of onnxruntime is slower;
- with CLS pooling the last layer computes one token's row only.

Source: BERT (arXiv 1810.04805); dynamic int8 with one scale for each output channel.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.runtime.onnx_format import Graph, WeightFile

Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]

_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class BertShape:
    """What the weights alone do not say.

    Args:
        heads: Attention heads in each layer.
        pooling: "mean" or "cls".
        epsilon: Of the layer normalisation.
    """

    heads: int
    pooling: str
    epsilon: float = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What an exit adds to the mean of its token states h: the vector is H h + P mean(w e).

    Args:
        head: H, [dim, dim].
        static: P, [dim, dim], applied to the weighted input vectors e.
        token_weight: w, one number for each token of the vocabulary.
    """

    head: Floats
    static: Floats
    token_weight: Floats


def build_bert(
    weights: Weights,
    shape: BertShape,
    *,
    style: Literal["int8", "plain", "padded"],
    layers: int | None = None,
    readout: Readout | None = None,
    shared: WeightFile | None = None,
    precise: Collection[str] = (),
) -> bytes:
    """Return an ONNX model that maps `input_ids` to pooled vectors, not yet of length 1.

    Args:
        weights: Names as in Hugging Face's `BertModel`, matrices as [out, in].
        shape: Heads and pooling.
        style: "int8": onnxruntime's fused operators; "plain": float32 and standard operators,
            which every engine understands; "padded": plain with an `attention_mask`.
        layers: Stop after so many; None runs all. Later ones are not in the graph.
        readout: Maps of an exit; mean pooling without a mask only.
        shared: Takes the large constants, for several graphs in one folder.
        precise: Linear layers that stay float32 in style "int8", by the names of the weights.

    Shape:
        input_ids [rows, tokens] int64, all rows of one length -> vectors [rows, dim] float32.
        With "padded" and mean pooling the result is the token states, [rows, tokens, dim].

    Raises:
        BadInput: A tensor is missing, or there are not that many layers.
    """
    held = layer_count(weights)
    if layers is not None and not 1 <= layers <= held:
        raise BadInput("the encoder has other layers", received=layers, hint=f"1 to {held}")
    if readout and (shape.pooling != "mean" or style == "padded"):
        raise BadInput("a readout needs mean pooling without a mask", received=shape.pooling)
    builder = _Builder(weights, shape, fused=style == "int8", padded=style == "padded")
    builder.share(shared, precise)
    try:
        return builder.build(held if layers is None else layers, readout)
    except KeyError as error:
        raise BadInput("the weights are not those of a BERT", received=f"no {error}") from None


def layer_count(weights: Weights) -> int:
    """Return how many layers the weights have."""
    prefix = "encoder.layer."
    return len({name.split(".")[2] for name in weights if name.startswith(prefix)})


class _Builder:
    def __init__(self, weights: Weights, shape: BertShape, *, fused: bool, padded: bool) -> None:
        self._weights = weights
        self._shape = shape
        self._fused = fused
        self._padded = padded
        self._graph = Graph("bert")
        self._dim = int(weights["embeddings.LayerNorm.weight"].shape[0])

    def share(self, weights: WeightFile | None, precise: Collection[str]) -> None:
        """Put large constants into a file, and keep some layers float32."""
        self._graph.weights = weights
        self._precise = frozenset(precise)

    def build(self, layers: int, readout: Readout | None) -> bytes:
        graph = self._graph
        ids = graph.input("input_ids", "int64", ["rows", "tokens"])
        if self._padded:
            self._read_mask()
        hidden = self._embed(ids)
        for layer in range(layers):
            only_first = layer == layers - 1 and self._shape.pooling == "cls"
            hidden = self._layer(f"encoder.layer.{layer}", hidden, only_first=only_first)
        sizes: list[int | str] = ["rows", self._dim]
        if self._shape.pooling == "cls":
            axis = graph.constant("pool_axis", np.array([1]))
            graph.node("Squeeze", [hidden, axis], ["vectors"])
        elif self._padded:
            graph.node("Identity", [hidden], ["vectors"])
            sizes = ["rows", "tokens", self._dim]
        elif readout:
            graph.node("Identity", [self._read_out(readout, ids, hidden)], ["vectors"])
        else:
            graph.node("ReduceMean", [hidden], ["vectors"], axes=[1], keepdims=0)
        graph.output("vectors", "float32", sizes)
        return graph.to_bytes()

    def _read_out(self, readout: Readout, ids: str, hidden: str) -> str:
        graph = self._graph
        weight = graph.constant("token_weight", readout.token_weight.reshape(-1, 1))
        bag = graph.node("Mul", [self._rows, graph.node("Gather", [weight, ids])])
        parts = []
        for name, states, matrix in (
            ("readout.head", hidden, readout.head),
            ("readout.static", bag, readout.static),
        ):
            mean = graph.node("ReduceMean", [states], axes=[1], keepdims=0)
            right = graph.constant(name, np.ascontiguousarray(matrix.T, dtype=np.float32))
            parts.append(graph.node("MatMul", [mean, right]))
        return graph.node("Add", parts)

    def _read_mask(self) -> None:
        """Turn the mask into what is added to attention scores: 0, or so little that it is 0."""
        graph = self._graph
        mask = graph.input("attention_mask", "int64", ["rows", "tokens"])
        middle = graph.constant("mask_axes", np.array([1, 2]))
        spread = graph.node("Cast", [graph.node("Unsqueeze", [mask, middle])], to=1)
        unit = graph.constant("mask_unit", np.array(1, dtype=np.float32))
        far = graph.constant("mask_far", np.array(1e4, dtype=np.float32))
        graph.node("Mul", [graph.node("Sub", [spread, unit]), far], ["mask_scores"])

    def _embed(self, ids: str) -> str:
        graph = self._graph
        words = self._weights["embeddings.word_embeddings.weight"]
        if self._fused:
            scales = _row_scales(words)
            small = np.rint(words / scales).astype(np.int8)
            rows = graph.node("Gather", [graph.constant("words", small), ids])
            scale = graph.node("Gather", [graph.constant("word_scales", scales), ids])
            embedded = graph.node("Mul", [graph.node("Cast", [rows], to=1), scale])
        else:
            embedded = graph.node("Gather", [graph.constant("words", words), ids])
        self._rows = embedded
        # One segment only, so its vector joins the positions.
        positions = self._weights["embeddings.position_embeddings.weight"]
        positions = positions + self._weights["embeddings.token_type_embeddings.weight"][0]
        size = graph.node("Shape", [ids])
        self._constant_axes()
        tokens = graph.node("Slice", [size, "one", "two"])
        table = graph.constant("positions", positions.astype(np.float32))
        placed = graph.node("Slice", [table, "zero", tokens])
        return self._normalise(embedded, placed, "embeddings.LayerNorm")

    def _constant_axes(self) -> None:
        for name, value in (("zero", 0), ("one", 1), ("two", 2)):
            self._graph.constant(name, np.array([value]))

    def _layer(self, prefix: str, hidden: str, *, only_first: bool) -> str:
        graph = self._graph
        own = graph.node("Slice", [hidden, "zero", "one", "one"]) if only_first else hidden
        mixed = self._attend(f"{prefix}.attention.self", own, hidden)
        mixed = self._linear(mixed, [f"{prefix}.attention.output.dense"])
        own = self._normalise(mixed, own, f"{prefix}.attention.output.LayerNorm")
        wide = self._linear(own, [f"{prefix}.intermediate.dense"])
        wide = self._gelu(wide)
        narrow = self._linear(wide, [f"{prefix}.output.dense"])
        return self._normalise(narrow, own, f"{prefix}.output.LayerNorm")

    def _attend(self, prefix: str, own: str, hidden: str) -> str:
        graph = self._graph
        names = [f"{prefix}.{part}" for part in ("query", "key", "value")]
        if own == hidden:
            query, key, value = self._split(self._linear(hidden, names), 3)
        else:
            query = self._linear(own, names[:1])
            key, value = self._split(self._linear(hidden, names[1:]), 2)
        if self._fused:
            inputs = [query, key, value]
            return graph.node(
                "MultiHeadAttention", inputs, domain=_MICROSOFT, num_heads=self._shape.heads
            )
        return self._plain_attention(query, key, value)

    def _split(self, joined: str, parts: int) -> list[str]:
        names = [f"{joined}_part{part}" for part in range(parts)]
        self._graph.node("Split", [joined], names, axis=-1)
        return names

    def _plain_attention(self, query: str, key: str, value: str) -> str:
        graph, heads = self._graph, self._shape.heads
        size = self._dim // heads
        apart = graph.constant(f"{query}_apart", np.array([0, 0, heads, size]))
        joined = graph.constant(f"{query}_joined", np.array([0, 0, self._dim]))
        scale = graph.constant(f"{query}_scale", np.array(size**-0.5, dtype=np.float32))
        query, key, value = (
            graph.node("Transpose", [graph.node("Reshape", [item, apart])], perm=order)
            for item, order in ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3]))
        )
        scores = graph.node("Mul", [graph.node("MatMul", [query, key]), scale])
        if self._padded:
            scores = graph.node("Add", [scores, "mask_scores"])
        mixed = graph.node("MatMul", [graph.node("Softmax", [scores], axis=-1), value])
        return graph.node("Reshape", [graph.node("Transpose", [mixed], perm=[0, 2, 1, 3]), joined])

    def _linear(self, inputs: str, names: list[str]) -> str:
        graph = self._graph
        matrix = np.concatenate([self._weights[f"{name}.weight"] for name in names]).T
        bias = np.concatenate([self._weights[f"{name}.bias"] for name in names])
        label = "+".join(names)
        shift = graph.constant(f"{label}.bias", bias)
        if not self._fused or self._precise.intersection(names):
            product = graph.node("MatMul", [inputs, graph.constant(label, matrix)])
            return graph.node("Add", [product, shift])
        scales = _row_scales(matrix.T)[:, 0]
        return graph.node(
            "DynamicQuantizeMatMul",
            [
                inputs,
                graph.constant(label, np.rint(matrix / scales).astype(np.int8)),
                graph.constant(f"{label}.scales", scales),
                graph.constant(f"{label}.zeros", np.zeros(len(scales), dtype=np.int8)),
                shift,
            ],
            domain=_MICROSOFT,
        )

    def _gelu(self, inputs: str) -> str:
        graph = self._graph
        if self._fused:
            return graph.node("Gelu", [inputs], domain=_MICROSOFT)
        for name, value in (("root", 2**-0.5), ("half", 0.5), ("unit", 1.0)):
            graph.constant(f"{inputs}_{name}", np.array(value, dtype=np.float32))
        error = graph.node("Erf", [graph.node("Mul", [inputs, f"{inputs}_root"])])
        gate = graph.node("Add", [error, f"{inputs}_unit"])
        return graph.node("Mul", [graph.node("Mul", [inputs, gate]), f"{inputs}_half"])

    def _normalise(self, inputs: str, residual: str, name: str) -> str:
        graph = self._graph
        scale = graph.constant(f"{name}.weight", self._weights[f"{name}.weight"])
        shift = graph.constant(f"{name}.bias", self._weights[f"{name}.bias"])
        total = graph.node("Add", [inputs, residual])
        return graph.node(
            "LayerNormalization", [total, scale, shift], axis=-1, epsilon=self._shape.epsilon
        )


def _row_scales(matrix: Floats) -> Floats:
    """Return for each row the step of symmetric int8, as a column."""
    scales: Floats = (np.abs(matrix).max(axis=1, keepdims=True) / 127).astype(np.float32)
    scales[scales == 0] = 1.0
    return scales

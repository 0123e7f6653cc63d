"""The built graph against a slow reference in numpy."""

from __future__ import annotations

from math import erf
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.runtime.bert_graph import BertShape, build_bert, layer_count
from broadsheet.runtime.engines import OnnxRuntime

Array = npt.NDArray[np.float64]
Weights = dict[str, npt.NDArray[np.float32]]

IDS = np.array([[2, 4, 9, 11, 5, 3], [2, 7, 7, 23, 1, 3]])


def normalise(x: Array, weights: Weights, name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T.astype(float) + weights[f"{name}.bias"]


def attention(x: Array, weights: Weights, prefix: str, heads: int) -> Array:
    parts = [linear(x, weights, f"{prefix}.self.{name}") for name in ("query", "key", "value")]
    size = x.shape[1] // heads
    out = np.zeros_like(x)
    for head in range(heads):
        query, key, value = (part[:, head * size : (head + 1) * size] for part in parts)
        scores = query @ key.T / np.sqrt(size)
        odds = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head * size : (head + 1) * size] = odds / odds.sum(-1, keepdims=True) @ value
    return linear(out, weights, f"{prefix}.output.dense")


def reference(ids: npt.NDArray[np.int64], weights: Weights, shape: BertShape) -> Array:
    x = weights["embeddings.word_embeddings.weight"][ids].astype(float)
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = normalise(x, weights, "embeddings.LayerNorm")
    for layer in range(layer_count(weights)):
        prefix = f"encoder.layer.{layer}"
        mixed = attention(x, weights, f"{prefix}.attention", shape.heads)
        x = normalise(x + mixed, weights, f"{prefix}.attention.output.LayerNorm")
        wide = linear(x, weights, f"{prefix}.intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
        narrow = linear(wide, weights, f"{prefix}.output.dense")
        x = normalise(x + narrow, weights, f"{prefix}.output.LayerNorm")
    return x.mean(0) if shape.pooling == "mean" else x[0]


def run(model: bytes, folder: Path, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    path = folder / "graph.onnx"
    path.write_bytes(model)
    return OnnxRuntime(path, threads=1).run(ids, np.ones_like(ids), np.zeros_like(ids))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_plain_graph_is_bert(weights: Weights, tmp_path: Path, pooling: str) -> None:
    shape = BertShape(heads=2, pooling=pooling)
    found = run(build_bert(weights, shape, style="plain"), tmp_path, IDS)
    expected = np.array([reference(row, weights, shape) for row in IDS])
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_int8_graph_is_near(weights: Weights, tmp_path: Path, pooling: str) -> None:
    shape = BertShape(heads=2, pooling=pooling)
    found = run(build_bert(weights, shape, style="int8"), tmp_path, IDS)
    expected = np.array([reference(row, weights, shape) for row in IDS])
    cosines = (found * expected).sum(1)
    cosines /= np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.99
    assert not np.allclose(found, expected, atol=1e-6)  # it is quantised indeed


def test_a_row_does_not_depend_on_its_batch(
    weights: Weights, shape: BertShape, tmp_path: Path
) -> None:
    model = build_bert(weights, shape, style="plain")
    together = run(model, tmp_path, IDS)
    apart = np.concatenate([run(model, tmp_path, IDS[row : row + 1]) for row in range(2)])
    np.testing.assert_allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_changes_nothing(weights: Weights, tmp_path: Path, pooling: str) -> None:
    shape = BertShape(heads=2, pooling=pooling)
    path = tmp_path / "graph.onnx"
    path.write_bytes(build_bert(weights, shape, style="padded"))
    ids, mask = np.pad(IDS, ((0, 0), (0, 5))), np.pad(np.ones_like(IDS), ((0, 0), (0, 5)))
    found = OnnxRuntime(path, threads=1).run(ids, mask, np.zeros_like(ids))
    if pooling == "mean":
        assert found.shape == (2, 11, 16)
        found = found[:, :6].mean(1)
    expected = np.array([reference(row, weights, shape) for row in IDS])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_missing_tensor(weights: Weights, shape: BertShape) -> None:
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(BadInput, match=r"layer\.1\.output\.dense\.bias"):
        build_bert(weights, shape, style="int8")

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.runtime.bert_weights import read_bert, read_safetensors
from broadsheet.runtime.onnx_format import Graph

Weights = dict[str, npt.NDArray[np.float32]]


def exported(weights: Weights, *, quantised: bool) -> bytes:
    """A graph as exporters write it: biases by name, matrices by the name of their product."""
    graph = Graph("exported")
    graph.input("input_ids", "int64", ["rows", "tokens"])
    for at, (name, array) in enumerate(weights.items()):
        if array.ndim == 1 or name.startswith("embeddings."):
            graph.constant(f"bert.{name}", array)
            continue
        owner, matrix = name.removesuffix(".weight"), array.T
        label = "/bert/" + owner.replace(".", "/").replace("layer/", "layer.") + "/MatMul"
        if not quantised:
            graph.node("MatMul", ["x", graph.constant(f"onnx::{at}", matrix)], label=label)
            continue
        scale = np.float32((matrix.max() - matrix.min()) / 255)
        zero = np.uint8(np.clip(np.rint(-matrix.min() / scale), 0, 255))
        whole = np.clip(np.rint(matrix / scale) + zero, 0, 255).astype(np.uint8)
        graph.constant(f"onnx::{at}_quantized", whole)
        graph.constant(f"onnx::{at}_scale", np.array(scale))
        graph.constant(f"onnx::{at}_zero_point", np.array(zero))
        graph.node("MatMulInteger", ["x", f"onnx::{at}_quantized"], label=label + "_quant")
    graph.output("x", "float32", ["rows"])
    return graph.to_bytes()


@pytest.mark.parametrize(("quantised", "tolerance"), [(False, 0), (True, 0.01)])
def test_weights_come_back_from_an_exported_graph(
    weights: Weights, tmp_path: Path, quantised: bool, tolerance: float
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported(weights, quantised=quantised))
    found = read_bert(path)
    assert set(weights) <= set(found)
    for name, array in weights.items():
        np.testing.assert_allclose(found[name], array, atol=tolerance)


@pytest.mark.parametrize("outer", ["", "bert.", "model.0.auto_model."])
def test_safetensors_come_back(
    weights: Weights,
    tmp_path: Path,
    write_safetensors: Callable[[Path, Weights], None],
    outer: str,
) -> None:
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {f"{outer}{name}": array for name, array in weights.items()})
    found = read_bert(path)
    assert set(found) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)


def test_names_of_the_first_release_become_todays(
    weights: Weights,
    tmp_path: Path,
    write_safetensors: Callable[[Path, Weights], None],
) -> None:
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    stored = {}
    for name, array in weights.items():
        ending = next((end for end in old if name.endswith(end)), "")
        stored["bert." + name.removesuffix(ending) + old.get(ending, "")] = array
    assert any(name.endswith("gamma") for name in stored)
    write_safetensors(tmp_path / "bert.safetensors", stored)
    found = read_bert(tmp_path / "bert.safetensors")
    assert set(found) == set(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_file_without_bert(
    tmp_path: Path, write_safetensors: Callable[[Path, Weights], None]
) -> None:
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"x": np.zeros((2, 2), dtype=np.float32)})
    with pytest.raises(BadInput, match="no BERT encoder"):
        read_bert(path)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(data=st.data())
def test_damaged_files_are_refused_or_read_never_a_crash(
    weights: Weights, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(exported(weights, quantised=True))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.onnx"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(BadInput):  # any other error fails the test
        found = read_bert(path)
        assert all(array.dtype == np.float32 for array in found.values())


@pytest.mark.parametrize("data", [b"", b"\x05" + bytes(7) + b"{}", b"\xff" * 16])
def test_not_safetensors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="safetensors"):
        read_safetensors(path)

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Silent
from broadsheet.runtime import converting
from broadsheet.runtime.bert_graph import BertShape, build_bert
from broadsheet.runtime.sample import sample_texts

Weights = dict[str, npt.NDArray[np.float32]]


@pytest.fixture
def convert(
    tmp_path: Path,
    weights: Weights,
    shape: BertShape,
    tokenizer_file: Path,
    write_safetensors: Callable[[Path, Weights], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    monkeypatch.setattr(converting, "available", lambda module: False)  # the same on any machine
    source = tmp_path / "weights.safetensors"
    write_safetensors(source, weights)
    ready = tmp_path / "ready"

    def run(source: Path = source, *, convert: bool = True) -> Any:
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir()
        shutil.copyfile(tokenizer_file, ready / "tokenizer.json")
        variants, notes = converting.make_variants(
            source, ready, shape, max_tokens=12, convert=convert, progress=Silent()
        )
        return variants, notes, sorted(path.name for path in ready.iterdir())

    return run


def test_a_variant_that_passes_replaces_the_original(convert: Callable[..., Any]) -> None:
    (variant,), notes, files = convert()
    assert (variant.name, variant.runtime) == ("int8-fused", "onnxruntime")
    assert variant.gate["mean_cosine"] >= converting.MIN_COSINE
    assert files == ["int8.onnx", "tokenizer.json"]
    assert notes == ()


def test_a_variant_that_fails_is_thrown_away(
    convert: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "MIN_COSINE", 1.01)
    (variant,), notes, files = convert()
    assert variant.name == "float32"
    assert files == ["model.onnx", "tokenizer.json"]
    assert notes[0].startswith("int8-fused was discarded: mean cosine ")


def test_without_converting(convert: Callable[..., Any]) -> None:
    (variant,), notes, files = convert(convert=False)
    assert (variant.name, notes) == ("float32", ())
    assert files == ["model.onnx", "tokenizer.json"]


def test_a_graph_whose_weights_we_cannot_read_stays_as_shipped(
    convert: Callable[..., Any], tmp_path: Path, weights: Weights, shape: BertShape
) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(build_bert(weights, shape, style="plain"))
    (variant,), notes, files = convert(source)
    assert variant.name == "as-shipped"
    assert files == ["model.onnx", "tokenizer.json"]
    assert "no faster variant" in notes[0]


def test_neither_graph_nor_weights(convert: Callable[..., Any], tmp_path: Path) -> None:
    source = tmp_path / "odd.safetensors"
    source.write_bytes(b"nothing of use")
    with pytest.raises(BadInput):
        convert(source)


def test_sample_texts_are_many_and_of_many_lengths() -> None:
    texts = sample_texts()
    assert len(set(texts)) == len(texts) == 48
    sizes = sorted(len(text.split()) for text in texts)
    assert sizes[0] <= 2
    assert sizes[-1] >= 150

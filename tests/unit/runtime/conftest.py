"""Tiny models made on the spot: a BERT of two layers with random weights, a table of vectors."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from broadsheet.runtime.artefact import (
    Artefact,
    Variant,
    describe_files,
    fingerprint,
    write_artefact,
)
from broadsheet.runtime.bert_graph import BertShape, build_bert

Weights = dict[str, npt.NDArray[np.float32]]

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrst")
DIM, HEADS, LAYERS, WIDE, POSITIONS = 16, 2, 2, 32, 24


@pytest.fixture
def weights() -> Weights:
    """Random weights of a BERT, matrices as [out, in]."""
    random = np.random.default_rng(5)

    def draw(*shape: int) -> npt.NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": draw(len(WORDS), DIM),
        "embeddings.position_embeddings.weight": draw(POSITIONS, DIM),
        "embeddings.token_type_embeddings.weight": draw(2, DIM),
        "embeddings.LayerNorm.weight": 1 + draw(DIM),
        "embeddings.LayerNorm.bias": draw(DIM),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        sizes = {
            "attention.self.query": (DIM, DIM),
            "attention.self.key": (DIM, DIM),
            "attention.self.value": (DIM, DIM),
            "attention.output.dense": (DIM, DIM),
            "intermediate.dense": (WIDE, DIM),
            "output.dense": (DIM, WIDE),
        }
        for name, (rows, columns) in sizes.items():
            made[f"{prefix}{name}.weight"] = draw(rows, columns)
            made[f"{prefix}{name}.bias"] = draw(rows)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            made[f"{prefix}{name}.weight"] = 1 + draw(DIM)
            made[f"{prefix}{name}.bias"] = draw(DIM)
    return made


@pytest.fixture
def shape() -> BertShape:
    """Heads and pooling of the tiny BERT."""
    return BertShape(heads=HEADS, pooling="mean")


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    """A tokenizer that knows twenty letters as words."""
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture
def make_folder(tmp_path: Path, tokenizer_file: Path) -> Callable[..., Path]:
    """Make an artefact folder around one model file."""

    def make(
        name: str, model: bytes | npt.NDArray[np.float32], artefact: Artefact, variant: Variant
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
        if isinstance(model, bytes):
            (folder / variant.file).write_bytes(model)
        else:
            np.save(folder / variant.file, model)
        files = describe_files(folder)
        known = fingerprint({}, {key: facts.sha256 for key, facts in files.items()})
        write_artefact(
            folder, replace(artefact, files=files, variants=(variant,), fingerprint=known)
        )
        return folder

    return make


@pytest.fixture
def table() -> npt.NDArray[np.float32]:
    """Token vectors of a static encoder."""
    return np.random.default_rng(3).normal(size=(len(WORDS), 4)).astype(np.float32)


@pytest.fixture
def static_folder(make_folder: Callable[..., Path], table: npt.NDArray[np.float32]) -> Path:
    """A static encoder."""
    artefact = Artefact(id="tiny-static", kind="static", dim=4, max_tokens=0, licence="ours")
    variant = Variant(name="float32", runtime="numpy", file="vectors.npy")
    return make_folder("tiny-static", table, artefact, variant)


@pytest.fixture
def bert_folder(make_folder: Callable[..., Path], weights: Weights, shape: BertShape) -> Path:
    """A transformer in plain operators, with batches of one length."""
    artefact = Artefact(
        id="tiny-bert", kind="onnx", dim=DIM, max_tokens=12, prompts={"query": "q "}
    )
    variant = Variant(name="float32", runtime="onnxruntime", file="model.onnx", equal_lengths=True)
    return make_folder("tiny-bert", build_bert(weights, shape, style="plain"), artefact, variant)


@pytest.fixture
def write_safetensors() -> Callable[[Path, Weights], None]:
    """Write the safetensors format."""

    def write(path: Path, tensors: Weights) -> None:
        header, blobs, at = {}, [], 0
        for name, array in tensors.items():
            blob = np.ascontiguousarray(array).tobytes()
            header[name] = {
                "dtype": "F32",
                "shape": list(array.shape),
                "data_offsets": [at, at + len(blob)],
            }
            blobs.append(blob)
            at += len(blob)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))

    return write

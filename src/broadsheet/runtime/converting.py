"""Makes the faster variants of a transformer, once, at install; each must pass the gate.

The gate: over the sample texts the mean cosine to the unconverted model is at least `MIN_COSINE`.
A variant that fails is thrown away and the artefact says so. (The loss on STS-B, which needs data,
is measured by `benchmarks/encode.py`.)
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import available, require
from broadsheet.core.progress import Advance, Progress
from broadsheet.runtime.artefact import Variant
from broadsheet.runtime.bert_graph import BertShape, Weights, build_bert
from broadsheet.runtime.bert_weights import read_bert
from broadsheet.runtime.encoder import Vectors, load_tokenizer, unit_rows
from broadsheet.runtime.engines import open_engine
from broadsheet.runtime.sample import sample_texts
from broadsheet.runtime.transformer import encode_all

MIN_COSINE = 0.99

#: Fragments stretch the ranges that nncf sees, so only whole passages calibrate.
_CALIBRATION_WORDS = 30
#: Share of the activations' range moved into the weights: of .5, .7 and nncf's own .95 the one with
#: the highest cosine on real abstracts, for MiniLM and bge alike.
_SMOOTHING = 0.7

#: Tokens in a batch that suit each engine best (benchmarks/encode.py).
BUDGETS = {"onnxruntime": 1024, "openvino": 2048}


def make_variants(
    source: Path,
    ready: Path,
    shape: BertShape,
    *,
    max_tokens: int,
    convert: bool,
    progress: Progress,
) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    """Fill `ready` with the variants of a model that can be made here.

    The original is kept only when no variant for onnxruntime passes the gate, or when `convert`
    is false.

    Args:
        source: `model.onnx` or `weights.safetensors` as fetched.
        ready: The artefact folder; holds `tokenizer.json`.
        shape: Heads and pooling of the model.
        max_tokens: Where texts are cut.
        convert: Make int8 variants.
        progress: Shows the steps.

    Returns:
        Variants, the preferred first, and notes on those that were discarded.

    Raises:
        BadInput: The source is neither a graph that runs nor weights that we can read.
    """
    advance = progress.start("converting the model", None, "variants")
    if source.suffix == ".onnx":
        original = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
        (ready / original.file).write_bytes(source.read_bytes())
    else:
        original = _plain(read_bert(source), shape, ready)
    if not convert:
        return (original,), ()
    try:
        weights = read_bert(source)
    except BadInput as error:
        return (original,), (f"no faster variant: {error.what}",)
    found, notes = _int8_variants(weights, shape, ready, original, max_tokens, advance)
    if any(variant.runtime == "onnxruntime" for variant in found):
        _delete(ready, original)
        return tuple(found), tuple(notes)
    return (*found, original), tuple(notes)


def _int8_variants(
    weights: Weights,
    shape: BertShape,
    ready: Path,
    original: Variant,
    max_tokens: int,
    advance: Advance,
) -> tuple[list[Variant], list[str]]:
    """Make each int8 variant that this machine can make and keep those that pass the gate."""
    tokenizer = load_tokenizer(ready)
    tokenizer.enable_truncation(max_tokens)
    reference = _vectors(ready, original, shape, tokenizer)
    found, notes = [], []
    for make in (_openvino_int8, _fused_int8):
        try:
            variant = make(weights, shape, ready, tokenizer)
        except (RuntimeError, ValueError, ImportError) as error:  # nncf has no errors of its own
            notes.append(f"no variant for OpenVINO ({type(error).__name__}: {error})")
            continue
        if variant is None:
            continue
        cosines = (_vectors(ready, variant, shape, tokenizer) * reference).sum(axis=1)
        if cosines.mean() >= MIN_COSINE:
            found.append(_with_gate(variant, cosines))
        else:
            notes.append(f"{variant.name} was discarded: mean cosine {cosines.mean():.4f}")
            _delete(ready, variant)
        advance(1)
    return found, notes


def _plain(weights: Weights, shape: BertShape, ready: Path) -> Variant:
    (ready / "model.onnx").write_bytes(build_bert(weights, shape, style="plain"))
    return Variant(
        name="float32",
        runtime="onnxruntime",
        file="model.onnx",
        equal_lengths=True,
        token_budget=BUDGETS["onnxruntime"],
    )


def _fused_int8(
    weights: Weights, shape: BertShape, ready: Path, tokenizer: Tokenizer
) -> Variant | None:
    (ready / "int8.onnx").write_bytes(build_bert(weights, shape, style="int8"))
    return Variant(
        name="int8-fused",
        runtime="onnxruntime",
        file="int8.onnx",
        equal_lengths=True,
        token_budget=BUDGETS["onnxruntime"],
    )


def _openvino_int8(
    weights: Weights, shape: BertShape, ready: Path, tokenizer: Tokenizer
) -> Variant | None:
    """Quantise with nncf (smooth-quant, bias correction) for OpenVINO, where both are installed.

    With a mask: batches of one length come in so many shapes that OpenVINO, which keeps compiled
    code for each, takes a gigabyte more and is slower.
    """
    if not (available("openvino") and available("nncf")):
        return None
    openvino = require("openvino", extra="fast", why="this variant")
    nncf = require("nncf", extra="fast", why="this variant")
    graph = openvino.Core().read_model(build_bert(weights, shape, style="padded"))

    def feed(ids: list[int]) -> dict[str, Any]:
        row = np.array([ids], dtype=np.int64)
        return {"input_ids": row, "attention_mask": np.ones_like(row)}

    texts = [text for text in sample_texts() if len(text.split()) >= _CALIBRATION_WORDS]
    items = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    smooth = nncf.AdvancedSmoothQuantParameters(matmul=_SMOOTHING)
    with contextlib.redirect_stdout(io.StringIO()):  # it draws progress bars of its own
        small = nncf.quantize(
            graph,
            nncf.Dataset(items, feed),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(items),
            advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=smooth),
        )
    folder = ready / "openvino"
    folder.mkdir(exist_ok=True)
    openvino.save_model(small, str(folder / "model.xml"))
    return Variant(
        name="int8-nncf",
        runtime="openvino",
        file="openvino/model.xml",
        token_budget=BUDGETS["openvino"],
    )


def _vectors(ready: Path, variant: Variant, shape: BertShape, tokenizer: Tokenizer) -> Vectors:
    encodings = tokenizer.encode_batch_fast(sample_texts())
    engine = open_engine(ready, variant)
    return unit_rows(encode_all(engine, variant, encodings, pooling=shape.pooling))


def _with_gate(variant: Variant, cosines: Vectors) -> Variant:
    gate = {"mean_cosine": float(cosines.mean()), "min_cosine": float(cosines.min())}
    return replace(variant, gate={name: round(value, 5) for name, value in gate.items()})


def _delete(ready: Path, variant: Variant) -> None:
    path = ready / variant.file
    path.unlink()
    path.with_suffix(".bin").unlink(missing_ok=True)

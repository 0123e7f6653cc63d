"""Turns fetched files into an artefact: unpack the weights, convert, pass the gate, describe."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from broadsheet.core.progress import Progress
from broadsheet.runtime.artefact import Artefact, Variant, describe_files, fingerprint
from broadsheet.runtime.bert_graph import BertShape
from broadsheet.runtime.bert_weights import read_safetensors
from broadsheet.runtime.catalogue import Model
from broadsheet.runtime.converting import make_variants


def build_artefact(
    model: Model, mirror: str, staging: Path, *, convert: bool, progress: Progress
) -> Artefact:
    """Make the folder `staging/ready` from the fetched files and return what describes it.

    Raises:
        BadInput: The fetched files are not what the model needs.
    """
    ready = staging / "ready"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir(parents=True)
    parts = model.mirrors[mirror]
    shutil.copyfile(staging / "tokenizer.json", ready / "tokenizer.json")
    notes: tuple[str, ...] = ()
    if model.kind == "static":
        tensors = read_safetensors(staging / "weights.safetensors")
        np.save(ready / "vectors.npy", next(iter(tensors.values())).astype(np.float32))
        variants: tuple[Variant, ...] = (
            Variant(name="float32", runtime="numpy", file="vectors.npy"),
        )
    else:
        names = [part.name for part in parts]
        source = "weights.safetensors" if "weights.safetensors" in names else "model.onnx"
        variants, notes = make_variants(
            staging / source,
            ready,
            BertShape(heads=model.heads, pooling=model.pooling),
            max_tokens=model.max_tokens,
            convert=convert and model.kind == "onnx",
            progress=progress,
        )
    settings = {
        "dim": model.dim,
        "pooling": model.pooling,
        "max_tokens": model.max_tokens,
        "prompts": dict(model.prompts),
    }
    return Artefact(
        id=model.id,
        kind=model.kind,
        dim=model.dim,
        pooling=model.pooling,
        normalise=model.normalise,
        max_tokens=model.max_tokens,
        prompts=model.prompts,
        licence=model.licence,
        base_model=model.base_model,
        files=describe_files(ready),
        provenance={"mirror": mirror, **{part.name: part.package or part.url for part in parts}},
        variants=variants,
        fingerprint=fingerprint(settings, {part.name: part.sha256 for part in parts}),
        notes=notes,
    )

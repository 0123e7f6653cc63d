"""Turns fetched files into an artefact: unpack the weights, convert, pass the gate, describe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress
from broadsheet.runtime.artefact import Artefact, Variant, describe_files, fingerprint
from broadsheet.runtime.catalogue import Model

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1"}


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
    if model.kind == "static":
        tensors = read_safetensors(staging / "weights.safetensors")
        np.save(ready / "vectors.npy", next(iter(tensors.values())).astype(np.float32))
        variants: tuple[Variant, ...] = (
            Variant(name="float32", runtime="numpy", file="vectors.npy"),
        )
    else:
        shutil.copyfile(staging / "model.onnx", ready / "model.onnx")
        variants = (Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx"),)
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
    )


def read_safetensors(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read a safetensors file: a JSON header (its length in 8 bytes), then the tensors.

    Raises:
        BadInput: The file is not one, or holds a type that numpy lacks.
    """
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if length > 100_000_000:
                raise ValueError("the header is too long")
            header = json.loads(handle.read(length))
        data = np.memmap(path, np.uint8, "r", offset=8 + length)
        tensors = {}
        for name, facts in header.items():
            if name == "__metadata__":
                continue
            begin, end = facts["data_offsets"]
            flat = data[begin:end].view(_DTYPES[facts["dtype"]])
            tensors[name] = flat.reshape(facts["shape"]).view(np.ndarray)
        return tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the safetensors file can't be read ({type(error).__name__}: {error})", received=path
        ) from None

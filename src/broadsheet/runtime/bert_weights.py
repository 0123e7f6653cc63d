"""Reads the weights of a BERT, as float32, out of a safetensors file or an exported ONNX graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput

Array = npt.NDArray[np.generic]
Field = int | bytes | memoryview

_WORDS = "embeddings.word_embeddings.weight"
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
_SAFE_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1"}
_ONNX_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}


def read_safetensors(path: Path) -> dict[str, Array]:
    """Read a safetensors file: a JSON header (its length in 8 bytes), then the tensors.

    Raises:
        BadInput: The file is not one, or holds a type that numpy lacks.
    """
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(handle.read(length))
        data = np.memmap(path, np.uint8, "r", offset=8 + length)
        tensors: dict[str, Array] = {}
        for name, facts in header.items():
            if name != "__metadata__":
                begin, end = facts["data_offsets"]
                flat = data[begin:end].view(_SAFE_TYPES[facts["dtype"]])
                tensors[name] = flat.reshape(facts["shape"]).view(np.ndarray)
        return tensors
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the safetensors file can't be read ({type(error).__name__}: {error})", received=path
        ) from None


def read_bert(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read the weights of a BERT encoder under the names of Hugging Face's `BertModel`.

    Integer weights of a quantised graph are turned back into float32. The path of a model around
    the BERT ("bert.", "model.0.auto_model.") is taken off the names, and the first release's names
    of layer norms ("gamma", "beta") become today's.

    Raises:
        BadInput: The file holds no BERT encoder.
    """
    tensors = read_safetensors(path) if path.suffix == ".safetensors" else _from_onnx(path)
    outer = next((name.removesuffix(_WORDS) for name in tensors if name.endswith(_WORDS)), None)
    if outer is None:
        raise BadInput("the file holds no BERT encoder that we can read", received=path)
    return {
        _without(name, outer): np.ascontiguousarray(array, dtype=np.float32)
        for name, array in tensors.items()
        if np.issubdtype(array.dtype, np.floating)
    }


def _without(name: str, outer: str) -> str:
    """Take the outer path off a name; names of nodes may have the graph's own name before it."""
    for old, new in _OLD_NAMES.items():
        if name.endswith(f"LayerNorm.{old}"):
            name = name.removesuffix(old) + new
    before, found, after = name.partition(outer) if outer else ("", "", name)
    return after if found and before in ("", "model.") else name


def _from_onnx(path: Path) -> dict[str, Array]:
    """Collect float tensors, and the matrices of products by the name of their node.

    An exporter names a product `/encoder/layer.0/output/dense/MatMul`; its matrix is [in, out].
    """
    try:
        graph = _parse(path.read_bytes())[7][0]
        parts = _parse(graph)
        tensors = dict(_tensor(message) for message in parts.get(5, []))
        for name in [name for name in tensors if name.endswith("_quantized")]:
            base = name.removesuffix("_quantized")
            whole = tensors[name].astype(np.float32)
            zero = tensors[f"{base}_zero_point"].astype(np.float32)
            tensors[base] = (whole - zero) * tensors[f"{base}_scale"].astype(np.float32)
        for message in parts.get(1, []):
            node = _parse(message)
            inputs, kind = _texts(node, 1), _texts(node, 4)
            if kind in (["MatMul"], ["MatMulInteger"]) and _texts(node, 3):
                matrix = inputs[1].removesuffix("_quantized")
                if matrix in tensors:
                    owner = _texts(node, 3)[0].rpartition("/")[0].strip("/").replace("/", ".")
                    tensors[f"{owner}.weight"] = tensors[matrix].T
        return tensors
    except (OSError, LookupError, ValueError, TypeError) as error:
        raise BadInput(
            f"the ONNX file can't be read ({type(error).__name__}: {error})", received=path
        ) from None


def _tensor(message: Field) -> tuple[str, Array]:
    parts = _parse(message)
    kind = _ONNX_TYPES.get(_integers(parts, 2)[0], "u1")
    if 9 in parts:  # raw bytes
        flat: Array = np.frombuffer(_bytes(parts[9][0]), dtype=kind)
    elif 4 in parts:  # packed floats
        flat = np.frombuffer(b"".join(_bytes(part) for part in parts[4]), dtype="<f4")
    else:  # packed integers, also those of one byte
        flat = np.array(_integers(parts, 5)).astype(kind)
    return _texts(parts, 8)[0], flat.reshape(_integers(parts, 1))


def _parse(message: Field) -> dict[int, list[Field]]:
    """Return the fields of a protobuf message: number to values."""
    data = memoryview(_bytes(message))
    fields: dict[int, list[Field]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: Field
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
            case 2:
                size, at = _varint(data, at)
                value, at = data[at : at + size], at + size
            case 1 | 5 as wire:
                size = 8 if wire == 1 else 4
                value, at = data[at : at + size], at + size
            case _:
                raise ValueError("not a protobuf message")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _integers(parts: dict[int, list[Field]], number: int) -> list[int]:
    """Return a repeated integer, packed or not."""
    found: list[int] = []
    for value in parts.get(number, []):
        if isinstance(value, int):
            found.append(value)
            continue
        data, at = memoryview(value), 0
        while at < len(data):
            item, at = _varint(data, at)
            found.append(item)
    return [item - (1 << 64) if item >> 63 else item for item in found]


def _texts(parts: dict[int, list[Field]], number: int) -> list[str]:
    return [_bytes(value).decode() for value in parts.get(number, [])]


def _bytes(value: Field) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where bytes were expected")
    return bytes(value)

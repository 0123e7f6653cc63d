"""Writes ONNX graphs: just enough of the file format (protobuf messages) for our conversions.

The `onnx` package would do it too, for 20 MB more in every installation; field numbers are those of
`onnx.proto`, which never change.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Attribute = int | float | str | Sequence[int]

_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10}
_OPSETS = (("", 17), ("com.microsoft", 1))
_IR_VERSION = 8
#: Tensors from this size on go to the file of weights, where there is one; aligned for mapping.
_LARGE, _ALIGNED = 1_024, 64


@dataclass
class WeightFile:
    """Constants that several graphs share, each kept once ("external data" of the format).

    Args:
        name: Name of the file, which must lie in the folder of the graphs.
    """

    name: str
    _data: bytearray = field(default_factory=bytearray)
    _places: dict[bytes, int] = field(default_factory=dict)

    def place(self, content: bytes) -> int:
        """Return where `content` lies, after adding it if it is new."""
        digest = hashlib.sha256(content).digest()
        if digest not in self._places:
            self._data += bytes(-len(self._data) % _ALIGNED)
            self._places[digest] = len(self._data)
            self._data += content
        return self._places[digest]

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return bytes(self._data)


@dataclass
class Graph:
    """A graph under construction. Nodes must be added in the order in which they can run.

    Args:
        name: Its name.
        weights: Where large constants go; None keeps them in the graph.
    """

    name: str
    weights: WeightFile | None = None
    _body: bytearray = field(default_factory=bytearray)
    _count: int = 0

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare an input; dimensions may be names."""
        self._body += _field(11, _value_info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare an output."""
        self._body += _field(12, _value_info(name, dtype, shape))
        return name

    def constant(self, name: str, array: Array) -> str:
        """Add a constant tensor."""
        array = np.ascontiguousarray(array)
        tensor = b"".join(_integer(1, size) for size in array.shape)
        tensor += _integer(2, _TYPES[array.dtype.name]) + _text(8, name)
        if self.weights and array.nbytes >= _LARGE:
            content = array.tobytes()
            facts = {
                "location": self.weights.name,
                "offset": str(self.weights.place(content)),
                "length": str(len(content)),
            }
            entries = (_text(1, key) + _text(2, value) for key, value in facts.items())
            tensor += b"".join(_field(13, entry) for entry in entries) + _integer(14, 1)
        else:
            tensor += _field(9, array.tobytes())
        self._body += _field(5, tensor)
        return name

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: int | Sequence[str] = 1,
        *,
        domain: str = "",
        label: str = "",
        **attributes: Attribute,
    ) -> str:
        """Add an operator and return the name of its first output.

        Args:
            kind: Operator, e.g. "MatMul".
            inputs: Names; "" leaves an optional one out.
            outputs: Names, or how many to make up.
            domain: "com.microsoft" for onnxruntime's own operators.
            label: Name of the node itself.
            **attributes: The operator's attributes.
        """
        self._count += 1
        if isinstance(outputs, int):
            outputs = [f"{kind}_{self._count}_{item}" for item in range(outputs)]
        message = b"".join(_text(1, name) for name in inputs)
        message += b"".join(_text(2, name) for name in outputs)
        message += _text(3, label or f"{kind}_{self._count}") + _text(4, kind)
        message += b"".join(_field(5, _attribute(*item)) for item in attributes.items())
        self._body += _field(1, message + (_text(7, domain) if domain else b""))
        return outputs[0]

    def to_bytes(self) -> bytes:
        """Return the model as the bytes of an `.onnx` file."""
        model = _integer(1, _IR_VERSION) + _text(2, "broadsheet")
        model += _field(7, bytes(self._body) + _text(2, self.name))
        for domain, version in _OPSETS:
            model += _field(8, (_text(1, domain) if domain else b"") + _integer(2, version))
        return model


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _attribute(name: str, value: Attribute) -> bytes:
    message = _text(1, name)
    if isinstance(value, int):
        return message + _integer(3, value) + _integer(20, 2)
    if isinstance(value, float):
        return message + _varint(2 << 3 | 5) + struct.pack("<f", value) + _integer(20, 1)
    if isinstance(value, str):
        return message + _text(4, value) + _integer(20, 3)
    return message + b"".join(_integer(8, item) for item in value) + _integer(20, 7)


def _value_info(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(
        _field(1, _text(2, size) if isinstance(size, str) else _integer(1, size)) for size in shape
    )
    tensor = _integer(1, _TYPES[dtype]) + _field(2, dims)
    return _text(1, name) + _field(2, _field(1, tensor))

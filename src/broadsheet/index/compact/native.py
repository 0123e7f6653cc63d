"""The native search behind ctypes: one shared library, one struct a call, numpy where it is absent.

The library is compiled when the package is built and a C compiler is at hand. It holds the same
search once for each instruction set; the best that the processor has is taken, or the one that
`BROADSHEET_KERNELS` names ("avx512", "avx2", "neon", "plain", "numpy").
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.index.compact.layout import Bits, Positions, Vectors
from broadsheet.index.compact.reference import (
    FEW,
    NOT_ASCENDING,
    NOT_FINITE,
    Answer,
    Call,
    View,
)
from broadsheet.index.compact.walking import LEVELS

#: Instruction sets, the best first.
INSTRUCTION_SETS = ("avx512", "avx2", "neon", "plain")
#: Names one of them, or "numpy" for none.
CHOICE = "BROADSHEET_KERNELS"
_LIBRARY = Path(__file__).parent / "native" / "libcompact.so"
_WHOLE, _REAL, _POINTER = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
_ARRAYS = (
    *("starts", "centres", "centre_scales", "centre_norms", "spreads", "sharpness", "signs"),
    *("codes", "offsets", "factors", "rows8", "row_scales", "exact", "tail", "graph"),
    "entries",
)


class _View(ctypes.Structure):
    _fields_ = [
        *((name, _WHOLE) for name in ("rows", "dim", "wide", "lists", "rounds", "degree")),
        *((name, _POINTER) for name in _ARRAYS),
        *((name, _REAL) for name in ("reach", "row_step", "row_norm", "prior")),
    ]


class _Call(ctypes.Structure):
    _fields_ = [
        *(
            (name, _POINTER)
            for name in ("view", "query", "bits", "ids", "scratch", "positions", "scores")
        ),
        *((name, _WHOLE) for name in ("k", "id_count", "matches", "ids_limit", "sparse")),
        *((name, _WHOLE) for name in ("graph_from", "ef", "barred")),
        ("slack", _REAL),
        ("stops", _REAL * LEVELS),
        *(
            (name, _WHOLE)
            for name in (
                *("found", "path", "clusters", "codes", "reranked", "exact"),
                *("near_rows", "near_matches"),
            )
        ),
    ]


_Search = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        library.compact_version.restype = _WHOLE
        library.compact_choose.restype = _POINTER
        library.compact_choose.argtypes = [ctypes.c_char_p]
        library.compact_kernel.restype = _POINTER
        library.compact_kernel.argtypes = [ctypes.c_char_p]
        library.compact_scratch.restype = _WHOLE
        library.compact_scratch.argtypes = [_POINTER, _WHOLE]
    except (OSError, AttributeError):
        return None
    size = 1000 * ctypes.sizeof(_View) + ctypes.sizeof(_Call)
    return library if library.compact_version() == size else None


@functools.cache
def supported() -> tuple[str, ...]:
    """Return the instruction sets that both the library and the processor have, the best first."""
    library = _library()
    if library is None:
        return ()
    return tuple(
        name for name in INSTRUCTION_SETS if library.compact_choose(name.encode()) is not None
    )


def available() -> bool:
    """Tell whether searches run natively; else they use numpy."""
    return instruction_set() != "numpy"


def instruction_set() -> str:
    """Return the name of the kernels that a segment opened now will use.

    Raises:
        UsageError: The environment names kernels that are not here.
    """
    asked = os.environ.get(CHOICE)
    if asked is None:
        return supported()[0] if supported() else "numpy"
    if asked != "numpy" and asked not in supported():
        raise UsageError(
            f"{CHOICE} names kernels that this machine lacks",
            received=asked,
            hint=", ".join((*supported(), "numpy")),
        )
    return asked


class Searcher:
    """Searches one segment natively; for any number of threads.

    Args:
        view: The segment.
        kernels: One of `supported()`.

    Example:
        >>> Searcher.__name__  # opened by `Segment`, where the library is present
        'Searcher'
    """

    def __init__(self, view: View, kernels: str) -> None:
        library = _library()
        address = None if library is None else library.compact_choose(kernels.encode())
        if library is None or address is None:
            raise UsageError("these kernels are not here", received=kernels)
        self._library = library
        self._search = _Search(address)
        self._arrays = dict(view.arrays)
        self._struct = _struct_of(view, self._arrays)
        self._idle: list[_Place] = []

    def search(self, call: Call) -> Answer:
        """Search; the same answer as `reference.search`.

        Raises:
            BadInput: A number of the query is not finite, or positions not ascending.
        """
        try:
            place = self._idle.pop()
        except IndexError:
            place = _Place(self._struct.dim)
        if place.room < call.k:
            place.grow(self._library, self._struct, call.k)
        place.query[:] = call.query
        struct = place.struct
        struct.k = call.k
        bits, ids = call.bits, call.ids
        if bits is not None:
            struct.bits = bits.address
            struct.matches = -1 if bits.known is None else bits.known
        else:
            struct.bits = None
        if ids is not None:
            struct.ids = ids.__array_interface__["data"][0]
            struct.id_count = len(ids)
        else:
            struct.ids = None
        struct.ids_limit = call.ids_limit
        struct.sparse = call.sparse
        struct.graph_from = call.graph_from
        struct.ef = call.ef
        struct.barred = call.barred
        struct.slack = call.slack
        struct.stops[:] = call.stops
        failed = self._search(place.address)
        if failed:
            self._idle.append(place)
            raise BadInput(NOT_FINITE if failed == 1 else NOT_ASCENDING)
        found = struct.found
        if bits is not None:
            bits.known = struct.matches
        answer = Answer(
            place.positions[:found].copy(),
            place.scores[:found].copy(),
            struct.path,
            struct.matches,
            struct.clusters,
            struct.codes,
            struct.reranked,
            struct.exact,
            struct.near_rows,
            struct.near_matches,
        )
        self._idle.append(place)
        return answer


class Kernels:
    """Single kernels of the library, for tests and benchmarks.

    Args:
        view: The segment whose arrays they read.
        kernels: One of `supported()`.

    Example:
        >>> Kernels.__name__  # where the library is present
        'Kernels'
    """

    def __init__(self, view: View, kernels: str) -> None:
        library = _library()
        address = None if library is None else library.compact_kernel(kernels.encode())
        if library is None or address is None:
            raise UsageError("these kernels are not here", received=kernels)
        self._kernel = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _WHOLE)(address)
        self._arrays = dict(view.arrays)
        self._struct = _struct_of(view, self._arrays)
        self._place = _Place(self._struct.dim)
        self._place.grow(library, self._struct, 16)

    def exact(self, query: Vectors, ids: Positions) -> Vectors:
        """Return full scores of rows."""
        return self._scores(0, query, ids)

    def eight(self, query: Vectors, ids: Positions) -> Vectors:
        """Return 8-bit scores of rows."""
        return self._scores(1, query, ids)

    def count_estimates(self, query: Vectors, bits: Bits | None, threshold: float) -> int:
        """Return how many allowed rows have an estimate, without a centre, above a threshold."""
        struct = self._place.struct
        self._place.query[:] = query
        struct.k = 16
        struct.bits = None if bits is None else bits.address
        struct.stops[0] = threshold
        self._kernel(self._place.address, 2)
        return int(struct.found)

    def _scores(self, which: int, query: Vectors, ids: Positions) -> Vectors:
        struct = self._place.struct
        self._place.query[:] = query
        scores = np.zeros(len(ids), dtype=np.float32)
        sums = np.zeros(len(ids), dtype=np.int32)
        struct.k = 16
        struct.ids, struct.id_count = ids.ctypes.data, len(ids)
        struct.scores, struct.positions = scores.ctypes.data, sums.ctypes.data
        self._kernel(self._place.address, which)
        return scores


class _Place:
    """Where one search at a time is prepared and its results lie."""

    def __init__(self, dim: int) -> None:
        self.query = np.zeros(dim, dtype=np.float32)
        self.struct = _Call()
        self.address = ctypes.addressof(self.struct)
        self.room = 0

    def grow(self, library: ctypes.CDLL, view: _View, k: int) -> None:
        """Make room for k results."""
        self.room = max(2 * self.room, k, 16)
        self.positions = np.zeros(self.room + FEW, dtype=np.int32)
        self.scores = np.zeros(self.room + FEW, dtype=np.float32)
        size = library.compact_scratch(ctypes.addressof(view), self.room)
        self._scratch = np.zeros(size, dtype=np.uint8)
        self.struct.view = ctypes.addressof(view)
        self.struct.query = self.query.ctypes.data
        self.struct.scratch = self._scratch.ctypes.data
        self.struct.positions = self.positions.ctypes.data
        self.struct.scores = self.scores.ctypes.data


def _struct_of(view: View, arrays: dict[str, npt.NDArray[Any]]) -> _View:
    pointers = {
        name: arrays["rows" if name == "exact" else name].ctypes.data
        for name in _ARRAYS
        if name == "exact" or name in arrays
    }
    count, dim = arrays["rows"].shape
    return _View(
        rows=count,
        dim=dim,
        wide=arrays["rows8"].shape[1],
        lists=len(arrays["centres"]),
        rounds=len(arrays["signs"]),
        degree=arrays["graph"].shape[1] if "graph" in arrays else 0,
        reach=view.reach,
        row_step=view.row_step,
        row_norm=view.row_norm,
        prior=view.prior,
        **pointers,
    )

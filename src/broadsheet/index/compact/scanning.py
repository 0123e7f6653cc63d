"""Open the arrays of a segment for searching: natively where possible, else in numpy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.index.compact import native, reference

#: Carries out one search.
Search = Callable[[reference.Call], reference.Answer]


def view_of(arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> reference.View:
    """Return the arrays together with the numbers that hold for all searches."""
    sharpness = np.float32(reference.TAIL_BINS_PER_UNIT) / arrays["spreads"]
    return reference.View(
        arrays={**arrays, "sharpness": sharpness},
        reach=float(facts["reach"]),
        row_step=float(facts["row_step"]),
        row_norm=float(facts["row_norm"]),
    )


def open_search(view: reference.View, kernels: str) -> Search:
    """Return the search of a view with these kernels (`native.instruction_set()`)."""
    if kernels == "numpy":
        return functools.partial(reference.search, view)
    return native.Searcher(view, kernels).search

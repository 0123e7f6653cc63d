"""The one way to compile a kernel: numba, one thread, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from broadsheet.core.optional import require

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered, so that they become vector instructions; infinities stay infinities.
_SUMS = {"reassoc", "contract", "nsz"}


def compiled(function: Function) -> Function:
    """Compile a function on its first call.

    The machine code is kept beside the source or in the user's cache folder; where neither can be
    written (a read-only installation without a home), it is compiled again in every process.

    Raises:
        UsageError: numba is not installed; the message names the extra that brings it.
    """
    numba = require("numba", extra="eval", why="searching with the published filtered methods")
    try:
        return cast(Function, numba.njit(cache=True, fastmath=_SUMS)(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast(Function, numba.njit(cache=False, fastmath=_SUMS)(function))

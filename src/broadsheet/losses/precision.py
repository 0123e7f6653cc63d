"""Losses are computed in float32 at least, also inside an autocast region."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

_SHORT = (torch.float16, torch.bfloat16)


def in_full_precision(loss: Callable[P, R]) -> Callable[P, R]:
    """Return `loss` with float16 and bfloat16 arguments widened and autocast switched off.

    float64 stays, so that gradients can be checked numerically.

    Example:
        >>> @in_full_precision
        ... def total(x: Tensor) -> Tensor:
        ...     return x.sum()
        >>> total(torch.ones(3, dtype=torch.bfloat16)).dtype
        torch.float32
    """

    @functools.wraps(loss)
    def widened(*args: P.args, **kwargs: P.kwargs) -> R:
        found = [item for item in (*args, *kwargs.values()) if isinstance(item, Tensor)]
        kind = found[0].device.type if found else "cpu"
        if not torch.amp.is_autocast_available(kind):
            return loss(*args, **kwargs)
        with torch.autocast(kind, enabled=False):
            wide = [_widen(item) for item in args]
            named = {name: _widen(item) for name, item in kwargs.items()}
            return loss(*wide, **named)  # type: ignore[arg-type]

    return widened


def _widen(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.dtype in _SHORT else value

"""Shells: a module with another list of layers, everything else shared."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def with_part(model: M, path: str, part: nn.Module | None) -> M:
    """Return a shell of `model` in which `path` is `part`; all other parts and weights are shared.

    `model` itself stays as it was, so shells can be made while it runs elsewhere.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> shell = with_part(model, "1", nn.Identity())
        >>> shell[0] is model[0], shell[1] is model[1]
        (True, False)
    """
    shell = copy.copy(model)
    shell._modules = dict(model._modules)
    first, _, rest = path.partition(".")
    shell._modules[first] = with_part(model.get_submodule(first), rest, part) if rest else part
    return shell

"""Optional dependencies: one place that says which extra brings a missing module."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from broadsheet.core.errors import UsageError


def available(module: str) -> bool:
    """Tell whether `module` could be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(module: str, *, extra: str, why: str) -> ModuleType:
    """Import and return an optional module.

    Raises:
        UsageError: It is not installed; the message names the extra that brings it.
    """
    if not available(module):
        raise UsageError(
            f"{why} needs the module {module}", hint=f"pip install 'broadsheet[{extra}]'"
        )
    return importlib.import_module(module)

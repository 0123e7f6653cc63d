"""Names for things that are imported only when used: "package.module:attribute"."""

from __future__ import annotations

import importlib
from typing import Any

from broadsheet.core.errors import UsageError


class Registry:
    """A table from public names to lazily imported objects.

    Example:
        >>> shapes = Registry("shape", {"path": "pathlib:PurePosixPath"})
        >>> shapes.load("path")("a/b").name
        'b'
    """

    def __init__(self, kind: str, entries: dict[str, str]) -> None:
        self._kind = kind
        self._entries = dict(entries)

    def names(self) -> list[str]:
        """Return the registered names in the order of registration."""
        return list(self._entries)

    def load(self, name: str) -> Any:
        """Import and return the object registered under `name`.

        Raises:
            UsageError: No such name; the message lists those that exist.
        """
        target = self._entries.get(name)
        if target is None:
            raise UsageError(
                f"unknown {self._kind}", received=name, hint="one of " + ", ".join(self._entries)
            )
        module, _, attribute = target.partition(":")
        return getattr(importlib.import_module(module), attribute)

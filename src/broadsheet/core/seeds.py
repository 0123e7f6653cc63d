"""Random numbers by name: one root seed, a path of names, the same numbers on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broadsheet.core.optional import require

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class SeedTree:
    """A seed and the names that lead to a use of it; nothing global is ever seeded.

    A child's numbers depend on the root and on its own path only, never on how many numbers
    anybody drew before: adding a use of randomness leaves all others as they were.

    Args:
        root: The seed of a run.
        path: Names from the root down.

    Example:
        >>> tree = SeedTree(7)
        >>> tree.child("data", 3).integer() == tree.child("data").child(3).integer()
        True
        >>> tree.child("data").integer() == tree.child("weights").integer()
        False
    """

    root: int
    path: tuple[str, ...] = field(default=())

    def child(self, *names: str | int) -> SeedTree:
        """Return the seed tree below `names`."""
        return SeedTree(self.root, (*self.path, *map(str, names)))

    def integer(self) -> int:
        """Return this node's seed, 0 <= seed < 2**63."""
        text = "\x1f".join((str(self.root), *self.path))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def numpy(self) -> np.random.Generator:
        """Return a fresh numpy generator of this node."""
        import numpy as np

        return np.random.default_rng(self.integer())

    def torch(self, device: str = "cpu") -> Any:
        """Return a fresh `torch.Generator` of this node.

        Raises:
            UsageError: torch is not installed.
        """
        torch = require("torch", extra="train", why="drawing tensors")
        return torch.Generator(device).manual_seed(self.integer())

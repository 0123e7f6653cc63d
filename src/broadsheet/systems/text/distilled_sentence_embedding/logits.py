"""Logits on disk, keyed so that order can never mislabel a pair.

Legend: N pairs, C logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class LogitCache:
    """Logits on disk, keyed by the model's hash and the pair's id: order can never mislabel.

    Args:
        folder: One file per model.

    Example:
        >>> import tempfile
        >>> cache = LogitCache(Path(tempfile.mkdtemp()))
        >>> cache.put("0a1b", ("x", "y"), np.array([[1.0], [2.0]], np.float32))
        >>> cache.missing("0a1b", ("y", "z")), cache.get("0a1b", ("y", "x")).tolist()
        (('z',), [[2.0], [1.0]])
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def missing(self, model: str, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the pairs that this model has not scored yet."""
        known = self._read(model)
        return tuple(name for name in ids if name not in known)

    def get(self, model: str, ids: Sequence[str]) -> Floats:
        """Return logits in the order of `ids`.

        Raises:
            KeyError: A pair was not scored.
        """
        known = self._read(model)
        return np.stack([known[name] for name in ids]).astype(np.float32)

    def put(self, model: str, ids: Sequence[str], logits_NC: Floats) -> None:
        """Keep the logits of some pairs beside those that are there."""
        known = self._read(model) | dict(zip(ids, logits_NC, strict=True))
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{model}.npz"
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, ids=np.array(list(known)), logits=np.stack(list(known.values())))
        partial.replace(path)

    def _read(self, model: str) -> dict[str, Floats]:
        path = self._folder / f"{model}.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as stored:
            return dict(zip(stored["ids"].tolist(), stored["logits"], strict=True))

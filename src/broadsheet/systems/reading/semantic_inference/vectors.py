"""Vectors from elsewhere: encoders that the application has installed, or hashed words.

Legend: T texts, D width.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import UsageError
from broadsheet.core.paths import default_home, write_atomically
from broadsheet.core.progress import Advance
from broadsheet.runtime.encoder import Encoder, Role, unit_rows
from broadsheet.runtime.models import open_encoder
from broadsheet.systems.contract import Workspace

Floats = NDArray[np.float32]


def encode(name: str, texts: Sequence[str], workspace: Workspace) -> Floats:
    """Return unit rows of texts, kept in the shared folder under a hash of texts and encoder.

    Args:
        name: "home:NAME" for an encoder that the application has installed, "hashed:D" for means
            of random word vectors of D numbers, which need nothing.
        texts: The texts.
        workspace: Has the shared folder.

    Shape:
        [T, D].

    Raises:
        UsageError: No such name.
        NotFound: The encoder is not installed.
    """
    return kept(workspace.shared, ("1", name, *texts), lambda: _encode(name, texts))


def installed(name: str) -> Encoder:
    """Open an encoder of the application by "home:NAME".

    Raises:
        UsageError: The name is of another kind.
        NotFound: It is not installed.
    """
    kind, _, rest = name.partition(":")
    if kind != "home" or not rest:
        raise UsageError("not an installed encoder", received=name, hint="home:NAME")
    return open_encoder(default_home(), rest, threads=1)


def _encode(name: str, texts: Sequence[str]) -> Floats:
    if not name.startswith("hashed:"):
        return unit_rows(np.array(installed(name).encode(list(texts)), np.float32))
    return hashed(texts, int(name.removeprefix("hashed:")))


def hashed(texts: Sequence[str], dim: int) -> Floats:
    """Return unit means of word vectors that are drawn from the words' own letters.

    Example:
        >>> rows = hashed(["ada likes figs", "figs"], 64)
        >>> rows.shape, bool(rows[0] @ rows[1] > 0.3)
        ((2, 64), True)
    """
    rows = np.zeros((len(texts), dim), np.float32)
    known: dict[str, Floats] = {}
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            if word not in known:
                rng = np.random.default_rng(zlib.crc32(word.encode()))
                known[word] = rng.standard_normal(dim).astype(np.float32)
            row += known[word]
    return unit_rows(rows)


class HashedWords:
    """Hashed words as an encoder, for examples and tests.

    Args:
        dim: Length of a vector.

    Example:
        >>> HashedWords(8).encode(["a word"]).shape
        (1, 8)
    """

    quick = True

    def __init__(self, dim: int) -> None:
        self.id = f"hashed:{dim}"
        self.version = f"{self.id}@1"
        self.dim = dim

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Floats:
        """Return unit rows, [T, D]."""
        return hashed(texts, self.dim)


def kept(folder: Path, key: Sequence[str], make: Callable[[], Floats]) -> Floats:
    """Return an array that is made once; `key` is everything that it follows from."""
    digest = hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:24]
    path = folder / "vectors" / f"{digest}.npy"
    if path.is_file():
        found: Floats = np.load(path, allow_pickle=False)
        return found
    made = make()
    buffer = io.BytesIO()
    np.save(buffer, made)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    return made

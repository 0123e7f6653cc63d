"""Short vectors: the first numbers of an encoder's vectors, scaled to length 1 again."""

from __future__ import annotations

from collections.abc import Sequence

from broadsheet.core.errors import UsageError
from broadsheet.core.progress import Advance
from broadsheet.runtime.encoder import Derivation, Derived, Encoder, Role, Vectors, unit_rows


class ShortEncoder:
    """Another encoder's vectors, cut after their first numbers.

    Args:
        encoder: The encoder that is cut.
        dims: Numbers kept.

    Raises:
        UsageError: `dims` is not below the encoder's own length.
    """

    def __init__(self, encoder: Encoder, dims: int) -> None:
        if not 0 < dims < encoder.dim:
            raise UsageError(
                f"{encoder.id} has {encoder.dim} numbers", received=dims, hint="fewer than that"
            )
        self._encoder = encoder
        self.id = encoder.id
        self.version = short_version(encoder.version, dims)
        self.dim = dims
        self.quick = encoder.quick

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Vectors:
        """Encode texts; see `Encoder.encode`."""
        return shortened(self._encoder.encode(texts, role=role, advance=advance), self.dim)

    def derive(self, version: str) -> Derivation | None:
        """Return how vectors of another version become these; see `Derived`."""
        whole = self._encoder.version
        name, _, length = version.rpartition(":")
        longer = name == whole and length.isdigit() and int(length) > self.dim
        if version == whole or longer:
            return lambda vectors: shortened(vectors, self.dim)
        inner = self._encoder.derive(version) if isinstance(self._encoder, Derived) else None
        return (lambda vectors: shortened(inner(vectors), self.dim)) if inner else None


def short_version(version: str, dims: int) -> str:
    """Return the version of vectors that were cut."""
    return f"{version}:{dims}"


def shortened(vectors: Vectors, dims: int) -> Vectors:
    """Return the first `dims` numbers of each row, scaled to length 1.

    Shape:
        [n, dim] -> [n, dims].
    """
    return unit_rows(vectors[:, :dims].copy())

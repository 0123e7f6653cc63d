"""Exact search over the vectors of numbered documents, kept in files that survive a crash.

```
vectors/<encoder>/
  meta.json          what is committed: rows, entries, generation, the encoder's version
  vectors.<g>.bin    float32 rows, append-only
  entries.<g>.bin    append-only log: document number -> row and hash of the text (row -1: removed)
  write.lock         held by the one writer
```
`meta.json` is replaced last, so whatever lies beyond what it counts is the remains of a crash and
is overwritten. A row is found again by the hash of its text, so a text is encoded once.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.paths import exclusive, write_atomically
from broadsheet.index.appending import append_at

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Bytes of a text's hash.
HASH_BYTES = 16
#: Below this share of documents kept by a filter, gathering their rows first is quicker.
GATHER_BELOW = 0.2
_ENTRY = np.dtype([("number", "<i8"), ("row", "<i8"), ("hash", f"V{HASH_BYTES}")])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meta:
    """What is committed. `seen` is the store revision up to which documents are covered."""

    dim: int
    version: str
    generation: int = 0
    rows: int = 0
    entries: int = 0
    seen: int = 0


class VectorStore:
    """Vectors of one encoder, for reading or, by one process at a time, for writing.

    Args:
        folder: Folder of this encoder's vectors.
        dim: Length of a vector.
        version: Version of the encoder. Vectors of another version are not shown, and the first
            commit replaces them.
        writable: Take the writer's lock; the folder is created when missing.

    Raises:
        SourceError: Another process is writing to the folder (only with `writable`).
        BadInput: The files are damaged; they are derived and can be deleted.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with VectorStore(folder, 2, writable=True) as store:
        ...     store.add([7], [b"h" * 16], np.array([[0.6, 0.8]], dtype=np.float32))
        ...     store.search(np.array([0.0, 1.0], dtype=np.float32), 1)[0][0]
        7
    """

    def __init__(self, folder: Path, dim: int, *, version: str = "", writable: bool = False):
        self.folder = folder
        self._fresh = _Meta(dim=dim, version=version)
        self._lock = contextlib.ExitStack()
        if writable:
            self._lock.enter_context(exclusive(folder / "write.lock", "encoding"))
        self._writable = writable
        self._stamp: tuple[int, int] | None = None
        self._meta = self._fresh
        self._hashes: dict[bytes, int] | None = None
        try:
            self._load()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the writer's lock; committed rows stay."""
        self._lock.close()

    def __len__(self) -> int:
        """Return how many documents have a vector."""
        return len(self._numbers)

    @property
    def dim(self) -> int:
        """Return the length of a vector."""
        return self._meta.dim

    @property
    def seen(self) -> int:
        """Return the store revision up to which documents are covered."""
        return self._meta.seen

    @property
    def state(self) -> tuple[str, int, int]:
        """Return version, generation and length of the log: what `touched_since` counts from."""
        return self._meta.version, self._meta.generation, self._meta.entries

    def touched_since(self, entries: int) -> Numbers:
        """Return the numbers that the log names behind its first `entries`, ascending."""
        touched: Numbers = np.unique(self._entries["number"][entries:])
        return touched

    @property
    def numbers(self) -> Numbers:
        """Return the numbers of the documents that have a vector, ascending."""
        return self._numbers

    def reload(self) -> bool:
        """See what another process has committed since; tell whether there was anything."""
        if self._stamp == _stamp(self.folder):
            return False
        self._load()
        return True

    def vectors_for(self, hashes: Sequence[bytes]) -> list[int]:
        """Return, for each hash of a text, the row that holds its vector, or -1."""
        known = self._rows_by_hash()
        return [known.get(digest, -1) for digest in hashes]

    def has(self, number: int, digest: bytes) -> bool:
        """Tell whether document `number` has the vector of the text with this hash."""
        position = int(np.searchsorted(self._numbers, number))
        if position == len(self._numbers) or self._numbers[position] != number:
            return False
        return self._rows_by_hash().get(digest, -1) == int(self._rows[position])

    def vector(self, number: int) -> Vectors | None:
        """Return the vector of a document, or None."""
        position = int(np.searchsorted(self._numbers, number))
        if position == len(self._numbers) or self._numbers[position] != number:
            return None
        return np.array(self._matrix[self._rows[position]])

    def vectors_of(self, numbers: Numbers) -> Vectors:
        """Return the vectors of documents that all have one.

        Shape:
            [len(numbers), dim].
        """
        return self._matrix[self._rows[np.searchsorted(self._numbers, numbers)]]

    # -- search ---------------------------------------------------------------------------

    def search(
        self, query: Vectors, k: int, allowed: Mask | None = None
    ) -> list[tuple[int, float]]:
        """Return the `k` allowed documents most similar to a query, best first.

        Never a document outside `allowed`, never fewer than `k` when so many are allowed and have
        a vector. Equal scores are ordered by number.

        Args:
            query: [dim], of length 1 for cosines.
            k: How many.
            allowed: Whether the document of each number may be returned; numbers beyond its end
                may not. None allows all.
        """
        return self.search_many(query.reshape(1, -1), k, allowed)[0]

    def search_many(
        self, queries: Vectors, k: int, allowed: Mask | None = None
    ) -> list[list[tuple[int, float]]]:
        """Search several queries at once; see `search`.

        Shape:
            queries [n, dim]; the result has n lists.
        """
        queries = np.asarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise BadInput(f"a query must have {self.dim} numbers", received=queries.shape)
        kept = self._kept(allowed)
        if not len(kept) or k < 1:
            return [[] for _ in queries]
        rows = self._rows[kept]
        if len(kept) < GATHER_BELOW * len(self._matrix):
            scores = queries @ self._matrix[rows].T
        else:
            scores = queries @ self._matrix.T
            if allowed is not None or not self._in_order:
                scores = scores[:, rows]
        numbers = self._numbers[kept]
        return [_best(numbers, line, k) for line in scores]

    def similar(self, number: int, k: int, allowed: Mask | None = None) -> list[tuple[int, float]]:
        """Return the `k` allowed documents most similar to a document, itself left out."""
        vector = self.vector(number)
        if vector is None:
            return []
        found = self.search(vector, k + 1, allowed)
        return [(other, score) for other, score in found if other != number][:k]

    def _kept(self, allowed: Mask | None) -> npt.NDArray[np.intp]:
        if allowed is None:
            return np.arange(len(self._numbers))
        inside = int(np.searchsorted(self._numbers, len(allowed)))
        return np.flatnonzero(allowed[self._numbers[:inside]])

    # -- writing --------------------------------------------------------------------------

    def add(
        self,
        numbers: Sequence[int],
        hashes: Sequence[bytes],
        vectors: Vectors,
        *,
        removed: Sequence[int] = (),
        seen: int | None = None,
    ) -> None:
        """Commit vectors: new documents, new vectors of known ones, and documents to forget.

        Args:
            numbers: Document numbers.
            hashes: Hash of each document's text, `HASH_BYTES` long. Where `vectors_for` knows
                one, its row is used again and the given vector is not looked at.
            vectors: [len(numbers), dim].
            removed: Numbers to forget; those without a vector are ignored.
            seen: Store revision covered from now on.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (len(numbers), self.dim) or len(hashes) != len(numbers):
            raise BadInput(
                f"expected {len(numbers)} vectors of {self.dim} numbers", received=vectors.shape
            )
        known, added = self._rows_by_hash(), dict[bytes, int]()
        fresh: list[int] = []
        entries = np.zeros(len(numbers) + len(removed), dtype=_ENTRY)
        for position, digest in enumerate(hashes):
            row = known.get(digest, added.get(digest, -1))
            if row < 0:
                row = added[digest] = self._meta.rows + len(fresh)
                fresh.append(position)
            entries[position] = (numbers[position], row, np.void(digest))
        for position, number in enumerate(removed, len(numbers)):
            entries[position] = (number, -1, np.void(bytes(HASH_BYTES)))
        self._commit(self._meta, vectors[fresh], entries, self.seen if seen is None else seen)
        known.update(added)
        self._hashes = known

    def compact(self) -> None:
        """Write the files anew without rows and entries that no document uses any more."""
        rows, inverse = np.unique(self._rows, return_inverse=True)
        digests = {row: digest for digest, row in self._rows_by_hash().items()}
        entries = np.zeros(len(self._numbers), dtype=_ENTRY)
        for position, (number, row) in enumerate(zip(self._numbers, inverse, strict=True)):
            entries[position] = (number, row, np.void(digests[int(rows[row])]))
        empty = replace(self._fresh, generation=self._meta.generation + 1)
        self._commit(empty, np.array(self._matrix[rows]), entries, self.seen)

    def wasted(self) -> float:
        """Return the share of stored rows that no document uses."""
        return 1 - len(np.unique(self._rows)) / self._meta.rows if self._meta.rows else 0.0

    def _commit(
        self, meta: _Meta, vectors: Vectors, entries: npt.NDArray[np.void], seen: int
    ) -> None:
        """Append to the files that `meta` describes, then make that the committed state."""
        if not self._writable:
            raise BadInput("these vectors were opened for reading", received=self.folder)
        after = replace(
            meta, rows=meta.rows + len(vectors), entries=meta.entries + len(entries), seen=seen
        )
        try:
            rows = np.ascontiguousarray(vectors).tobytes()
            append_at(self._path(meta, "vectors"), meta.rows * meta.dim * 4, rows)
            entry = meta.entries * _ENTRY.itemsize
            append_at(self._path(meta, "entries"), entry, entries.tobytes())
            write_atomically(self.folder / "meta.json", json.dumps(asdict(after)).encode())
        except OSError as error:
            raise SourceError(
                f"the vectors can't be written ({error.strerror}); those committed before stay",
                received=self.folder,
                hint="free some space and run the same command again",
            ) from None
        self._load()
        self._forget_other_generations()

    def _forget_other_generations(self) -> None:
        current = {self._path(self._meta, "vectors"), self._path(self._meta, "entries")}
        for path in {*self.folder.glob("vectors.*.bin"), *self.folder.glob("entries.*.bin")}:
            if path not in current:
                path.unlink(missing_ok=True)

    # -- reading the files ----------------------------------------------------------------

    def _path(self, meta: _Meta, name: str) -> Path:
        return self.folder / f"{name}.{meta.generation}.bin"

    def _load(self) -> None:
        for _ in range(3):
            self._stamp = _stamp(self.folder)
            self._meta = self._read_meta()
            try:
                entries = self._map_files()
                break
            except FileNotFoundError:
                continue  # the writer began a new generation between the two reads
            except (OSError, ValueError):
                raise self._damaged("the stored vectors are shorter than was committed") from None
        else:
            raise self._damaged("the files of the stored vectors are missing")
        self._entries = entries
        self._hashes = None
        # The last entry of a number counts: the first in the reversed log.
        numbers, last = np.unique(entries["number"][::-1], return_index=True)
        rows = entries["row"][::-1][last]
        self._numbers: Numbers = numbers[rows >= 0]
        self._rows: Numbers = rows[rows >= 0]
        self._in_order = np.array_equal(self._rows, np.arange(len(self._matrix)))

    def _map_files(self) -> npt.NDArray[np.void]:
        meta = self._meta
        self._matrix: Vectors = np.zeros((0, meta.dim), dtype=np.float32)
        if meta.rows:
            path, shape = self._path(meta, "vectors"), (meta.rows, meta.dim)
            self._matrix = np.memmap(path, "<f4", "r", shape=shape).view(np.ndarray)
        if not meta.entries:
            return np.zeros(0, dtype=_ENTRY)
        entries = np.fromfile(self._path(meta, "entries"), dtype=_ENTRY, count=meta.entries)
        if len(entries) != meta.entries:
            raise ValueError("short file")
        return entries

    def _damaged(self, what: str) -> BadInput:
        hint = "delete that folder and run `broadsheet model embed`"
        return BadInput(what, received=self.folder, hint=hint)

    def _read_meta(self) -> _Meta:
        try:
            stored = _Meta(**json.loads((self.folder / "meta.json").read_bytes()))
        except FileNotFoundError:
            return self._fresh
        except (ValueError, TypeError):
            raise self._damaged("meta.json of the stored vectors can't be read") from None
        if (stored.dim, stored.version) == (self._fresh.dim, self._fresh.version):
            return stored
        return replace(self._fresh, generation=stored.generation + 1)

    def _rows_by_hash(self) -> dict[bytes, int]:
        if self._hashes is None:
            used = self._entries[self._entries["row"] >= 0]
            self._hashes = dict(zip(used["hash"].tolist(), used["row"].tolist(), strict=True))
        found: dict[bytes, int] = self._hashes
        return found


def stored_form(folder: Path) -> tuple[int, str] | None:
    """Return length and version of the vectors committed to a folder, None when there are none."""
    try:
        meta = _Meta(**json.loads((folder / "meta.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return meta.dim, meta.version


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        facts = (folder / "meta.json").stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _best(numbers: Numbers, scores: Vectors, k: int) -> list[tuple[int, float]]:
    if k < len(scores):
        # Everything that ties with the k-th score, so that ties are broken by number alone.
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        chosen = np.flatnonzero(scores >= threshold)
    else:
        chosen = np.arange(len(scores))
    order = np.lexsort((numbers[chosen], -scores[chosen]))[:k]
    return [(int(numbers[item]), float(scores[item])) for item in chosen[order]]

"""The compact index of numbered vectors: filtered search, updates without rebuilding.

```
<folder>/
  meta.json           what is committed, with its checksum; replaced last, all or nothing
  segment.<g>/        a tier: an immutable segment, one file for each array
  alive.<g>.<i>.bin   which rows of tier i still count
  recent.<g>.log      updates since the tiers were written, and their vectors
  recent.<g>.rows
  write.lock, compact.lock
```
New vectors are visible at once: the recent ones are searched exactly. `compact` builds a segment
beside the old files without holding up writers, and swaps `meta.json`. A process may be killed at
any moment: what was committed stays, and what was not is written over or deleted by the next one.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Progress, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact import merging, updates
from broadsheet.index.compact.files import settle, write_sealed
from broadsheet.index.compact.segment import RECALL
from broadsheet.index.compact.snapshot import META, Answer, Meta, Snapshot
from broadsheet.index.compact.tiers import Allowed, sharing
from broadsheet.index.compact.updates import Numbers, Recent, Vectors

_WAIT_S = 30.0
#: How the files begin that go when the committed state does not name them.
_OURS = ("segment.", "alive.", "recent.", f".{META}.")
_NOTHING = AttributeStore()


class CompactIndex:
    """Vectors of numbered documents in a folder. Safe to use from several threads.

    Several processes may read; writers take turns, each for the moment of a commit. Opening never
    changes a file.

    Args:
        folder: Where the index lies; created by the first update.
        dim: Length of a vector.
        attributes: What predicates speak of; may be exchanged at any time.

    Raises:
        BadInput: A file is damaged, or the vectors are of another length.

    Example:
        >>> import tempfile
        >>> index = CompactIndex(Path(tempfile.mkdtemp()), 2)
        >>> index.add([7, 9], np.array([[1, 0], [0, 1]], dtype=np.float32))
        >>> index.search(np.array([0.6, 0.8], dtype=np.float32), 1).hits[0][0]
        9
    """

    def __init__(self, folder: Path, dim: int, *, attributes: AttributeStore = _NOTHING) -> None:
        self.folder = folder
        self.attributes = attributes
        self._dim = dim
        self._lock = threading.RLock()
        self._stamp = _stamp(folder)
        self._snapshot = self._opened()

    def __len__(self) -> int:
        """Return how many documents there are."""
        return self._snapshot.size

    @property
    def dim(self) -> int:
        """Return the length of a vector."""
        return self._dim

    @property
    def mark(self) -> str:
        """Return what was remembered with the last update."""
        return self._snapshot.meta.mark

    @property
    def snapshot(self) -> Snapshot:
        """Return the state that is searched now."""
        return self._snapshot

    def numbers(self) -> Numbers:
        """Return the numbers of all documents, ascending."""
        return self._snapshot.numbers()

    def vector(self, number: int) -> Vectors | None:
        """Return the vector of a document, or None."""
        return self._snapshot.vector(number)

    # -- search ---------------------------------------------------------------------------

    def search(
        self, query: Vectors, k: int, allowed: Allowed | None = None, *, recall: float = RECALL
    ) -> Answer:
        """Return the k allowed documents with the largest inner product, best first.

        Never a document that is not allowed; never fewer than k when so many are allowed. How a
        search is carried out depends on which documents are allowed, not on how that is said.

        Args:
            query: [dim].
            k: How many.
            allowed: A predicate over `attributes`, a mask by document number, or numbers; None
                allows all. Numbers beyond a mask's end are not allowed.
            recall: Share of the true k nearest to aim at, on average; 1 leaves no cluster out.

        Raises:
            BadInput: The query has another length or a number that is not finite, or `recall` is
                not above 0 and at most 1.
        """
        return self.search_many(np.asarray(query).reshape(1, -1), k, allowed, recall=recall)[0]

    def search_many(
        self,
        queries: Vectors,
        k: int,
        allowed: Allowed | list[Allowed | None] | None = None,
        *,
        recall: float = RECALL,
    ) -> list[Answer]:
        """Search for several queries; the same answers as one by one, see `search`.

        A filter is evaluated once for all the queries that share it. Predicates are the same when
        their canonical forms are, masks and lists of numbers when they are the same array.

        Args:
            queries: [n, dim].
            k: How many for each.
            allowed: One filter for all queries, or a list with one for each.
            recall: As in `search`.

        Shape:
            The result has n answers.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._dim:
            raise BadInput(f"a query must have {self._dim} numbers", received=queries.shape)
        if not np.isfinite(queries).all():
            raise BadInput("a query has a number that is not finite")
        if not 0 < recall <= 1:
            raise BadInput("the recall is above 0 and at most 1", received=recall)
        if isinstance(allowed, list) and len(allowed) != len(queries):
            raise BadInput("one filter for each query is needed", received=len(allowed))
        answers = [Answer(hits=[])] * len(queries)
        if k < 1:
            return answers
        shared = sharing(allowed) if isinstance(allowed, list) else [(allowed, slice(None))]
        snapshot = self._snapshot
        for one, places in shared:
            found = snapshot.search(queries[places], k, one, self.attributes, recall)
            for place, answer in zip(np.arange(len(queries))[places], found, strict=True):
                answers[place] = answer
        return answers

    def explain(
        self, query: Vectors, k: int, allowed: Allowed | None = None, *, recall: float = RECALL
    ) -> str:
        """Search and return how that was done, one line for each part of the index."""
        return self.search(query, k, allowed, recall=recall).explain()

    def similar(
        self, number: int, k: int, allowed: Allowed | None = None, *, recall: float = RECALL
    ) -> Answer:
        """Return the k allowed documents nearest to a document, itself left out."""
        vector = self.vector(number)
        if vector is None:
            return Answer(hits=[])
        answer = self.search(vector, k + 1, allowed, recall=recall)
        others = [(other, score) for other, score in answer.hits if other != number]
        return replace(answer, hits=others[:k])

    # -- updates --------------------------------------------------------------------------

    def add(
        self,
        numbers: Sequence[int] | npt.NDArray[np.integer],
        vectors: Vectors,
        *,
        removed: Sequence[int] | npt.NDArray[np.integer] = (),
        mark: str | None = None,
    ) -> None:
        """Add documents, or replace those that are there; commit before returning.

        Args:
            numbers: Document numbers, each once.
            vectors: [len(numbers), dim], finite.
            removed: Documents to remove first; unknown ones are ignored.
            mark: What to remember with this state; None leaves it.

        Raises:
            BadInput: The arguments do not fit each other.
            SourceError: Another process is writing, or the disk is full; nothing of this call is
                committed.
        """
        added, gone = np.asarray(numbers, dtype=np.int64), np.asarray(removed, dtype=np.int64)
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.shape != (len(added), self._dim) or len(np.unique(added)) != len(added):
            raise BadInput(
                f"expected {len(added)} vectors of {self._dim} numbers, each document once",
                received=rows.shape,
            )
        if not np.isfinite(rows).all():
            raise BadInput("a vector has a number that is not finite")
        with self._committing():
            before = self._snapshot
            log, entries = updates.append(self.folder, before.meta.log, added, rows, gone)
            meta = replace(before.meta, log=log, mark=before.meta.mark if mark is None else mark)
            matrix = updates.map_rows(self.folder, log, self._dim)
            recent = Recent(np.concatenate((before.recent.entries, entries)), matrix)
            self._commit(before.following(meta, recent))

    def delete(self, numbers: Sequence[int] | npt.NDArray[np.integer]) -> None:
        """Remove documents; those that are not there are ignored. Commits before returning."""
        self.add([], np.zeros((0, self._dim), dtype=np.float32), removed=numbers)

    def reload(self) -> bool:
        """See what another process has committed since; tell whether there was anything."""
        with self._lock:
            stamp = _stamp(self.folder)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self._snapshot = self._opened()
            return True

    # -- upkeep ---------------------------------------------------------------------------

    def tidy(self, *, graph: bool = False, progress: Progress | None = None) -> bool:
        """Build a segment of recent updates when there are many; tell whether that was due.

        Small segments are merged as they come, so that a row is built into a segment a few times
        in its life and there are never many segments.
        """
        first = merging.due(self._snapshot)
        if first is not None:
            self._merge(first, graph, progress or Silent())
        return first is not None

    def compact(self, *, graph: bool = False, progress: Progress | None = None) -> None:
        """Build everything into one segment, without rows that no longer count.

        Searches and updates go on meanwhile, in this process and in others.

        Args:
            graph: Also build the neighbour graph: three times the work, quicker broad searches.
            progress: Shows the stages.

        Raises:
            SourceError: Another process is compacting, or the disk is full.
        """
        self._merge(0, graph, progress or Silent())

    def verify(self) -> int:
        """Read every committed file and compare its checksum; return how many bytes that were.

        Raises:
            BadInput: A file is damaged; it is named.
        """
        self.reload()
        snapshot = self._snapshot
        try:
            total = sum(tier.check(self.folder) for tier in snapshot.tiers)
            return total + updates.check(self.folder, snapshot.meta.log, self._dim)
        except FileNotFoundError as error:
            raise _missing(error.filename) from None

    def _merge(self, first: int, graph: bool, progress: Progress) -> None:
        with exclusive(self.folder / "compact.lock", "compacting"), _disk(self.folder):
            self.reload()
            before = self._snapshot
            seeds = SeedTree(before.meta.generation).child("segment")
            made = merging.build(before, first, seeds, graph=graph, progress=progress)
            with self._committing():
                meta = merging.carried(made, before, self._snapshot)
                settle(self.folder)
                self._commit(Snapshot.open(self.folder, meta))
                settle(self.folder)
                self._forget_other_files()

    @contextlib.contextmanager
    def _committing(self) -> Iterator[None]:
        """Hold the writer's lock, with the newest state loaded."""
        with self._lock, contextlib.ExitStack() as held:
            held.enter_context(_patiently(self.folder / "write.lock"))
            self.reload()
            with _disk(self.folder):
                yield

    def _commit(self, after: Snapshot) -> None:
        write_sealed(self.folder / META, after.meta.as_facts())
        self._stamp = _stamp(self.folder)
        self._snapshot = after

    def _opened(self) -> Snapshot:
        for _ in range(3):
            meta = Meta.read(self.folder, self._dim)
            try:
                return Snapshot.open(self.folder, meta)
            except FileNotFoundError as error:
                missing = error.filename  # replaced between the two reads, or really gone
        raise _missing(missing)

    def _forget_other_files(self) -> None:
        """Delete what the committed state does not need; nobody writes to the folder meanwhile."""
        meta = self._snapshot.meta
        kept = {tier.name for tier in meta.tiers} | set(meta.log.files)
        kept |= {tier.alive.file for tier in meta.tiers if tier.alive}
        for path in self.folder.glob("*.*"):
            if path.name in kept or not path.name.startswith(_OURS):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _missing(file: object) -> BadInput:
    return BadInput(
        "a file of the vector index is missing",
        received=file,
        hint="delete the folder and run `broadsheet index build`",
    )


@contextlib.contextmanager
def _patiently(path: Path) -> Iterator[None]:
    """Hold a lock that others hold for moments only."""
    deadline = time.monotonic() + _WAIT_S
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(exclusive(path, "updating the vector index"))
                break
            except SourceError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        yield


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"the vector index can't be written ({error.strerror}); what was committed stays",
            received=folder,
            hint="free some space and run the same command again",
        ) from None


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        facts = (folder / META).stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns

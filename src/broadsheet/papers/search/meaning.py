"""Ranking by meaning: one list out of the vectors of a transformer and of a static encoder.

The preferred encoder ranks the papers it has vectors of; the next one ranks only the rest. Their
cosines can't be compared, so the lists are merged by rank: the n-th of a list that covers a share
s of the candidates is expected at place n / s of the whole.

Vectors are searched by their compact index where there is one that has seen all of them, and else
exactly: in a small library, and for the moment between a writer's two commits.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.index.attributes import Mask
from broadsheet.index.compact.following import FOLDER, open_beside
from broadsheet.index.compact.snapshot import Answer
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.vectors import VectorStore
from broadsheet.papers.embedding import open_vectors, vectors_folder
from broadsheet.papers.search.opened import Stamp, stamp
from broadsheet.runtime import models
from broadsheet.runtime.encoder import Encoder

Vector = npt.NDArray[np.float32]

#: How long a server may not see that a model was installed or chosen.
_LOOK_AGAIN_S = 2.0
_REMEMBERED_QUERIES = 512


@dataclass(frozen=True, slots=True)
class Near:
    """A paper of the dense list: its rank in it, its cosine, and the encoder that measured it."""

    number: int
    rank: int
    cosine: float
    encoder: str
    quick: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A dense list, and for each encoder that took part the answer of its vectors."""

    near: list[Near]
    answers: tuple[tuple[str, Answer], ...] = ()

    def how(self) -> list[str]:
        """Return sentences on how the vectors were searched."""
        return [
            f"Vectors of {encoder}, {line}."
            for encoder, answer in self.answers
            for line in answer.explain().splitlines()
        ]


@dataclass(slots=True)
class _Space:
    """An encoder and the vectors it made, with their compact index where it can be used."""

    encoder: Encoder
    vectors: VectorStore
    index: CompactIndex | None
    stamps: tuple[Stamp, Stamp, Stamp, Stamp]

    def search(self, query: Vector, limit: int, allowed: Mask) -> Answer:
        """Return the allowed papers whose vectors are nearest to one."""
        if self.index is not None:
            return self.index.search(query, limit, allowed)
        hits = self.vectors.search(query, limit, allowed)
        return Answer(hits=hits, recent=self.covered(allowed))

    def similar(self, number: int, limit: int, allowed: Mask) -> Answer:
        """Return the allowed papers nearest to a paper, itself left out."""
        if self.index is not None:
            return self.index.similar(number, limit, allowed)
        hits = self.vectors.similar(number, limit, allowed)
        return Answer(hits=hits, recent=self.covered(allowed))

    def covered(self, allowed: Mask) -> int:
        """Return how many of the allowed papers have a vector."""
        numbers = self.vectors.numbers
        return int(np.count_nonzero(allowed[numbers[numbers < len(allowed)]]))


class Meaning:
    """The dense side of search. Safe to use from several threads.

    Args:
        home: Home folder; models and vectors are looked up in it when first needed.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.RLock()
        self._spaces: dict[str, _Space] = {}
        self._problems: dict[str, str] = {}
        self._names: list[str] = []
        self._looked = -_LOOK_AGAIN_S
        self._queries: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._beside = ThreadPoolExecutor(max_workers=4, thread_name_prefix="meaning")

    def close(self) -> None:
        """Let no more queries begin."""
        self._beside.shutdown(wait=False)

    @property
    def available(self) -> bool:
        """Tell whether there is an encoder with vectors."""
        return any(True for _ in self._open())

    @property
    def problems(self) -> list[str]:
        """Return one sentence for each encoder that is installed but can't be used."""
        with self._lock:
            return list(self._problems.values())

    def coverage(self, allowed: Mask) -> int:
        """Return how many of the allowed papers have a vector of some encoder."""
        covered = np.zeros(len(allowed), dtype=np.bool_)
        for space in self._open():
            numbers = space.vectors.numbers
            covered[numbers[numbers < len(allowed)]] = True
            if covered[allowed].all():
                break
        return int((covered & allowed).sum())

    def quick_share(self, allowed: Mask) -> float:
        """Return which share of the allowed papers that have a vector only a static encoder ranks.

        0 where there is none.
        """
        spaces = list(self._open())
        if not any(space.encoder.quick for space in spaces):
            return 0.0
        slow = sum(space.covered(allowed) for space in spaces if not space.encoder.quick)
        if slow == int(allowed.sum()):
            return 0.0
        return 1.0 - slow / max(self.coverage(allowed), 1)

    def nearest(self, text: str, allowed: Mask, limit: int) -> Dense:
        """Return the allowed papers whose text is nearest to a query, best first."""

        def search(space: _Space, within: Mask) -> Answer:
            return space.search(self._encoded(space.encoder, text), limit, within)

        return self._merged(search, allowed, limit)

    def begin_nearest(self, text: str, allowed: Mask, limit: int) -> Future[Dense]:
        """Begin `nearest` beside the caller: encoding a query and ranking by words both leave
        the interpreter's lock alone, so on two cores the longer of them is what a reader waits for.
        """
        return self._beside.submit(self.nearest, text, allowed, limit)

    def neighbours(self, number: int, allowed: Mask, limit: int) -> Dense:
        """Return the allowed papers nearest to a paper, which is left out; empty without vector."""

        def search(space: _Space, within: Mask) -> Answer:
            return space.similar(number, limit, within)

        return self._merged(search, allowed, limit)

    def _merged(
        self,
        search: Callable[[_Space, Mask], Answer],
        allowed: Mask,
        limit: int,
    ) -> Dense:
        left = allowed.copy()
        candidates = int(allowed.sum())
        placed: list[tuple[float, int, int, float]] = []
        encoders: list[Encoder] = []
        answers: list[tuple[str, Answer]] = []
        for space in self._open():
            numbers = space.vectors.numbers
            numbers = numbers[numbers < len(left)]
            share = int(left[numbers].sum()) / max(candidates, 1)
            answer = search(space, left) if share else Answer(hits=[])
            if not answer.hits:
                continue  # nothing left to rank, or no vector of the paper to be similar to
            answers.append((space.encoder.id, answer))
            for rank, (number, cosine) in enumerate(answer.hits, 1):
                placed.append((rank / share, len(encoders), number, cosine))
            encoders.append(space.encoder)
            left[numbers] = False
            if not left.any():
                break
        placed.sort(key=lambda item: item[:2])
        near = [
            Near(number, rank, cosine, encoders[preference].id, encoders[preference].quick)
            for rank, (_, preference, number, cosine) in enumerate(placed[:limit], 1)
        ]
        return Dense(near=near, answers=tuple(answers))

    def _encoded(self, encoder: Encoder, text: str) -> Vector:
        key = (encoder.version, text)
        with self._lock:
            known = self._queries.get(key)
            if known is not None:
                self._queries.move_to_end(key)
                return known
        vector: Vector = encoder.encode([text], role="query")[0]
        with self._lock:
            self._queries[key] = vector
            while len(self._queries) > _REMEMBERED_QUERIES:
                self._queries.popitem(last=False)
        return vector

    def _open(self) -> Iterator[_Space]:
        """Open one after the other the encoders that have vectors, the preferred one first."""
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_AGAIN_S:
                chosen = (models.active(self._home), models.quick(self._home))
                self._names = [name for name in dict.fromkeys(chosen) if name]
                self._looked = time.monotonic()
            names = self._names
        for name in names:
            with self._lock:
                space = self._space(name)
            if space is not None and len(space.vectors):
                yield space

    def _space(self, name: str) -> _Space | None:
        """Return the encoder with its vectors as they now are; None when there are none."""
        artefact = stamp(models.models_folder(self._home) / name / "artefact.json")
        settings = stamp(self._home / "settings.json")
        written = stamp(vectors_folder(self._home, name) / "meta.json")
        indexed = stamp(vectors_folder(self._home, name) / FOLDER / "meta.json")
        if artefact is None or written is None:
            return None
        known = self._spaces.get(name)
        if known is not None and known.stamps == (artefact, settings, written, indexed):
            return known
        try:
            if known is not None and known.stamps[:2] == (artefact, settings):
                encoder = known.encoder
            else:
                # A query is short: a second thread would only wait for the first.
                encoder = models.open_encoder(self._home, name, threads=1)
            vectors = open_vectors(self._home, encoder)
        except (NotFound, BadInput) as error:
            self._problems[name] = f"{name} is left out: {error}"
            return None
        self._problems.pop(name, None)
        index = self._beside_vectors(name, vectors)
        # Searching threads keep the vectors they hold: those are never changed in place.
        self._spaces[name] = _Space(encoder, vectors, index, (artefact, settings, written, indexed))
        return self._spaces[name]

    def _beside_vectors(self, name: str, vectors: VectorStore) -> CompactIndex | None:
        """Open the compact index; without it the vectors are searched exactly."""
        try:
            return open_beside(vectors)
        except BadInput:
            self._problems[name] = (
                f"The quick index of {name} is damaged or of another version, so its vectors are"
                " searched one by one: broadsheet index build."
            )
            return None

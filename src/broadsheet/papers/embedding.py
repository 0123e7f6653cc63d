"""Keeps the vectors of an encoder in step with the store, in small committed steps.

A fill can be killed at any moment: the next one goes on after the last committed chunk. Texts are
known by their hash, so a paper whose title and abstract did not change is never encoded again.
The compact index beside the vectors, which searches large libraries, follows each chunk.
Where an encoder can make its vectors out of those of an earlier version (a mean taken out, a tail
cut off), the stored ones are used; a fill killed in the middle of that encodes the rest.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from broadsheet.core.progress import Progress, Silent
from broadsheet.index.compact.following import follow, mark_of, moved, wanted_early
from broadsheet.index.vectors import HASH_BYTES, VectorStore, stored_form
from broadsheet.papers.model import Work
from broadsheet.papers.store import Change, Store
from broadsheet.runtime import models
from broadsheet.runtime.encoder import Derivation, Derived, Encoder, Vectors

#: Changes in a committed chunk: a few seconds of a transformer, a second of a static encoder.
CHUNK = 64
QUICK_CHUNK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """What a fill did.

    Args:
        encoded: Texts that went through the encoder.
        reused: Documents whose vector was there already, under the same text.
        derived: Vectors made out of those of an earlier version.
        removed: Documents that are no longer in the store.
        finished: False when it was asked to stop before the end.
        took_s: Wall time.
    """

    encoded: int = 0
    reused: int = 0
    derived: int = 0
    removed: int = 0
    finished: bool = True
    took_s: float = 0.0


def text_of(work: Work) -> str:
    """Return the text that stands for a work: title and abstract without TeX."""
    return "\n".join(part for part in (work.title_text, work.abstract_text) if part)


def text_hash(text: str) -> bytes:
    """Return the hash under which the vector of a text is kept."""
    return hashlib.sha256(text.encode()).digest()[:HASH_BYTES]


def vectors_folder(home: Path, encoder_id: str) -> Path:
    """Return where the vectors of an encoder live."""
    return home / "index" / "vectors" / encoder_id


def open_vectors(home: Path, encoder: Encoder, *, writable: bool = False) -> VectorStore:
    """Open the vectors of an encoder; an empty store when there are none yet."""
    folder = vectors_folder(home, encoder.id)
    return VectorStore(folder, encoder.dim, version=encoder.version, writable=writable)


def behind(store: Store, vectors: VectorStore) -> int:
    """Return how many changes of the store the vectors have not seen: 0 when complete."""
    return max(store.revision - vectors.seen, 0)


def fill(
    store: Store,
    home: Path,
    encoder: Encoder,
    *,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    until: int | None = None,
) -> FillReport:
    """Encode whatever is new or changed since the last fill.

    Args:
        store: The papers.
        home: Home folder.
        encoder: The encoder to fill for.
        progress: Shows amount, rate and time left.
        should_stop: Asked before each chunk; when true the fill ends, keeping what is done.
        until: Last revision of the store to look at; None for all.

    Raises:
        SourceError: Another process is filling the same vectors, or the disk is full.
    """
    begun = time.monotonic()
    total = FillReport()
    finished = False
    earlier = _earlier(home, encoder)
    with open_vectors(home, encoder, writable=True) as vectors:
        if vectors.seen > store.revision:  # an older store was restored under newer vectors
            everything = vectors.numbers.tolist()
            nothing = np.zeros((0, encoder.dim), dtype=np.float32)
            vectors.add([], [], nothing, removed=everything, seen=0)
        left = behind(store, vectors)
        advance = (progress or Silent()).start(f"vectors of {encoder.id}", left, "changes")
        size = QUICK_CHUNK if encoder.quick or earlier else CHUNK
        while not should_stop():
            changes = store.changes(vectors.seen, size)
            if until is not None:
                changes = [change for change in changes if change.revision <= until]
            if not changes:
                finished = True
                break
            before = vectors.seen
            total = _sum(total, _apply(changes, vectors, encoder, earlier))
            advance(vectors.seen - before)
            if wanted_early(vectors):
                follow(vectors, progress=progress)
        if finished:
            _tidy(vectors, progress)
    return replace(total, finished=finished, took_s=time.monotonic() - begun)


def _tidy(vectors: VectorStore, progress: Progress | None) -> None:
    """Bring the quick index up to date, and write vectors anew that are mostly unused."""
    follow(vectors, progress=progress)
    if vectors.wasted() > 0.5:
        before = mark_of(vectors)
        vectors.compact()
        moved(vectors, before)


def convert(store: Store, home: Path, *, progress: Progress | None = None) -> list[str]:
    """Bring stored vectors to the form that the settings ask for, without encoding.

    Returns:
        Encoders whose vectors can't be made out of what is stored: they must be filled anew.
    """
    anew = []
    for card in models.installed(home):
        form = stored_form(vectors_folder(home, card.id))
        if form is None or card.state not in ("active", "installed"):
            continue
        encoder = models.open_encoder(home, card.id)
        if form[1] == encoder.version:
            continue
        if earlier := _earlier(home, encoder):
            fill(store, home, encoder, progress=progress, until=earlier.vectors.seen)
        else:
            anew.append(card.id)
    return anew


def follow_all(home: Path, *, progress: Progress | None = None) -> None:
    """Bring the compact index of every encoder's stored vectors in step with them.

    Raises:
        SourceError: Another process is writing to one, or the disk is full.
    """
    for card in models.installed(home):
        folder = vectors_folder(home, card.id)
        if card.state in ("active", "installed") and (form := stored_form(folder)):
            follow(VectorStore(folder, form[0], version=form[1]), progress=progress)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Stored vectors of an earlier version, and how they become the encoder's."""

    vectors: VectorStore
    derive: Derivation

    def find(self, numbers: Sequence[int], hashes: Sequence[bytes]) -> dict[int, Vectors]:
        """Return, by position, the vectors of those documents whose text has not changed."""
        held = [
            place
            for place, (number, digest) in enumerate(zip(numbers, hashes, strict=True))
            if self.vectors.has(number, digest)
        ]
        if not held:
            return {}
        rows = [self.vectors.vector(numbers[place]) for place in held]
        made = self.derive(np.stack([row for row in rows if row is not None]))
        return dict(zip(held, made, strict=True))


def _earlier(home: Path, encoder: Encoder) -> _Earlier | None:
    """Open what is stored of another version, where the encoder can use it."""
    folder = vectors_folder(home, encoder.id)
    form = stored_form(folder)
    if form is None or form[1] == encoder.version or not isinstance(encoder, Derived):
        return None
    derive = encoder.derive(form[1])
    return _Earlier(VectorStore(folder, form[0], version=form[1]), derive) if derive else None


def _sum(one: FillReport, other: FillReport) -> FillReport:
    return FillReport(
        encoded=one.encoded + other.encoded,
        reused=one.reused + other.reused,
        derived=one.derived + other.derived,
        removed=one.removed + other.removed,
    )


def _apply(
    changes: Sequence[Change], vectors: VectorStore, encoder: Encoder, earlier: _Earlier | None
) -> FillReport:
    """Commit one chunk."""
    latest = {change.number: change.work for change in changes}
    texts = {number: text_of(work) if work else "" for number, work in latest.items()}
    numbers = [number for number, text in texts.items() if text]
    removed = [
        number for number, text in texts.items() if not text and vectors.vector(number) is not None
    ]
    hashes = [text_hash(texts[number]) for number in numbers]
    rows = vectors.vectors_for(hashes)
    missing: dict[bytes, int] = {}
    for position, (digest, row) in enumerate(zip(hashes, rows, strict=True)):
        if row < 0:
            missing.setdefault(digest, position)
    lacking = list(missing.values())
    matrix = np.zeros((len(numbers), encoder.dim), dtype=np.float32)
    derived: dict[int, Vectors] = {}
    if earlier:
        asked = [numbers[at] for at in lacking], [hashes[at] for at in lacking]
        derived = {lacking[place]: row for place, row in earlier.find(*asked).items()}
    for position, vector in derived.items():
        matrix[position] = vector
    fresh = [position for position in lacking if position not in derived]
    matrix[fresh] = encoder.encode([texts[numbers[position]] for position in fresh])
    changed = [
        position
        for position, number in enumerate(numbers)
        if not vectors.has(number, hashes[position])
    ]
    vectors.add(
        [numbers[position] for position in changed],
        [hashes[position] for position in changed],
        matrix[changed],
        removed=removed,
        seen=changes[-1].revision,
    )
    return FillReport(
        encoded=len(fresh),
        reused=len(numbers) - len(lacking),
        derived=len(derived),
        removed=len(removed),
    )

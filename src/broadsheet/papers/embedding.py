"""Keeps the vectors of an encoder in step with the store, in small committed steps.

A fill can be killed at any moment: the next one goes on after the last committed chunk. Texts are
known by their hash, so a paper whose title and abstract did not change is never encoded again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broadsheet.core.progress import Progress, Silent
from broadsheet.index.vectors import HASH_BYTES, VectorStore
from broadsheet.papers.model import Work
from broadsheet.papers.store import Change, Store
from broadsheet.runtime.encoder import Encoder

#: Changes in a committed chunk: a few seconds of a transformer, a second of a static encoder.
CHUNK = 64
QUICK_CHUNK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """What a fill did.

    Args:
        encoded: Texts that went through the encoder.
        reused: Documents whose vector was there already, under the same text.
        removed: Documents that are no longer in the store.
        finished: False when it was asked to stop before the end.
        took_s: Wall time.
    """

    encoded: int = 0
    reused: int = 0
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
) -> FillReport:
    """Encode whatever is new or changed since the last fill.

    Args:
        store: The papers.
        home: Home folder.
        encoder: The encoder to fill for.
        progress: Shows amount, rate and time left.
        should_stop: Asked before each chunk; when true the fill ends, keeping what is done.

    Raises:
        SourceError: Another process is filling the same vectors, or the disk is full.
    """
    begun = time.monotonic()
    encoded = reused = removed = 0
    finished = False
    with open_vectors(home, encoder, writable=True) as vectors:
        if vectors.seen > store.revision:  # an older store was restored under newer vectors
            everything = vectors.numbers.tolist()
            nothing = np.zeros((0, encoder.dim), dtype=np.float32)
            vectors.add([], [], nothing, removed=everything, seen=0)
        left = behind(store, vectors)
        advance = (progress or Silent()).start(f"vectors of {encoder.id}", left, "changes")
        size = QUICK_CHUNK if encoder.quick else CHUNK
        while not should_stop():
            changes = store.changes(vectors.seen, size)
            if not changes:
                finished = True
                break
            before = vectors.seen
            done = _apply(changes, vectors, encoder)
            encoded, reused, removed = encoded + done[0], reused + done[1], removed + done[2]
            advance(vectors.seen - before)
        if finished and vectors.wasted() > 0.5:
            vectors.compact()
    return FillReport(
        encoded=encoded,
        reused=reused,
        removed=removed,
        finished=finished,
        took_s=time.monotonic() - begun,
    )


def _apply(
    changes: Sequence[Change], vectors: VectorStore, encoder: Encoder
) -> tuple[int, int, int]:
    """Commit one chunk; return how many texts were encoded, reused, and documents removed."""
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
    fresh = list(missing.values())
    matrix = np.zeros((len(numbers), encoder.dim), dtype=np.float32)
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
    return len(fresh), len(numbers) - len(fresh), len(removed)

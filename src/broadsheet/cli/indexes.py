"""The state of each index, for `index status`, `index verify` and `doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from broadsheet.core.errors import BroadsheetError, NotFound
from broadsheet.core.paths import exclusive
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.compact.following import COMPACT_FROM, FOLDER, open_beside
from broadsheet.index.compact.store import CompactIndex
from broadsheet.index.vectors import VectorStore, stored_form
from broadsheet.index.words import WordIndex
from broadsheet.papers import embedding
from broadsheet.papers.documents import NUMBERS, TERMS
from broadsheet.papers.search.refreshing import attributes_folder, words_folder
from broadsheet.papers.store import Store
from broadsheet.runtime import models


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """One index: `state` is "current", "behind", "missing" or "broken: ..."."""

    name: str
    state: str
    papers: int = 0
    behind: int = 0
    megabytes: float = 0.0


def index_states(home: Path, store: Store) -> list[IndexState]:
    """Return the state of words, filters and the vectors of every installed encoder."""
    states = [_words(home, store.revision), _filters(home, store.revision)]
    return [*states, *_vectors(home, store)]


def verify_indexes(home: Path) -> list[IndexState]:
    """Read all files of filters and vectors; `state` is "intact", "missing" or "broken: ..."."""
    checked = [_checked("filters", lambda: _verify_filters(home))]
    for card in models.installed(home):
        if card.state not in ("active", "installed") or card.kind == "cross-encoder":
            continue
        folder = embedding.vectors_folder(home, card.id)
        if stored_form(folder):
            checked.append(_checked(f"vectors {card.id}", partial(_verify_vectors, folder)))
        if (folder / FOLDER).exists():
            checked.append(_checked(f"quick index {card.id}", partial(_verify_quick, folder)))
    return checked


def _checked(name: str, check: Callable[[], int]) -> IndexState:
    try:
        return IndexState(name=name, state="intact", megabytes=round(check() / 1e6, 2))
    except BroadsheetError as error:
        return _without(name, error)


def _verify_filters(home: Path) -> int:
    AttributeStore.load(attributes_folder(home))
    return _size(attributes_folder(home))


def _verify_vectors(folder: Path) -> int:
    form = stored_form(folder)
    if form is not None:
        VectorStore(folder, form[0], version=form[1])
    return sum(path.stat().st_size for path in folder.glob("*.bin"))


def _verify_quick(folder: Path) -> int:
    form = stored_form(folder)
    return CompactIndex(folder / FOLDER, form[0]).verify() if form else 0


def delete_indexes(home: Path) -> None:
    """Delete the words and attribute indexes; they are derived.

    Raises:
        SourceError: Another process is writing.
    """
    with exclusive(home / "write.lock", "deleting the indexes"):
        for folder in (words_folder(home), attributes_folder(home)):
            shutil.rmtree(folder, ignore_errors=True)


def _words(home: Path, revision: int) -> IndexState:
    folder = words_folder(home)
    try:
        index = WordIndex(folder, terms=TERMS, numbers=NUMBERS)
    except BroadsheetError as error:
        return _without("words", error)
    return _standing("words", folder, index.size, revision - index.revision)


def _filters(home: Path, revision: int) -> IndexState:
    folder = attributes_folder(home)
    try:
        attributes = AttributeStore.load(folder)
    except BroadsheetError as error:
        return _without("filters", error)
    return _standing("filters", folder, attributes.size, revision - attributes.revision)


def _vectors(home: Path, store: Store) -> Iterator[IndexState]:
    for card in models.installed(home):
        if card.state not in ("active", "installed") or card.kind == "cross-encoder":
            continue
        name = f"vectors {card.id}"
        try:
            encoder = models.open_encoder(home, card.id)
            vectors = embedding.open_vectors(home, encoder)
        except BroadsheetError as error:
            yield _without(name, error)
            continue
        behind = embedding.behind(store, vectors)
        yield _standing(name, vectors.folder, len(vectors), behind)
        if len(vectors) >= COMPACT_FROM:
            yield _quick(f"quick index {card.id}", vectors, behind)


def _quick(name: str, vectors: VectorStore, behind: int) -> IndexState:
    """Return the state of the compact index of an encoder's vectors."""
    try:
        index = open_beside(vectors)
    except BroadsheetError as error:
        return _without(name, error)
    if index is None:
        exists = (vectors.folder / FOLDER).exists()
        return IndexState(name=name, state="behind" if exists else "missing")
    return _standing(name, index.folder, len(index), behind)


def _standing(name: str, folder: Path, papers: int, behind: int) -> IndexState:
    return IndexState(
        name=name,
        state="current" if not behind else "behind",
        papers=papers,
        behind=behind,
        megabytes=round(_size(folder) / 1e6, 2),
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _without(name: str, error: BroadsheetError) -> IndexState:
    if isinstance(error, NotFound):
        return IndexState(name=name, state="missing")
    return IndexState(name=name, state=f"broken: {error.what}")

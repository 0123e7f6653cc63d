"""The state of each index, for `index status` and `doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BroadsheetError, NotFound
from broadsheet.core.paths import exclusive
from broadsheet.index.attributes import AttributeStore
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


def _standing(name: str, folder: Path, papers: int, behind: int) -> IndexState:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return IndexState(
        name=name,
        state="current" if not behind else "behind",
        papers=papers,
        behind=behind,
        megabytes=round(size / 1e6, 2),
    )


def _without(name: str, error: BroadsheetError) -> IndexState:
    if isinstance(error, NotFound):
        return IndexState(name=name, state="missing")
    return IndexState(name=name, state=f"broken: {error.what}")

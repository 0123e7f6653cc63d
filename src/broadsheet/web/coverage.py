"""How far each index has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from broadsheet.core.errors import BroadsheetError
from broadsheet.index.compact.following import COMPACT_FROM, standing
from broadsheet.index.vectors import VectorStore
from broadsheet.index.words import stored_revision
from broadsheet.papers.documents import NUMBERS, TERMS
from broadsheet.papers.embedding import vectors_folder
from broadsheet.papers.library import Library
from broadsheet.papers.search.refreshing import words_folder
from broadsheet.runtime import models
from broadsheet.runtime.artefact import read_artefact
from broadsheet.runtime.shortening import short_version

_ONE_BY_ONE = "vectors are searched one by one meanwhile (broadsheet index build)"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """An index: how much of the store it covers.

    Args:
        name: For people.
        encoder: The encoder's id; "" for the words index.
        done: Papers (vectors) or changes (words) that are in it.
        total: Papers or changes that there are.
        state: A few words about it.
        built: When a quick index's largest part was built (ISO 8601); "" for other indexes.
        behind: Vectors whose change a quick index has not seen.
    """

    name: str
    encoder: str = ""
    done: int
    total: int
    state: str
    built: str = ""
    behind: int = 0


def index_states(library: Library, papers: int) -> list[IndexState]:
    """Return the state of the words index, of each encoder's vectors and of their quick index.

    Args:
        library: The library.
        papers: How many papers it holds.
    """
    return [_words(library), *_vectors(library, papers)]


def _words(library: Library) -> IndexState:
    revision = library.store.revision
    try:
        seen = stored_revision(words_folder(library.home), terms=TERMS, numbers=NUMBERS)
        state = "up to date" if seen == revision else f"{revision - seen:,} changes behind"
    except BroadsheetError as error:
        seen, state = 0, error.what
    return IndexState(name="words and filters", done=seen, total=revision, state=state)


def _vectors(library: Library, papers: int) -> Iterator[IndexState]:
    for card in models.installed(library.home):
        if card.kind not in {"static", "onnx"} or card.state not in {"active", "installed"}:
            continue
        in_use = " (in use)" if card.state == "active" else ""
        name = f"meaning, {card.id}{in_use}"
        try:
            vectors = _opened(library, card.id)
        except BroadsheetError as error:
            yield IndexState(name=name, encoder=card.id, done=0, total=papers, state=str(error))
            continue
        state = f"{len(vectors):,} of {papers:,} papers"
        yield IndexState(name=name, encoder=card.id, done=len(vectors), total=papers, state=state)
        if len(vectors) >= COMPACT_FROM:
            yield _quick(card.id, vectors)


def _opened(library: Library, encoder: str) -> VectorStore:
    """Open the vectors of an encoder as the search reads them."""
    artefact = read_artefact(models.model_folder(library.home, encoder))
    folder = vectors_folder(library.home, encoder)
    dim, version = artefact.dim, artefact.version
    if 0 < (kept := models.kept_dims(library.home)) < dim:
        dim, version = kept, short_version(version, kept)
    return VectorStore(folder, dim, version=version)


def _quick(encoder: str, vectors: VectorStore) -> IndexState:
    """Return the state of the quick index of an encoder's vectors."""
    built, behind, covered = "", len(vectors), 0
    try:
        found = standing(vectors)
    except BroadsheetError as error:
        state = f"{error.what}; {_ONE_BY_ONE}"
    else:
        state = f"not built yet; {_ONE_BY_ONE}"
        if found is not None:
            built, behind, covered = found.built, found.behind, found.covered
            state = f"{covered:,} vectors"
            state += f", built {built[:16].replace('T', ' ')} UTC" if built else ""
            state += f"; {behind:,} changes behind, {_ONE_BY_ONE}" if behind else ""
    return IndexState(
        name=f"quick index, {encoder}",
        encoder=encoder,
        done=max(len(vectors) - behind, 0),
        total=len(vectors),
        state=state,
        built=built,
        behind=behind,
    )

"""How far each index has come."""

from __future__ import annotations

from dataclasses import dataclass

from broadsheet.core.errors import BroadsheetError
from broadsheet.index.vectors import VectorStore
from broadsheet.index.words import stored_revision
from broadsheet.papers.documents import NUMBERS, TERMS
from broadsheet.papers.embedding import vectors_folder
from broadsheet.papers.library import Library
from broadsheet.papers.search.refreshing import words_folder
from broadsheet.runtime import models
from broadsheet.runtime.artefact import read_artefact
from broadsheet.runtime.shortening import short_version


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """An index: how much of the store it covers.

    Args:
        name: For people.
        encoder: The encoder's id; "" for the words index.
        done: Papers (vectors) or changes (words) that are in it.
        total: Papers or changes that there are.
        state: A few words about it.
    """

    name: str
    encoder: str = ""
    done: int
    total: int
    state: str


def index_states(library: Library, papers: int) -> list[IndexState]:
    """Return the state of the words index and of each installed encoder's vectors.

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


def _vectors(library: Library, papers: int) -> list[IndexState]:
    states = []
    for card in models.installed(library.home):
        if card.kind not in {"static", "onnx"} or card.state not in {"active", "installed"}:
            continue
        done, state = _covered(library, card.id, papers)
        in_use = " (in use)" if card.state == "active" else ""
        states.append(
            IndexState(
                name=f"meaning, {card.id}{in_use}",
                encoder=card.id,
                done=done,
                total=papers,
                state=state,
            )
        )
    return states


def _covered(library: Library, encoder: str, papers: int) -> tuple[int, str]:
    """Return how many papers have a vector of this encoder, and that in words."""
    try:
        artefact = read_artefact(models.model_folder(library.home, encoder))
        folder = vectors_folder(library.home, encoder)
        dim, version = artefact.dim, artefact.version
        if 0 < (kept := models.kept_dims(library.home)) < dim:
            dim, version = kept, short_version(version, kept)
        done = len(VectorStore(folder, dim, version=version))
    except BroadsheetError as error:
        return 0, str(error)
    return done, f"{done:,} of {papers:,} papers"

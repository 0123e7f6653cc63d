"""Brings the words and attribute indexes up to date with the store."""

from __future__ import annotations

from pathlib import Path

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Progress
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.wordfiles import stored_revision
from broadsheet.index.words import WordWriter
from broadsheet.papers.documents import NUMBERS, TERMS, to_document
from broadsheet.papers.store import Store

#: Changes in one commit of both indexes.
BATCH = 5_000


def words_folder(home: Path) -> Path:
    """Return where the words index of a home folder lies."""
    return home / "index" / "words"


def attributes_folder(home: Path) -> Path:
    """Return where the attribute index of a home folder lies."""
    return home / "index" / "attributes"


def refresh_indexes(home: Path, store: Store, progress: Progress) -> int:
    """Index what changed since the last refresh; return how many changes that were.

    Both indexes are rebuilt from nothing when one is missing, damaged, of another version, or
    ahead of the store (an older store was restored under them). Killed at any moment, the next
    refresh goes on from the last commit.

    Raises:
        SourceError: Another process is writing.
    """
    if _seen(home) == store.revision:
        return 0
    with exclusive(home / "write.lock", "indexing"):
        return _index(home, store, progress)


def _seen(home: Path) -> int:
    """Return the revision that both indexes have seen, or -1 when one must be built anew."""
    try:
        words = stored_revision(words_folder(home), terms=TERMS, numbers=NUMBERS)
        attributes = AttributeStore.load(attributes_folder(home)).revision
    except (NotFound, BadInput):
        return -1
    return min(words, attributes)


def _index(home: Path, store: Store, progress: Progress) -> int:
    last = store.revision
    with WordWriter(words_folder(home), terms=TERMS, numbers=NUMBERS) as words:
        try:
            attributes = AttributeStore.load(attributes_folder(home))
        except (NotFound, BadInput):
            attributes = AttributeStore()
        seen = min(words.revision, attributes.revision)
        if seen == 0 or seen > last:
            words.clear()
            attributes, seen = AttributeStore(), 0
        done = 0
        advance = progress.start("words and filters", None, "papers")
        while changes := store.changes(seen, BATCH):
            latest = {change.number: change.work for change in changes}
            documents = [to_document(number, work) for number, work in latest.items() if work]
            deleted = [number for number, work in latest.items() if work is None]
            seen = changes[-1].revision
            words.apply(documents, deleted=deleted, revision=seen)
            attributes = attributes.apply(documents, deleted=deleted, revision=seen)
            attributes.save(attributes_folder(home))
            done += len(changes)
            advance(len(changes))
        if not done:
            words.apply([], deleted=[], revision=seen)
            attributes.save(attributes_folder(home))
    return done

"""The open words and attribute indexes, exchanged for newer ones as other processes write them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import NotFound
from broadsheet.index.attributes import AttributeStore
from broadsheet.index.words import WordIndex
from broadsheet.papers.documents import NUMBERS, TERMS
from broadsheet.papers.search.refreshing import attributes_folder, words_folder

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Indexes:
    """Both indexes as of one moment. Reading them from several threads is safe."""

    words: WordIndex
    attributes: AttributeStore

    @property
    def revision(self) -> int:
        """Return the store revision that both have seen."""
        return min(self.words.revision, self.attributes.revision)


class OpenIndexes:
    """Opens the indexes of a home folder when first asked, and again when their files change."""

    def __init__(self, home: Path) -> None:
        self._paths = (
            words_folder(home) / "state.json",
            attributes_folder(home) / "attributes.npz",
        )
        self._home = home
        self._lock = threading.Lock()
        self._stamps: tuple[Stamp, ...] = ()
        self._current: Indexes | None = None

    def current(self) -> Indexes:
        """Return the newest indexes.

        Raises:
            NotFound: They were never built.
            BadInput: They are damaged or of another version.
        """
        stamps = tuple(stamp(path) for path in self._paths)
        with self._lock:
            if self._current is None or stamps != self._stamps:
                try:
                    self._current = Indexes(
                        WordIndex(words_folder(self._home), terms=TERMS, numbers=NUMBERS),
                        AttributeStore.load(attributes_folder(self._home)),
                    )
                except NotFound:  # being built anew: what is open serves until then
                    if self._current is None:
                        raise
                else:
                    self._stamps = stamps
            return self._current

    def close(self) -> None:
        """Let go of the open files."""
        with self._lock:
            self._current = None


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is replaced; None when there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size

"""The library: one home folder opened, with everything a reader can ask of it.

The web, the CLI and the feeds talk to this class alone. It owns no logic of its own: it opens the
parts and passes questions on to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from broadsheet.core.progress import Progress, Silent
from broadsheet.papers import editions
from broadsheet.papers.model import Work
from broadsheet.papers.results import CalendarDay, Edition, EditionEntry, Hit, SearchPage
from broadsheet.papers.search import Searcher
from broadsheet.papers.store import Store


class Library:
    """A home folder, opened.

    Args:
        home: The folder that holds all state; created when `create` is true.
        create: Make the folder when it does not exist.

    Raises:
        NotFound: There is no library in `home` and `create` is false.
        BadInput: The store was written by a newer version, or is damaged.
    """

    def __init__(self, home: Path, *, create: bool = False) -> None:
        self.home = home
        self.store = Store.open(home, create=create)
        self.searcher = Searcher(home, self.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store and the indexes."""
        self.searcher.close()
        self.store.close()

    def find(self, reference: str) -> Work:
        """Return the one work that `reference` names: any id, an address or an exact title.

        Raises:
            NotFound: Nothing has that name.
            UsageError: Several works have that title; the message lists them.
        """
        return self.store.find(reference)

    def works(self, work_ids: Iterable[str]) -> list[Work]:
        """Return works in the order of their ids; ids that no longer exist are left out."""
        return self.store.works(work_ids)

    def search(
        self,
        query: str,
        *,
        mode: str = "hybrid",
        sort: str = "best",
        limit: int = 20,
        offset: int = 0,
        explain: bool = False,
        rerank: bool = False,
    ) -> SearchPage:
        """Search with the query language of `broadsheet.papers.query`."""
        return self.searcher.search(
            query,
            mode=mode,
            sort=sort,
            limit=limit,
            offset=offset,
            explain=explain,
            rerank=rerank,
        )

    def related(self, work_id: str, *, limit: int = 10) -> list[Hit]:
        """Return the works whose text is most similar."""
        return self.searcher.related(work_id, limit=limit)

    def complete(self, prefix: str, *, limit: int = 8) -> list[tuple[str, int]]:
        """Return words of the corpus that begin with `prefix`, with how many papers hold them."""
        return self.searcher.complete(prefix, limit=limit)

    def edition(self, day: str, *, printing: int | None = None) -> Edition:
        """Return the published edition of a day, or what it would be if published now.

        Raises:
            NotFound: No paper belongs to that day.
        """
        return editions.edition(self.store, day, printing=printing)

    def calendar(self, month: str) -> list[CalendarDay]:
        """Return every day of a month ("2025-09") with its state."""
        return editions.calendar(self.store, month)

    def trending(
        self, *, until: str, window: int = 7, rank: str = "trend-v1", category: str = ""
    ) -> list[EditionEntry]:
        """Rank the papers of the `window` announcement days that end with `until`."""
        return editions.trending(
            self.store, until=until, window=window, rank=rank, category=category
        )

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring the words, attribute and fast vector indexes up to date with the store."""
        self.searcher.refresh(progress or Silent())

"""The running site: its open library, its templates, its background work, what it remembers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

from jinja2 import Environment

from broadsheet.papers.library import Library
from broadsheet.web import manual
from broadsheet.web.background import Worker, WorkProgress
from broadsheet.web.experiments import Experiments
from broadsheet.web.rendering import make_environment

T = TypeVar("T")

#: Rankings that are kept; each is a few hundred short entries.
REMEMBERED = 128


class Site:
    """Everything a request needs that outlives it. The library may be read from many threads.

    Args:
        library: The open library.
        worker: Work done behind the pages, or None.
        warm: Called once in a thread of its own when serving begins.
    """

    def __init__(
        self,
        library: Library,
        worker: Worker | None = None,
        warm: Callable[[Site], None] | None = None,
    ) -> None:
        self.library = library
        self.environment: Environment = make_environment()
        self.keys = manual.KEYS
        self.experiments = Experiments()
        self._worker = worker
        self._warming = threading.Thread(target=lambda: warm(self) if warm else None, daemon=True)
        self._memory: OrderedDict[Hashable, tuple[Hashable, object]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def progress(self) -> WorkProgress:
        """What the background work is doing now."""
        return self._worker.progress if self._worker else WorkProgress()

    def remember(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` returns, computed again only when the store has changed.

        Meant for rankings, which are values: nobody changes what is returned.
        """
        store = self.library.store
        stamp = (store.revision, store.last_sequence(), len(store.edition_days()))
        with self._lock:
            known = self._memory.get(key)
            if known is not None and known[0] == stamp:
                self._memory.move_to_end(key)
                return known[1]  # type: ignore[return-value]
        value = compute()
        with self._lock:
            self._memory[key] = (stamp, value)
            while len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
        return value

    def start(self) -> None:
        """Start the background work, and warm up beside it."""
        self._warming.start()
        if self._worker:
            self._worker.start()

    def stop(self) -> None:
        """Stop the background work, then close the library."""
        if self._worker:
            self._worker.stop()
        if self._warming.is_alive():
            self._warming.join()
        self.library.close()

"""The work behind the pages: bring the indexes up to date, then fill in vectors.

One thread of low priority over the shared library. Requests never wait for it; what it does is
shown on /stats and as one line on every page. Every step can be repeated, so it may be stopped at
any time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from broadsheet.core.errors import BroadsheetError
from broadsheet.core.progress import Advance, Progress
from broadsheet.papers.embedding import fill
from broadsheet.papers.library import Library
from broadsheet.runtime import models

_log = logging.getLogger(__name__)

#: How often the store is looked at for something new.
EVERY_S = 5.0

#: Longest pause after trouble.
LONGEST_PAUSE_S = 300.0

#: How long a stop waits for the step in hand.
STOP_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkProgress:
    """What is being done now; `label` is empty when nothing is."""

    label: str = ""
    done: int = 0
    total: int | None = None
    unit: str = ""
    trouble: str = ""

    def sentence(self) -> str:
        """Say it in one line, or "" when there is nothing to say.

        Example:
            >>> WorkProgress(label="words", done=1200, total=29000, unit="papers").sentence()
            'words: 1,200 of 29,000 papers'
        """
        if not self.label:
            return ""
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.label}: {self.done:,}{of} {self.unit}".rstrip()


#: Fills in vectors: called with the library, where to report, and when to stop.
Fill = Callable[[Library, Progress, Callable[[], bool]], None]


class Worker:
    """Runs the steps in a thread until stopped.

    Args:
        library: Safe to use from several threads.
        fill: Fills in what the fast indexes lack; None leaves that out.
        every_s: Seconds between two looks at the store.
    """

    def __init__(self, library: Library, fill: Fill | None, every_s: float = EVERY_S) -> None:
        self._library = library
        self._fill = fill
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broadsheet-worker", daemon=True)
        self._seen: object = None
        self.progress = WorkProgress()

    @property
    def stopping(self) -> bool:
        """Tell whether the thread was asked to end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and wait for the step in hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        _lower_priority()
        pause_s = self._every_s
        while not self._stopping.is_set():
            try:
                self._step()
                pause_s = self._every_s
            except _Stopped:
                return
            except BroadsheetError as error:
                self.progress = WorkProgress(trouble=str(error))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except Exception:
                _log.exception("background work failed")
                self.progress = WorkProgress(trouble="background work failed; the log says why")
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self._stopping.wait(pause_s)

    def _step(self) -> None:
        home = self._library.home
        state = (self._library.store.revision, models.active(home), models.kept_dims(home))
        if state == self._seen:
            return
        board = _Board(self)
        self._library.refresh(board)
        if self._fill is not None and not self.stopping:
            self._fill(self._library, board, self._stopping.is_set)
        self.progress = WorkProgress()
        self._seen = state


class _Stopped(Exception):  # noqa: N818 - says what happened
    """Raised out of a long step when the server ends; each step goes on from its last commit."""


class _Board:
    """Progress that is shown on pages; ends the step when the server ends."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        worker = self._worker
        worker.progress = WorkProgress(label=label, total=total, unit=unit)

        def advance(amount: int) -> None:
            worker.progress = replace(worker.progress, done=worker.progress.done + amount)
            if worker.stopping:
                raise _Stopped

        return advance


def _lower_priority() -> None:
    """Let requests go first. On Linux this touches the calling thread and its children alone."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def fill_active_encoder(
    library: Library, progress: Progress, should_stop: Callable[[], bool]
) -> None:
    """Encode what the chosen encoder has not seen; nothing to do without a chosen encoder."""
    chosen = models.active(library.home)
    if chosen:
        threads = max(1, (os.cpu_count() or 1) - 1)
        encoder = models.open_encoder(library.home, chosen, threads=threads)
        fill(library.store, library.home, encoder, progress=progress, should_stop=should_stop)

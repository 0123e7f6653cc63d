"""One progress display: a bar in a terminal, one line a minute elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

#: A long task reports through this: amount done since the last call.
Advance = Callable[[int], None]


class Progress(Protocol):
    """Starts tasks; the returned callable advances one."""

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        """Begin a task of `total` units (None when unknown) and return how to advance it."""
        ...


class Silent:
    """Progress for library use and tests: shows nothing."""

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        """Begin a task that is not shown."""
        return lambda amount: None


class Lines:
    """One line a minute (and one at the end of each task), for logs."""

    def __init__(self, stream: TextIO, every_s: float = 60.0) -> None:
        self._stream = stream
        self._every_s = every_s

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        """Begin a task whose state is written as plain lines."""
        begun = last = time.monotonic()
        done = 0

        def advance(amount: int) -> None:
            nonlocal done, last
            done += amount
            now = time.monotonic()
            if now - last < self._every_s and done != total:
                return
            last = now
            rate = done / max(now - begun, 1e-9)
            of = f" of {total:,}" if total else ""
            left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
            self._stream.write(f"{label}: {done:,}{of} {unit}, {rate:,.0f} a second{left}\n")
            self._stream.flush()

        return advance


class _Bars:
    def __init__(self, bars: object) -> None:
        self._bars = bars

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        task = self._bars.add_task(label, total=total, unit=unit)  # type: ignore[attr-defined]
        return lambda amount: self._bars.advance(task, amount)  # type: ignore[attr-defined]


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield the progress display that fits where standard error goes."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(stream)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as RichProgress,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(file=stream), transient=False) as bars:
        yield _Bars(bars)

"""The error tree. Every error a user can cause is one of these, and prints as one clear line.

BroadsheetError
├── NotFound       exit 1   the question was fine, the answer is nothing
├── UsageError     exit 2   the command or the query was not understood
├── SourceError    exit 3   a network source or another process failed us
├── BadInput       exit 4   a file, a record or a stored folder is not what it should be
└── PartialResult  exit 5   some of the work was done; the message says what was not
"""

from __future__ import annotations

from typing import ClassVar


class BroadsheetError(Exception):
    """An error whose message a user can act on.

    Args:
        what: What happened, as one sentence without a final full stop.
        received: The offending value, shown after "Received:" (shortened to 200 characters).
        hint: What to do next, shown after "Try:".

    Example:
        >>> str(BadInput("not a zip archive", received="a.zip", hint="unpack it yourself"))
        'not a zip archive. Received: a.zip. Try: unpack it yourself'
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, received: object = None, hint: str = "") -> None:
        self.what = what
        self.received = None if received is None else _shorten(str(received))
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.what]
        if self.received is not None:
            parts.append(f"Received: {self.received}")
        if self.hint:
            parts.append(f"Try: {self.hint}")
        return ". ".join(parts)


class NotFound(BroadsheetError):  # noqa: N818 - names say what happened
    """Nothing matches; the question itself was understood."""

    exit_code = 1


class UsageError(BroadsheetError):
    """The command line, URL or query was not understood."""

    exit_code = 2


class SourceError(BroadsheetError):
    """A network source or another process did not do its part."""

    exit_code = 3


class BadInput(BroadsheetError):  # noqa: N818
    """A file, record or stored folder is not what it should be."""

    exit_code = 4


class PartialResult(BroadsheetError):  # noqa: N818
    """Part of the work was done and kept; the message says what was not."""

    exit_code = 5


def _shorten(text: str, limit: int = 200) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"

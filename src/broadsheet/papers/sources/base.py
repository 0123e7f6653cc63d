"""The Source protocol: how a format becomes records, and a record becomes facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from broadsheet.papers.model import Facts, Reject, SourceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a stream comes from.

    Args:
        name: File name (with the member's name for archives) or address, shown to people.
        date: The day the user gave (`--date`, ISO 8601), or "" .
        modified: The file's modification day (ISO 8601), or "" when there is none (stdin).
    """

    name: str
    date: str = ""
    modified: str = ""


class Source(Protocol):
    """A format we can read. Instances are stateless; one per format.

    `split` cuts a stream into verbatim records in bounded memory and reports, in place, what it
    could not cut. `parse` reads one record alone, so stored records can be read again at any time.
    """

    @property
    def name(self) -> str:
        """Name in commands and in stored records."""
        ...

    @property
    def description(self) -> str:
        """One line for people."""
        ...

    def detect(self, head: bytes, name: str) -> float:
        """Return how sure we are (0 to 1) that a stream beginning with `head` is this format."""
        ...

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Cut the stream into records. Never raises for bad content: it yields a `Reject`."""
        ...

    def parse(self, record: SourceRecord) -> Facts:
        """Read one record.

        Raises:
            BadInput: The record lacks what makes it a paper (no id and no title, broken syntax).
        """
        ...

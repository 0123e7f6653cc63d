"""What the store answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from broadsheet.papers.model import SourceRecord, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What one `Store.add` did.

    Args:
        new_records: Records that were not stored before.
        known_records: Records that were, and were skipped.
        new_works: Works that did not exist before.
        joined: New records that joined a work that existed.
        merged_works: Works that turned out to be another one, and were merged into it.
        changed_works: Works that existed before and read differently now.
    """

    new_records: int = 0
    known_records: int = 0
    new_works: int = 0
    joined: int = 0
    merged_works: int = 0
    changed_works: int = 0

    def __add__(self, other: Added) -> Added:
        mine, theirs = asdict(self), asdict(other)
        return Added(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A work as of a revision; `work` is None once it was merged into another."""

    revision: int
    number: int
    work: Work | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a store holds; `merged` counts works that became part of another."""

    works: int
    records: int
    rejects: int
    merged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A source record as it was stored."""

    sequence: int
    source: str
    key: str
    sha256: bytes
    origin: str
    ingested_at: str
    raw: bytes
    context: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0

    def source_record(self) -> SourceRecord:
        """Return the record as it arrived."""
        return SourceRecord(
            source=self.source,
            key=self.key,
            raw=self.raw,
            context=self.context,
            origin=self.origin,
            offset=self.offset,
        )

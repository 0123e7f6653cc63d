"""The store: one SQLite file that holds all that is true; everything else can be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from broadsheet.core.clock import timestamp
from broadsheet.core.errors import BadInput, NotFound
from broadsheet.papers.model import Facts, Reject, SourceRecord, Work
from broadsheet.papers.store import history, reading
from broadsheet.papers.store.database import Database, clear_errors
from broadsheet.papers.store.results import Added, Change, Counts, StoredRecord
from broadsheet.papers.store.writing import Batch, Parser, merge_all_anew

STORE_FILE = "broadsheet.sqlite"


def parse_with_its_source(record: SourceRecord) -> Facts:
    """Read a record with the source that it names."""
    from broadsheet.papers.sources import source_named

    return source_named(record.source).parse(record)


class Store:
    """Records, works, rejects and editions of one library. Safe to use from several threads.

    Open it with `Store.open`. Reads see the last committed state and never wait for a writer.
    """

    def __init__(self, home: Path, database: Database, parser: Parser) -> None:
        self.home = home
        self._database = database
        self.parser = parser

    @classmethod
    def open(
        cls, home: Path, *, create: bool = False, parser: Parser = parse_with_its_source
    ) -> Store:
        """Open the store in a home folder.

        Args:
            home: The folder that holds all state.
            create: Make folder and store when there are none.
            parser: Reads stored records again; by default the source that a record names.

        Raises:
            NotFound: There is no store and `create` is false.
            BadInput: The store is damaged, or was written by a newer version.
        """
        path = home / STORE_FILE
        if not path.exists():
            if not create:
                raise NotFound(
                    "there is no library in this folder",
                    received=home,
                    hint="broadsheet ingest FILE, or make demo",
                )
            if home.exists() and not home.is_dir():
                raise BadInput("the home is not a folder", received=home)
            with clear_errors("making the library"):
                home.mkdir(parents=True, exist_ok=True)
        return cls(home, Database(path), parser)

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
        """Close all connections."""
        self._database.close()

    # Writing

    def known(self, records: Sequence[SourceRecord]) -> list[bool]:
        """Tell for each record whether exactly it is already stored."""
        names = [(record.source, record.key, record.sha256) for record in records]
        with self._database.reading() as connection:
            found = reading.known(connection, names)
        return [name in found for name in names]

    def add(
        self,
        batch: Sequence[tuple[SourceRecord, Facts]],
        rejects: Sequence[Reject] = (),
        *,
        ingested_at: Sequence[str] = (),
    ) -> Added:
        """Store records, give each to its work and merge those works anew, in one transaction.

        Args:
            batch: Records with what they say, in order of arrival. Known ones are skipped.
            rejects: What could not be read; each is stored once.
            ingested_at: For restoring an export: the time of each record, else now for all.

        Raises:
            PartialResult: The disk is full; nothing of this batch is stored.
            SourceError: Another process is writing.
        """
        times = ingested_at or [timestamp()] * len(batch)
        names = [(record.source, record.key, record.sha256) for record, _ in batch]
        with self._database.writing("storing records") as connection:
            seen = reading.known(connection, names)
            work = Batch(connection, self.parser)
            skipped = 0
            for name, (record, facts), moment in zip(names, batch, times, strict=True):
                if name in seen:
                    skipped += 1
                    continue
                seen.add(name)
                work.place(record, facts, moment)
            connection.executemany(
                "INSERT OR IGNORE INTO rejects VALUES (?,?,?,?,?,?)",
                [(r.origin, r.offset, r.unit, r.reason, r.excerpt, timestamp()) for r in rejects],
            )
            return work.finish(skipped)

    def rehearsal(self) -> AbstractContextManager[None]:
        """Return a context in which everything added is undone at the end (for dry runs)."""
        return self._database.rehearsing()

    def reread(self) -> int:
        """Merge every work anew from its records, as after an improved parser.

        Returns:
            How many works changed. Records stay with the works they belong to.
        """
        with self._database.writing("reading the records again") as connection:
            return merge_all_anew(connection, self.parser)

    # Works

    def work(self, work_id: str) -> Work:
        """Return the work with this id or alias.

        Raises:
            NotFound: There is none.
        """
        return self.works_by_number([number := self.number(work_id)])[number]

    def number(self, work_id: str) -> int:
        """Return the number of the work with this id or alias.

        Raises:
            NotFound: There is none.
        """
        with self._database.reading() as connection:
            number = reading.resolve(connection, work_id)
        if number is None:
            raise NotFound("no paper has that id", received=work_id, hint="broadsheet search")
        return number

    def find(self, reference: str) -> Work:
        """Return the one work that any id, an address or an exact title names.

        Raises:
            NotFound: Nothing has that name.
            UsageError: Several works have that title; the message lists them.
        """
        with self._database.snapshot() as connection:
            return reading.find(connection, reference)

    def works(self, work_ids: Iterable[str]) -> list[Work]:
        """Return works in the order of their ids; ids that do not exist are left out."""
        with self._database.snapshot() as connection:
            numbers = [reading.resolve(connection, work_id) for work_id in work_ids]
            known = [number for number in numbers if number is not None]
            found = reading.works_by_number(connection, known)
        return [found[number] for number in known]

    def works_by_number(self, numbers: Iterable[int]) -> dict[int, Work]:
        """Return the living works among these numbers, in the order asked."""
        with self._database.snapshot() as connection:
            return reading.works_by_number(connection, numbers)

    def works_between(self, first: str, last: str) -> list[Work]:
        """Return works whose `day` lies in [first, last] (full ISO days), by (day, id)."""
        with self._database.reading() as connection:
            return reading.works_between(connection, first, last)

    def works_in_month(self, month: str) -> list[Work]:
        """Return the works of a month ("2025-09"), those known only by month first."""
        with self._database.reading() as connection:
            return reading.works_in_month(connection, month)

    def works_as_of(self, sequence: int, first: str = "", last: str = "") -> Iterator[Work]:
        """Return works as they were when only the records up to `sequence` existed, by (date, id).

        Args:
            sequence: The last record that counts (`Edition.as_of`).
            first: Only works dated from this day on ("" for all, undated ones included).
            last: Only works dated up to this day.
        """
        with self._database.snapshot() as connection:
            works = history.works_as_of(connection, sequence, first, last, self.parser)
        return iter(works)

    def days(self) -> list[tuple[str, int]]:
        """Return each day that has works, with how many, in order."""
        with self._database.reading() as connection:
            return reading.days(connection)

    def work_states(self) -> list[tuple[int, str, str, int | None]]:
        """Return (number, id, content hash or "", number it was merged into) of every work."""
        with self._database.reading() as connection:
            return reading.work_states(connection)

    # Changes and counts

    @property
    def revision(self) -> int:
        """Return the revision of the latest change (0 for an empty store)."""
        with self._database.reading() as connection:
            sql = "SELECT coalesce(max(revision), 0) FROM works"
            revision: int = connection.execute(sql).fetchone()[0]
        return revision

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return at most `limit` works that changed after revision `after`, oldest change first."""
        with self._database.reading() as connection:
            return reading.changes(connection, after, limit)

    def counts(self) -> Counts:
        """Count works, records, rejects and merged works."""
        with self._database.snapshot() as connection:
            return reading.counts(connection)

    def last_sequence(self) -> int:
        """Return the sequence number of the last record (0 for an empty store)."""
        with self._database.reading() as connection:
            sql = "SELECT coalesce(max(sequence), 0) FROM records"
            sequence: int = connection.execute(sql).fetchone()[0]
        return sequence

    # Records and rejects

    def records(self, work_id: str) -> list[StoredRecord]:
        """Return the source records of a work, in order of arrival.

        Raises:
            NotFound: There is no such work.
        """
        number = self.number(work_id)
        with self._database.reading() as connection:
            return reading.records_of(connection, number)

    def all_records(self, after: int = 0) -> Iterator[StoredRecord]:
        """Yield all records with a sequence above `after`, in order, a few hundred at a time."""
        while True:
            with self._database.reading() as connection:
                part = reading.records_after(connection, after, 500)
            if not part:
                return
            yield from part
            after = part[-1].sequence

    def rejects(self, limit: int = 100) -> list[Reject]:
        """Return rejects, the latest first."""
        with self._database.reading() as connection:
            return reading.rejects(connection, limit)

    # Editions

    def put_edition(self, day: str, printing: int, document: bytes, sha256: str) -> None:
        """Store a published edition; storing the same one again is fine.

        Raises:
            BadInput: This printing exists and is different: editions are immutable.
        """
        with self._database.writing("publishing the edition") as connection:
            connection.execute(
                "INSERT OR IGNORE INTO editions VALUES (?,?,?,?)", (day, printing, sha256, document)
            )
            sql = "SELECT document FROM editions WHERE day = ? AND printing = ?"
            if connection.execute(sql, (day, printing)).fetchone()[0] != document:
                raise BadInput(
                    "this edition was published already, with other content",
                    received=f"{day}, printing {printing}",
                    hint="a late edition (the next printing)",
                )

    def get_edition(self, day: str, printing: int | None = None) -> bytes | None:
        """Return the document of an edition (the latest printing by default), or None."""
        sql = (
            "SELECT document FROM editions WHERE day = ? AND printing = coalesce(?, printing)"
            " ORDER BY printing DESC LIMIT 1"
        )
        with self._database.reading() as connection:
            row = connection.execute(sql, (day, printing)).fetchone()
        return row[0] if row else None

    def edition_days(self) -> list[tuple[str, int, str]]:
        """Return (day, printing, sha256) of every edition, in order."""
        sql = "SELECT day, printing, sha256 FROM editions ORDER BY day, printing"
        with self._database.reading() as connection:
            return connection.execute(sql).fetchall()

    # Copies

    def copy_to(self, path: Path) -> None:
        """Write a compact copy of the whole store to a new file, while it may be in use."""
        with self._database.reading() as connection:
            connection.execute("VACUUM INTO ?", (str(path),))

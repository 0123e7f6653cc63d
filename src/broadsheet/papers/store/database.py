"""One SQLite file: opening, numbered migrations, one writer, many readers, clear errors."""

from __future__ import annotations

import errno
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from broadsheet.core.errors import BadInput, BroadsheetError, PartialResult, SourceError

#: Marks the file as ours ("BRSH").
APPLICATION_ID = 0x42525348
_BUSY_TIMEOUT_S = 5.0
_MIGRATION_NAME = re.compile(r"(\d{4})_\w+\.sql")


def migrations(folder: Traversable | None = None) -> list[str]:
    """Return the migration scripts in order; script n brings a store from version n - 1 to n."""
    folder = folder or resources.files("broadsheet.papers.store") / "migrations"
    scripts = {
        int(match[1]): item.read_text(encoding="utf-8")
        for item in folder.iterdir()
        if (match := _MIGRATION_NAME.fullmatch(item.name))
    }
    return [scripts[number] for number in range(1, len(scripts) + 1)]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def clear_errors(doing: str) -> Iterator[None]:
    """Turn what SQLite and the disk can do to us into one clear line.

    Raises:
        PartialResult: The disk is full; what was stored before is kept.
        SourceError: Another process held the store for too long, or the disk failed or refused.
        BadInput: The file is damaged.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, doing) from error
    except BrokenPipeError:
        raise  # the reader of our output went away: no fault of the store
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(doing) from error
        reason = (error.strerror or str(error)).lower()
        raise SourceError(f"{doing} stopped: {reason}", received=error.filename) from error


def _disk_full(doing: str) -> BroadsheetError:
    return PartialResult(
        f"the disk is full, so {doing} stopped; everything stored before is kept",
        hint="free some space and run the same command again",
    )


def _explain(error: sqlite3.Error, doing: str) -> BroadsheetError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return _disk_full(doing)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SourceError(
            f"another process is writing to the store, so {doing} stopped",
            hint="wait for it to end and run the same command again",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")):
        return BadInput(
            "the store is damaged", received=error, hint="broadsheet restore, from a backup"
        )
    return SourceError(f"{doing} stopped because the store failed", received=error)


class Database:
    """Connections to one store file: one for writing, as many for reading as threads need.

    Args:
        path: The file; made when missing.
        scripts: Migration scripts in order; those of this package when None.

    Raises:
        BadInput: The file is no store, is damaged, or is of a newer version.
    """

    def __init__(self, path: Path, scripts: list[str] | None = None) -> None:
        self.path = path
        self._scripts = migrations() if scripts is None else scripts
        self._idle: list[sqlite3.Connection] = []
        self._pool = threading.Lock()
        self._closed = False
        self._write_lock = threading.RLock()
        self._rehearsing = False
        with clear_errors("opening the store"):
            self._writer = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        newest = len(self._scripts)
        if version > newest:
            raise BadInput(
                f"the store {self.path.name} was written by a newer version of Broadsheet",
                received=f"store version {version}, this program reads up to {newest}",
                hint="a newer Broadsheet",
            )
        marked = self._writer.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        tables = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not marked and (version or tables):
            raise BadInput("this SQLite file is not a Broadsheet store", received=self.path)
        self._writer.execute("PRAGMA journal_mode = WAL")
        if version < newest:
            self._migrate()

    def _migrate(self) -> None:
        """Run the missing scripts, all or none; another process may have been faster."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            for script in self._scripts[version:]:
                for statement in _statements(script):
                    self._writer.execute(statement)
            self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version = {max(version, len(self._scripts))}")
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one committed state per statement.

        Inside a rehearsal the writer's own connection is lent, so that it sees its own changes.
        """
        if self._rehearsing:
            with self._write_lock, clear_errors("reading the store"):
                yield self._writer
            return
        with self._pool:
            connection = self._idle.pop() if self._idle else None
        with clear_errors("reading the store"):
            connection = connection or self._connect()
            try:
                yield connection
            finally:
                with self._pool:
                    if self._closed:
                        connection.close()
                    else:
                        self._idle.append(connection)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees the same state in all its statements."""
        with self.reading() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Lend the writer inside one transaction: all of it is kept, or nothing."""
        with self._write_lock, clear_errors(doing):
            begin, keep, undo = (
                ("SAVEPOINT step", "RELEASE step", "ROLLBACK TO step")
                if self._rehearsing
                else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            )
            self._writer.execute(begin)
            try:
                yield self._writer
                self._writer.execute(keep)
            except BaseException:
                # A full disk makes SQLite roll back by itself; then nothing is left to undo.
                if self._writer.in_transaction:
                    self._writer.execute(undo)
                raise

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """Undo at the end everything that is written inside (for dry runs)."""
        with self._write_lock, clear_errors("the dry run"):
            self._writer.execute("BEGIN IMMEDIATE")
            self._rehearsing = True
            try:
                yield
            finally:
                self._rehearsing = False
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._write_lock:
            self._writer.close()

"""Adding records: each is given to a work, then the works that were touched are merged anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import work_id_for
from broadsheet.papers.matching import (
    MOST_SHARING,
    Candidate,
    TitleRow,
    effective_ids,
    joined_by_id,
    joined_by_title,
    match_keys,
)
from broadsheet.papers.merge import MergeInput, merge
from broadsheet.papers.model import Facts, SourceRecord, canonical_json
from broadsheet.papers.store.codec import pack, pack_work
from broadsheet.papers.store.reading import SELECT_RECORDS, as_record, owners
from broadsheet.papers.store.results import Added

#: Reads one record; the default asks the source that the record names.
Parser = Callable[[SourceRecord], Facts]


def read_again(parser: Parser, record: SourceRecord) -> Facts:
    """Parse a stored record; one that can no longer be read contributes a note, not a failure."""
    try:
        return parser(record)
    except BadInput as error:
        return Facts(notes=(f"record {record.source}:{record.key} can't be read: {error.what}",))


@dataclass(slots=True)
class Batch:
    """One transaction's worth of records on their way in.

    Args:
        connection: The writer, inside a transaction.
        parser: Reads stored records again when their work is merged anew.
    """

    connection: sqlite3.Connection
    parser: Parser
    _facts: dict[int, Facts] = field(default_factory=dict)
    _ids: dict[int, str] = field(default_factory=dict)
    _new_ids: set[str] = field(default_factory=set)
    _touched: set[int] = field(default_factory=set)
    _gone: dict[int, tuple[int, int]] = field(default_factory=dict)
    _next_sequence: int = 0
    _next_number: int = 0
    _first_new: int = 0
    _new_records: int = 0
    _joined: int = 0

    def __post_init__(self) -> None:
        self._next_sequence = self._one("SELECT coalesce(max(sequence), 0) + 1 FROM records")
        self._next_number = self._one("SELECT coalesce(max(number), 0) + 1 FROM works")
        self._first_new = self._next_number

    def _one(self, sql: str) -> int:
        value: int = self.connection.execute(sql).fetchone()[0]
        return value

    def place(self, record: SourceRecord, facts: Facts, ingested_at: str) -> None:
        """Store a new record and give it to a work: an existing one, or one of its own."""
        keys = match_keys(effective_ids(facts))
        row = TitleRow.of(facts)
        found = self._matching(keys, row)
        sequence, self._next_sequence = self._next_sequence, self._next_sequence + 1
        if found:
            number = min(found)
            for other in sorted(found - {number}):
                self._absorb(other, number, sequence)
            self._joined += 1
        else:
            number, self._next_number = self._next_number, self._next_number + 1
            self._ids[number] = self._free_id(keys, row, record)
        self._touched.add(number)
        self._facts[sequence] = facts
        self._new_records += 1
        execute = self.connection.execute
        execute(
            "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                sequence,
                record.source,
                record.key,
                record.sha256,
                canonical_json(dict(record.context)).decode(),
                pack(record.raw),
                record.origin,
                record.offset,
                ingested_at,
                number,
                number,
            ),
        )
        for key in keys:
            execute("INSERT OR IGNORE INTO match_keys VALUES (?,?)", (key, number))
        if row.title:
            execute(
                "INSERT OR IGNORE INTO titles VALUES (?,?,?,?)",
                (row.title, number, row.family, row.year),
            )

    def _matching(self, keys: list[str], row: TitleRow) -> set[int]:
        owner_of = owners(self.connection, keys) if keys else {}
        works = {n: Candidate(n, (), self._keys(n)) for n in set(owner_of.values())}
        joined = joined_by_id(keys, {key: works[n] for key, n in owner_of.items()})
        found = {work.number for work in joined}
        if not row.title:
            return found
        rows: dict[int, list[TitleRow]] = {}
        sql = "SELECT work, family, year FROM titles WHERE title = ? LIMIT ?"
        sharing = self.connection.execute(sql, (row.title, MOST_SHARING + 1)).fetchall()
        if len(sharing) > MOST_SHARING:
            return found
        for number, family, year in sharing:
            if number not in found:
                rows.setdefault(number, []).append(TitleRow(row.title, family, year))
        if not rows:
            return found
        own = set(keys).union(*(work.keys for work in joined))
        candidates = [Candidate(n, tuple(rows[n]), self._keys(n)) for n in sorted(rows)]
        return found | set(joined_by_title(row, own, candidates))

    def _keys(self, number: int) -> frozenset[str]:
        sql = "SELECT key FROM match_keys WHERE work = ?"
        return frozenset(key for (key,) in self.connection.execute(sql, (number,)))

    def _absorb(self, loser: int, winner: int, sequence: int) -> None:
        execute = self.connection.execute
        execute("UPDATE records SET work = ? WHERE work = ?", (winner, loser))
        execute("UPDATE match_keys SET work = ? WHERE work = ?", (winner, loser))
        execute("UPDATE OR IGNORE titles SET work = ? WHERE work = ?", (winner, loser))
        execute("DELETE FROM titles WHERE work = ?", (loser,))
        self._gone[loser] = (winner, sequence)
        self._touched.discard(loser)

    def _free_id(self, keys: list[str], row: TitleRow, record: SourceRecord) -> str:
        """Return the id of a new work, from its strongest key that is not taken."""
        names = keys[:1]
        if row.title:
            names.append(f"title:{row.title}|{row.family}|{row.year}")
        own_name = f"record:{record.source}:{record.key}"
        for name in (*names, own_name, f"{own_name}:{record.sha256.hex()}"):
            work_id = work_id_for(name)
            sql = "SELECT 1 FROM works WHERE work_id = ?"
            taken = self.connection.execute(sql, (work_id,)).fetchone()
            if not taken and work_id not in self._new_ids:
                self._new_ids.add(work_id)
                return work_id
        raise BadInput("no work id is free for this record", received=record.key)

    def touch(self, numbers: Iterable[int]) -> None:
        """Have these works merged anew as well."""
        self._touched.update(numbers)

    def finish(self, known: int) -> Added:
        """Merge the touched works anew, write them with their revisions, and count."""
        revision = self._one("SELECT coalesce(max(revision), 0) FROM works")
        changed = 0
        for number in sorted(self._touched | set(self._gone)):
            if not self._write(number, revision + 1):
                continue
            revision += 1
            if number < self._first_new and number not in self._gone:
                changed += 1
        return Added(
            new_records=self._new_records,
            known_records=known,
            new_works=self._next_number - self._first_new,
            joined=self._joined,
            merged_works=len(self._gone),
            changed_works=changed,
        )

    def _write(self, number: int, revision: int) -> bool:
        """Write one work; return whether it differs from what was stored."""
        execute = self.connection.execute
        winner, merged_at = self._gone.get(number, (None, None))
        date, blob = "", None
        if winner is None:
            work = merge(self._inputs(number))
            date, blob = work.date, pack_work(work)
        if number >= self._first_new:
            execute(
                "INSERT INTO works VALUES (?,?,?,?,?,?,?)",
                (number, self._ids[number], revision, winner, merged_at, date, blob),
            )
            return True
        if blob is not None:
            sql = "SELECT 1 FROM works WHERE number = ? AND json = ?"
            if execute(sql, (number, blob)).fetchone():
                return False
        execute(
            "UPDATE works SET revision = ?, merged_into = ?, merged_at = ?, date = ?, json = ?"
            " WHERE number = ?",
            (revision, winner, merged_at, date, blob, number),
        )
        return True

    def _inputs(self, number: int) -> list[MergeInput]:
        sql = SELECT_RECORDS + "WHERE work = ? ORDER BY sequence"
        inputs = []
        for row in self.connection.execute(sql, (number,)).fetchall():
            sequence, source, key, born = row[0], row[1], row[2], row[9]
            facts = self._facts.get(sequence)
            if facts is None:
                facts = read_again(self.parser, as_record(row).source_record())
            inputs.append(
                MergeInput(
                    sequence=sequence,
                    source=source,
                    key=key,
                    facts=facts,
                    work_id=self._id_of(born),
                )
            )
        return inputs

    def _id_of(self, number: int) -> str:
        if number not in self._ids:
            sql = "SELECT work_id FROM works WHERE number = ?"
            self._ids[number] = self.connection.execute(sql, (number,)).fetchone()[0]
        return self._ids[number]


def merge_all_anew(connection: sqlite3.Connection, parser: Parser) -> int:
    """Merge every work anew from its stored records; return how many changed."""
    batch = Batch(connection, parser)
    sql = "SELECT number FROM works WHERE json IS NOT NULL"
    batch.touch(number for (number,) in connection.execute(sql).fetchall())
    return batch.finish(0).changed_works

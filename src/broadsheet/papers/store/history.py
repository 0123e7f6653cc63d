"""Works as they were: when only the first records had arrived."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from broadsheet.papers.merge import MergeInput, merge
from broadsheet.papers.model import Work
from broadsheet.papers.store.codec import unpack_work
from broadsheet.papers.store.reading import SELECT_RECORDS, as_record
from broadsheet.papers.store.writing import Parser, read_again


def works_as_of(
    connection: sqlite3.Connection, sequence: int, first: str, last: str, parser: Parser
) -> list[Work]:
    """Return works as they were when only the records up to `sequence` existed.

    A work without later records is as it is now. Each other one is merged anew from its earlier
    records; works that were joined only later are separate again.

    Args:
        connection: A snapshot.
        sequence: The last record that counts.
        first: Only works dated from this day on ("" for all).
        last: Only works dated up to this day ("" for all).
        parser: Reads a stored record.
    """
    later = {
        number
        for (number,) in connection.execute(
            "SELECT DISTINCT work FROM records WHERE sequence > ?", (sequence,)
        )
    }
    upto = last or "9999-99-99"
    works = [
        unpack_work(blob)
        for number, blob in connection.execute(
            "SELECT number, json FROM works WHERE json IS NOT NULL AND date BETWEEN ? AND ?",
            (first, upto),
        )
        if number not in later
    ]
    works += [
        work
        for number in sorted(later)
        for work in _earlier(connection, number, sequence, parser)
        if first <= work.date <= upto
    ]
    return sorted(works, key=lambda work: (work.date, work.id))


def _earlier(
    connection: sqlite3.Connection, number: int, sequence: int, parser: Parser
) -> Iterator[Work]:
    """Yield the work or works that the early records of a present work made then."""
    groups: dict[int, list[MergeInput]] = {}
    sql = SELECT_RECORDS + "WHERE work = ? AND sequence <= ? ORDER BY sequence"
    for row in connection.execute(sql, (number, sequence)).fetchall():
        record = as_record(row)
        born = row[9]
        item = MergeInput(
            sequence=record.sequence,
            source=record.source,
            key=record.key,
            facts=read_again(parser, record.source_record()),
            work_id=_id_of(connection, born),
        )
        groups.setdefault(_owner_then(connection, born, sequence), []).append(item)
    for group in groups.values():
        yield merge(group)


def _id_of(connection: sqlite3.Connection, number: int) -> str:
    sql = "SELECT work_id FROM works WHERE number = ?"
    work_id: str = connection.execute(sql, (number,)).fetchone()[0]
    return work_id


def _owner_then(connection: sqlite3.Connection, number: int, sequence: int) -> int:
    """Follow only the mergers that had happened by `sequence`."""
    sql = "SELECT merged_into FROM works WHERE number = ? AND merged_at <= ?"
    while row := connection.execute(sql, (number, sequence)).fetchone():
        number = row[0]
    return number

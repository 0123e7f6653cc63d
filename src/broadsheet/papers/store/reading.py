"""Queries: every function takes a connection that it may read from and owns no state."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from broadsheet.core.errors import NotFound, UsageError
from broadsheet.papers.identity import (
    arxiv_id_of_doi,
    normalise_doi,
    normalise_title,
    parse_arxiv_id,
)
from broadsheet.papers.matching import MATCH_SCHEMES, plain_title
from broadsheet.papers.model import Reject, Work
from broadsheet.papers.store.codec import unpack, unpack_work
from broadsheet.papers.store.results import Change, Counts, StoredRecord

#: Followed by a WHERE clause; the rows are for `as_record`, their last column but one is `born`.
SELECT_RECORDS = (
    "SELECT sequence, source, key, sha256, context, raw, origin, offset, ingested_at, born, work"
    " FROM records "
)
_WORK_ID = re.compile(r"[a-z2-7]{12}")
_ADDRESSES = (
    ("acl", re.compile(r"(?:www\.)?aclanthology\.org/(?:papers/)?([A-Za-z0-9.-]+?)/?(?:\.pdf)?$")),
    ("openreview", re.compile(r"openreview\.net/(?:forum|pdf)\?id=([\w-]+)")),
    ("s2", re.compile(r"semanticscholar\.org/paper/(?:[^/]+/)?([0-9a-f]{40})")),
    ("openalex", re.compile(r"openalex\.org/(?:works/)?(W\d+)")),
    ("hf", re.compile(r"huggingface\.co/papers/([\w.-]+)")),
)


def as_record(row: tuple[Any, ...]) -> StoredRecord:
    """Turn a row of `SELECT_RECORDS` into a record."""
    sequence, source, key, sha256, context, raw, origin, offset, ingested_at = row[:9]
    return StoredRecord(
        sequence=sequence,
        source=source,
        key=key,
        sha256=sha256,
        origin=origin,
        ingested_at=ingested_at,
        raw=unpack(raw),
        context=json.loads(context),
        offset=offset,
    )


def known(
    connection: sqlite3.Connection, names: Sequence[tuple[str, str, bytes]]
) -> set[tuple[str, str, bytes]]:
    """Return those (source, key, sha256) that are stored."""
    sql = "SELECT 1 FROM records WHERE source = ? AND key = ? AND sha256 = ?"
    return {name for name in names if connection.execute(sql, name).fetchone()}


def resolve(connection: sqlite3.Connection, work_id: str) -> int | None:
    """Return the number of the living work that has this id or alias."""
    sql = "SELECT number, merged_into FROM works WHERE work_id = ?"
    row = connection.execute(sql, (work_id,)).fetchone()
    while row and row[1] is not None:
        sql = "SELECT number, merged_into FROM works WHERE number = ?"
        row = connection.execute(sql, (row[1],)).fetchone()
    return row[0] if row else None


def works_by_number(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Work]:
    """Return the living works among these numbers, in the order asked."""
    asked = list(dict.fromkeys(numbers))
    sql = (
        "SELECT number, json FROM works WHERE number IN (SELECT value FROM json_each(?))"
        " AND json IS NOT NULL"
    )
    found = dict(connection.execute(sql, (json.dumps(asked),)).fetchall())
    return {number: unpack_work(found[number]) for number in asked if number in found}


def owners(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Return the numbers of the works that hold these exact keys, by key."""
    sql = "SELECT key, work FROM match_keys WHERE key IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(sql, (json.dumps(keys),)).fetchall())


def find(connection: sqlite3.Connection, reference: str) -> Work:
    """Return the one work that a work id, identifier, address or exact title names.

    Raises:
        NotFound: Nothing has that name.
        UsageError: Several works have that title; the message lists them.
    """
    text = reference.strip()
    numbers: list[int] = []
    if _WORK_ID.fullmatch(text) and (number := resolve(connection, text)) is not None:
        numbers = [number]
    if not numbers and (keys := _keys_of(text)):
        numbers = sorted(set(owners(connection, keys).values()))
    if not numbers and (title := normalise_title(plain_title(text))):
        sql = "SELECT DISTINCT work FROM titles WHERE title = ? ORDER BY work"
        numbers = [number for (number,) in connection.execute(sql, (title,))]
    works = list(works_by_number(connection, numbers).values())
    if not works:
        raise NotFound(
            "no paper has that id or title", received=reference, hint="broadsheet search"
        )
    if len(works) > 1:
        names = "; ".join(f"{work.id} ({work.date}, {_first_author(work)})" for work in works[:10])
        raise UsageError(
            f"{len(works)} papers have that name: {names}",
            received=reference,
            hint="one of these ids",
        )
    return works[0]


def _first_author(work: Work) -> str:
    return work.authors[0].full if work.authors else "no author known"


def _keys_of(text: str) -> list[str]:
    """Return the exact keys that a reference may mean."""
    keys = []
    if arxiv := parse_arxiv_id(text):
        keys.append(f"arxiv:{arxiv[0]}")
    if " " not in text and (doi := normalise_doi(text)):
        of_arxiv = arxiv_id_of_doi(doi)
        keys.append(f"arxiv:{of_arxiv}" if of_arxiv else f"doi:{doi}")
    for scheme, address in _ADDRESSES:
        if match := address.search(text):
            keys.append(f"{scheme}:{match[1]}")
            if scheme == "hf" and (arxiv := parse_arxiv_id(match[1])):
                keys.append(f"arxiv:{arxiv[0]}")
    scheme, _, value = text.partition(":")
    if scheme.casefold() in MATCH_SCHEMES and value:
        keys.append(f"{scheme.casefold()}:{value.strip()}")
    elif text and " " not in text:
        keys += [f"{name}:{text}" for name in MATCH_SCHEMES if name not in ("arxiv", "doi")]
    return list(dict.fromkeys(keys))


def changes(connection: sqlite3.Connection, after: int, limit: int) -> list[Change]:
    """Return the works that changed after a revision, oldest change first."""
    sql = "SELECT revision, number, json FROM works WHERE revision > ? ORDER BY revision LIMIT ?"
    return [
        Change(revision=revision, number=number, work=unpack_work(blob) if blob else None)
        for revision, number, blob in connection.execute(sql, (after, limit))
    ]


def works_between(connection: sqlite3.Connection, first: str, last: str) -> list[Work]:
    """Return works whose full date lies in [first, last], ordered by (day, id)."""
    sql = (
        "SELECT json FROM works WHERE json IS NOT NULL AND date BETWEEN ? AND ?"
        " AND length(date) = 10 ORDER BY date, work_id"
    )
    return [unpack_work(blob) for (blob,) in connection.execute(sql, (first, last))]


def works_in_month(connection: sqlite3.Connection, month: str) -> list[Work]:
    """Return works dated in a month ("2025-09"), those without a day included and first."""
    sql = (
        "SELECT json FROM works WHERE json IS NOT NULL AND date BETWEEN ? AND ?"
        " ORDER BY date, work_id"
    )
    return [unpack_work(blob) for (blob,) in connection.execute(sql, (month, f"{month}-99"))]


def work_states(connection: sqlite3.Connection) -> list[tuple[int, str, str, int | None]]:
    """Return (number, id, hash of the canonical JSON or "", merged into) of every work."""
    sql = "SELECT number, work_id, json, merged_into FROM works ORDER BY number"
    return [
        (number, work_id, hashlib.sha256(unpack(blob)).hexdigest() if blob else "", merged_into)
        for number, work_id, blob, merged_into in connection.execute(sql)
    ]


def days(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return each day that has works, and how many."""
    sql = (
        "SELECT date, count(*) FROM works WHERE json IS NOT NULL AND length(date) = 10"
        " GROUP BY date ORDER BY date"
    )
    return connection.execute(sql).fetchall()


def counts(connection: sqlite3.Connection) -> Counts:
    """Count what the store holds."""

    def one(sql: str) -> int:
        value: int = connection.execute(sql).fetchone()[0]
        return value

    # Each is answered by an index alone; sequences have no gaps.
    works = one("SELECT count(*) FROM works WHERE json IS NOT NULL")
    merged = one("SELECT count(*) FROM works WHERE merged_into IS NOT NULL")
    records = one("SELECT coalesce(max(sequence), 0) FROM records")
    rejects = one("SELECT count(*) FROM rejects")
    return Counts(works=works, records=records, rejects=rejects, merged=merged)


def records_of(connection: sqlite3.Connection, number: int) -> list[StoredRecord]:
    """Return the records of a work in order of arrival."""
    sql = SELECT_RECORDS + "WHERE work = ? ORDER BY sequence"
    return [as_record(row) for row in connection.execute(sql, (number,))]


def records_after(connection: sqlite3.Connection, sequence: int, limit: int) -> list[StoredRecord]:
    """Return the next records in order of arrival."""
    sql = SELECT_RECORDS + "WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [as_record(row) for row in connection.execute(sql, (sequence, limit))]


def rejects(connection: sqlite3.Connection, limit: int) -> list[Reject]:
    """Return rejects, the latest first."""
    sql = (
        "SELECT origin, offset, unit, reason, excerpt FROM rejects"
        " ORDER BY ingested_at DESC, origin, offset LIMIT ?"
    )
    return [
        Reject(origin=origin, offset=offset, unit=unit, reason=reason, excerpt=excerpt)
        for origin, offset, unit, reason, excerpt in connection.execute(sql, (limit,))
    ]

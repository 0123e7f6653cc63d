"""Keeping an answer: the same way into the store as a file's, without its broken end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from broadsheet.core.clock import today
from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.paths import exclusive
from broadsheet.papers.model import Facts, Reject, SourceRecord
from broadsheet.papers.sources import source_named
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.store import Store

_LOCK_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one answer gave."""

    records: int = 0
    new: int = 0
    new_works: int = 0
    changed_works: int = 0
    rejects: int = 0


def keep(
    store: Store,
    format_name: str,
    body: bytes,
    *,
    origin: str,
    day: str,
    whole: bool,
    patience_s: float,
    sleep: Callable[[float], None],
) -> Kept:
    """Store the records of an answer in one transaction.

    Args:
        format_name: Name of the source format that reads it.
        origin: Its address, for people.
        day: The day it was asked for.
        whole: False when the body broke off: the piece at its end is no reject, it comes again.
        patience_s: How long to wait while another process writes to this library.
        sleep: Waits.

    Raises:
        SourceError: Another process keeps writing.
        PartialResult: The disk is full; nothing of this answer is stored.
    """
    source = source_named(format_name)
    records: list[SourceRecord] = []
    rejects: list[Reject] = []
    place = Origin(name=origin, date=day, modified=today().isoformat())
    for item in source.split(io.BytesIO(body), place):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            records.append(item)
    batch: list[tuple[SourceRecord, Facts]] = []
    for record, known in zip(records, store.known(records), strict=True):
        if known:
            continue
        try:
            batch.append((record, store.parser(record)))
        except BadInput as error:
            reason = f"{record.key}: {error.what}"
            rejects.append(Reject(origin=origin, offset=record.offset, unit="byte", reason=reason))
    if not whole:
        rejects.clear()
    waited = 0.0
    while True:
        try:
            with exclusive(store.home / "write.lock", "keeping what was fetched"):
                added = store.add(batch, rejects)
            break
        except SourceError:
            if waited >= patience_s:
                raise
            sleep(_LOCK_PAUSE_S)
            waited += _LOCK_PAUSE_S
    return Kept(
        records=len(records),
        new=added.new_records,
        new_works=added.new_works,
        changed_works=added.changed_works,
        rejects=len(rejects),
    )

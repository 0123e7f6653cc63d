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
    place = Origin(name=origin, date=day, modified=today().isoformat())
    found = list(source_named(format_name).split(io.BytesIO(body), place))
    records = [item for item in found if not isinstance(item, Reject)]
    batch, unreadable = _parse_new(store, records, origin)
    rejects = [item for item in found if isinstance(item, Reject)] + unreadable if whole else []
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


def _parse_new(
    store: Store, records: list[SourceRecord], origin: str
) -> tuple[list[tuple[SourceRecord, Facts]], list[Reject]]:
    batch: list[tuple[SourceRecord, Facts]] = []
    rejects: list[Reject] = []
    for record, known in zip(records, store.known(records), strict=True):
        if known:
            continue
        try:
            batch.append((record, store.parser(record)))
        except BadInput as error:
            reason = f"{record.key}: {error.what}"
            rejects.append(Reject(origin=origin, offset=record.offset, unit="byte", reason=reason))
    return batch, rejects

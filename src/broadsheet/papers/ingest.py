"""From files to works: open, detect, cut, skip what is known, parse, store, a thousand at a time.

An interrupted run is resumed by running it again: what was stored is recognised by its hash before
it is parsed. The result is the same as that of an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Advance, Progress, Silent
from broadsheet.papers.model import Facts, Reject, SourceRecord
from broadsheet.papers.sources import detect, source_named
from broadsheet.papers.sources.lines import excerpt
from broadsheet.papers.sources.opening import OpenedInput, open_inputs
from broadsheet.papers.store import Added, Store

#: A batch ends with this many records and rejects ...
BATCH = 1000
#: ... or with this many bytes, so that large records don't fill the memory.
BATCH_BYTES = 32 << 20
#: Rejects that a report holds; all of them are counted, and kept in the store.
SHOWN_REJECTS = 1000
#: Sources whose records are placed by byte; the others count lines.
_PLACED_BY_BYTE = frozenset({"acl", "arxiv", "hf"})


@dataclass(slots=True, kw_only=True)
class InputReport:
    """What became of one input."""

    origin: str
    source: str = ""
    records: int = 0
    new: int = 0
    known: int = 0
    works: int = 0
    joined: int = 0
    merged: int = 0
    changed: int = 0
    rejected: int = 0

    def count(self, added: Added) -> None:
        """Add what a batch did."""
        self.new += added.new_records
        self.known += added.known_records
        self.works += added.new_works
        self.joined += added.joined
        self.merged += added.merged_works
        self.changed += added.changed_works


@dataclass(slots=True, kw_only=True)
class IngestReport:
    """What became of all inputs: every record is new, known or rejected.

    Args:
        inputs: One report per input, in order.
        rejects: The first rejects with their places; `total.rejected` counts all.
        dry_run: True when nothing was stored.
    """

    inputs: list[InputReport] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    dry_run: bool = False

    @property
    def total(self) -> InputReport:
        """Return the sums over all inputs."""
        total = InputReport(origin="total")
        for name in asdict(total):
            if name not in ("origin", "source"):
                setattr(total, name, sum(getattr(item, name) for item in self.inputs))
        return total

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {**asdict(self), "total": asdict(self.total)}


def ingest(
    store: Store,
    inputs: Sequence[str],
    *,
    source: str = "auto",
    date: str = "",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Read inputs into the store.

    Args:
        store: An open store.
        inputs: Files, folders or "-" for standard input; may be compressed or archives.
        source: Name of the format, or "auto" to detect it per input.
        date: The day the inputs belong to (ISO 8601), where they do not say.
        dry_run: Do everything, then undo it.
        progress: Shows how far it is.

    Returns:
        What became of every record. Rejected input is kept in the store with its place.

    Raises:
        UsageError: There is no such format, or an input does not exist.
        SourceError: Another process is writing to this library.
        PartialResult: The disk is full; all earlier batches are stored.
    """
    progress = progress or Silent()
    if source != "auto":
        source_named(source)
    report = IngestReport(dry_run=dry_run)
    with ExitStack() as stack:
        stack.enter_context(exclusive(store.home / "write.lock", "ingest"))
        if dry_run:
            stack.enter_context(store.rehearsal())
        run: _Run | None = None
        for opened in open_inputs(inputs, date=date):
            name = opened.origin if isinstance(opened, Reject) else opened.origin.name
            if run is None or run.origin != name:
                run = _Run(store, report, name)
            if isinstance(opened, Reject):
                run.reject(opened)
                run.flush()
            else:
                run.read(opened, source, progress.start(name, opened.size_bytes, "bytes"))
    return report


class _Run:
    """One input on its way into the store."""

    def __init__(self, store: Store, report: IngestReport, origin: str) -> None:
        self.origin = origin
        self._store = store
        self._report = report
        self._mine = InputReport(origin=origin)
        self._records: list[SourceRecord] = []
        self._rejects: list[Reject] = []
        report.inputs.append(self._mine)

    def read(self, opened: OpenedInput, source: str, advance: Advance) -> None:
        """Read all of it, batch by batch; what can't be read is rejected, the rest is kept."""
        done = size = 0
        for item in self._items(opened, source):
            if isinstance(item, Reject):
                self.reject(item)
            else:
                self._records.append(item)
                self._mine.records += 1
                size += len(item.raw)
            if len(self._records) + len(self._rejects) >= BATCH or size >= BATCH_BYTES:
                self.flush()
                advance(opened.position() - done)
                done, size = opened.position(), 0
        self.flush()
        advance(opened.position() - done)

    def _items(self, opened: OpenedInput, source: str) -> Iterator[SourceRecord | Reject]:
        name = opened.origin.name
        try:
            chosen = detect(opened.head, name) if source == "auto" else source_named(source)
        except BadInput as error:
            yield Reject(origin=name, offset=0, unit="byte", reason=error.what)
            return
        self._mine.source = chosen.name
        yield from chosen.split(opened.stream, opened.origin)

    def reject(self, reject: Reject) -> None:
        """Keep and count a reject."""
        self._rejects.append(reject)
        self._mine.rejected += 1
        if len(self._report.rejects) < SHOWN_REJECTS:
            self._report.rejects.append(reject)

    def flush(self) -> None:
        """Parse what is new and store it, in one transaction."""
        known = self._store.known(self._records)
        batch: list[tuple[SourceRecord, Facts]] = []
        for record, is_known in zip(self._records, known, strict=True):
            if is_known:
                self._mine.known += 1
                continue
            try:
                batch.append((record, self._store.parser(record)))
            except BadInput as error:
                self.reject(_unreadable(record, error))
        self._mine.count(self._store.add(batch, self._rejects))
        self._records.clear()
        self._rejects.clear()


def _unreadable(record: SourceRecord, error: BadInput) -> Reject:
    return Reject(
        origin=record.origin,
        offset=record.offset,
        unit="byte" if record.source in _PLACED_BY_BYTE else "line",
        reason=f"{record.key}: {error.what}",
        excerpt=excerpt(record.raw),
    )

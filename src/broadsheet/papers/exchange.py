"""Our own export: JSON lines from which a library can be rebuilt, byte for byte.

The first line says what it is, then comes one line per source record in order of arrival, then one
per edition; the last line holds the sha256 of all lines before it. Records are verbatim: works are
merged anew on import, so an export outlives the program's idea of a work.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from broadsheet.core.clock import timestamp
from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Advance, Progress, Silent
from broadsheet.papers.model import Facts, Reject, SourceRecord, canonical_json
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt, read_lines
from broadsheet.papers.sources.opening import open_inputs
from broadsheet.papers.store import Added, Store, StoredRecord
from broadsheet.papers.store.database import clear_errors

FORMAT = 1
_BATCH = 1000
#: Longest line of an export: twice the largest document that we read.
_LINE_LIMIT = 128 << 20


@dataclass(slots=True, kw_only=True)
class ExchangeReport:
    """What an export or import did.

    Args:
        records: Source records written or read.
        new: Records that were not in the library.
        known: Records that were.
        works: Works made.
        editions: Editions written or stored.
        rejects: Lines that could not be used, with their line numbers.
        notes: Sentences for the reader.
    """

    records: int = 0
    new: int = 0
    known: int = 0
    works: int = 0
    editions: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)


def export(
    store: Store, target: Path | BinaryIO, *, progress: Progress | None = None
) -> ExchangeReport:
    """Write the whole library as JSON lines.

    Args:
        store: An open store.
        target: A stream, or a path; one that ends in .gz or .zst is compressed. A file appears
            whole or not at all.
        progress: Shows how far it is.

    Raises:
        PartialResult: The disk is full.
    """
    advance = (progress or Silent()).start("export", store.counts().records, "records")
    with clear_errors("the export"):
        if not isinstance(target, Path):
            return _write(store, target, advance)
        temporary = target.with_name(f".{target.name}.part")
        try:
            with ExitStack() as stack:
                stream = _open_for_writing(temporary, target.suffix, stack)
                report = _write(store, stream, advance)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return report


def _open_for_writing(path: Path, suffix: str, stack: ExitStack) -> BinaryIO:
    plain: BinaryIO = stack.enter_context(path.open("wb"))
    if suffix == ".gz":
        packed: Any = gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0)
    elif suffix == ".zst":
        packed = zstandard.ZstdCompressor(level=9).stream_writer(plain, closefd=False)
    else:
        return plain
    stream: BinaryIO = stack.enter_context(packed)
    return stream


def _write(store: Store, stream: BinaryIO, advance: Advance) -> ExchangeReport:
    report = ExchangeReport()
    digest = hashlib.sha256()

    def put(data: dict[str, Any]) -> None:
        line = canonical_json(data) + b"\n"
        digest.update(line)
        stream.write(line)

    put({"broadsheet": "export", "format": FORMAT, "exported_at": timestamp()})
    for record in store.all_records():
        put(_record_line(record))
        report.records += 1
        advance(1)
    for day, printing, sha256 in store.edition_days():
        document = (store.get_edition(day, printing) or b"").decode()
        put({"day": day, "document": document, "printing": printing, "sha256": sha256})
        report.editions += 1
    stream.write(canonical_json({"end": True, "sha256": digest.hexdigest()}) + b"\n")
    return report


def _record_line(record: StoredRecord) -> dict[str, Any]:
    data = asdict(record)
    data["sha256"] = record.sha256.hex()
    raw = data.pop("raw")
    try:
        data["raw"] = raw.decode()
    except UnicodeDecodeError:
        data["raw_base64"] = b64encode(raw).decode()
    return data


def import_(store: Store, source: str, *, progress: Progress | None = None) -> ExchangeReport:
    """Read an export back in; into an empty library it gives the same works, records, editions.

    Interrupted, it is resumed by running it again. Editions name the records they could see by
    their place in the order of arrival, so they are taken over only where that order is the same.

    Args:
        store: An open store.
        source: Path of the export (may be compressed), or "-" for standard input.
        progress: Shows how far it is.

    Raises:
        BadInput: It is no export of ours, or one of a newer version.
        SourceError: Another process is writing to this library.
        PartialResult: The disk is full; what was read before is kept.
    """
    reading = _Import(store)
    with exclusive(store.home / "write.lock", "import"):
        for opened in open_inputs([source]):
            if isinstance(opened, Reject):
                reading.report.rejects.append(opened)
                continue
            advance = (progress or Silent()).start("import", opened.size_bytes, "bytes")
            done = 0
            for _ in reading.run(opened.stream, opened.origin):
                advance(opened.position() - done)
                done = opened.position()
            advance(opened.position() - done)
    return reading.report


class _Import:
    """One export on its way into the store."""

    def __init__(self, store: Store) -> None:
        self.report = ExchangeReport()
        self._store = store
        self._records: list[tuple[SourceRecord, Facts]] = []
        self._times: list[str] = []
        self._editions: list[dict[str, Any]] = []
        self._order = hashlib.sha256()
        self._complete = False

    def run(self, stream: BinaryIO, origin: Origin) -> Iterator[None]:
        """Read all lines, yielding after each batch that was stored."""
        digest = hashlib.sha256()
        number = 0
        for line in read_lines(stream, origin, limit=_LINE_LIMIT):
            if isinstance(line, Reject):
                self.report.rejects.append(line)
                continue
            number, raw = line
            if not raw:
                continue
            try:
                data = json.loads(raw)
                if not isinstance(data, dict):
                    raise BadInput("not a line of an export")
                if number == 1:
                    _check_header(data, origin.name)
                self._take(data, digest.hexdigest())
            except (BadInput, UsageError, ValueError, KeyError, TypeError) as error:
                if number == 1:
                    raise _not_an_export(error, origin.name) from None
                self._reject(origin.name, number, _words(error), excerpt(raw))
            digest.update(raw + b"\n")
            if len(self._records) >= _BATCH:
                self._flush()
                yield
        self._flush()
        if number == 0:
            raise BadInput("the input is empty", received=origin.name)
        if not self._complete:
            self._reject(origin.name, number, "the export ends early, or was changed", "")
        self._put_editions()

    def _take(self, data: dict[str, Any], digest: str) -> None:
        if "raw" in data or "raw_base64" in data:
            self._take_record(data)
        elif "document" in data:
            self._editions.append(data)
        elif data.get("end"):
            self._complete = data.get("sha256") == digest

    def _take_record(self, data: dict[str, Any]) -> None:
        raw = _text(data, "raw").encode() if "raw" in data else b64decode(data["raw_base64"])
        record = SourceRecord(
            source=_text(data, "source"),
            key=_text(data, "key"),
            raw=raw,
            context={name: _text(data["context"], name) for name in dict(data["context"])},
            origin=_text(data, "origin"),
            offset=int(data["offset"]),
        )
        if record.sha256.hex() != data["sha256"]:
            raise BadInput("this record was changed after it was exported")
        facts = self._store.parser(record)
        self._order.update(_order_line(data["sequence"], record))
        self._records.append((record, facts))
        self._times.append(_text(data, "ingested_at"))
        self.report.records += 1

    def _flush(self) -> None:
        added: Added = self._store.add(self._records, ingested_at=self._times)
        self.report.new += added.new_records
        self.report.known += added.known_records
        self.report.works += added.new_works
        self._records, self._times = [], []

    def _put_editions(self) -> None:
        if not self._editions:
            return
        here = hashlib.sha256()
        for stored in self._store.all_records():
            if stored.sequence > self.report.records:
                break
            here.update(_order_line(stored.sequence, stored.source_record()))
        if here.digest() != self._order.digest():
            self.report.notes.append(
                f"{len(self._editions)} editions were left out: this library took in its records "
                "in another order, so they could not be rebuilt from it"
            )
            return
        for item in self._editions:
            document = item["document"].encode()
            self._store.put_edition(item["day"], item["printing"], document, item["sha256"])
            self.report.editions += 1

    def _reject(self, origin: str, line: int, reason: str, shown: str) -> None:
        self.report.rejects.append(
            Reject(origin=origin, offset=line, unit="line", reason=reason, excerpt=shown)
        )


def _check_header(data: dict[str, Any], name: str) -> None:
    if data["broadsheet"] != "export":
        raise BadInput("not an export")
    if data["format"] > FORMAT:
        raise BadInput(
            "this export was made by a newer version of Broadsheet",
            received=f"{name}, format {data['format']}",
            hint="a newer Broadsheet",
        )


def _not_an_export(error: Exception, name: str) -> BadInput:
    if isinstance(error, BadInput) and error.hint:
        return error
    return BadInput(
        "this is not an export of Broadsheet", received=name, hint=f"broadsheet ingest {name}"
    )


def _words(error: Exception) -> str:
    if isinstance(error, (BadInput, UsageError)):
        return error.what
    return f"not a line of an export ({type(error).__name__}: {error})"


def _text(data: dict[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str):
        raise BadInput(f"{name} is not text")
    return value


def _order_line(sequence: int, record: SourceRecord) -> bytes:
    return canonical_json([sequence, record.source, record.key, record.sha256.hex()])

"""Read text line by line in bounded memory, whatever the text is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from broadsheet.papers.model import Reject
from broadsheet.papers.sources.base import Origin

#: Longest line that is read. A paper with 3,000 authors takes about 0.2 MB.
LINE_LIMIT = 8 << 20
#: Largest document that a format without lines may be, once decompressed.
DOCUMENT_LIMIT = 64 << 20
_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"


def excerpt(raw: bytes, limit: int = 120) -> str:
    """Return the beginning of `raw` as one printable line."""
    text = " ".join(raw[: limit * 4].decode("utf-8", "replace").split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown[:limit]


def read_lines(
    stream: BinaryIO, origin: Origin, *, limit: int = LINE_LIMIT
) -> Iterator[tuple[int, bytes] | Reject]:
    """Yield `(line number, bytes without line end)`; a line over `limit` becomes one `Reject`."""
    number = 0
    while raw := stream.readline(limit + 1):
        number += 1
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if len(raw) <= limit or raw.endswith(b"\n"):
            yield number, raw.rstrip(b"\r\n")
            continue
        size, start = len(raw), excerpt(raw)
        while (more := stream.readline(_CHUNK)) and not more.endswith(b"\n"):
            size += len(more)
        yield Reject(
            origin=origin.name,
            offset=number,
            unit="line",
            reason=f"line of {size + len(more):,} bytes, longer than the limit of {limit:,}",
            excerpt=start,
        )


def read_document(
    stream: BinaryIO, origin: Origin, *, limit: int = DOCUMENT_LIMIT
) -> bytes | Reject:
    """Return the whole stream, or a `Reject` when it is larger than `limit`."""
    parts: list[bytes] = []
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            return Reject(
                origin=origin.name,
                offset=limit,
                unit="byte",
                reason=f"document larger than the limit of {limit:,} bytes",
                excerpt=excerpt(parts[0] if parts else chunk),
            )
        parts.append(chunk)
    return b"".join(parts)

"""How records and works are packed into blobs: zstd, one compressor per thread."""

from __future__ import annotations

import json
import threading

import zstandard

from broadsheet.papers.model import Work, canonical_json

_LEVEL = 3
_local = threading.local()


def pack(data: bytes) -> bytes:
    """Compress bytes."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    packed: bytes = compressor.compress(data)
    return packed


def unpack(blob: bytes) -> bytes:
    """Restore the bytes given to `pack`."""
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    data: bytes = decompressor.decompress(blob)
    return data


def pack_work(work: Work) -> bytes:
    """Return the canonical JSON of a work, compressed."""
    return pack(canonical_json(work.to_json()))


def unpack_work(blob: bytes) -> Work:
    """Restore a work from `pack_work`."""
    return Work.from_json(json.loads(unpack(blob)))

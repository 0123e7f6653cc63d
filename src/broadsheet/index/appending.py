"""Writes behind the committed part of a file, over whatever a crash left there."""

from __future__ import annotations

import os
from pathlib import Path


def append_at(path: Path, offset: int, raw: bytes) -> None:
    """Write `raw` at `offset`, cut off what lay behind, and wait until the disk has it."""
    with path.open("r+b" if path.exists() else "w+b") as handle:
        handle.truncate(offset)
        handle.seek(offset)
        handle.write(raw)
        handle.flush()
        os.fsync(handle.fileno())

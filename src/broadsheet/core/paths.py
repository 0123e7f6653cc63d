"""Where state lives, and how files are written so that a crash never leaves half of one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from broadsheet.core.errors import SourceError


def default_home() -> Path:
    """Return the folder that holds all state: `BROADSHEET_HOME`, else `~/.broadsheet`."""
    configured = os.environ.get("BROADSHEET_HOME")
    return Path(configured).expanduser() if configured else Path.home() / ".broadsheet"


def default_cache() -> Path:
    """Return the folder of what can be fetched again: `BROADSHEET_CACHE`, else `~/.cache`'s own."""
    configured = os.environ.get("BROADSHEET_CACHE")
    if configured:
        return Path(configured).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "broadsheet"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that readers see the old file or the new one, never a mixture."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[None]:
    """Hold an exclusive advisory lock on `path` (created when missing).

    Raises:
        SourceError: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SourceError(
                f"another process is writing, so {purpose} can't start",
                received=path,
                hint="wait for it to end and run the same command again",
            ) from None
        yield

"""Which data files a run read, with their hashes: noted as the files are opened."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broadsheet.core.paths import hash_file

_lock = threading.Lock()
_watchers: list[tuple[tuple[str, str], set[str]]] = []
_installed = False


@contextmanager
def note_files(folders: Sequence[Path]) -> Iterator[set[str]]:
    """Collect the paths below some folders that are opened while the block runs.

    Files are noticed when Python opens them or names them to another program; writing into the
    folders is noticed too. A file behind a link inside a folder counts as a file of the folder.
    """
    found: set[str] = set()
    _install()
    watchers = [(_roots(folder), found) for folder in folders]
    with _lock:
        _watchers.extend(watchers)
    try:
        yield found
    finally:
        with _lock:
            for watcher in watchers:
                _watchers.remove(watcher)


def hash_files(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return path below `folder` -> sha256 of those paths that are files below it."""
    found = {}
    for path in sorted(paths):
        root = next((root for root in _roots(folder) if path.startswith(root)), None)
        if root and os.path.isfile(path):
            found[Path(path).relative_to(root).as_posix()] = hash_file(Path(path))
    return found


def combined_hash(files: Mapping[str, str]) -> str:
    """Return the 12 digits that name a set of data files; "" when there is none.

    Example:
        >>> combined_hash({"a.txt": "0f", "b.txt": "1e"})
        '5a25ef04101e'
    """
    if not files:
        return ""
    text = "".join(f"{name}\0{digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _roots(folder: Path) -> tuple[str, str]:
    return (os.path.abspath(folder) + os.sep, os.path.realpath(folder) + os.sep)


def _install() -> None:
    global _installed
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    if event == "open":
        _note(arguments[0])
    elif event == "subprocess.Popen":
        for word in arguments[1] if isinstance(arguments[1], list | tuple) else ():
            _note(word)


def _note(path: object) -> None:
    if not isinstance(path, str | bytes | os.PathLike):
        return
    try:
        name, real = os.path.abspath(os.fsdecode(path)), os.path.realpath(os.fsdecode(path))
    except (OSError, ValueError):
        return
    for (named, resolved), found in tuple(_watchers):
        if name.startswith(named):
            found.add(name)
        elif real.startswith(resolved):
            found.add(real)

"""Backups: a folder with a compact copy of the store, the settings, the runs that were handed in
to the leaderboard, and a manifest of hashes.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from broadsheet.core.clock import timestamp
from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.paths import exclusive, hash_file, write_atomically
from broadsheet.papers.model import canonical_json
from broadsheet.papers.store import STORE_FILE, Store
from broadsheet.papers.store.database import clear_errors

MANIFEST = "manifest.json"
#: The newest layout. A backup without runs says 1, which earlier versions read.
FORMAT, _WITHOUT_RUNS = 2, 1
#: What a backup holds beside runs; everything else of a home is derived, or installed again.
_KEPT = (STORE_FILE, "settings.json")
#: Folder of the runs that were handed in; naming it here spares a backup the import of numpy.
RUNS = "leaderboard"
#: Scores and lines of a run.
_RUN = re.compile(rf"{RUNS}/[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9._+-]*\.(json|run\.gz)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Args:
        format: Version of this layout.
        created: When it was made (ISO 8601).
        works: Number of works.
        records: Number of source records.
        editions: Number of editions.
        files: File name, or path with slashes, to sha256.
    """

    format: int
    created: str
    works: int
    records: int
    editions: int
    files: Mapping[str, str]


def backup(home: Path, target: Path) -> Manifest:
    """Write a backup of the library in `home` to the new folder `target`; readers may go on.

    The folder appears whole or not at all.

    Raises:
        NotFound: There is no library in `home`.
        UsageError: `target` exists already.
        PartialResult: The disk is full.
        SourceError: A run is being handed in.
    """
    if target.exists():
        raise UsageError(
            "the target of a backup must not exist yet", received=target, hint="a new folder name"
        )
    temporary = target.with_name(f".{target.name}.part")
    with Store.open(home) as store, clear_errors("the backup"):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            store.copy_to(temporary / STORE_FILE)
            if (home / "settings.json").exists():
                shutil.copyfile(home / "settings.json", temporary / "settings.json")
            runs = _copy_runs(home, temporary)
            with Store.open(temporary) as copy:
                counts, editions = copy.counts(), len(copy.edition_days())
            kept = [name for name in _KEPT if (temporary / name).is_file()]
            manifest = Manifest(
                format=FORMAT if runs else _WITHOUT_RUNS,
                created=timestamp(),
                works=counts.works,
                records=counts.records,
                editions=editions,
                files={name: hash_file(temporary / name) for name in sorted([*kept, *runs])},
            )
            write_atomically(temporary / MANIFEST, canonical_json(asdict(manifest)))
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _copy_runs(home: Path, target: Path) -> list[str]:
    """Copy the runs of the leaderboard; return their paths in the backup."""
    if not (home / RUNS).is_dir():
        return []
    with exclusive(home / RUNS / "lock", "the backup"):
        found = sorted(path.relative_to(home).as_posix() for path in (home / RUNS).glob("*/*"))
        names = [name for name in found if _RUN.fullmatch(name)]
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home / name, target / name)
    return names


def verify(source: Path) -> Manifest:
    """Check the hashes of a backup and the integrity of its store.

    Raises:
        NotFound: `source` is no backup.
        BadInput: A file is missing, changed or damaged.
    """
    manifest = _read_manifest(source)
    for name, expected in manifest.files.items():
        path = source / name
        if not path.is_file():
            raise BadInput("the backup is not complete", received=path)
        if hash_file(path) != expected:
            raise BadInput("a file of the backup was changed after it was made", received=path)
    address = f"{(source / STORE_FILE).resolve().as_uri()}?mode=ro&immutable=1"
    with clear_errors("checking the backup"):
        connection = sqlite3.connect(address, uri=True)
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            connection.close()
    if verdict != "ok":
        raise BadInput("the store in the backup is damaged", received=verdict)
    return manifest


def restore(source: Path, home: Path, *, check: bool = True, replace: bool = False) -> Manifest:
    """Put a backup in place as the library in `home`. Indexes are rebuilt when it is next used.

    Runs of the leaderboard that the backup has are put back, too; others in `home` stay.

    Args:
        source: The folder that `backup` made.
        home: Where the library goes.
        check: Check hashes and integrity first.
        replace: Put it in the place of a library that is there.

    Raises:
        NotFound: `source` is no backup.
        BadInput: The backup is damaged; nothing was changed.
        UsageError: `home` holds a library and `replace` is false.
        SourceError: Another process is writing to the library in `home`.
    """
    manifest = verify(source) if check else _read_manifest(source)
    if (home / STORE_FILE).exists() and not replace:
        raise UsageError(
            "there is a library in this folder already", received=home, hint="--replace, or --home"
        )
    with clear_errors("restoring"):
        home.mkdir(parents=True, exist_ok=True)
    with exclusive(home / "write.lock", "restore"), clear_errors("restoring"):
        new = {name: _beside(home / name) for name in manifest.files}
        for name, path in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, path)
        shutil.rmtree(home / "index", ignore_errors=True)
        for name in (f"{STORE_FILE}-wal", f"{STORE_FILE}-shm"):
            (home / name).unlink(missing_ok=True)
        for name, path in new.items():
            path.replace(home / name)
    return manifest


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.restored")


def _read_manifest(source: Path) -> Manifest:
    path = source / MANIFEST
    if not path.is_file():
        raise NotFound(
            "this folder is not a backup (no manifest.json)",
            received=source,
            hint="a folder that broadsheet backup made",
        )
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        manifest = Manifest(**data)
        if manifest.format > FORMAT:
            raise BadInput(
                "the backup was made by a newer version of Broadsheet",
                received=f"format {manifest.format}",
                hint="a newer Broadsheet",
            )
        others = {name for name in manifest.files if not _RUN.fullmatch(name)} - set(_KEPT)
        if others or STORE_FILE not in manifest.files:
            raise BadInput("the manifest names other files than a backup has", received=path)
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"the manifest of the backup can't be read ({error})", received=path
        ) from None
    return manifest

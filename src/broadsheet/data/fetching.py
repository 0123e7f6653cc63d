"""Brings the public files of a data set to this machine; nothing without its sha256 is accepted."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.optional import require
from broadsheet.core.progress import Advance, Progress, Silent
from broadsheet.data.catalogue import DataFile, DataSet
from broadsheet.data.files import DAMAGE, PACKINGS, open_bytes

_BLOCK = 1 << 20
_TIMEOUT_S = 30
State = Literal["right", "missing", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """How one file of a data set is on this machine.

    Args:
        name: Its name in the catalogue.
        state: right (its sha256 is the published one), missing, or other (another content).
        path: Where it is, None when it is missing.

    Example:
        >>> FileState(name="a.csv", state="missing").path is None
        True
    """

    name: str
    state: State
    path: Path | None = None


def fetch(data_set: DataSet, folder: Path, progress: Progress | None = None) -> Path:
    """Download what is missing of a data set, and return its folder.

    A file that is there with another content is fetched anew, and replaced only by the right one.

    Args:
        data_set: An entry of the catalogue.
        folder: The folder of all data sets; the files go into a folder of their own in it.
        progress: Shows how far it is.

    Raises:
        UsageError: The set has no public files, or pooch is not installed.
        SourceError: The server can't be reached or answers with an error.
        BadInput: What arrived is not the published file; it is not kept.
    """
    _check(data_set)
    place = folder / data_set.folder
    wanted = [state.name for state in inspect(data_set, folder) if state.state != "right"]
    if not wanted:
        return place
    pooch = require("pooch", extra="train", why="fetching a data set")
    for file in data_set.files:
        if file.name in wanted:
            _download(pooch, data_set, file, place / file.name, progress or Silent())
    return place


def adopt(data_set: DataSet, source: Path, folder: Path) -> Path:
    """Copy a data set from a local folder, unpacked, and return its folder.

    Args:
        data_set: An entry of the catalogue.
        source: Where its files are, plain or packed, or a folder that holds that folder.
        folder: The folder of all data sets.

    Raises:
        UsageError: The set has no public files to compare with.
        BadInput: A file is missing or not the published one; nothing is copied then.
    """
    _check(data_set)
    states = inspect(data_set, source)
    wrong = [f"{state.name} ({state.state})" for state in states if state.state != "right"]
    if wrong:
        raise BadInput(
            f"these are not the published files of {data_set.slug}",
            received="; ".join(wrong),
            hint=f"look into {source}, or fetch them",
        )
    place = folder / data_set.folder
    for state in states:
        if state.path is not None:
            _copy(state.path, place / state.name)
    return place


def inspect(data_set: DataSet, folder: Path) -> tuple[FileState, ...]:
    """Compare the files of a data set in a folder with the published ones.

    Args:
        data_set: An entry of the catalogue.
        folder: The folder of all data sets, or of this one.
    """
    place = folder / data_set.folder
    place = place if place.is_dir() else folder
    states = []
    for file in data_set.files:
        tried = [place / f"{file.name}{ending}" for ending in PACKINGS]
        path = next((item for item in tried if item.is_file()), None)
        if path is None:
            states.append(FileState(name=file.name, state="missing"))
            continue
        same = _hash(path, unpack=path.name != Path(file.name).name) == file.sha256
        states.append(FileState(name=file.name, state="right" if same else "other", path=path))
    return tuple(states)


class _Bar:
    """Our progress in the shape that pooch wants."""

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self.total = total
        self._advance: Advance = progress.start(label, total, "bytes")
        self._left = total

    def update(self, amount: int) -> None:
        """Advance, never past the end: pooch counts whole blocks."""
        self._advance(min(amount, self._left))
        self._left -= min(amount, self._left)

    def reset(self) -> None:
        """Pooch starts over to fill the bar; ours is filled already."""

    def close(self) -> None:
        """Nothing to close."""


def _check(data_set: DataSet) -> None:
    if not data_set.files:
        raise UsageError(
            f"{data_set.slug} has no public files with a known sha256",
            received=data_set.note,
            hint="docs/guide/data.md says how to bring it",
        )


def _download(
    pooch: Any, data_set: DataSet, file: DataFile, target: Path, progress: Progress
) -> None:
    from requests import RequestException  # Brought by pooch.

    url = data_set.url(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = target.with_name(f".{target.name}.new")
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{file.sha256}",
            fname=arrived.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(
                timeout=_TIMEOUT_S, progressbar=_Bar(progress, f"fetching {file.name}", file.bytes)
            ),
        )
        arrived.replace(target)
    except ValueError:
        raise BadInput(
            f"{file.name} is not the published file",
            received=url,
            hint="try again later; if it stays so, the address now gives something else",
        ) from None
    except (RequestException, OSError) as error:
        raise SourceError(
            f"{file.name} can't be fetched ({type(error).__name__}: {error})",
            received=url,
            hint="check the network, or bring the files in a folder (docs/guide/data.md)",
        ) from None
    finally:
        logger.setLevel(level)
        arrived.unlink(missing_ok=True)


def _hash(path: Path, *, unpack: bool) -> str:
    digest = hashlib.sha256()
    try:
        with open_bytes(path) if unpack else path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except DAMAGE:
        return "unreadable"
    return digest.hexdigest()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = target.with_name(f".{target.name}.new")
    packed = source.name != target.name
    with open_bytes(source) if packed else source.open("rb") as stream, arrived.open("wb") as sink:
        shutil.copyfileobj(stream, sink, _BLOCK)
    arrived.replace(target)

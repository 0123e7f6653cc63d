"""The catalogue of data sets: public files with their sha256, licences, and what may be trained on.

The entries are in catalogue.toml; docs/decisions/training-data.md gives the reasons for each use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from broadsheet.core.errors import UsageError

#: ship: a shipped model may be trained on it. try: experiments may. test: it is only measured on.
Use = Literal["ship", "try", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One public file of a data set.

    Args:
        name: Name below the folder of the data set.
        sha256: Of the file as it is published.
        bytes: Its size.
        path: Name below the address of the data set, where it is not `name`.

    Example:
        >>> DataFile(name="a.txt", sha256="0" * 64, bytes=3).path
        ''
    """

    name: str
    sha256: str
    bytes: int
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One entry of the catalogue.

    Args:
        slug: Its name here.
        title: What it is.
        folder: Folder below the folder of all data sets.
        use: ship, try or test.
        licence: In a few words.
        base: Address that stands in front of the names of the files, "" when there are none.
        note: How the files are made or pinned.
        files: Its public files; empty where nothing could be pinned.

    Example:
        >>> catalogue()["sick"].use
        'try'
    """

    slug: str
    title: str
    folder: str
    use: Use
    licence: str
    base: str = ""
    note: str = ""
    files: tuple[DataFile, ...] = ()

    def url(self, file: DataFile) -> str:
        """Return the address of one file."""
        return f"{self.base.rstrip('/')}/{file.path or file.name}"


@cache
def catalogue() -> dict[str, DataSet]:
    """Return all data sets by slug."""
    data = tomllib.loads((files("broadsheet.data") / "catalogue.toml").read_text(encoding="utf-8"))
    found = {}
    for entry in data["sets"]:
        parts = tuple(DataFile(**item) for item in entry.pop("files", ()))
        if entry["use"] not in get_args(Use):
            raise ValueError(f"catalogue.toml: {entry['slug']} has no known use")
        found[entry["slug"]] = DataSet(**entry, files=parts)
    return found


def data_set(slug: str) -> DataSet:
    """Return one data set.

    Raises:
        UsageError: There is none of this name.
    """
    known = catalogue()
    if slug not in known:
        raise UsageError("no such data set", received=slug, hint=", ".join(known))
    return known[slug]


def require_shippable(slugs: Iterable[str]) -> tuple[str, ...]:
    """Return the licences of data sets that a shipped model was trained on, one line each.

    Whatever exports a model calls this with all it was trained on.

    Raises:
        UsageError: One of them is for experiments or tests only; all such are named.

    Example:
        >>> require_shippable(["wordnet"])
        ('wordnet: WordNet 3.0 licence',)
    """
    sets = [data_set(slug) for slug in dict.fromkeys(slugs)]
    refused = [f"{item.slug} ({item.licence})" for item in sets if item.use != "ship"]
    if refused:
        raise UsageError(
            "a model trained on these data sets is not shipped",
            received="; ".join(refused),
            hint="leave them out, see docs/decisions/training-data.md",
        )
    return tuple(f"{item.slug}: {item.licence}" for item in sets)

"""What runs are handed in for: documents and queries that all may see, judgements that stay here.

A task is a folder of data sets on the machine that scores: Cranfield, whose even questions count,
or any set in the layout of BEIR below `beir/`, whose test part counts. Nothing here is served.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import NotFound
from broadsheet.data.beir import read_beir, read_cranfield
from broadsheet.data.files import find, json_lines

CRANFIELD = "cranfield"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """A task, with what a run is checked against and scored with.

    Args:
        name: In addresses and folders.
        documents: Ids that a run may return.
        queries: Ids that a run may answer; more than the judged ones.
        qrels: Judgements of the queries that count.

    Example:
        >>> task = RunTask(name="tiny", documents=frozenset({"d"}), queries=frozenset({"q"}),
        ...                qrels={"q": {"d": 1}})
        >>> task.judged
        ('q',)
    """

    name: str
    documents: frozenset[str]
    queries: frozenset[str]
    qrels: Mapping[str, Mapping[str, int]]

    @property
    def judged(self) -> tuple[str, ...]:
        """Return the ids of the judged queries in ascending order: that of stored scores."""
        return tuple(sorted(self.qrels))


def task_names(folder: Path) -> tuple[str, ...]:
    """Return the tasks that a folder of data sets holds."""
    found = [CRANFIELD] if (folder / CRANFIELD).is_dir() else []
    beir = folder / "beir"
    if beir.is_dir():
        found += sorted(p.name for p in beir.iterdir() if p.is_dir() and _NAME.fullmatch(p.name))
    return tuple(found)


def load_task(name: str, folder: Path) -> RunTask:
    """Read a task.

    Raises:
        NotFound: The folder holds no such task.
        BadInput: Its files are broken.
    """
    if name not in task_names(folder):
        known = (
            ", ".join(task_names(folder)) or "none; docs/guide/leaderboard.md says how to add one"
        )
        raise NotFound("no such task in the folder of data sets", received=name, hint=known)
    if name == CRANFIELD:
        whole, counted = read_cranfield(folder), read_cranfield(folder, "even")
        return _task(name, frozenset(whole.queries), counted.documents, counted.qrels)
    place = folder / "beir" / name
    counted = read_beir(place)
    asked = frozenset(str(row["_id"]) for _, row in json_lines(find(place, "queries.jsonl")))
    return _task(name, asked, counted.documents, counted.qrels)


def _task(
    name: str,
    queries: frozenset[str],
    documents: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
) -> RunTask:
    return RunTask(name=name, documents=frozenset(documents), queries=queries, qrels=qrels)

"""The reference rows: measured baselines with their scores per query, as published with a release.

The file is written from the runs of the system brewing_beir (see its module `rows`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core import report
from broadsheet.core.errors import BadInput

FILE = "search_rows.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """A baseline.

    Args:
        name: Of the row.
        seeds: Runs behind it; the scores are their mean, query by query.
        ndcg: nDCG@10 of each judged query by task, queries in ascending order of their ids.
    """

    name: str
    seeds: int
    ndcg: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All reference rows.

    Args:
        queries: Judged queries by task, ascending.
        rows: The rows.
        command: What writes the file.
    """

    queries: Mapping[str, tuple[str, ...]]
    rows: tuple[ReferenceRow, ...]
    command: str = ""


def references_path() -> Path:
    """Return the file of the reference rows."""
    return report.results_folder() / "bench" / FILE


def read_references() -> References:
    """Read the reference rows; none when the file is not there.

    Raises:
        BadInput: The file is not what the system writes.
    """
    path = references_path()
    if not path.is_file():
        return References(queries={}, rows=())
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        queries = {task: tuple(ids) for task, ids in data["queries"].items()}
        rows = tuple(
            ReferenceRow(
                name=row["name"],
                seeds=int(row["seeds"]),
                ndcg={task: tuple(map(float, values)) for task, values in row["ndcg"].items()},
            )
            for row in data["rows"]
        )
        for row in rows:
            for task, values in row.ndcg.items():
                if len(values) != len(queries[task]):
                    raise ValueError(f"{row.name} has {len(values)} scores on {task}")
        return References(queries=queries, rows=rows, command=str(data.get("command", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the reference rows can't be read ({type(error).__name__}: {error})", received=path
        ) from None

"""Runs that were handed in: checked, scored, and kept in the home folder.

`leaderboard/<task>/<name>.json` holds the scores, `<name>.run.gz` the run as it was understood.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from broadsheet.core.clock import timestamp
from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.paths import exclusive, hash_file, write_atomically
from broadsheet.metrics import ranking
from broadsheet.metrics.trec_runs import RunFile, RunRules, read_run, write_run
from broadsheet.papers.leaderboard.references import read_references
from broadsheet.papers.leaderboard.tasks import RunTask

FOLDER = "leaderboard"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}", re.ASCII)
_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A run that was scored.

    Args:
        task: What it was handed in for.
        name: What its owner calls it.
        submitted: When, in UTC.
        scores: Mean over the judged queries by metric, from 0 to 1.
        ndcg: nDCG@10 of each judged query, in ascending order of their ids.
        lines: Lines of the run file.
        unanswered: Judged queries without a line; each counts 0.
        tied: Lines that share their score with another of their query.
        sha256: Of the file that was handed in.
    """

    task: str
    name: str
    submitted: str
    scores: Mapping[str, float]
    ndcg: tuple[float, ...]
    lines: int
    unanswered: int
    tied: int
    sha256: str


def submit(
    path: Path, task: RunTask, name: str, home: Path, *, replace: bool = False
) -> Submission:
    """Check a run file, score it and keep it.

    Args:
        path: Six columns (see `metrics.trec_runs`), plain or packed.
        task: What it answers.
        name: Shown on the page: letters, digits, blanks and . _ + -
        home: Where it is kept.
        replace: Whether an earlier run of this name may be replaced.

    Raises:
        BadInput: The file is against a rule; the message names the line.
        UsageError: The name is taken or not allowed.
    """
    check_name(name)
    rules = RunRules(queries=task.queries, documents=task.documents)
    scored = score_run(read_run(path, rules), task, name, digest=hash_file(path))
    with exclusive(home / FOLDER / "lock", "the leaderboard"):
        place = _place(home, task.name, name)
        if place.is_file() and not replace:
            raise UsageError(
                f"a run of this name was handed in for {task.name}",
                received=name,
                hint="another --name, or --replace",
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place.with_suffix(".run.gz"), _packed(read_run(path, rules), name))
        data = {"schema": _SCHEMA, **asdict(scored)}
        write_atomically(place, (json.dumps(data, ensure_ascii=False) + "\n").encode())
    return scored


def score_run(found: RunFile, task: RunTask, name: str, *, digest: str) -> Submission:
    """Return the scores of a run over all judged queries.

    Raises:
        BadInput: It answers none of them.
    """
    answered = [query for query in task.judged if found.run.get(query)]
    if not answered:
        raise BadInput(
            "the run answers none of the queries that count",
            received=", ".join(list(found.run)[:3]),
        )
    ndcg = ranking.ndcg(found.run, task.qrels, 10)
    measured = {
        "ndcg@10": ndcg,
        "recall@100": ranking.recall(found.run, task.qrels, 100),
        "mrr@10": ranking.mrr(found.run, task.qrels, 10),
        "map@100": ranking.average_precision(found.run, task.qrels, 100),
    }
    return Submission(
        task=task.name,
        name=name,
        submitted=timestamp(),
        scores={metric: ranking.mean(values) for metric, values in measured.items()},
        ndcg=tuple(round(ndcg[query], 6) for query in task.judged),
        lines=found.lines,
        unanswered=len(task.judged) - len(answered),
        tied=found.tied,
        sha256=digest,
    )


def check_name(name: str) -> None:
    """Refuse a name that can't be shown or kept.

    Raises:
        UsageError: It holds other signs, is too long, or is that of a reference row.
    """
    if not _NAME.fullmatch(name) or name != name.strip():
        raise UsageError(
            "a run's name has 1 to 60 letters, digits, blanks and . _ + -", received=repr(name)
        )
    if name.casefold() in {row.name.casefold() for row in read_references().rows}:
        raise UsageError("this is the name of a reference row", received=name)


def submissions(home: Path, task: str = "") -> tuple[Submission, ...]:
    """Return what was handed in, by task and name.

    Raises:
        BadInput: A file is damaged.
    """
    paths = sorted((home / FOLDER).glob(f"{task or '*'}/*.json"))
    return tuple(sorted(map(_read, paths), key=lambda one: (one.task, one.name.casefold())))


def find_submission(home: Path, task: str, name: str) -> Submission:
    """Return one run.

    Raises:
        NotFound: There is none of that name.
    """
    for one in submissions(home, task):
        if one.name.casefold() == name.casefold():
            return one
    raise NotFound(f"no run of that name for {task}", received=name, hint="leaderboard list")


def _read(path: Path) -> Submission:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != _SCHEMA:
            raise ValueError("another schema")
        data["ndcg"] = tuple(float(value) for value in data["ndcg"])
        if not np.isfinite(data["ndcg"]).all():
            raise ValueError("a score that is no number")
        return Submission(**data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"a run of the leaderboard can't be read ({type(error).__name__}: {error})",
            received=path,
            hint="delete the file and hand the run in again",
        ) from None


def _place(home: Path, task: str, name: str) -> Path:
    return home / FOLDER / task / f"{name.casefold().replace(' ', '-')}.json"


def _packed(found: RunFile, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "run"
        write_run(found.run, plain, name=name.replace(" ", "-"))
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed:
            packed.write(plain.read_bytes())
    return buffer.getvalue()

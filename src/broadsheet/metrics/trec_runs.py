"""Run files in TREC's six columns: read with every mistake named by its line, and written.

    query  Q0  document  rank  score  name

What counts is the score; ranks must not contradict it. Equal scores are ordered by falling document
id, as trec_eval does, whatever their ranks; `without_ties` writes another order into the scores.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.data.files import broken, lines_of
from broadsheet.metrics.ranking import Run, ranked

#: Documents per query that a run may hold.
MOST = 1000
_COLUMNS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRules:
    """What a run file must keep.

    Args:
        queries: Ids that may be asked for; None takes any.
        documents: Ids that may be returned; None takes any.
        most: Documents per query at most.
    """

    queries: Collection[str] | None = None
    documents: Collection[str] | None = None
    most: int = MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A run as it was read.

    Args:
        run: Score by document by query.
        name: What the last column calls it, "" when lines differ.
        lines: How many lines there were.
        tied: How many lines share their score with another line of their query.
    """

    run: Mapping[str, Mapping[str, float]]
    name: str
    lines: int
    tied: int


@dataclass(slots=True)
class _Query:
    scores: dict[str, float] = field(default_factory=dict)
    ranks: list[tuple[int, float, int]] = field(default_factory=list)


def read_run(path: Path, rules: RunRules | None = None) -> RunFile:
    """Read a run file; blank lines are passed over, and it may be packed (.gz, .zst, ...).

    Args:
        path: The file.
        rules: What it must keep; by default only its form and 1,000 documents per query.

    Raises:
        BadInput: A line is broken or against the rules; the message names the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "my.run"
        >>> write_run({"q1": {"d7": 2.5, "d3": 1.0}}, path, name="mine")
        >>> print(path.read_text(), end="")
        q1 Q0 d7 1 2.5 mine
        q1 Q0 d3 2 1.0 mine
        >>> read_run(path).run
        {'q1': {'d7': 2.5, 'd3': 1.0}}
    """
    rules = rules or RunRules()
    queries: dict[str, _Query] = {}
    names: set[str] = set()
    lines = 0
    for number, query, document, rank, score, name in _rows(path):
        _check_ids(path, number, query, document, rules)
        known = queries.setdefault(query, _Query())
        if document in known.scores:
            raise broken(path, number, f"{query} {document}", "this document came before")
        if len(known.scores) >= rules.most:
            reason = f"more than {rules.most:,} documents for one query"
            raise broken(path, number, f"{query} {document}", reason)
        known.scores[document] = score
        known.ranks.append((rank, score, number))
        names.add(name)
        lines += 1
    if not lines:
        raise BadInput("the run file is empty", received=path)
    for query, known in queries.items():
        _check_ranks(path, query, known.ranks)
    return RunFile(
        run={query: known.scores for query, known in queries.items()},
        name=names.pop() if len(names) == 1 else "",
        lines=lines,
        tied=sum(_tied(known.scores) for known in queries.values()),
    )


def write_run(run: Run, path: Path, *, name: str) -> None:
    """Write a run, documents by falling score, equal scores by falling id; ranks begin at 1.

    Scores are written with all their digits, so that reading gives the same run.

    Raises:
        BadInput: An id or the name holds blanks or is empty, or a score is no number.
    """
    for word in (name, *run, *(document for scores in run.values() for document in scores)):
        if not word or word.split() != [word]:
            raise BadInput("an id or a name with blanks", received=repr(word))
    with path.open("w", encoding="utf-8", newline="") as handle:
        for query, scores in run.items():
            for rank, document in enumerate(ranked(scores), 1):
                handle.write(f"{query} Q0 {document} {rank} {float(scores[document])!r} {name}\n")


def without_ties(run: Run) -> dict[str, dict[str, float]]:
    """Return a run whose order is that of its mappings, whoever sorts it.

    A score that is not below the one before it becomes the next smaller 32-bit number. Other
    programs do the same with runs whose ties they broke by a rule of their own.

    Example:
        >>> run = without_ties({"q": {"a": 2.0, "b": 2.0, "c": 1.0}})
        >>> ranked(run["q"])
        ['a', 'b', 'c']
    """
    lowered: dict[str, dict[str, float]] = {}
    for query, scores in run.items():
        last = np.float32(np.inf)
        found: dict[str, float] = {}
        for document, score in scores.items():
            last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
            found[document] = float(last)
        lowered[query] = found
    return lowered


def _rows(path: Path) -> Iterator[tuple[int, str, str, int, float, str]]:
    for number, line in lines_of(path):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != _COLUMNS:
            reason = f"{len(columns)} columns instead of query, Q0, document, rank, score, name"
            raise broken(path, number, line, reason)
        query, _, document, rank, score, name = columns
        if not rank.isascii() or not rank.lstrip("-").isdecimal():
            raise broken(path, number, line, "the rank is not a whole number")
        yield number, query, document, int(rank), _score(path, number, score), name


def _score(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise broken(path, number, text, "the score is not a number") from None
    if not math.isfinite(value) or abs(value) > float(np.finfo(np.float32).max):
        raise broken(path, number, text, "the score is not a finite number")
    return value


def _check_ids(path: Path, number: int, query: str, document: str, rules: RunRules) -> None:
    if rules.queries is not None and query not in rules.queries:
        raise broken(path, number, query, "an unknown query")
    if rules.documents is not None and document not in rules.documents:
        raise broken(path, number, document, "an unknown document")


def _check_ranks(path: Path, query: str, ranks: list[tuple[int, float, int]]) -> None:
    ordered = sorted(ranks, key=lambda row: (row[0], row[2]))
    for (rank, score, _), (later, lower, number) in pairwise(ordered):
        if later == rank:
            raise broken(path, number, f"query {query}", f"rank {rank} comes twice")
        if lower > score:
            reason = f"rank {later} has a higher score than rank {rank}"
            raise broken(path, number, f"query {query}: {lower} after {score}", reason)


def _tied(scores: Mapping[str, float]) -> int:
    _, counts = np.unique(np.array(list(scores.values()), np.float32), return_counts=True)
    return int(counts[counts > 1].sum())

"""Several runs become one: by rank, or by scores that were brought to one scale per query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broadsheet.core.errors import UsageError
from broadsheet.index.fusion import RANK_CONSTANT, Ranking, fuse
from broadsheet.metrics.ranking import Run, ranked


def fuse_ranks(
    runs: Sequence[Run], *, depth: int = 1000, constant: float = RANK_CONSTANT
) -> dict[str, dict[str, float]]:
    """Fuse runs by reciprocal ranks: 1 / (60 + rank), summed (see `index.fusion`).

    Args:
        runs: At least one; a query that a run lacks adds nothing.
        depth: Documents kept per query.
        constant: See `index.fusion.fuse`.

    Example:
        >>> one, two = {"q": {"a": 9.0, "b": 1.0}}, {"q": {"b": 0.3}}
        >>> list(fuse_ranks([one, two])["q"])
        ['b', 'a']
    """
    fused: dict[str, dict[str, float]] = {}
    for query in _queries(runs):
        names = sorted({name for run in runs for name in run.get(query, {})})
        number = {name: place for place, name in enumerate(names)}
        rankings = [
            Ranking(numbers=[number[n] for n in ranked(run.get(query, {}))]) for run in runs
        ]
        found = fuse(rankings, constant=constant)
        fused[query] = {names[place]: score for place, score in found[:depth]}
    return fused


def fuse_scores(
    runs: Sequence[Run], weights: Sequence[float] | None = None, *, depth: int = 1000
) -> dict[str, dict[str, float]]:
    """Fuse runs by their scores, brought to 0..1 in each run and query, and weighted.

    The worst document that a run returned gets 0, as much as one that it did not return. Where all
    scores of a run are equal they all become 1.

    Args:
        runs: At least one.
        weights: One per run, not negative; equal ones by default.
        depth: Documents kept per query.

    Raises:
        UsageError: No run, or not one weight per run.

    Example:
        >>> one, two = {"q": {"a": 9.0, "b": 1.0, "c": 5.0}}, {"q": {"c": 0.3, "b": 0.1}}
        >>> fuse_scores([one, two], [0.5, 0.5])["q"]
        {'c': 0.75, 'a': 0.5, 'b': 0.0}
    """
    shares = list(weights) if weights is not None else [1.0 / max(1, len(runs))] * len(runs)
    if len(shares) != len(runs) or any(share < 0 for share in shares):
        raise UsageError("one weight per run, not negative", received=shares)
    fused: dict[str, dict[str, float]] = {}
    for query in _queries(runs):
        total: dict[str, float] = {}
        for run, share in zip(runs, shares, strict=True):
            for name, score in _scaled(run.get(query, {})).items():
                total[name] = total.get(name, 0.0) + share * score
        fused[query] = {name: total[name] for name in ranked(total)[:depth]}
    return fused


def _scaled(scores: Mapping[str, float]) -> dict[str, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {name: (score - low) / (high - low) for name, score in scores.items()}


def _queries(runs: Sequence[Run]) -> list[str]:
    if not runs:
        raise UsageError("a fusion needs a run")
    return list(dict.fromkeys(query for run in runs for query in run))

"""Significance groups of a leaderboard: which entries can't be told apart.

Two ways to decide that two entries differ: on one data set by the paired two-level bootstrap with
Holm's correction over all pairs (`bootstrap_groups`), over several data sets by Friedman's test and
Nemenyi's critical difference of mean ranks (`rank_groups`). Either way the answer is drawn as
letters: entries that share a letter are not distinguishable.

Legend: T tasks, E entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import Resampled, combined, difference
from broadsheet.metrics.distributions import chi2_sf, f_sf, range_quantile
from broadsheet.metrics.significance import holm, mid_ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry of a leaderboard.

    Args:
        name: The entry.
        value: Its score, or its mean rank for `rank_groups`.
        letters: Entries that share one of these letters can't be told apart.
        tied_with_best: Whether it shares a letter with the first entry.

    Example:
        >>> Standing(name="ours", value=71.0, letters="ab", tied_with_best=True).letters
        'ab'
    """

    name: str
    value: float
    letters: str
    tied_with_best: bool


def bootstrap_groups(
    entries: Mapping[str, Resampled], *, seeds: SeedTree, level: float = 0.95
) -> tuple[Standing, ...]:
    """Return the entries by falling score, with letters from all paired differences.

    Args:
        entries: Each entry on the same items and the same resamples: made by `resample` with
            generators of one seed.
        seeds: Source of the seed level of each difference.
        level: Family-wise confidence over all pairs.

    Raises:
        BadInput: No entries, entries that can't be paired, or too few draws for so many pairs.
    """
    if not entries:
        raise BadInput("a leaderboard needs an entry")
    values = {name: float(part.observed.mean()) for name, part in entries.items()}
    order = sorted(values, key=lambda name: (-values[name], name))
    pairs = [(a, b) for place, a in enumerate(order) for b in order[place + 1 :]]
    draws = min(part.draws.shape[1] for part in entries.values())
    if pairs and 2.0 / (draws + 1) > (1.0 - level) / len(pairs):
        needed = math.ceil(2 * len(pairs) / (1.0 - level))
        raise BadInput(
            f"too few draws for {len(pairs)} pairs", received=draws, hint=f"{needed} draws or more"
        )
    p_values = []
    for a, b in pairs:
        effect = combined(difference, entries[a], entries[b])
        p_values.append(effect.interval(seeds.child(a, b).numpy()).p_equal(0.0))
    alpha = 1.0 - level
    differ = [pair for pair, p in zip(pairs, holm(p_values), strict=True) if p <= alpha]
    return _standings(order, values, differ)


@dataclass(frozen=True, slots=True)
class Friedman:
    """Friedman's test that all entries rank alike over the tasks.

    Args:
        mean_ranks: Mean rank of each entry, 1 is best.
        chi2: Friedman's statistic, corrected for ties.
        p: Its p by the chi-square distribution.
        f: Iman and Davenport's statistic, less conservative.
        f_p: Its p by the F distribution.
    """

    mean_ranks: tuple[float, ...]
    chi2: float
    p: float
    f: float
    f_p: float


def friedman(scores: Sequence[Sequence[float]]) -> Friedman:
    """Test whether entries differ over tasks.

    Args:
        scores: One row per task, one column per entry; more is better.

    **Source**: Friedman 1937; Iman and Davenport 1980, as in Demšar 2006, section 3.2.2.

    Raises:
        BadInput: Fewer than two tasks or entries, or rows of several lengths.
    """
    ranks_TE = _ranks(scores)
    tasks, entries = ranks_TE.shape
    mean_E = ranks_TE.mean(axis=0)
    spread = float(np.sum((ranks_TE - (entries + 1) / 2) ** 2)) / (tasks * (entries - 1))
    between = tasks * float(np.sum((mean_E - (entries + 1) / 2) ** 2))
    chi2 = between / spread if spread else 0.0
    rest = tasks * (entries - 1) - chi2
    f = (tasks - 1) * chi2 / rest if rest > 1e-12 else math.inf
    df = entries - 1
    f_p = f_sf(f, df, df * (tasks - 1)) if math.isfinite(f) else 0.0
    return Friedman(tuple(mean_E.tolist()), chi2, chi2_sf(chi2, df), f, f_p)


def critical_difference(entries: int, tasks: int, level: float = 0.95) -> float:
    """Return the difference of mean ranks from which two entries differ (Nemenyi).

    Example:
        >>> round(critical_difference(4, 14, 0.90), 2)
        1.12
    """
    q = range_quantile(level, entries) / math.sqrt(2.0)
    return q * math.sqrt(entries * (entries + 1) / (6.0 * tasks))


def rank_groups(
    names: Sequence[str], scores: Sequence[Sequence[float]], level: float = 0.95
) -> tuple[Standing, ...]:
    """Return the entries by mean rank over tasks, with letters from the critical difference.

    Args:
        names: Entries, in the order of the columns of `scores`.
        scores: One row per task, one column per entry; more is better.
        level: Family-wise confidence over all pairs.

    Raises:
        BadInput: As `friedman`.
    """
    ranks_TE = _ranks(scores)
    if ranks_TE.shape[1] != len(names):
        raise BadInput("one name per column", received=f"{len(names)} for {ranks_TE.shape[1]}")
    values = dict(zip(names, ranks_TE.mean(axis=0).tolist(), strict=True))
    order = sorted(values, key=lambda name: (values[name], name))
    least = critical_difference(len(names), len(ranks_TE), level)
    differ = [
        (a, b)
        for place, a in enumerate(order)
        for b in order[place + 1 :]
        if values[b] - values[a] >= least
    ]
    return _standings(order, values, differ)


def compact_letters(order: Sequence[str], differ: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return letters so that two entries share one exactly if they are not in `differ`.

    **Source**: the insert-and-absorb algorithm of Piepho 2004.

    Example:
        >>> compact_letters(["x", "y", "z"], [("x", "z")])
        {'x': 'a', 'y': 'ab', 'z': 'b'}
    """
    groups = [frozenset(order)]
    for a, b in differ:
        split = []
        for group in groups:
            split += [group - {a}, group - {b}] if {a, b} <= group else [group]
        distinct = list(dict.fromkeys(split))
        groups = [group for group in distinct if not any(group < other for other in distinct)]
    place = {name: index for index, name in enumerate(order)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    return {
        name: "".join(_letter(i) for i, group in enumerate(groups) if name in group)
        for name in order
    }


def _standings(
    order: Sequence[str], values: Mapping[str, float], differ: Sequence[tuple[str, str]]
) -> tuple[Standing, ...]:
    letters = compact_letters(order, differ)
    best = order[0]
    worse = {b for a, b in differ if a == best}
    return tuple(
        Standing(
            name=name,
            value=values[name],
            letters=letters[name],
            tied_with_best=name not in worse,
        )
        for name in order
    )


def _letter(index: int) -> str:
    more, last = divmod(index, 26)
    return (_letter(more - 1) if more else "") + "abcdefghijklmnopqrstuvwxyz"[last]


def _ranks(scores: Sequence[Sequence[float]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    if len({len(row) for row in scores}) != 1 or len(scores) < 2 or len(scores[0]) < 2:
        raise BadInput(
            "ranks need two tasks and two entries, each with a score",
            received=f"{len(scores)} rows of lengths {sorted({len(row) for row in scores})}",
        )
    return np.stack([mid_ranks([-value for value in row]) for row in scores])

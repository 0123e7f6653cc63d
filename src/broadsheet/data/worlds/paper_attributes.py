"""The attributes of generated papers: what each topic's papers are filed under.

| attribute | kind | how it is drawn |
|---|---|---|
| subject | labels | field, category; 45 % are cross-listed in another category |
| keyword | labels | the topic's keyword, and one of a general vocabulary by Zipf's law |
| author | labels | three of the topic's pool, the first ones most often |
| tag | labels | open, code, data, video: independent coins with a category's own odds |
| venue | one label | 70 % one of the category's venues, else any, by Zipf's law |
| reviewed | one label | yes or no, by a field's odds |
| team | one label | size of the team, 1 to 12 |
| hour | number | the topic's birth plus a Beta share of the time that is left |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes, Labels

Integers = npt.NDArray[np.int64]

#: Hours between the world's first paper and its last.
HOURS = 96_000
#: Label attributes of which every paper has exactly one.
SINGLE = ("venue", "reviewed", "team")

_AUTHORS, _POOL, _PER_PAPER = 60_000, 60, 3
_VENUES, _OWN_VENUES = 3000, 24
_KEYWORDS, _GENERAL = 2500, 4000
_CROSS_LISTED = 0.45
_TAGS = (("open", 0.5), ("code", 0.3), ("data", 0.1), ("video", 0.04))
_TEAM = np.array([5, 12, 18, 18, 14, 10, 8, 6, 4, 2.5, 1.5, 1.0]) / 100


@dataclass(frozen=True, slots=True)
class Facts:
    """The drawn attributes of a block of n papers, labels as codes; -1 stands for no label.

    Args:
        topics: [n], the papers' topics.
        codes: By attribute, [n, at most so many labels].
        hours: [n].
    """

    topics: Integers
    codes: dict[str, Integers]
    hours: Integers


class Habits:
    """What the papers of each topic are filed under, and how often.

    Args:
        field_of: [topics].
        category_of: [topics].
        sizes: [topics], shares of the papers.
        seeds: Where the habits come from.

    Example:
        >>> group = np.array([0, 0, 1])
        >>> habits = Habits(group, group, np.array([0.5, 0.3, 0.2]), SeedTree(1))
        >>> facts = habits.draw(np.array([2, 0]), np.array([2, 0]), SeedTree(2))
        >>> joined(habits, [facts]).labels["subject"].row(0)[:2]
        ('field:1', 'category:1')
    """

    def __init__(
        self,
        field_of: Integers,
        category_of: Integers,
        sizes: npt.NDArray[np.float64],
        seeds: SeedTree,
    ) -> None:
        draw = seeds.numpy()
        topics = len(sizes)
        self.fields, self.categories = int(field_of.max()) + 1, int(category_of.max()) + 1
        self._field_of, self._category_of = field_of, category_of
        by_category = np.bincount(category_of, weights=sizes)
        self._category_ends = np.cumsum(by_category / by_category.sum())
        self._birth = draw.uniform(0.0, 0.85 * HOURS, topics)
        self._keyword = draw.integers(0, _KEYWORDS, topics)
        self._authors = draw.integers(0, _AUTHORS, (topics, _POOL))
        self._author_ends = _zipf_ends(_POOL, 1.0)
        self._venue_ends = _zipf_ends(_VENUES, 1.0)
        own = np.searchsorted(self._venue_ends, draw.random((self.categories, _OWN_VENUES)))
        self._own_venues = np.minimum(own, _VENUES - 1)
        self._own_ends = _zipf_ends(_OWN_VENUES, 1.0)
        self._general_ends = _zipf_ends(_GENERAL, 1.0)
        self._reviewed = draw.beta(2.0, 2.0, self.fields)
        shares = [share for _, share in _TAGS]
        self._tags = np.stack([draw.beta(4 * p, 4 * (1 - p), self.categories) for p in shares], 1)
        self._team_ends = np.cumsum(_TEAM / _TEAM.sum())

    def values(self) -> dict[str, tuple[str, ...]]:
        """Return the labels of each attribute, by code."""
        subjects = [f"field:{i}" for i in range(self.fields)]
        subjects += [f"category:{i}" for i in range(self.categories)]
        words = [f"topic:{i}" for i in range(_KEYWORDS)]
        words += [f"word:{i}" for i in range(_GENERAL)]
        return {
            "subject": tuple(subjects),
            "keyword": tuple(words),
            "author": tuple(f"author:{i}" for i in range(_AUTHORS)),
            "tag": tuple(name for name, _ in _TAGS),
            "venue": tuple(f"venue:{i}" for i in range(_VENUES)),
            "reviewed": ("no", "yes"),
            "team": tuple(f"{i + 1}" for i in range(len(_TEAM))),
        }

    def draw(self, shown: Integers, topics: Integers, seeds: SeedTree) -> Facts:
        """Draw the attributes of papers.

        Args:
            shown: [n], the topic that each paper's attributes follow.
            topics: [n], the paper's own topic, kept as the truth.
            seeds: Where the draws come from.
        """
        draw, n = seeds.numpy(), len(shown)
        field, category = self._field_of[shown], self._category_of[shown]
        other = _pick(self._category_ends, draw.random(n))
        crossed = np.where(draw.random(n) < _CROSS_LISTED, self.fields + other, -1)
        author = self._authors[
            shown[:, None], _pick(self._author_ends, draw.random((n, _PER_PAPER)))
        ]
        own = self._own_venues[category, _pick(self._own_ends, draw.random(n))]
        anywhere = _pick(self._venue_ends, draw.random(n))
        tags = draw.random((n, len(_TAGS))) < self._tags[category]
        general = _KEYWORDS + _pick(self._general_ends, draw.random(n))
        codes = {
            "subject": np.stack([field, self.fields + category, crossed], 1),
            "keyword": np.stack([self._keyword[shown], general], 1),
            "author": author,
            "tag": np.where(tags, np.arange(len(_TAGS)), -1),
            "venue": np.where(draw.random(n) < 0.7, own, anywhere)[:, None],
            "reviewed": (draw.random(n) < self._reviewed[field]).astype(np.int64)[:, None],
            "team": _pick(self._team_ends, draw.random(n))[:, None],
        }
        birth = self._birth[shown]
        hours = birth + draw.beta(1.3, 2.5, n) * (HOURS - birth)
        return Facts(topics, codes, hours.astype(np.int64))


def joined(habits: Habits, blocks: Sequence[Facts]) -> Attributes:
    """Return the attributes of all blocks, in their order."""
    labels: dict[str, Labels] = {}
    for name, values in habits.values().items():
        columns = [block.codes[name] for block in blocks]
        size = sum(map(len, columns))
        codes = np.concatenate(columns) if columns else np.zeros((0, 1), np.int64)
        rows = np.repeat(np.arange(size), codes.shape[1])
        flat = codes.ravel()
        labels[name] = Labels.of_pairs(
            values, size, rows[flat >= 0], flat[flat >= 0].astype(np.int32)
        )
    hours = [block.hours for block in blocks] or [np.zeros(0, np.int64)]
    return Attributes(labels, {"hour": np.concatenate(hours)})


def _zipf_ends(count: int, power: float) -> npt.NDArray[np.float64]:
    weights = (np.arange(count) + 1.0) ** -power
    return np.cumsum(weights / weights.sum())


def _pick(ends: npt.NDArray[np.float64], uniform: npt.NDArray[np.float64]) -> Integers:
    """Return which slice of [0, 1) each uniform number falls into."""
    return np.minimum(np.searchsorted(ends, uniform, side="right"), len(ends) - 1).astype(np.int64)

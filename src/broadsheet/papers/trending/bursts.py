"""Topic bursts: does a paper's topic come up more often now than in the weeks before?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.papers.calendar import Axis
from broadsheet.papers.model import Work
from broadsheet.papers.trending.formulas import (
    BASE_DAYS,
    FEWEST_BASE_DAYS,
    FULL_BURST_Z,
    NEIGHBOURS,
    RECENT_DAYS,
)
from broadsheet.papers.trending.topics import (
    IntArray,
    Terms,
    TopicSpace,
    term_number,
    terms_of,
    words_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """The rise of a paper's topic.

    Args:
        observed: Its nearest papers that came in the last announcement days.
        expected: How many would have come at the rate of the days before.
        z: Poisson z of the difference; None when too few earlier days are known.
        words: What the topic is about, for people.
        base_days: Earlier announcement days that were known.
    """

    observed: int = 0
    expected: float = 0.0
    z: float | None = None
    words: tuple[str, ...] = ()
    base_days: int = 0

    @property
    def value(self) -> float:
        """Return the burst as it enters the score: -1 (a full lull) to 1 (a full burst)."""
        return 0.0 if self.z is None else max(-1.0, min(1.0, self.z / FULL_BURST_Z))


def measure_bursts(
    papers: Sequence[Work],
    surroundings: Sequence[Work],
    axis: Axis,
    terms: Callable[[Work], Terms] = terms_of,
) -> list[Burst]:
    """Return the topic burst of each paper at the end of `axis`.

    Args:
        papers: The papers in question.
        surroundings: All papers of the last 31 announcement days; may include `papers`.
        axis: Announcement days up to now.
        terms: Gives the terms of a work; pass a cached one when calling for many days.
    """
    known = {work.id: work for work in (*surroundings, *papers) if work.day}
    documents = sorted(known.values(), key=lambda work: (work.day, work.id))
    ages = np.array([axis.age(work.day) for work in documents], np.int64)
    recent = ages < RECENT_DAYS
    base = (ages >= RECENT_DAYS) & (ages < RECENT_DAYS + BASE_DAYS)
    base_days = len(np.unique(ages[base]))
    if base_days < FEWEST_BASE_DAYS:
        return [Burst(base_days=base_days)] * len(papers)
    space = TopicSpace([terms(work) for work in documents])
    place = {work.id: index for index, work in enumerate(documents)}
    counter = _Counter(space, recent, base, base_days)
    return [counter.burst(place[work.id], work) if work.id in place else Burst() for work in papers]


class _Counter:
    """Counts neighbours before and now."""

    def __init__(
        self, space: TopicSpace, recent: np.ndarray, base: np.ndarray, base_days: int
    ) -> None:
        self._space, self._recent, self._base = space, recent, base
        self._base_days = base_days
        self._recent_papers, self._base_papers = int(recent.sum()), int(base.sum())

    def burst(self, paper: int, work: Work) -> Burst:
        near = self._space.nearest(paper, NEIGHBOURS)
        now = near[self._recent[near]]
        before = int(self._base[near].sum())
        others = self._recent_papers - int(self._recent[paper])
        expected = (before + 0.5) * others / (self._base_papers + 1)
        z = (len(now) - expected) / math.sqrt(max(expected, 0.25))
        return Burst(
            observed=len(now),
            expected=expected,
            z=z,
            words=self._words(paper, work, now),
            base_days=self._base_days,
        )

    def _words(self, paper: int, work: Work, now: IntArray) -> tuple[str, ...]:
        """Name the topic: the paper's own terms that weigh most in it and in its neighbours."""
        own = self._space.weights(paper)
        total: Counter[int] = Counter()
        for other in now.tolist():
            for number, weight in self._space.weights(other).items():
                if number in own:
                    total[number] += own[number] * min(weight, own[number])
        printed = printed_forms(f"{work.title_text} {work.abstract_text}")
        best = sorted(total or own, key=lambda number: (-(total[number] or own[number]), number))
        return tuple(printed[number] for number in best[:2] if number in printed)


def printed_forms(text: str) -> dict[int, str]:
    """Return, for each term of a text, the way the text prints it most often.

    Example:
        >>> printed_forms("LLM agents: an LLM study of LLMs")[term_number("llm")]
        'LLM'
    """
    seen: dict[int, Counter[str]] = {}
    for form, printed in words_of(text):
        seen.setdefault(term_number(form), Counter())[printed] += 1
    return {
        number: min(forms, key=lambda form: (-forms[form], form)) for number, forms in seen.items()
    }

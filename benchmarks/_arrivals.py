"""A simulated arrival process of votes, comments and stars whose truth is known.

Nothing here is measured: papers have a latent quality, votes come at a rate that decays, follows
the time of day and slows at weekends, papers are listed at different hours, and categories differ
in how many readers they have. How fast interest really decays is not known, so every seed draws
its own half-life, between one and four days. Snapshots are taken at the end of each day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from broadsheet.papers.model import Signal, Work

Floats = npt.NDArray[np.float64]

_TOPICS, _WORDS_PER_TOPIC, _COMMON_WORDS = 40, 10, 80
_CATEGORIES = ("cs.CV", "cs.CL", "math.CO")
_CATEGORY_SHARE = (0.5, 0.35, 0.15)
_CATEGORY_READERS = (0.4, 0.2, -0.9)
#: Days a paper is followed: truth is read on the 14th.
FOLLOWED_DAYS = 14


@dataclass(frozen=True, slots=True)
class Paper:
    """A simulated paper: its counts at the end of each day since listing, and its topic."""

    name: str
    day: str
    text: str
    category: str
    votes: npt.NDArray[np.int64]
    comments: npt.NDArray[np.int64]
    stars: npt.NDArray[np.int64] | None
    quality: float

    def work(self, until: str) -> Work:
        """Return the paper as known at the end of a day."""
        seen = (date.fromisoformat(until) - date.fromisoformat(self.day)).days + 1
        kinds = {"upvotes": self.votes, "comments": self.comments, "stars": self.stars}
        signals = tuple(
            Signal(
                day=(date.fromisoformat(self.day) + timedelta(days=age)).isoformat(),
                source="simulated",
                name=kind,
                value=int(counts[age]),
            )
            for kind, counts in kinds.items()
            if counts is not None
            for age in range(min(seen, FOLLOWED_DAYS))
        )
        return Work(
            id=self.name,
            title_text=self.text[:40],
            abstract_text=self.text,
            primary_category=self.category,
            dates={"hf_daily": self.day},
            signals=signals,
        )


def simulate(seed: int, days: int, *, burst_effect: float) -> dict[str, list[Paper]]:
    """Simulate `days` weekdays of papers.

    Args:
        seed: Of everything.
        days: Weekdays.
        burst_effect: How much (in log rate) a paper gains while its topic comes in a burst.

    Returns:
        Papers by day of listing.
    """
    generator = np.random.default_rng(seed)
    taste = generator.normal(0, 0.7, _TOPICS)
    burst_left = np.zeros(_TOPICS, np.int64)
    half_life_hours = 24 * 2 ** generator.uniform(0, 2)
    moment = date(2030, 1, 7)
    result: dict[str, list[Paper]] = {}
    while len(result) < days:
        if moment.weekday() < 5:
            starts = generator.random(_TOPICS) < 0.015
            burst_left = np.where(starts, 4, np.maximum(burst_left - 1, 0))
            weights = np.exp(taste) * np.where(burst_left > 0, 6.0, 1.0)
            day = moment.isoformat()
            result[day] = [
                _paper(
                    generator,
                    f"{day}-{number:03d}",
                    moment,
                    weights,
                    burst_effect * (burst_left > 0).astype(np.float64),
                    half_life_hours,
                )
                for number in range(max(6, int(generator.normal(22, 6))))
            ]
        moment += timedelta(days=1)
    return result


def _paper(
    generator: np.random.Generator,
    name: str,
    moment: date,
    weights: Floats,
    topic_gain: Floats,
    half_life_hours: float,
) -> Paper:
    topic = int(generator.choice(_TOPICS, p=weights / weights.sum()))
    category = int(generator.choice(3, p=_CATEGORY_SHARE))
    quality = float(generator.normal())
    rate = 2.2 + 0.9 * quality + _CATEGORY_READERS[category]
    rate += float(topic_gain[topic])
    own = generator.choice(_WORDS_PER_TOPIC, 6, replace=False)
    common = generator.choice(_COMMON_WORDS, 10, replace=False)
    text = " ".join([f"t{topic}w{word}" for word in own] + [f"plain{word}" for word in common])
    hour = float(generator.choice([0, 2, 7, 14, 20], p=[0.35, 0.2, 0.15, 0.15, 0.15]))
    shape = _daily_shares(moment, hour, half_life_hours)
    stars = None
    if generator.random() < 0.3:
        growth = generator.poisson(np.exp(rate - 0.5 + 0.5 * generator.normal()) * shape)
        stars = int(generator.lognormal(3.5, 1.5)) + np.cumsum(growth)
    talk = np.exp(rate - 2.0 + 0.5 * generator.normal())
    return Paper(
        name=name,
        day=moment.isoformat(),
        text=text,
        category=_CATEGORIES[category],
        votes=np.cumsum(generator.poisson(np.exp(rate) * shape)),
        comments=np.cumsum(generator.poisson(talk * shape)),
        stars=stars,
        quality=quality,
    )


def _daily_shares(moment: date, listed_hour: float, half_life_hours: float) -> Floats:
    """Return the share of a paper's interest that falls into each of its days."""
    hours = np.arange(24 * FOLLOWED_DAYS, dtype=np.float64)
    age = hours - listed_hour
    decay = np.where(age >= 0, 2.0 ** (-np.maximum(age, 0) / half_life_hours), 0.0)
    diurnal = 1 + 0.6 * np.sin(2 * np.pi * (hours % 24 - 8) / 24)
    weekday = (moment.weekday() + hours // 24) % 7
    shares = decay * diurnal * np.where(weekday >= 5, 0.5, 1.0)
    per_day: Floats = shares.reshape(FOLLOWED_DAYS, 24).sum(axis=1) / (1.44 * half_life_hours)
    return per_day

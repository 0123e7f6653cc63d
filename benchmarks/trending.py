"""Trending: does a topic burst foretell votes, and which vote formula foretells what comes?

Part 1, real feeds: topic bursts, computed from texts of that day and the days before with all
counts removed, against the upvotes of the same morning. Part 2, SIMULATED votes with known truth:
the formulas against each other. Settings were chosen on the pilot (2024; seeds from 100) and are
reported on 2025 and on other seeds.

Run: python benchmarks/trending.py [--data DIR] [--models DIR] [--seeds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from _formulas import score_formulas, settings_on_pilot_seeds
from _rank_scores import Floats, interval, measure, spearman, table
from _report import DATA, write_report
from broadsheet.papers import editions, trending
from broadsheet.papers.calendar import Axis
from broadsheet.papers.embedding import text_of
from broadsheet.papers.ingest import ingest
from broadsheet.papers.model import Work
from broadsheet.papers.shelf import Shelf
from broadsheet.papers.store import Store
from broadsheet.papers.trending import bursts as burst_module
from broadsheet.papers.trending.bursts import measure_bursts
from broadsheet.papers.trending.formulas import BASE_DAYS, NEIGHBOURS, RECENT_DAYS
from broadsheet.papers.trending.topics import TopicSpace
from broadsheet.runtime.encoder import load_encoder

FEWEST_PAPERS = 5
LATER_DAYS = 3
Scorer = Callable[[str, Sequence[Work], Sequence[Work]], Floats]


def upvotes(works: Sequence[Work]) -> Floats:
    """Return the counts of that morning: truth, never an input."""
    return np.array(
        [next((s.value for s in work.signals if s.name == "upvotes"), 0) for work in works], float
    )


def without_counts(works: Sequence[Work]) -> list[Work]:
    return [replace(work, signals=()) for work in works]


class Feeds:
    """The real feeds, and everything that scores a day of them."""

    def __init__(self, works: Sequence[Work], models: Path | None) -> None:
        self.shelf = Shelf.frozen(works)
        self.rows = {work.id: row for row, work in enumerate(works)}
        self.vectors = None
        if models is not None and (models / "wordllama-256").is_dir():
            encoder = load_encoder(models / "wordllama-256")
            self.vectors = encoder.encode([text_of(work) for work in works])

    def scorers(self) -> dict[str, Scorer]:
        """Return the methods by name; a name that begins with "reference" is no rival."""
        generator = np.random.default_rng(11)
        found: dict[str, Scorer] = {
            "random": lambda day, works, around: generator.random(len(works)),
            "burst_tfidf": self.burst,
            "newest": lambda day, works, around: _by(works, lambda w: w.dates["submitted_v1"]),
            "longest_abstract": lambda day, works, around: _by(
                works, lambda w: len(w.abstract_text)
            ),
            "reference_most_authors": lambda day, works, around: _by(
                works, lambda w: len(w.authors)
            ),
            "reference_earlier_votes_of_neighbours": self.earlier_votes,
        }
        if self.vectors is not None:
            found["burst_wordllama"] = self.burst_dense
        return found

    def burst(self, day: str, works: Sequence[Work], around: Sequence[Work]) -> Floats:
        """Return the z that the editions use."""
        axis = Axis((work.day for work in around), day)
        found = measure_bursts(works, around, axis, self.shelf.terms)
        return np.array([item.z or 0.0 for item in found])

    def burst_dense(self, day: str, works: Sequence[Work], around: Sequence[Work]) -> Floats:
        """The same counts and the same z, with neighbours by cosine of static vectors."""
        assert self.vectors is not None
        axis = Axis((work.day for work in around), day)
        ages = np.array([axis.age(work.day) for work in around])
        rows = np.array([self.rows[work.id] for work in around])
        recent, base = ages < RECENT_DAYS, ages >= RECENT_DAYS
        result = np.empty(len(works))
        for place, work in enumerate(works):
            similar = self.vectors[rows] @ self.vectors[self.rows[work.id]]
            similar[rows == self.rows[work.id]] = -2
            near = similar >= np.sort(similar)[-min(NEIGHBOURS, len(similar))]
            expected = ((near & base).sum() + 0.5) * (recent.sum() - 1) / (base.sum() + 1)
            result[place] = ((near & recent).sum() - expected) / np.sqrt(max(expected, 0.25))
        return result

    def earlier_votes(self, day: str, works: Sequence[Work], around: Sequence[Work]) -> Floats:
        """Not count-free: votes that near papers got on EARLIER days. A mark to beat one day."""
        space = TopicSpace([self.shelf.terms(work) for work in around])
        votes, before = upvotes(around), np.array([work.day < day for work in around])
        place = {work.id: index for index, work in enumerate(around)}
        result = []
        for work in works:
            near = space.nearest(place[work.id], 30)
            near = near[before[near]]
            result.append(np.log1p(votes[near]).mean() if len(near) else 0.0)
        return np.array(result)

    def days(self, year: str) -> Iterator[tuple[str, list[Work], list[Work]]]:
        """Yield the days of a year that have a full history and enough papers."""
        for index, day in enumerate(self.shelf.days):
            works = self.shelf.works_of(day)
            enough = index >= RECENT_DAYS + BASE_DAYS - 1 and len(works) >= FEWEST_PAPERS
            if enough and day.startswith(year):
                yield day, works, self.shelf.window(day, trending.WINDOW_DAYS)


def _by(works: Sequence[Work], key: Callable[[Work], object]) -> Floats:
    values = [key(work) for work in works]
    order = {value: place for place, value in enumerate(sorted(set(values)))}  # type: ignore[type-var]
    return np.array([order[value] for value in values], float)


def score_feeds(feeds: Feeds, year: str) -> dict[str, object]:
    """Score every method on the days of a year."""
    lists: dict[str, list[list[dict[str, float]]]] = {name: [[]] for name in feeds.scorers()}
    scorers = feeds.scorers()
    papers = 0
    for day, works, around in feeds.days(year):
        truth = upvotes(works)
        papers += len(works)
        for name, scorer in scorers.items():
            free = not name.startswith("reference_earlier")
            given = without_counts(works) if free else works
            scores = scorer(day, given, without_counts(around) if free else around)
            lists[name][0].append(measure(scores, truth, np.log2(1 + truth)))
    days = len(lists["random"][0])
    return {"days": days, "papers": papers, "methods": table(lists, "random")}


def settings_on_pilot_year(feeds: Feeds) -> dict[str, dict[str, float]]:
    """Show what was looked at when the neighbourhood was chosen: rank correlation with votes."""
    result = {}
    for neighbours in (20, 40, 60):
        for recent in (1, 3):
            with (
                patch.object(burst_module, "NEIGHBOURS", neighbours),
                patch.object(burst_module, "RECENT_DAYS", recent),
            ):
                found = [
                    spearman(feeds.burst(day, works, around), upvotes(works))
                    for day, works, around in feeds.days("2024")
                ]
            result[f"{neighbours} neighbours, {recent} recent days"] = interval([found])
    return result


def persistence(feeds: Feeds, year: str) -> dict[str, object]:
    """Does a topic in a burst go on? Against the same with the days of all papers shuffled.

    Both sides share the expected rate, which alone makes them correlate; shuffled days show how
    much. Only the difference tells something.
    """
    generator = np.random.default_rng(23)
    known = feeds.shelf.days
    real, shuffled = [], []
    for day, works, around in feeds.days(year):
        index = known.index(day)
        if index + LATER_DAYS >= len(known):
            continue
        later = feeds.shelf.works_between(known[index + 1], known[index + LATER_DAYS])
        axis = Axis([*(work.day for work in around), *(work.day for work in later)], later[-1].day)
        everyone = [*around, *later]
        ages = np.array([axis.age(work.day) for work in everyone]) - LATER_DAYS
        real.append(_continues(feeds, everyone, ages, len(works)))
        moved = ages.copy()
        others = np.flatnonzero(ages != 0)
        moved[others] = generator.permutation(ages[others])
        shuffled.append(_continues(feeds, everyone, moved, len(works)))
    return {
        "days": len(real),
        "spearman_z_with_next_3_days": interval([real]),
        "same_with_shuffled_days": interval([shuffled]),
        "difference": interval([[a - b for a, b in zip(real, shuffled, strict=True)]]),
    }


def _continues(feeds: Feeds, works: Sequence[Work], ages: np.ndarray, today: int) -> float:
    space = TopicSpace([feeds.shelf.terms(work) for work in works])
    recent = (ages >= 0) & (ages < RECENT_DAYS)
    base, later = ages >= RECENT_DAYS, ages < 0
    now: list[float] = []
    then: list[float] = []
    for paper in np.flatnonzero(ages == 0)[:today]:
        similar = space.similarities(int(paper))
        past = np.where(later, -1, similar)
        near = similar >= max(np.sort(past)[-NEIGHBOURS], 20_000)
        rate = ((near & base).sum() + 0.5) / (base.sum() + 1)
        for values, period in ((now, recent), (then, later)):
            expected = rate * (period.sum() - (period is recent))
            values.append(((near & period).sum() - expected) / np.sqrt(max(expected, 0.25)))
    return spearman(np.array(now), np.array(then))


def load_feeds(data: Path) -> tuple[list[Work], dict[str, object]]:
    """Ingest the feeds, and time how long all their editions take to publish and to verify."""
    files = [data / "hf-daily-papers" / f"daily-{year}.jsonl.zst" for year in (2024, 2025)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "home", create=True) as store,
    ):
        ingest(store, [str(path) for path in files])
        begun = time.perf_counter()
        published = editions.publish_all(store)
        middle = time.perf_counter()
        verified = sum(item.matches for item in editions.verify_all(store))
        ended = time.perf_counter()
        works = store.works_between("0000-00-00", "9999-99-99")
    return works, {
        "editions": len(published),
        "publish_all_s": round(middle - begun, 1),
        "rebuilt_byte_for_byte": verified,
        "verify_all_s": round(ended - middle, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--models", type=Path, help="folder that holds wordllama-256")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    works, speed = load_feeds(options.data)
    feeds = Feeds(works, options.models)
    seeds = range(1, options.seeds + 1)
    results = {
        "editions": speed,
        "real_feeds": {
            "pilot_2024": score_feeds(feeds, "2024"),
            "pilot_2024_settings": settings_on_pilot_year(feeds),
            "reported_2025": score_feeds(feeds, "2025"),
            "burst_goes_on_2025": persistence(feeds, "2025"),
        },
        "simulated_votes": {
            "note": "SIMULATED arrivals (benchmarks/_arrivals.py); truth is known, not measured",
            "pilot_settings": settings_on_pilot_seeds(),
            "bursts_bring_no_votes": score_formulas(seeds, 0.0),
            "bursts_bring_votes_x1.6": score_formulas(seeds, 0.5),
        },
    }
    write_report(
        "trending",
        results,
        spread=(
            "mean and 95 % bootstrap interval (2,000 draws): over days on real feeds, over seeds "
            "and days on simulated votes; times are one run"
        ),
    )


if __name__ == "__main__":
    main()

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest

from broadsheet.core.errors import UsageError
from broadsheet.papers import trending
from broadsheet.papers.calendar import Axis
from broadsheet.papers.model import Signal, Work, canonical_json
from broadsheet.papers.results import EditionEntry
from broadsheet.papers.trending.bursts import measure_bursts
from broadsheet.papers.trending.signals import Velocity, standings, velocity
from broadsheet.papers.trending.topics import STOP_WORDS, TopicSpace, terms_of, words_of

DAY = "2025-09-02"
THEMES = {
    "birds": "warbler migration plumage song nest wing flight roost",
    "bread": "sourdough starter crust rye oven loaf flour proofing",
    "bells": "bronze casting tower peal clapper tuning chime foundry",
    "boats": "hull keel rigging mast tide harbour rudder sail",
}


def paper(
    name: str, day: str = DAY, theme: str = "bells", category: str = "", **counts: int
) -> Work:
    words = THEMES[theme].split()
    picked = random.Random(name).sample(words, 6)
    return Work(
        id=name,
        title=f"On {picked[0]}",
        title_text=f"On {picked[0]}",
        abstract_text=" ".join(picked),
        primary_category=category,
        dates={"hf_daily": day},
        signals=tuple(
            Signal(day=day, source="test", name=key, value=value) for key, value in counts.items()
        ),
    )


def weekdays_before(day: str, count: int) -> list[str]:
    moment = date.fromisoformat(day)
    days: list[str] = []
    while len(days) < count:
        moment -= timedelta(days=1)
        if moment.weekday() < 5:
            days.append(moment.isoformat())
    return days[::-1]


def history(until: str = DAY) -> list[Work]:
    """31 announcement days before `until`: three papers a day, never about birds."""
    themes = ["bread", "bells", "boats"]
    return [
        paper(f"{day}-{theme}", day, theme)
        for day in weekdays_before(until, 31)
        for theme in themes
    ]


def ids(entries: list[EditionEntry]) -> list[str]:
    return [entry.work_id for entry in entries]


def test_a_new_topic_leads_without_any_votes() -> None:
    today = [
        paper("bird1", theme="birds"),
        paper("bird2", theme="birds"),
        paper("bread1", theme="bread"),
    ]
    entries = trending.rank(today, history() + today, DAY)
    assert ids(entries) == ["bird1", "bird2", "bread1"]
    detail = entries[0].terms[-1].detail
    assert "1 similar paper in 3 announcement days against 0.0 expected" in detail
    assert "no votes known" in detail
    assert any(word in detail for word in THEMES["birds"].split())


def test_terms_sum_to_the_score_in_every_formula() -> None:
    today = [
        paper(f"p{number}", theme=theme, upvotes=number * 7 % 11, comments=number % 3)
        for number, theme in enumerate(["birds", "bread", "bells", "boats"] * 3)
    ]
    older = [paper(f"q{number}", "2025-08-29", upvotes=number) for number in range(4)]
    for formula in trending.FORMULAS:
        entries = trending.rank(today + older, history() + today + older, DAY, formula.id)
        assert [entry.rank for entry in entries] == list(range(1, 17))
        for entry in entries:
            assert entry.score == round(sum(part.value for part in entry.terms), 4)
            assert all(part.detail for part in entry.terms)
        assert [entry.score for entry in entries] == sorted(
            (entry.score for entry in entries), reverse=True
        )


def test_unknown_formula_lists_the_known() -> None:
    with pytest.raises(UsageError, match="trend-v1, hn, reddit, lobsters, votes"):
        trending.rank([], [], DAY, "best")


def test_more_votes_never_rank_lower_even_from_none_to_one() -> None:
    today = [paper(f"p{votes:02d}", upvotes=votes) for votes in (0, 1, 2, 5, 40, 41)]
    assert ids(trending.rank(today, today, DAY)) == ["p41", "p40", "p05", "p02", "p01", "p00"]


def test_order_of_input_and_ties() -> None:
    today = [paper(f"p{number}", theme=theme) for number, theme in enumerate(THEMES)]
    around = history() + today
    expected = trending.rank(today, around, DAY)
    for seed in range(3):
        random.Random(seed).shuffle(today)
        random.Random(seed).shuffle(around)
        assert trending.rank(today, around, DAY) == expected
    same = [paper("b"), paper("a"), paper("c")]
    assert ids(trending.rank(same, same, DAY)) == ["a", "b", "c"]


def test_what_happens_after_the_day_is_not_looked_at() -> None:
    today = [paper("p1", upvotes=3), paper("p2", upvotes=2)]
    before = trending.rank(today, history() + today, DAY)
    later = Signal(day="2025-09-03", source="test", name="upvotes", value=99)
    grown = [
        Work.from_json(
            {
                **today[1].to_json(),
                "signals": [
                    *today[1].to_json()["signals"],
                    {
                        "day": later.day,
                        "source": later.source,
                        "name": later.name,
                        "value": later.value,
                    },
                ],
            }
        )
    ]
    tomorrow = [paper("late", "2025-09-03", "birds")]
    assert (
        trending.rank([today[0], *grown], history() + today[:1] + grown + tomorrow, DAY) == before
    )


def test_velocity_halves_every_announcement_day() -> None:
    axis = Axis(["2025-08-29", "2025-09-01", "2025-09-02"], DAY)
    work = Work(
        id="w",
        signals=(
            Signal(day="2025-08-29", source="a", name="upvotes", value=8),
            Signal(day="2025-08-29", source="b", name="upvotes", value=6),
            Signal(day="2025-09-02", source="a", name="upvotes", value=11),
        ),
    )
    assert velocity(work, "upvotes", axis) == Velocity(count=11, today=3, snapshots=2, speed=5.0)
    assert velocity(work, "comments", axis) is None


def test_stars_need_two_snapshots_because_the_first_is_only_a_base() -> None:
    axis = Axis([DAY], DAY)
    first = Signal(day="2025-09-01", source="a", name="stars", value=5000)
    second = Signal(day=DAY, source="a", name="stars", value=5030)
    assert velocity(Work(id="w", signals=(first,)), "stars", axis) is None
    grown = velocity(Work(id="w", signals=(first, second)), "stars", axis)
    assert grown == Velocity(count=5030, today=30, snapshots=2, speed=30.0)


def test_percentiles_are_within_the_category_when_it_is_large_enough() -> None:
    vision = [paper(f"v{n:02d}", category="cs.CV", upvotes=100 + n) for n in range(30)]
    algebra = [paper(f"a{n:02d}", category="math.AC", upvotes=n) for n in range(20)]
    lone = [paper("x", category="q-bio.NC", upvotes=50)]
    works = vision + algebra + lone
    found = standings(works, [velocity(work, "upvotes", Axis([DAY], DAY)) for work in works])
    by_id = {work.id: item for work, item in zip(works, found, strict=True) if item}
    assert by_id["a19"].percentile == 19.5 / 20
    assert by_id["v29"].percentile == 29.5 / 30
    assert (by_id["a04"].pool, by_id["a04"].of) == ("math.AC", 20)
    assert (by_id["x"].pool, by_id["x"].of) == ("", 51)
    assert by_id["x"].percentile == 20.5 / 51


def test_a_velocity_seen_once_is_drawn_to_the_mean() -> None:
    once = Velocity(count=20, today=20, snapshots=1, speed=20.0)
    often = Velocity(count=19, today=0, snapshots=9, speed=19.0)
    rest = [Velocity(count=1, today=1, snapshots=1, speed=1.0)] * 4
    works = [Work(id=str(n)) for n in range(6)]
    found = standings(works, [once, often, *rest])
    assert found[1] is not None
    assert found[0] is not None
    assert found[1].percentile > found[0].percentile


def test_no_count_adds_no_term() -> None:
    today = [paper("p1", upvotes=0), paper("p2")]
    entries = {entry.work_id: entry for entry in trending.rank(today, today, DAY)}
    assert [part.name for part in entries["p1"].terms] == ["upvotes", "topic"]
    assert [part.name for part in entries["p2"].terms] == ["topic"]
    assert entries["p2"].terms[0].detail.endswith("so the order is that of the ids")


def test_a_topic_that_comes_up_as_often_as_ever_is_no_burst() -> None:
    today = [paper(f"now-{theme}", theme=theme) for theme in ("bread", "bells", "boats")]
    around = history() + today
    for burst in measure_bursts(today, around, Axis([work.day for work in around], DAY)):
        assert burst.z is not None
        assert abs(burst.z) < 1.5
        assert -1 <= burst.value <= 1


def test_alternatives_against_hand_computed_values() -> None:
    axis_days = [paper("old", "2025-08-29", upvotes=10, comments=30)]
    works = [*axis_days, paper("new", upvotes=4, comments=2)]
    scores = {
        name: {e.work_id: e.score for e in trending.rank(works, works, DAY, name)}
        for name in ("hn", "reddit", "lobsters", "votes")
    }
    assert scores["hn"]["new"] == round(4**0.8 / 2**1.8, 4)
    assert scores["hn"]["old"] == round(10**0.8 / 26**1.8, 4)
    assert scores["reddit"]["old"] == pytest.approx(1 - 86400 / 45000, abs=1e-4)
    assert scores["lobsters"]["old"] == pytest.approx(math.log10(21) - 86400 / 79200, abs=1e-4)
    assert scores["votes"] == {"old": 10.0, "new": 4.0}


def reference_similarities(works: list[Work], paper_index: int) -> list[int]:
    """The same vectors with dictionaries, one paper at a time."""
    bags = []
    for work in works:
        bag = Counter(form for form, _ in words_of(work.title_text) for _ in range(2))
        bag.update(form for form, _ in words_of(work.abstract_text))
        bags.append(bag)
    frequency = Counter(form for bag in bags for form in bag)
    vectors = []
    for bag in bags:
        weights = {
            form: round(1000 * math.log(len(works) / frequency[form]))
            * round(100 * (1 + math.log(count)))
            for form, count in bag.items()
            if 1 < frequency[form] <= max(len(works) // 4, 3)
        }
        length = math.sqrt(sum(value * value for value in weights.values()))
        vectors.append({form: round(1000 * value / length) for form, value in weights.items()})
    own = vectors[paper_index]
    return [
        -1
        if index == paper_index
        else sum(value * other.get(form, 0) for form, value in own.items())
        for index, other in enumerate(vectors)
    ]


def test_topic_space_equals_the_slow_reference() -> None:
    works = history()[:40]
    space = TopicSpace([terms_of(work) for work in works])
    for index in (0, 7, 39):
        assert space.similarities(index).tolist() == reference_similarities(works, index)


def test_nearest_includes_ties_with_the_last() -> None:
    works = [paper("same") for _ in range(3)] + [paper(f"b{n}", theme="bread") for n in range(9)]
    space = TopicSpace([terms_of(work) for work in works])
    assert space.nearest(0, 1).tolist() == [1, 2]
    assert np.all(space.similarities(0)[3:] == 0)


def test_an_empty_or_wordless_paper_has_no_neighbours() -> None:
    works = [Work(id="a"), Work(id="b", title_text="of the and"), *history()[:9]]
    space = TopicSpace([terms_of(work) for work in works])
    assert space.nearest(0, 60).tolist() == []
    assert space.nearest(1, 60).tolist() == []


def test_the_bytes_of_a_ranking_do_not_drift() -> None:
    """trend-v1 may not change: an old edition must be rebuilt by a later version."""
    today = [
        paper(f"p{number}", theme=theme, category="cs.CL", upvotes=number * 7 % 11)
        for number, theme in enumerate(["birds", "bread", "bells", "boats"] * 2)
    ]
    entries = trending.rank(today, history() + today, DAY)
    data = [[e.work_id, e.score, [[t.name, t.value, t.detail] for t in e.terms]] for e in entries]
    assert hashlib.sha256(canonical_json(data)).hexdigest() == (
        "b80006b67eaf6c6836c6c1f0e9f7dcf9bcb8f7caae93ea7eed08965fd2bd9556"
    )
    words = " ".join(sorted(STOP_WORDS)).encode()
    assert hashlib.sha256(words).hexdigest() == (
        "0d571b5e696580ab359152605f975f7d237e2a466257d4ff8d65c2813104f43e"
    )

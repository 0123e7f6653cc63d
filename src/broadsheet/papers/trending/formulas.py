"""The ranking formulas as one table: what the code computes and what pages and terminal print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadsheet.core.errors import UsageError

#: Announcement days after which a new vote counts half.
HALF_LIFE = 1.0
#: Snapshots that the category mean is worth when a velocity is shrunk to it.
SHRINKAGE = 3
#: A category with fewer counted papers than this is compared with the whole list instead.
SMALLEST_CATEGORY = 20
#: Nearest papers that make up the topic of a paper.
NEIGHBOURS = 60
#: Announcement days (the paper's own included) in which a topic can rise.
RECENT_DAYS = 3
#: Announcement days before those, against whose mean it rises.
BASE_DAYS = 28
#: Earlier announcement days needed before a burst is computed at all.
FEWEST_BASE_DAYS = 5
#: A Poisson z of this size, or above, is a full burst (and its negative a full lull).
FULL_BURST_Z = 3.0
#: Decimals of every published score and term.
DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A way to rank: its id, what it computes as text, its weights, and where it comes from."""

    id: str
    text: str
    weights: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


FORMULAS: tuple[Formula, ...] = (
    Formula(
        id="trend-v1",
        text=(
            "score = sum over signals s of w_s * pct_s + w_topic * burst. "
            "pct_s: percentile of v' among the papers of the same category with a count of s "
            "(ties share the middle; a category of fewer than 20 is compared with the whole list). "
            "v' = (n*v + 3*mean) / (n + 3), n = snapshots of s, mean = mean v of those papers. "
            "v = sum over snapshots of rise * 2^(-age), age in announcement days; the first "
            "snapshot of upvotes and comments is a rise from 0, that of stars only a base. "
            "burst = z/3 held within -1 and 1; z = (o - e) / sqrt(max(e, 1/4)); o = papers of the "
            "last 3 announcement days among the 60 papers nearest in title and abstract (tf-idf), "
            "e = the number expected from the 28 announcement days before. "
            "A signal without a count adds nothing. Ties by id"
        ),
        weights={"upvotes": 0.75, "comments": 0.20, "stars": 0.05, "topic": 0.10},
        note="our own; a topic needs at least 5 earlier announcement days",
    ),
    Formula(
        id="hn",
        text="score = upvotes^0.8 / (24*age + 2)^1.8",
        note=(
            "Hacker News as published: (P-1)^0.8 / (hours + 2)^1.8. Adapted: an announcement day "
            "is 24 hours; nobody votes for a paper by listing it, so P-1 is all upvotes; no "
            "penalties"
        ),
    ),
    Formula(
        id="reddit",
        text="score = log10(max(upvotes, 1)) - 86400*age/45000",
        note=(
            "reddit's hot order; there are no downvotes, an announcement day is 86,400 s and time "
            "counts back from the day shown (the same order as from a fixed start)"
        ),
    ),
    Formula(
        id="lobsters",
        text=("score = log10(max(upvotes + 1 + min(comments, upvotes), 1)) - 86400*age/79200"),
        note=(
            "Lobsters' hotness; a comment whose own score we don't know counts as one point, all "
            "comments together at most as much as the upvotes; no base by tag; time as in reddit"
        ),
    ),
    Formula(id="votes", text="score = upvotes", note="age is ignored"),
)

#: Where the adapted formulas were read.
SOURCES: Mapping[str, str] = {
    "hn": "news.arc as quoted by amix.dk",
    "reddit": "reddit archive, r2/r2/lib/db/_sorts.pyx",
    "lobsters": "lobsters/lobsters, app/models/story.rb",
}


def formula_named(name: str) -> Formula:
    """Return a formula of the table.

    Raises:
        UsageError: No formula has that id; the message lists them.
    """
    for formula in FORMULAS:
        if formula.id == name:
            return formula
    raise UsageError(
        "unknown ranking", received=name, hint="one of " + ", ".join(item.id for item in FORMULAS)
    )

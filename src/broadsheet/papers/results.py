"""What the library answers: immutable values that the web, the CLI and the feeds draw alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadsheet.papers.model import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """One part of a score: `value` as it enters the sum, `detail` for people."""

    name: str
    value: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One paper in a ranked list. `parts` sum to `score` and are filled when asked to explain."""

    work: Work
    rank: int
    score: float
    parts: tuple[ScorePart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """A value of a facet, how many matching papers have it, and the query term that selects it."""

    value: str
    label: str
    count: int
    term: str
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """One page of a search.

    Args:
        query: The query as understood, in canonical form.
        total: How many papers match: the filters hold, and they hold the words or, in a hybrid
            search, are among the nearest in meaning.
        mode: "hybrid", "words" or "dense": what was in fact done.
        facets: Facet name (year, venue, cat, author, has) to values, most frequent first.
        notes: Sentences for the reader: "No encoder is installed, so ...".
        how: How vectors were searched, a sentence for each set; when asked to explain.
        took_ms: Time spent, in milliseconds.
    """

    query: str
    hits: tuple[Hit, ...]
    total: int
    offset: int
    limit: int
    mode: str
    sort: str
    facets: Mapping[str, tuple[FacetValue, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionEntry:
    """One paper of an edition: its rank and each term of its trending score (they sum to it)."""

    work_id: str
    title: str
    rank: int
    score: float
    terms: tuple[ScorePart, ...]
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A dated, immutable front page.

    Args:
        day: ISO date.
        printing: 1 for the first edition of the day, 2 for a late edition, and so on.
        number: Serial number of the day among all days that have an edition ("No. 412").
        formula: Identifier of the ranking formula, e.g. "trend-v1".
        as_of: Sequence number of the last source record that it could see.
        entries: In the order printed.
        sha256: Hash of the canonical JSON of all the fields above.
    """

    day: str
    printing: int
    number: int
    formula: str
    as_of: int
    entries: tuple[EditionEntry, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """A day in the calendar: how many papers, whether published, and why it is empty."""

    day: str
    papers: int
    published: bool
    reason: str = ""

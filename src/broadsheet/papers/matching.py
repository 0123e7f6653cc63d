"""Which records are one work.

1. An exact identifier joins: arXiv id without version, DOI (those that arXiv issued count as arXiv
   ids), ACL, OpenReview, Semantic Scholar, OpenAlex and Hugging Face ids. A record that holds ids
   of two works joins the two. Only where the archives themselves tell two papers apart (two arXiv,
   two ACL or two OpenReview ids) does a shared weaker id not join them: it is a misprint.
2. The same title joins when first author and year (within 1) agree as well; where one side lacks
   authors or year (a saved page), a title of 20 characters or more is enough.
3. A title never joins works that hold different ids of one scheme (two arXiv ids).
4. A title that several works share joins all of them where nothing speaks against it, else only
   those whose author and year agree too, else none. A title in more than 64 guises of works,
   authors and years ("Preface") names nothing and joins nothing more.

Order of arrival: records are placed one at a time, in order, and never moved apart again, so the
result does not depend on how they were cut into batches. Identifiers that do not contradict each
other give the same works in every order (connected components). So do titles, as long as papers
that share one agree in ids, author and year; where two different papers share a title, a record
with only that title joins the one that was there first, or stays alone when it finds both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from broadsheet.papers.identity import (
    arxiv_id_of_doi,
    family_name,
    normalise_doi,
    normalise_name,
    normalise_title,
    parse_arxiv_id,
)
from broadsheet.papers.model import Facts
from broadsheet.papers.tex import to_plain

#: Schemes that identify a work, strongest first.
MATCH_SCHEMES = ("arxiv", "doi", "acl", "openreview", "s2", "openalex", "hf")

#: Schemes whose archive gives each paper one id: two of them are two papers.
ARCHIVES = ("arxiv", "acl", "openreview")

#: A title that stands in more rows than this (work, first author, year) joins nothing more.
MOST_SHARING = 64

#: A title shorter than this never joins without author and year.
LONG_TITLE = 20

#: Dates that tell the year of a paper. The day of a daily page is last, and says nothing against
#: another year: a page may list a paper years after it was written.
_PAPER_DATES = ("submitted_v1", "published", "announced")
_YEAR_DATES = (*_PAPER_DATES, "hf_daily")


@lru_cache(maxsize=4096)
def plain_title(raw: str) -> str:
    """Return a title or name without TeX (cached: matching and merging both ask for it)."""
    return to_plain(raw)


def effective_ids(facts: Facts) -> dict[str, str]:
    """Return the ids of a record in normal form; a DOI issued by arXiv becomes the arXiv id."""
    ids = {scheme: value for scheme, value in facts.ids.items() if value}
    if parsed := parse_arxiv_id(ids.get("arxiv", "")):
        ids["arxiv"] = parsed[0]
    if doi := normalise_doi(ids.pop("doi", "")):
        if of_arxiv := arxiv_id_of_doi(doi):
            ids.setdefault("arxiv", of_arxiv)
        else:
            ids["doi"] = doi
    return ids


def match_keys(ids: Mapping[str, str]) -> list[str]:
    """Return the exact match keys of `effective_ids`, strongest first.

    Example:
        >>> match_keys({"acl": "2022.acl-long.12", "arxiv": "2401.00001", "bibkey": "x"})
        ['arxiv:2401.00001', 'acl:2022.acl-long.12']
    """
    return [f"{scheme}:{ids[scheme]}" for scheme in MATCH_SCHEMES if ids.get(scheme)]


def year_of(facts: Facts, dates: Sequence[str] = _YEAR_DATES) -> int:
    """Return the year a record gives for the paper, else that of its first known date, else 0."""
    if facts.year:
        return facts.year
    for name in dates:
        head = facts.dates.get(name, "")[:4]
        if len(head) == 4 and head.isdecimal():
            return int(head)
    return 0


@dataclass(frozen=True, slots=True)
class TitleRow:
    """What one record says towards matching by title."""

    title: str
    family: str
    year: int

    @classmethod
    def of(cls, facts: Facts) -> TitleRow:
        """Read it from a record's facts."""
        family = ""
        if facts.authors:
            first = facts.authors[0]
            family = normalise_name(plain_title(first.family or family_name(first.full)))
        return cls(normalise_title(plain_title(facts.title)), family, year_of(facts, _PAPER_DATES))

    def contradicts(self, other: TitleRow) -> bool:
        """Tell whether both know the author, or both know the year, and they differ."""
        if self.family and other.family and self.family != other.family:
            return True
        return bool(self.year and other.year and abs(self.year - other.year) > 1)

    def agrees(self, other: TitleRow) -> bool:
        """Tell whether author and year are known on both sides and fit."""
        known = self.family and other.family and self.year and other.year
        return bool(known) and not self.contradicts(other)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A work with the same title: its rows with that title, and all its exact keys."""

    number: int
    rows: tuple[TitleRow, ...]
    keys: frozenset[str]

    def fits(self, row: TitleRow) -> bool:
        """Tell whether `row` may be this work by rule 2."""
        if self.agrees(row):
            return True
        if len(row.title) < LONG_TITLE or any(mine.contradicts(row) for mine in self.rows):
            return False
        return any(not (m.family and row.family and m.year and row.year) for m in self.rows)

    def agrees(self, row: TitleRow) -> bool:
        """Tell whether author and year agree with one of this work's records."""
        return any(mine.agrees(row) for mine in self.rows)


def joined_by_id(keys: Sequence[str], owners: Mapping[str, Candidate]) -> list[Candidate]:
    """Return the works that a record joins by rule 1.

    Args:
        keys: The record's exact keys, strongest first.
        owners: For those of the keys that are known, the work that holds it (without rows).
    """
    own = frozenset(keys)
    joined: list[Candidate] = []
    for key in keys:
        owner = owners.get(key)
        if owner is None or owner in joined or _conflict(own, owner.keys, ARCHIVES):
            continue
        joined.append(owner)
        own |= owner.keys
    return joined


def joined_by_title(row: TitleRow, keys: Iterable[str], candidates: list[Candidate]) -> list[int]:
    """Return the numbers of the candidates that a record joins by rules 2 to 4.

    Args:
        row: The record's title row.
        keys: Exact keys of the record and of the works it has already joined by identifier.
        candidates: All other works that have the same title.
    """
    own = frozenset(keys)
    fitting = [item for item in candidates if item.fits(row) and not _conflict(own, item.keys)]
    if _one_paper(fitting):
        return [item.number for item in fitting]
    agreeing = [item for item in fitting if item.agrees(row)]
    return [item.number for item in agreeing] if _one_paper(agreeing) else []


def _one_paper(candidates: list[Candidate]) -> bool:
    pairs = ((a, b) for i, a in enumerate(candidates) for b in candidates[i + 1 :])
    return not any(
        _conflict(a.keys, b.keys)
        or any(x.family and y.family and x.family != y.family for x in a.rows for y in b.rows)
        for a, b in pairs
    )


def _conflict(
    mine: frozenset[str], other: frozenset[str], schemes: Sequence[str] = MATCH_SCHEMES
) -> bool:
    """Tell whether both hold ids of one scheme, and none in common."""
    for scheme in schemes:
        prefix = f"{scheme}:"
        left = {key for key in mine if key.startswith(prefix)}
        right = {key for key in other if key.startswith(prefix)}
        if left and right and not left & right:
            return True
    return False

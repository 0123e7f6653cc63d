"""From records to a work: a pure function, one precedence table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broadsheet.papers.matching import effective_ids, plain_title, year_of
from broadsheet.papers.model import Facts, Signal, Version, Work
from broadsheet.papers.tex import to_plain

#: Which source is believed first, per field. Sources that are not named come last, in order of
#: arrival. A field that a better source leaves empty is filled by the next.
PRECEDENCE: Mapping[str, tuple[str, ...]] = {
    "venue": ("acl", "jsonl-acl", "bibtex", "arxiv", "hf", "jsonl-hf", "page"),
    "year": ("acl", "jsonl-acl", "bibtex", "arxiv", "hf", "jsonl-hf", "page"),
    "abstract": ("arxiv", "acl", "jsonl-acl", "hf", "page", "jsonl-hf", "bibtex"),
    "authors": ("acl", "arxiv", "jsonl-acl", "bibtex", "hf", "jsonl-hf", "page"),
    "": ("arxiv", "acl", "jsonl-acl", "hf", "jsonl-hf", "bibtex", "page"),
}

#: Fields taken whole from the first record in order of precedence that has them.
_WHOLE_FIELDS = (
    "title",
    "abstract",
    "authors",
    "categories",
    "primary_category",
    "venue",
    "license",
    "comments",
    "journal_ref",
    "organization",
    "keywords",
)

#: Fields that map names to values: each name is filled on its own.
_MAPPED_FIELDS = ("ids", "dates", "links")

#: Days on which something first happened: the earliest one counts, whoever says so.
_EARLIEST_DATES = frozenset({"hf_daily", "announced"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeInput:
    """One record as `merge` sees it.

    Args:
        sequence: Its place in the order of arrival.
        source: Name of its source.
        key: The source's name for it.
        facts: What it says.
        work_id: Id of the work that it was given to when it arrived.
    """

    sequence: int
    source: str
    key: str
    facts: Facts
    work_id: str

    @property
    def name(self) -> str:
        """Return `source:key`, as written in provenance."""
        return f"{self.source}:{self.key}"


def merge(records: Sequence[MergeInput]) -> Work:
    """Return the work that these records make; their order in the sequence does not matter.

    Per field, the first non-empty value counts, looking at records by `PRECEDENCE` of their
    source, then by version (newest first), then by arrival. Flags, listings, notes and signals are
    collected from all. The work keeps the id of its earliest record; other ids become aliases.

    Raises:
        ValueError: There are no records.
    """
    if not records:
        raise ValueError("a work needs at least one record")
    by_arrival = sorted(records, key=lambda record: record.sequence)
    ranked = {field: _ranked(by_arrival, order) for field, order in PRECEDENCE.items()}
    provenance: dict[str, str] = {}
    values: dict[str, Any] = {}
    for field in _WHOLE_FIELDS:
        for record in ranked.get(field, ranked[""]):
            if value := getattr(record.facts, field):
                values[field] = value
                provenance[field] = record.name
                break
    for field in _MAPPED_FIELDS:
        values[field] = _fill_mapping(field, ranked[""], provenance)
    values["year"] = _year(ranked["year"], provenance)
    for record in ranked[""]:
        for flag in record.facts.flags:
            provenance.setdefault(f"flags.{flag}", record.name)
    ids = list(dict.fromkeys(record.work_id for record in by_arrival))
    versions = _versions(ranked[""])
    return Work(
        id=ids[0],
        aliases=tuple(ids[1:]),
        title_text=plain_title(values.get("title", "")),
        abstract_text=to_plain(values.get("abstract", "")),
        version=max((version.number for version in versions), default=0),
        versions=versions,
        flags=frozenset().union(*(record.facts.flags for record in by_arrival)),
        listed=tuple(sorted({r.facts.listed for r in by_arrival if r.facts.listed})),
        signals=_signals(by_arrival),
        notes=tuple(dict.fromkeys(note for r in by_arrival for note in r.facts.notes)),
        provenance=provenance,
        **values,
    )


def _ranked(by_arrival: Iterable[MergeInput], order: Sequence[str]) -> list[MergeInput]:
    rank = {source: place for place, source in enumerate(order)}
    return sorted(
        by_arrival, key=lambda record: (rank.get(record.source, len(rank)), -record.facts.version)
    )


def _mapping(record: MergeInput, field: str) -> Mapping[str, str]:
    if field == "ids":
        return effective_ids(record.facts)
    mapping: Mapping[str, str] = getattr(record.facts, field)
    return mapping


def _fill_mapping(
    field: str, ranked: Iterable[MergeInput], provenance: dict[str, str]
) -> dict[str, str]:
    filled: dict[str, str] = {}
    for record in ranked:
        for name, value in _mapping(record, field).items():
            known = filled.get(name)
            earlier = field == "dates" and name in _EARLIEST_DATES and known and value < known
            if value and (not known or earlier):
                filled[name] = value
                provenance[f"{field}.{name}"] = record.name
    return filled


def _year(ranked: Iterable[MergeInput], provenance: dict[str, str]) -> int:
    for record in ranked:
        if year := year_of(record.facts):
            provenance["year"] = record.name
            return year
    return 0


def _stated_versions(facts: Facts) -> Iterator[Version]:
    """Yield the version that this record is, with its texts, then those it lists."""
    if facts.version:
        date = facts.dates.get("latest_version", "")
        if not date and facts.version == 1:
            date = facts.dates.get("submitted_v1", "")
        yield Version(number=facts.version, date=date, title=facts.title, abstract=facts.abstract)
    yield from facts.versions


def _versions(ranked: Iterable[MergeInput]) -> tuple[Version, ...]:
    parts: dict[int, dict[str, str]] = {}
    for record in ranked:
        for version in _stated_versions(record.facts):
            known = parts.setdefault(version.number, {})
            for name in ("date", "size", "title", "abstract"):
                if value := getattr(version, name):
                    known.setdefault(name, value)
    return tuple(Version(number=number, **parts[number]) for number in sorted(parts))


def _signals(by_arrival: Iterable[MergeInput]) -> tuple[Signal, ...]:
    """Collect counts by day; of several on one day the one seen last counts."""
    seen: dict[tuple[str, str, str], tuple[str, int]] = {}
    for record in by_arrival:
        facts = record.facts
        observed = facts.observed or facts.listed
        for name, value in facts.signals.items():
            place = (observed[:10], record.source, name)
            if observed and observed >= seen.get(place, ("", 0))[0]:
                seen[place] = (observed, value)
    return tuple(
        Signal(day=day, source=source, name=name, value=value)
        for (day, source, name), (_, value) in sorted(seen.items())
    )

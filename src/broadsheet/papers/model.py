"""The record model: what a source said (record, facts) and what we make of it (work).

Data flows one way: bytes -> `SourceRecord` (verbatim) -> `Facts` (parsed) -> `Work` (merged).
A work is a pure function of its records, so parsers can be improved and replayed offline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

#: Names used in `Facts.dates` and `Work.dates`; values are ISO 8601, possibly partial ("2022-12").
DATE_NAMES = ("submitted_v1", "latest_version", "announced", "hf_daily", "published")

#: Names used in `Facts.ids` and `Work.ids`.
ID_SCHEMES = ("arxiv", "doi", "acl", "openreview", "s2", "openalex", "hf", "bibkey")

#: Names used in `flags`.
FLAGS = ("withdrawn", "retracted", "removed")

#: Names used in `links`.
LINK_NAMES = ("abs", "html", "pdf", "code", "project")

#: Names used in `signals`: counts a source reported on a day.
SIGNAL_NAMES = ("upvotes", "comments", "stars")


def canonical_json(value: object) -> bytes:
    """Serialise to the one JSON form we hash: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """One record exactly as a source gave it; `context` is what it needs to be read alone.

    Args:
        source: Name of the source that reads it (`Source.name`).
        key: The source's own name for it, e.g. `2401.00001v2`, unique within the source unless
            the source lists it again (then `sha256` differs).
        raw: The verbatim bytes of this one record.
        context: Strings the record needs but does not hold: volume data of an ACL paper, the
            page's date.
        origin: Where it came from, for people: a file name or an address.
        offset: Line number (text) or byte offset (XML, archives) in the origin, for people.
    """

    source: str
    key: str
    raw: bytes
    context: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    offset: int = 0

    @property
    def sha256(self) -> bytes:
        """Return the hash of raw bytes and context; equal records are stored once."""
        digest = hashlib.sha256(self.raw)
        digest.update(b"\0" + canonical_json(dict(self.context)))
        return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Input that could not be read: kept, counted and shown with its place."""

    origin: str
    offset: int
    unit: str  # "line" or "byte"
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A person as printed; `family` is empty when the source gives one string we can't split."""

    full: str
    given: str = ""
    family: str = ""
    suffix: str = ""
    affiliations: tuple[str, ...] = ()
    orcid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a work. Title and abstract are empty when only the date is known."""

    number: int
    date: str = ""
    size: str = ""
    title: str = ""
    abstract: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A count that a source reported on a day: upvotes, comments, stars."""

    day: str
    source: str
    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one record says. An empty field means that the record is silent about it.

    `title` and `abstract` are as given, except that white space runs are single blanks; TeX stays.
    `listed` is the day a daily page listed the paper. `notes` say what was inferred.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    abstract: str = ""
    authors: tuple[Author, ...] = ()
    categories: tuple[str, ...] = ()
    primary_category: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    year: int = 0
    version: int = 0
    versions: tuple[Version, ...] = ()
    venue: str = ""
    license: str = ""
    comments: str = ""
    journal_ref: str = ""
    organization: str = ""
    keywords: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    listed: str = ""
    signals: Mapping[str, int] = field(default_factory=dict)
    observed: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One paper, merged from its records.

    `id` never changes once given; ids of works that were merged into this one are in `aliases`.
    `title_text` and `abstract_text` are plain Unicode without TeX. `provenance` names, for each
    filled field, the record it came from as `source:key`.
    """

    id: str
    ids: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    title: str = ""
    title_text: str = ""
    abstract: str = ""
    abstract_text: str = ""
    authors: tuple[Author, ...] = ()
    categories: tuple[str, ...] = ()
    primary_category: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)
    year: int = 0
    version: int = 0
    versions: tuple[Version, ...] = ()
    venue: str = ""
    license: str = ""
    comments: str = ""
    journal_ref: str = ""
    organization: str = ""
    keywords: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    listed: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """Return the best known date, possibly partial: the one works are sorted by."""
        for name in ("hf_daily", "announced", "submitted_v1", "published"):
            if self.dates.get(name):
                return self.dates[name][:10]
        return f"{self.year:04d}" if self.year else ""

    @property
    def day(self) -> str:
        """Return the day of the edition this work belongs to, or "" when no full date is known."""
        return self.date if len(self.date) == 10 else ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON data without empty fields; `from_json` restores an equal work."""
        data: dict[str, Any] = {"id": self.id}
        for name in self.__slots__:
            value = getattr(self, name)
            if not value:
                continue
            if name in ("authors", "versions", "signals"):
                data[name] = tuple({key: getattr(i, key) for key in i.__slots__} for i in value)
            elif isinstance(value, Mapping):
                data[name] = dict(value)
            else:
                data[name] = sorted(value) if name == "flags" else value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Work:
        """Restore a work from `to_json` data; unknown keys are ignored."""
        known = {item.name for item in fields(cls)}
        values: dict[str, Any] = {key: data[key] for key in data if key in known}
        values["authors"] = tuple(
            Author(**{**author, "affiliations": tuple(author.get("affiliations", ()))})
            for author in data.get("authors", ())
        )
        values["versions"] = tuple(Version(**item) for item in data.get("versions", ()))
        values["signals"] = tuple(Signal(**item) for item in data.get("signals", ()))
        values["flags"] = frozenset(data.get("flags", ()))
        for name in ("aliases", "categories", "keywords", "listed", "notes"):
            values[name] = tuple(data.get(name, ()))
        return cls(**values)

    def content_hash(self) -> str:
        """Return the sha256 of the canonical JSON form."""
        return hashlib.sha256(canonical_json(self.to_json())).hexdigest()

"""XML of the ACL Anthology: files of 2023 (`<url hash>`) and of 2026 (`<pdf hash>`, attributes).

A paper is stored as it stands, with the data of its volume (year, month, venue, book) beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import normalise_doi
from broadsheet.papers.model import Author, Facts, Reject, SourceRecord, Version
from broadsheet.papers.sources import values
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt
from broadsheet.papers.sources.xml import Cutter, Tag, parse_fragment

_SITE = "https://aclanthology.org"
_COLLECTION = re.compile(rb"<collection\s[^<>]*\bid\s*=")
_META = ("booktitle", "journal-title", "publisher", "month", "year")
_LONGEST_META = 1_000
_OLD = re.compile(r"[A-Z](\d\d)", re.ASCII)


class AclAnthology:
    """Source: collection files of the ACL Anthology."""

    name = "acl"
    description = "XML of the ACL Anthology, old and new shape"

    def detect(self, head: bytes, name: str) -> float:
        """Look for the root element of a collection."""
        return 1.0 if _COLLECTION.search(head[:8_000]) else 0.0

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record a paper; the offset is its first byte. Front matter is passed over."""
        cutter = Cutter(stream)
        volume: dict[str, str] = {}
        collection = ""
        opened: Tag | None = None
        ended = False
        for tag in cutter.tags():
            if tag.name == "!":
                yield _reject(origin, tag.start, "a document type or entity is declared; refused")
                return
            if tag.name in ("collection", "volume") and opened is not None:
                yield _reject(origin, opened.start, f"a {opened.name} that does not end")
                opened = None
                cutter.keep_from(-1)
            if tag.name == "collection":
                ended = tag.kind == "end"
                collection = tag.attributes.get("id", "")[:100] if not ended else ""
            elif tag.name == "volume":
                volume = _volume(collection, tag) if tag.kind == "start" else {}
            elif tag.name in ("paper", "meta") and tag.kind == "start" and volume:
                if opened is not None:
                    yield _reject(origin, opened.start, f"a {opened.name} that does not end")
                opened = tag
                cutter.keep_from(tag.start)
            elif tag.kind == "end" and opened is not None and tag.name == opened.name:
                raw = cutter.kept(tag.end)
                cutter.keep_from(-1)
                if raw is None:
                    yield _reject(origin, opened.start, f"a {opened.name} longer than the limit")
                elif opened.name == "meta":
                    volume, problem = _with_meta(volume, raw)
                    if problem:
                        yield _reject(origin, opened.start, problem, raw)
                else:
                    yield self._cut(raw, opened, volume, origin)
                opened = None
        if opened is not None:
            yield _reject(origin, opened.start, f"the file stops inside this {opened.name}")
        elif not ended:
            yield _reject(origin, cutter.position, "the file stops before its end")

    def _cut(
        self, raw: bytes, tag: Tag, volume: Mapping[str, str], origin: Origin
    ) -> SourceRecord | Reject:
        number = tag.attributes.get("id", "")
        if not number or len(number) > 50 or not volume["collection"]:
            return _reject(origin, tag.start, "a paper without an id", raw)
        return SourceRecord(
            source=self.name,
            key=full_id(volume["collection"], volume["volume"], number),
            raw=raw,
            context=volume,
            origin=origin.name,
            offset=tag.start,
        )

    def parse(self, record: SourceRecord) -> Facts:
        """Read one paper.

        Raises:
            BadInput: It isn't well-formed XML, or has no title.
        """
        paper = parse_fragment(record.raw)
        volume = record.context
        title = _text(paper, "title")
        if not title:
            raise BadInput("no title in this paper", received=record.key)
        year = values.year_of(volume.get("year", ""))
        month = _text(paper, "month") or volume.get("month", "")
        versions = _versions(paper)
        awards = [_flat(item) for item in paper.findall("award")]
        book = volume.get("booktitle") or volume.get("journal-title", "")
        pages = _text(paper, "pages")
        flags = {name for name in ("retracted", "removed") if paper.find(name) is not None}
        return Facts(
            ids=values.filled(
                {
                    "acl": record.key,
                    "doi": normalise_doi(_text(paper, "doi")),
                    "bibkey": _text(paper, "bibkey"),
                }
            ),
            title=title,
            abstract=_text(paper, "abstract"),
            authors=_authors(paper),
            dates=values.filled({"published": values.month_date(year, month)}),
            year=year,
            version=versions[-1].number if versions else 0,
            versions=versions,
            venue=volume.get("venue", ""),
            comments="; ".join(filter(None, awards)),
            journal_ref=f"{book}, pages {pages}" if book and pages else book,
            links=values.filled(_links(paper, record.key)),
            flags=frozenset(flags),
        )


def full_id(collection: str, volume: str, paper: str) -> str:
    """Return the Anthology's id of a paper, in the manner of its time.

    Example:
        >>> full_id("2022.acl", "long", "12"), full_id("J89", "1", "1"), full_id("W19", "81", "4")
        ('2022.acl-long.12', 'J89-1001', 'W19-8104')
    """
    numbers = volume.isdecimal() and paper.isdecimal() and len(volume + paper) <= 8
    if not (numbers and _OLD.fullmatch(collection)):
        return f"{collection}-{volume}.{paper}"
    two = collection[0] == "W" or collection == "C69" or (collection == "D19" and int(volume) >= 5)
    width = (2, 2) if two else (1, 3)
    return f"{collection}-{int(volume):0{width[0]}d}{int(paper):0{width[1]}d}"


def _volume(collection: str, tag: Tag) -> dict[str, str]:
    """Return what a paper needs to know of its volume before the volume's data are read."""
    old = _OLD.match(collection)
    year = collection[:4] if collection[:4].isdecimal() else ""
    if old:
        year = f"19{old[1]}" if int(old[1]) > 50 else f"20{old[1]}"
    number = values.clean(tag.attributes.get("id", ""))[:50]
    return values.filled({"collection": collection, "year": year}) | {
        "collection": collection,
        "volume": number,
    }


def _with_meta(volume: dict[str, str], raw: bytes) -> tuple[dict[str, str], str]:
    """Return the volume's data with those of its `<meta>`, and a problem ("" for none)."""
    try:
        meta = parse_fragment(raw)
    except BadInput as error:
        return volume, f"the data of volume {volume['volume']} can't be read: {error.what}"
    found = {name: _text(meta, name)[:_LONGEST_META] for name in _META}
    venues = dict.fromkeys(_flat(item)[:50] for item in meta.findall("venue")[:20])
    found["venue"] = ", ".join(filter(None, venues))
    return volume | values.filled(found), ""


def _authors(paper: Any) -> tuple[Author, ...]:
    found = []
    for person in paper.findall("author")[: values.MOST_AUTHORS]:
        given, family = _text(person, "first"), _text(person, "last")
        full = f"{given} {family}".strip() or values.clean(person.text or "")
        if not full:
            continue
        places = tuple(filter(None, (_flat(item) for item in person.findall("affiliation"))))
        orcid = values.text_of(person.get("orcid")) or _text(person, "orcid")
        found.append(
            Author(full=full, given=given, family=family, affiliations=places, orcid=orcid[:50])
        )
    return tuple(found)


def _versions(paper: Any) -> tuple[Version, ...]:
    found: dict[int, str] = {}
    for item in paper.findall("revision"):
        number = values.text_of(item.get("id"))
        if number.isascii() and number.isdecimal() and 0 < int(number[:4]) <= 999:
            found[int(number[:4])] = values.date_of(item.get("date"))
    return tuple(Version(number=number, date=found[number]) for number in sorted(found))


def _links(paper: Any, identifier: str) -> dict[str, str]:
    own = (_text(paper, "pdf"), _text(paper, "url"))
    outside = next((values.link_of(text) for text in own if values.link_of(text)), "")
    code = paper.find("pwccode")
    return {
        "abs": f"{_SITE}/{identifier}",
        "pdf": outside or (f"{_SITE}/{identifier}.pdf" if any(own) else ""),
        "code": values.link_of(code.get("url")) if code is not None else "",
    }


def _text(parent: Any, name: str) -> str:
    element = parent.find(name)
    return _flat(element) if element is not None else ""


def _flat(element: Any) -> str:
    """Return text with formulas in dollars and other markup left out."""
    parts: list[str] = []
    for event, node in _walk(element):
        if event == "start":
            text = node.text or ""
            is_math = node.tag == "tex-math"
            parts.append(f"${text.strip().strip('$')}" if is_math else text)
        else:
            parts.append("$" if node.tag == "tex-math" else "")
            parts.append((node.tail or "") if node is not element else "")
    return values.clean("".join(parts))


def _walk(element: Any) -> Iterator[tuple[str, Any]]:
    from lxml import etree

    yield from etree.iterwalk(element, events=("start", "end"))


def _reject(origin: Origin, offset: int, reason: str, raw: bytes = b"") -> Reject:
    return Reject(
        origin=origin.name, offset=offset, unit="byte", reason=reason, excerpt=excerpt(raw)
    )


ACL_ANTHOLOGY = AclAnthology()

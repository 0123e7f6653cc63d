"""Atom feed of the arXiv API, with its four kinds of error answer.

Errors come as a feed with one entry called "Error" (status 200 or 400), as the plain text
"Rate exceeded.", as a feed without entries, and as a page of HTML or a feed that stops early.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import arxiv_id_of_doi, normalise_doi, parse_arxiv_id
from broadsheet.papers.model import Author, Facts, Reject, SourceRecord, Version
from broadsheet.papers.sources import values
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt
from broadsheet.papers.sources.xml import Cutter, Tag, parse_fragment

_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_ROOT = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"'
    ' xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
)
_USUAL = {"xmlns", "xmlns:arxiv", "xmlns:opensearch"}
_ID = re.compile(rb"<id[^<>]*>([^<]{1,300})</id>")
_ERROR = re.compile(rb"<summary[^<>]*>([^<]{1,500})</summary>")
_RATE = b"rate exceeded"
_WITHDRAWN = re.compile(
    r"\b(?:this|the) (?:paper|article|submission|manuscript|work|preprint|version)"
    r" (?:has been|is|was|is being) (?:now )?withdrawn\b"
    r"|^\W*(?:paper |article )?withdrawn\b|\bwithdrawn by (?:the )?(?:authors?|arxiv|submitter)\b",
    re.IGNORECASE,
)


class ArxivAtom:
    """Source: answers of `export.arxiv.org/api/query`."""

    name = "arxiv"
    description = "Atom feed of the arXiv API"

    def detect(self, head: bytes, name: str) -> float:
        """Look for an Atom feed that speaks of arXiv, or for the text of a refusal."""
        if head[:200].lower().strip().startswith(_RATE):
            return 0.9
        if b"<feed" not in head[:2_000]:
            return 0.0
        known = b"arxiv.org/schemas/atom" in head or b"arxiv.org/a" in head
        return 1.0 if known else 0.2 if b"w3.org/2005/Atom" in head else 0.0

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record an entry; the offset is the entry's first byte."""
        cutter = Cutter(stream)
        root = ""
        entry: Tag | None = None
        met = ended = declared = False
        for tag in cutter.tags():
            if tag.name == "!":
                declared = True
                break
            if not root:
                if tag.name != "feed":
                    break
                root = tag.source.decode("utf-8", "replace")
            elif tag.name == "feed" and tag.kind == "end":
                ended = True
            elif tag.name == "entry" and tag.kind == "start":
                if entry is not None:
                    yield _reject(origin, entry.start, "an entry that does not end")
                entry = tag
                cutter.keep_from(tag.start)
            elif tag.name == "entry" and tag.kind == "end" and entry is not None:
                met = True
                yield self._cut(cutter.kept(tag.end), entry.start, root, origin)
                entry = None
                cutter.keep_from(-1)
        if not root:
            yield _reject(origin, 0, "not a feed: " + _what_instead(cutter))
        elif declared:
            yield _reject(
                origin, cutter.position, "an entity or document type is declared; refused"
            )
        elif entry is not None:
            yield _reject(origin, entry.start, "the feed stops inside this entry")
        elif not ended:
            yield _reject(origin, cutter.position, "the feed stops before its end")
        elif not met:
            yield _reject(origin, 0, "a feed without entries: arXiv found nothing for the query")

    def _cut(
        self, raw: bytes | None, start: int, root: str, origin: Origin
    ) -> SourceRecord | Reject:
        if raw is None:
            return _reject(origin, start, "an entry longer than the limit")
        found = _ID.search(raw)
        address = values.clean(found[1].decode("utf-8", "replace")) if found else ""
        if "api/errors" in address:
            summary = _ERROR.search(raw)
            words = values.clean(summary[1].decode("utf-8", "replace")) if summary else address
            return _reject(origin, start, f"arXiv answered with an error: {words[:150]}", raw)
        parsed = parse_arxiv_id(address)
        if parsed is None:
            return _reject(origin, start, "an entry without an arXiv id", raw)
        unusual = {
            name: text
            for name, text in Tag(
                name="feed", kind="start", source=root.encode(), start=0, end=0
            ).attributes.items()
            if name.startswith("xmlns") and name not in _USUAL
        }
        identifier, version = parsed
        return SourceRecord(
            source=self.name,
            key=f"{identifier}v{version}" if version else identifier,
            raw=raw,
            context={"root": root[:4_000]} if unusual else {},
            origin=origin.name,
            offset=start,
        )

    def parse(self, record: SourceRecord) -> Facts:
        """Read one entry.

        Raises:
            BadInput: It isn't well-formed XML, or has no arXiv id or no title.
        """
        entry = parse_fragment(record.raw, record.context.get("root", _ROOT))
        parsed = parse_arxiv_id(_text(entry, f"{_ATOM}id"))
        title = _text(entry, f"{_ATOM}title")
        if parsed is None or not title:
            raise BadInput("no arXiv id or no title in this entry", received=record.key)
        identifier, version = parsed
        abstract = _text(entry, f"{_ATOM}summary")
        comments = _text(entry, f"{_ARXIV}comment")
        first = values.date_of(_text(entry, f"{_ATOM}published"))
        latest = values.date_of(_text(entry, f"{_ATOM}updated"))
        doi = normalise_doi(_text(entry, f"{_ARXIV}doi"))
        terms = [item.get("term") for item in entry.findall(f"{_ATOM}category")]
        primary = entry.find(f"{_ARXIV}primary_category")
        withdrawn = _WITHDRAWN.search(comments) or _WITHDRAWN.search(abstract[:300])
        return Facts(
            ids=values.filled({"arxiv": identifier, "doi": "" if arxiv_id_of_doi(doi) else doi}),
            title=title,
            abstract=abstract,
            authors=_authors(entry),
            categories=values.texts_of(terms),
            primary_category=values.text_of(primary.get("term")) if primary is not None else "",
            dates=values.filled({"submitted_v1": first, "latest_version": latest}),
            version=version,
            versions=_versions(version, first, latest, title, abstract),
            comments=comments,
            journal_ref=_text(entry, f"{_ARXIV}journal_ref"),
            links=values.arxiv_links(identifier),
            flags=frozenset({"withdrawn"}) if withdrawn else frozenset(),
        )


def _versions(
    version: int, first: str, latest: str, title: str, abstract: str
) -> tuple[Version, ...]:
    """Return what an entry tells of versions: the date of the first, and the text of its own."""
    if not version:
        return ()
    own = Version(
        number=version, date=first if version == 1 else latest, title=title, abstract=abstract
    )
    return (own,) if version == 1 else (Version(number=1, date=first), own)


def _authors(entry: Any) -> tuple[Author, ...]:
    found = []
    for person in entry.findall(f"{_ATOM}author")[: values.MOST_AUTHORS]:
        name = _text(person, f"{_ATOM}name")
        places = [
            values.clean("".join(item.itertext()))
            for item in person.findall(f"{_ARXIV}affiliation")
        ]
        if name:
            found.append(Author(full=name, affiliations=tuple(filter(None, places))))
    return tuple(found)


def _text(parent: Any, name: str) -> str:
    element = parent.find(name)
    return values.clean("".join(element.itertext())) if element is not None else ""


def _what_instead(cutter: Cutter) -> str:
    start = cutter.beginning.lower()
    if _RATE in start[:200]:
        return "arXiv refused for now (Rate exceeded.)"
    if b"<html" in start or b"<!doctype html" in start:
        return "a page of HTML"
    if b"<!" in start:
        return "it declares a document type or entities, which are refused"
    return excerpt(cutter.beginning, 60) or "nothing"


def _reject(origin: Origin, offset: int, reason: str, raw: bytes = b"") -> Reject:
    return Reject(
        origin=origin.name, offset=offset, unit="byte", reason=reason, excerpt=excerpt(raw)
    )


ARXIV_ATOM = ArxivAtom()

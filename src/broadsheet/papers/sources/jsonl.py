"""JSON lines, one paper a line: listings of daily feeds, and records of the ACL Anthology."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from broadsheet.core.errors import BadInput
from broadsheet.papers.identity import normalise_doi
from broadsheet.papers.model import Facts, Reject, SourceRecord
from broadsheet.papers.sources import values
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt, read_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLines:
    """A format with one JSON object a line.

    Args:
        name: Name of the source.
        description: One line for people.
        marks: Keys that tell this format from other JSON lines.
        read: Turns one object into facts.
    """

    name: str
    description: str
    marks: frozenset[str]
    read: Callable[[Mapping[str, Any]], Facts]

    def detect(self, head: bytes, name: str) -> float:
        """Return 1 when one of the first lines is an object with this format's keys."""
        for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 5)[:5]:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and value.keys() >= self.marks:
                return 1.0
        return 0.0

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record a line; the offset is the line number."""
        for line in read_lines(stream, origin):
            if isinstance(line, Reject):
                yield line
            elif line[1].strip():
                yield self._cut(*line, origin)

    def _cut(self, number: int, raw: bytes, origin: Origin) -> SourceRecord | Reject:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            reason = f"broken JSON ({error})"
        else:
            key = values.text_of(values.mapping_of(value).get("id"))
            if key and len(key) <= 200:
                return SourceRecord(
                    source=self.name, key=key, raw=raw, origin=origin.name, offset=number
                )
            reason = "no id in this line" if isinstance(value, dict) else "not a JSON object"
        return Reject(
            origin=origin.name, offset=number, unit="line", reason=reason, excerpt=excerpt(raw)
        )

    def parse(self, record: SourceRecord) -> Facts:
        """Read one line.

        Raises:
            BadInput: It is not a JSON object, or has no title.
        """
        facts = self.read(values.json_object(record))
        if not facts.title:
            raise BadInput("no title in this record", received=record.key)
        return facts


def _read_daily(data: Mapping[str, Any]) -> Facts:
    key = values.text_of(data.get("id"))
    ids = values.arxiv_ids(key)
    day = values.day_of(data.get("day"))
    links = values.arxiv_links(ids["arxiv"]) if ids else {}
    links["code"] = values.link_of(data.get("code"))
    links["project"] = values.link_of(data.get("page"))
    counts = {
        "upvotes": values.count_of(data.get("upvotes")),
        "comments": values.count_of(data.get("comments")),
        "stars": values.count_of(data.get("stars")),
    }
    return Facts(
        ids=ids | {"hf": key},
        title=values.text_of(data.get("title")),
        abstract=values.text_of(data.get("abstract")),
        authors=values.authors_of(data.get("authors")),
        dates=values.filled(
            {"submitted_v1": values.date_of(data.get("published")), "hf_daily": day}
        ),
        organization=values.text_of(data.get("org")),
        keywords=values.texts_of(data.get("keywords")),
        links=values.filled(links),
        listed=day,
        signals=values.filled(counts),
        observed=day,
        notes=values.texts_of(data.get("notes")),
    )


def _read_acl(data: Mapping[str, Any]) -> Facts:
    key = values.text_of(data.get("id"))
    year = values.year_of(data.get("year"))
    address = values.link_of(data.get("url"))
    awards = values.texts_of(data.get("awards"))
    return Facts(
        ids=values.filled({"acl": key, "doi": normalise_doi(values.text_of(data.get("doi")))}),
        title=values.text_of(data.get("title")),
        abstract=values.text_of(data.get("abstract")),
        authors=values.authors_of(data.get("authors")),
        dates=values.filled(
            {"published": values.month_date(year, values.text_of(data.get("month")))}
        ),
        year=year,
        venue=", ".join(values.texts_of(data.get("venue"))),
        comments="; ".join(awards),
        links=values.filled(
            {"abs": address, "pdf": f"{address.rstrip('/')}.pdf" if address else ""}
        ),
    )


DAILY_LINES = JsonLines(
    name="jsonl-hf",
    description="JSON lines of daily feeds: day, id, title, authors, abstract, upvotes",
    marks=frozenset({"day", "id", "title"}),
    read=_read_daily,
)
ACL_LINES = JsonLines(
    name="jsonl-acl",
    description="JSON lines of the ACL Anthology: id, title, authors, year, venue, abstract",
    marks=frozenset({"id", "title", "venue", "year"}),
    read=_read_acl,
)

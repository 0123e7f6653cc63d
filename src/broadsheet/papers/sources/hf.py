"""Daily JSON of Hugging Face: an array of listed papers, or one paper, as the service answers.

Traps of the format: the outer `publishedAt` is sometimes the day of arXiv and sometimes the day of
the listing, so only the inner one counts; a count of zero and a missing count differ; hidden
authors aren't shown; a paper need not be on arXiv; the titles of the list may be cut short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Author, Facts, Reject, SourceRecord
from broadsheet.papers.sources import values
from broadsheet.papers.sources.base import Origin
from broadsheet.papers.sources.lines import excerpt, read_document

_SPACE = re.compile(r"[\s,]*")
#: Where the next element of a broken array can begin.
_NEXT = re.compile(r'(?:[,\[}]\s{0,40}|\n[ \t]{0,40})(?=\{\s{0,40}"(?:paper|id|title)"\s{0,9}:)')
_MARKS = re.compile(
    rb'"(?:submittedOnDaily\w*|publishedAt|upvotes|summary|numComments|ai_summary)"'
)
_MOST_BROKEN = 1_000
_DECODER = json.JSONDecoder()


class HuggingFace:
    """Source: answers of `/api/daily_papers` and `/api/papers/{id}`."""

    name = "hf"
    description = "daily JSON of Hugging Face: an array of listed papers, or one paper"

    def detect(self, head: bytes, name: str) -> float:
        """Look for JSON with at least two keys that only this service uses."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] not in (b"[", b"{"):
            return 0.0
        if start.strip() == b"[]":
            return 0.3
        seen = len(set(_MARKS.findall(start)))
        return 0.8 if seen >= 2 else 0.5 if b'"error"' in start[:200] else 0.0

    def split(self, stream: BinaryIO, origin: Origin) -> Iterator[SourceRecord | Reject]:
        """Yield one record an element; the offset is the element's first byte."""
        document = read_document(stream, origin)
        if isinstance(document, Reject):
            yield document
            return
        body = document.removeprefix(b"\xef\xbb\xbf")
        byte, counted = len(document) - len(body), 0
        text = body.decode("utf-8", "surrogateescape")
        del document, body
        found = False
        for start, end, problem in _elements(text):
            byte += len(text[counted:start].encode("utf-8", "surrogateescape"))
            counted = start
            raw = text[start:end].encode("utf-8", "surrogateescape")
            found = True
            yield self._cut(raw, problem, byte, origin)
        if not found:
            yield Reject(
                origin=origin.name, offset=0, unit="byte", reason="the list of papers is empty"
            )

    def _cut(self, raw: bytes, problem: str, offset: int, origin: Origin) -> SourceRecord | Reject:
        value: Mapping[str, Any] = {}
        if not problem:
            try:
                value = values.mapping_of(json.loads(raw))
            except (ValueError, RecursionError) as error:
                problem = f"broken JSON ({error})"
        inner = values.mapping_of(value.get("paper")) or value
        key = values.text_of(inner.get("id")) or values.text_of(value.get("id"))
        if "error" in value and "title" not in inner:
            problem = f"the service answered with an error: {values.text_of(value['error'])[:100]}"
        elif not problem and not 0 < len(key) <= 200:
            problem = "an element without the id of a paper"
        if problem:
            return Reject(
                origin=origin.name, offset=offset, unit="byte", reason=problem, excerpt=excerpt(raw)
            )
        dated = values.day_of(inner.get("submittedOnDailyAt"))
        # The counts of a live answer are those of the day it was fetched.
        live = origin.name.startswith(("http://", "https://"))
        context = {
            "date": "" if dated else origin.date,
            "observed": origin.modified if live else "",
        }
        return SourceRecord(
            source=self.name,
            key=key,
            raw=raw,
            context=values.filled(context),
            origin=origin.name,
            offset=offset,
        )

    def parse(self, record: SourceRecord) -> Facts:
        """Read one listed paper.

        Raises:
            BadInput: It has neither id nor title.
        """
        outer = values.json_object(record)
        inner = values.mapping_of(outer.get("paper")) or outer
        key = values.text_of(inner.get("id")) or values.text_of(outer.get("id"))
        title = values.text_of(inner.get("title")) or values.text_of(outer.get("title"))
        if not title:
            raise BadInput("no title in this record", received=record.key)
        listed = values.day_of(inner.get("submittedOnDailyAt")) or record.context.get("date", "")
        ids = values.arxiv_ids(key) if _on_arxiv(inner) else {}
        return Facts(
            ids=values.filled(ids | {"hf": key}),
            title=title,
            abstract=values.text_of(inner.get("summary")) or values.text_of(outer.get("summary")),
            authors=_authors(inner.get("authors")),
            dates=values.filled(
                {
                    "submitted_v1": values.date_of(inner.get("publishedAt")),
                    "hf_daily": listed,
                }
            ),
            organization=_organization(inner) or _organization(outer),
            keywords=values.texts_of(inner.get("ai_keywords")),
            links=values.filled(_links(inner, ids)),
            listed=listed,
            signals=values.filled(
                {
                    "upvotes": values.count_of(inner.get("upvotes")),
                    "comments": values.count_of(outer.get("numComments")),
                    "stars": values.count_of(inner.get("githubStars")),
                }
            ),
            observed=record.context.get("observed", "") or listed,
        )


def _elements(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and problem ("" for none) of each element of an array, or of one object.

    Behind a broken element it goes on where the next one can begin.
    """
    at = len(text) - len(text.lstrip())
    is_array = text[at : at + 1] == "["
    at += is_array
    broken = 0
    while (at := _after_space(text, at)) < len(text):
        if is_array and text[at] == "]":
            if text[at + 1 :].strip():
                yield at + 1, len(text), "text after the end of the list"
            return
        try:
            _, end = _DECODER.raw_decode(text, at)
            yield at, end, ""
        except (ValueError, RecursionError) as error:
            broken += 1
            following = _NEXT.search(text, at + 1) if broken < _MOST_BROKEN else None
            end = following.end() if following else len(text)
            yield at, end, f"broken JSON ({error})"
            if not following:
                return
        at = end
    if is_array:
        yield len(text), len(text), "the list ends too early"


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _on_arxiv(paper: Mapping[str, Any]) -> bool:
    source = paper.get("source")
    return not isinstance(source, str) or "arxiv" in source.lower()


def _authors(value: object) -> tuple[Author, ...]:
    if not isinstance(value, list):
        return ()
    found = []
    for item in value[: values.MOST_AUTHORS]:
        person = values.mapping_of(item)
        name = values.text_of(person.get("name")) if person else values.text_of(item)
        if name and person.get("hidden") is not True:
            found.append(Author(full=name))
    return tuple(found)


def _organization(paper: Mapping[str, Any]) -> str:
    value = paper.get("organization")
    inside = values.mapping_of(value)
    return (
        values.text_of(inside.get("fullname"))
        or values.text_of(inside.get("name"))
        or values.text_of(value)
    )


def _links(paper: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, str]:
    links = values.arxiv_links(ids["arxiv"]) if ids else {}
    links["code"] = values.link_of(paper.get("githubRepo"))
    links["project"] = values.link_of(paper.get("projectPage"))
    return links


HUGGING_FACE = HuggingFace()
